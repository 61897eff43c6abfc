//! `segue describe`: what a data set folder or a file holds.

use std::path::PathBuf;

use anyhow::Result;
use segue_data::describe::{AttributePart, Description, Overlap, Part, describe};
use segue_data::import::{ImportOptions, Source, sniff};
use segue_data::{Dataset, ItemIdx, store};
use serde::Serialize;

use crate::grid::Grid;
use crate::screen::Screen;
use crate::show::import_tables;
use segue::clock;
use segue_report::number::count;

/// Arguments of `segue describe`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Data set folder, or a file or folder to import
    #[arg(value_name = "PATH")]
    path: PathBuf,
}

#[derive(Serialize)]
struct Document {
    #[serde(flatten)]
    description: Description,
    /// Raw ids to try commands with.
    examples: Examples,
}

#[derive(Serialize)]
struct Examples {
    users: Vec<String>,
    items: Vec<ExampleItem>,
}

#[derive(Serialize)]
struct ExampleItem {
    domain: String,
    id: String,
    title: String,
}

/// Describes.
pub(crate) fn run(args: &Args, screen: Screen) -> Result<()> {
    if !args.path.join("dataset.toml").is_file() {
        let source = Source { path: args.path.clone(), domain: None };
        let report = sniff(&source, &ImportOptions::new("", vec![source.clone()]))?;
        screen.document(&report)?;
        return import_tables::show_reports(&[report], screen);
    }
    let (dataset, head) = store::read(&args.path)?;
    let document = Document { description: describe(&dataset, &head), examples: examples(&dataset) };
    screen.document(&document)?;
    show(&document, screen)
}

fn examples(dataset: &Dataset) -> Examples {
    let mut items = Vec::new();
    for domain in dataset.domain_indexes() {
        for item in dataset.items.range(domain).take(3).map(|item| ItemIdx(item as u32)) {
            items.push(ExampleItem {
                domain: dataset.domains[domain.at()].name.clone(),
                id: dataset.items.raw(item).to_owned(),
                title: dataset.items.label(item).to_owned(),
            });
        }
    }
    Examples { users: dataset.users.iter().take(5).map(str::to_owned).collect(), items }
}

fn show(document: &Document, screen: Screen) -> Result<()> {
    let description = &document.description;
    screen.heading(&description.name)?;
    screen.say(parts(description))?;
    for Overlap { first, second, n_users, share_of_first, share_of_second } in &description.overlaps {
        screen.say(format!(
            "{} users in both {first} and {second} ({:.0} % and {:.0} % of theirs)",
            count(*n_users),
            share_of_first * 100.0,
            share_of_second * 100.0
        ))?;
    }
    let kinds = description.event_kinds.iter().map(|(kind, n)| format!("{kind} {}", count(*n)));
    screen.say(format!("kinds of events: {}", kinds.collect::<Vec<_>>().join(", ")))?;
    let attributes: Vec<String> = description.user_attributes.iter().map(attribute_in_words).collect();
    if !attributes.is_empty() {
        screen.say(format!("attributes of users: {}", attributes.join(", ")))?;
    }
    if let Some(graph) = &description.graph {
        screen.say(format!(
            "graph: {} facts, {} entities, {} relations, {} links to items",
            count(graph.n_triples),
            count(graph.n_entities),
            count(graph.n_relations),
            count(graph.n_links)
        ))?;
    }
    for warning in &description.warnings {
        screen.say(format!("! {warning}"))?;
    }
    let items =
        document.examples.items.iter().map(|item| format!("{}:{} {}", item.domain, item.id, item.title));
    screen.say(format!("users, for example: {}", document.examples.users.join(", ")))?;
    screen.say(format!("items, for example: {}", items.collect::<Vec<_>>().join(" · ")))
}

fn attribute_in_words(attribute: &AttributePart) -> String {
    let what = if attribute.is_numeric { "ranges" } else { "values" };
    let (n, share) = (attribute.values.len(), attribute.share_known * 100.0);
    format!("{} ({n} {what}, {share:.0} % of users)", attribute.name)
}

fn parts(description: &Description) -> String {
    let columns =
        ["domain", ">users", ">items", ">no events", ">events", ">median/user", ">values", "times", ">text"];
    let mut grid = Grid::new(&columns);
    for part in description.domains.iter().chain(std::iter::once(&description.total)) {
        grid.row(&row(part));
    }
    grid.text()
}

fn row(part: &Part) -> [String; 9] {
    let [min, _, max] = part.value_min_mean_max;
    [
        if part.name.is_empty() { "all".to_owned() } else { part.name.clone() },
        count(part.n_users),
        count(part.n_items),
        count(part.n_items_without_events),
        count(part.n_events),
        count(part.events_per_user_median),
        if min == max { format!("{min}") } else { format!("{min}–{max}") },
        part.time_range.map_or_else(
            || "none".to_owned(),
            |(first, last)| format!("{} – {}", clock::day(first), clock::day(last)),
        ),
        format!("{:.0} %", part.share_text * 100.0),
    ]
}
