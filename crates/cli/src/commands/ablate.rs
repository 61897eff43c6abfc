//! `segue ablate`: what each part of the recipe adds.

use std::path::PathBuf;

use anyhow::Result;

use super::train::Settings;
use crate::ablation::{Asked, ablate, page, show};
use crate::fusion_study;
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
    /// In place of it: fusion by self-attention against a late blend of single modalities, and whether its weights are true
    #[arg(long, conflicts_with_all = ["parts", "graph", "modality"])]
    fusion: bool,
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
    if args.fusion {
        return run_fusion(args, &prepared, screen);
    }
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

fn run_fusion(args: &Args, prepared: &Prepared, screen: Screen) -> Result<()> {
    let mut tables = Vec::new();
    for target in prepared.targets.clone() {
        let table = fusion_study::study(&prepared.subject(target), screen)?;
        fusion_study::show(&table, screen)?;
        tables.push(table);
    }
    if let Some(out) = &args.out {
        write_page(out, |origin| fusion_study::page(&tables, origin), &prepared.dataset.name, screen)?;
    }
    screen.document(&tables)
}
