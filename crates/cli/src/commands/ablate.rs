//! `segue ablate`: what each part of the recipe adds.

use std::path::PathBuf;

use anyhow::Result;

use super::train::Settings;
use crate::ablation::{Asked, ablate, page, show};
use crate::screen::Screen;
use crate::study::{Prepared, write_page};

/// Arguments of `segue ablate`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Data set folder, made with `segue import`
    #[arg(value_name = "DATA")]
    data: PathBuf,
    #[command(flatten)]
    asked: Asked,
    /// Page to write, one file
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    settings: Settings,
}

/// Measures.
pub(crate) fn run(args: &Args, screen: Screen) -> Result<()> {
    let config = args.settings.resolve()?.config;
    let prepared = Prepared::of(&args.data, config, screen)?;
    let mut tables = Vec::new();
    for target in prepared.targets.clone() {
        let table = ablate(&prepared.subject(target), &args.asked, screen)?;
        show(&table, screen)?;
        tables.push(table);
    }
    if let Some(out) = &args.out {
        write_page(out, |origin| page(&tables, origin), &prepared.dataset.name, screen)?;
    }
    screen.document(&tables)
}
