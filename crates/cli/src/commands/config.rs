//! `segue config`: every setting, its value and where it was set.

use std::path::PathBuf;

use anyhow::Result;
use serde::Serialize;

use crate::grid::Grid;
use crate::screen::Screen;
use segue::config::keys::KEYS;
use segue::config::layers::{Resolved, resolve};

/// Arguments of `segue config`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Config file [default: segue.toml, if it is there]
    #[arg(long, env = "SEGUE_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Write the settings as a config file
    #[arg(long)]
    toml: bool,
}

#[derive(Serialize)]
struct Setting {
    key: &'static str,
    value: Option<toml::Value>,
    set_by: String,
    variable: String,
    meaning: &'static str,
}

/// Shows the settings.
pub(crate) fn run(args: &Args, screen: Screen) -> Result<()> {
    let resolved = resolve(args.config.as_deref(), |name| std::env::var(name).ok(), Vec::new())?;
    if args.toml {
        return Screen::raw(&toml::to_string(&resolved.config)?);
    }
    let settings = settings(&resolved)?;
    screen.document(&settings)?;
    let mut grid = Grid::new(&["key", "value", "set by", "environment", "meaning"]);
    for setting in settings {
        grid.row(&[
            setting.key.to_owned(),
            setting.value.map_or_else(|| "–".to_owned(), |value| value.to_string()),
            setting.set_by,
            setting.variable,
            setting.meaning.to_owned(),
        ]);
    }
    screen.say(grid.text())
}

fn settings(resolved: &Resolved) -> Result<Vec<Setting>> {
    let table = toml::Table::try_from(&resolved.config)?;
    let value = |path: &str| match path.split_once('.') {
        Some((section, key)) => table.get(section).and_then(|section| section.get(key)).cloned(),
        None => table.get(path).cloned(),
    };
    let setting = |key: &segue::config::keys::Key| Setting {
        key: key.path,
        value: value(key.path),
        set_by: resolved.origin(key.path).to_string(),
        variable: key.variable(),
        meaning: key.meaning,
    };
    Ok(KEYS.iter().map(setting).collect())
}
