//! `segue describe`: what a data set folder or a file holds.

use std::path::PathBuf;

use anyhow::Result;
use segue_data::import::{ImportOptions, Source, sniff};
use segue_data::{ItemIdx, UserIdx, store};
use serde::Serialize;

use crate::facts::DataFacts;
use crate::import_tables;
use crate::screen::Screen;

/// Arguments of `segue describe`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Data set folder, or a file or folder to import
    #[arg(value_name = "PATH")]
    path: PathBuf,
}

#[derive(Serialize)]
struct Document {
    facts: DataFacts,
    sha256: String,
    has_timestamps: bool,
    event_kinds: Vec<String>,
    item_fields: Vec<String>,
    examples: Examples,
}

#[derive(Serialize)]
struct Examples {
    users: Vec<String>,
    items: Vec<String>,
}

/// Describes.
pub(crate) fn run(args: &Args, screen: &Screen) -> Result<()> {
    if !args.path.join("dataset.toml").is_file() {
        let source = Source { path: args.path.clone(), domain: None };
        let report = sniff(&source, &ImportOptions::new("", vec![source.clone()]))?;
        screen.document(&report)?;
        return import_tables::show_reports(&[report], screen);
    }
    let (dataset, head) = store::read(&args.path)?;
    let users = (0..dataset.users.len().min(5)).map(|user| UserIdx(user as u32));
    let mut items = Vec::new();
    for domain in dataset.domain_indexes() {
        let name = &dataset.domains[domain.at()].name;
        let some = dataset.items.range(domain).take(3).map(|item| ItemIdx(item as u32));
        items.extend(
            some.map(|item| format!("{name}:{} {}", dataset.items.raw(item), dataset.items.label(item))),
        );
    }
    let document = Document {
        facts: DataFacts::of(&dataset),
        sha256: head.data_sha256(),
        has_timestamps: dataset.has_timestamps,
        event_kinds: dataset.event_kinds.clone(),
        item_fields: dataset.items.fields().iter().map(|field| field.name.clone()).collect(),
        examples: Examples {
            users: users.filter_map(|user| dataset.users.raw(user.0)).map(str::to_owned).collect(),
            items,
        },
    };
    screen.document(&document)?;
    screen.heading(&document.facts.name)?;
    screen.say(document.facts.in_words())?;
    screen.say(format!("kinds of events: {}", document.event_kinds.join(", ")))?;
    screen.say(format!("item texts: {}", list_or_none(&document.item_fields)))?;
    screen.say(format!(
        "times: {}",
        if document.has_timestamps { "yes" } else { "no, only the order counts" }
    ))?;
    screen.say(format!("users, for example: {}", document.examples.users.join(", ")))?;
    screen.say(format!("items, for example:\n  {}", document.examples.items.join("\n  ")))
}

fn list_or_none(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
