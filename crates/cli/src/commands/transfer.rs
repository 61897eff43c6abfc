//! `segue transfer`: which other domain helps which target, and how.

use std::path::PathBuf;

use anyhow::{Context, Result};
use segue::encode::{Provider, encode_items};
use segue::failure::usage;
use segue_models::item_vectors::TextFields;
use segue_models::sequence::SequenceTuning;
use segue_study::selection::{TunedEncoder, WaysToTry, measure, page};
use segue_train::judge::JudgeRule;

use super::train::Settings;
use crate::screen::Screen;
use crate::show;
use crate::studied::StudiedData;
use crate::terminal::Terminal;

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
    let studied = StudiedData::read(&args.data, &config, JudgeRule::default(), screen)?;
    studied.need_sources()?;
    let terminal = Terminal::new(screen);
    let items = &studied.data.dataset.items;
    let encoded = args.encoders.iter().map(|folder| -> Result<TunedEncoder> {
        let mut provider = Provider::model(folder, None).with_context(|| format!("encoder `{folder}`"))?;
        let vectors = encode_items(&mut provider, items, TextFields::Short, &terminal)?.0;
        Ok(TunedEncoder { name: folder.clone(), vectors })
    });
    let encoders = encoded.collect::<Result<Vec<_>>>()?;
    let tried = WaysToTry { each: !args.together, tunings: &tunings, encoders: &encoders };
    let targets = studied.studies().map(|study| measure(&study, tried)).collect::<Result<Vec<_>>>()?;
    show::selection::show(&targets, screen)?;
    studied.write_page(args.out.as_deref(), |origin| page(&targets, origin), screen)?;
    screen.document(&targets)
}

/// Tunings by their names.
fn tunings(names: &[String]) -> Result<Vec<SequenceTuning>> {
    let known = SequenceTuning::ALL.map(SequenceTuning::name).join(", ");
    let find = |name: &String| {
        let found = SequenceTuning::ALL.into_iter().find(|tuning| tuning.name() == name);
        found.ok_or_else(|| usage(format!("`{name}` is no tuning"), format!("one of {known}")))
    };
    names.iter().map(find).collect()
}
