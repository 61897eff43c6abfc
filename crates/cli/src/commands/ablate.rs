//! `segue ablate`: what each part of the recipe adds.

use std::path::PathBuf;

use anyhow::Result;
use segue_models::TokenKind;
use segue_study::ablation::{AblationRequest, GraphVersion, ablate, page};
use segue_study::fusion;
use segue_train::judge::JudgeRule;

use super::train::Settings;
use crate::choice::choice;
use crate::screen::Screen;
use crate::show;
use crate::studied::StudiedData;

/// Arguments of `segue ablate`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Data set folder, made with `segue import`
    #[arg(value_name = "DATA")]
    data: PathBuf,
    #[command(flatten)]
    switched_off: SwitchedOff,
    /// In place of it: fusion by self-attention against a late blend of single modalities, and whether its weights are true
    #[arg(long, conflicts_with_all = ["parts", "graph", "modality"])]
    fusion: bool,
    /// Page to write, one file
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    settings: Settings,
}

/// What is switched off; with nothing named, all parts of the recipe.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct SwitchedOff {
    /// Parts to switch off, one after the other [default: all of the recipe, unless --graph or --modality is given]
    #[arg(long, value_delimiter = ',', value_name = "PART")]
    pub(crate) parts: Vec<String>,
    /// Graphs to fit the recipe with: true, random (the same relations and degrees, other partners), none
    #[arg(long, value_parser = choice(GRAPHS), value_delimiter = ',', value_name = "GRAPH")]
    pub(crate) graph: Vec<GraphVersion>,
    /// Modalities to leave out of everything that reads them: text, image, audio, graph, id
    #[arg(long, value_parser = modality, value_delimiter = ',', value_name = "MODALITY")]
    pub(crate) modality: Vec<TokenKind>,
}

const GRAPHS: &[(GraphVersion, &str, &str)] = &[
    (GraphVersion::True, "true", "What the data state"),
    (GraphVersion::Random, "random", "The same relations and degrees, other partners"),
    (GraphVersion::None, "none", "No graph"),
];

fn modality(name: &str) -> Result<TokenKind, String> {
    let find = TokenKind::ALL.into_iter().find(|kind| kind.name() == name);
    find.ok_or_else(|| format!("modalities: {}", TokenKind::ALL.map(TokenKind::name).join(", ")))
}

impl SwitchedOff {
    /// The same for the study.
    pub(crate) fn request(&self) -> AblationRequest {
        let Self { parts, graph, modality } = self.clone();
        AblationRequest { parts, graphs: graph, modalities: modality }
    }
}

/// Measures.
pub(crate) fn run(args: &Args, screen: Screen) -> Result<()> {
    let config = args.settings.resolve()?.config;
    let studied = StudiedData::read(&args.data, &config, JudgeRule::default(), screen)?;
    if args.fusion {
        return run_fusion(args, &studied, screen);
    }
    let mut tables = Vec::new();
    for study in studied.studies() {
        let table = ablate(&study, &args.switched_off.request())?;
        show::ablation::show(&table, screen)?;
        tables.push(table);
    }
    studied.write_page(args.out.as_deref(), |origin| page(&tables, origin), screen)?;
    screen.document(&tables)
}

fn run_fusion(args: &Args, studied: &StudiedData, screen: Screen) -> Result<()> {
    let mut tables = Vec::new();
    for study in studied.studies() {
        let table = fusion::measure(&study)?;
        show::fusion::show(&table, screen)?;
        tables.push(table);
    }
    studied.write_page(args.out.as_deref(), |origin| fusion::page(&tables, origin), screen)?;
    screen.document(&tables)
}
