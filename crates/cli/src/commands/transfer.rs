//! `segue transfer`: which other domain helps which target, and how.

use std::path::PathBuf;

use anyhow::{Context, Result};
use segue_models::ItemVectors;
use segue_models::item_vectors::TextFields;
use segue_models::sequence::SequenceTuning;

use super::train::Settings;
use crate::encode::{Provider, encode_items};
use crate::failure::usage;
use crate::screen::Screen;
use crate::selection::{Tried, page, show, study};
use crate::study::{Prepared, write_page};

/// Arguments of `segue transfer`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Data set folder, made with `segue import`
    #[arg(value_name = "DATA")]
    data: PathBuf,
    /// How the expert `transfer` comes to the target, where `fit.experts` names it: joint, frozen, light, full
    #[arg(long, value_delimiter = ',', default_value = "joint,frozen,light,full", value_name = "TUNING")]
    tunings: Vec<String>,
    /// Text encoders to try besides the one of `segue encode`, such as those of `segue adapt`
    #[arg(long, value_delimiter = ',', value_name = "FOLDER")]
    encoders: Vec<String>,
    /// Try all other domains together only, not each of them
    #[arg(long)]
    together: bool,
    /// Page to write, one file
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    settings: Settings,
}

/// Measures.
pub(crate) fn run(args: &Args, screen: Screen) -> Result<()> {
    let tunings = tunings(&args.tunings)?;
    let config = args.settings.resolve()?.config;
    let prepared = Prepared::of(&args.data, config, screen)?;
    prepared.need_sources()?;
    let encoded = args.encoders.iter().map(|folder| -> Result<(String, ItemVectors)> {
        let mut provider = Provider::model(folder, None).with_context(|| format!("encoder `{folder}`"))?;
        let items = &prepared.dataset.items;
        Ok((folder.clone(), encode_items(&mut provider, (items, TextFields::Short), screen)?.0))
    });
    let encoded = encoded.collect::<Result<Vec<_>>>()?;
    let encoders: Vec<(String, &ItemVectors)> =
        encoded.iter().map(|(name, vectors)| (name.clone(), vectors)).collect();
    let tried = Tried { each: !args.together, tunings: &tunings, encoders: &encoders };
    let mut targets = Vec::new();
    for target in prepared.targets.clone() {
        targets.push(study(&prepared.subject(target), &tried, screen)?);
    }
    show(&targets, screen)?;
    if let Some(out) = &args.out {
        write_page(out, |origin| page(&targets, origin), &prepared.dataset.name, screen)?;
    }
    screen.document(&targets)
}

/// Tunings by their names.
pub(super) fn tunings(names: &[String]) -> Result<Vec<SequenceTuning>> {
    let known = SequenceTuning::ALL.map(SequenceTuning::name).join(", ");
    let find = |name: &String| {
        let found = SequenceTuning::ALL.into_iter().find(|tuning| tuning.name() == name);
        found.ok_or_else(|| usage(format!("`{name}` is no tuning"), format!("one of {known}")))
    };
    names.iter().map(find).collect()
}
