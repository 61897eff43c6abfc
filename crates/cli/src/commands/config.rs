//! `segue config`: every setting, its value and where it was set.

use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use anyhow::Result;
use serde::Serialize;

use crate::grid::Grid;
use crate::screen::Screen;
use segue::config::keys::{KEYS, Key};
use segue::config::layers::{FlagValue, Resolved, Variables, resolve};

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

const COLUMNS: [&str; 5] = ["key", "value", "set by", "environment", "meaning"];

#[derive(Serialize)]
struct Setting {
    key: &'static str,
    value: Option<toml::Value>,
    set_by: String,
    variable: String,
    meaning: &'static str,
}

/// The settings: flags over the environment, the file and the defaults. Slips in names of variables are told.
pub(crate) fn settled(file: Option<&Path>, flags: Vec<FlagValue>) -> Result<Resolved> {
    let text =
        |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
    let environment: Variables = std::env::vars_os().filter_map(text).collect();
    let resolved = resolve(file, &environment, flags)?;
    resolved.warnings.iter().for_each(|warning| Screen::note(warning));
    Ok(resolved)
}

/// Shows the settings.
pub(crate) fn run(args: &Args, screen: Screen) -> Result<()> {
    let resolved = settled(args.config.as_deref(), Vec::new())?;
    if args.toml {
        return Screen::raw(&toml::to_string(&resolved.config)?);
    }
    let settings: Vec<Setting> = KEYS.iter().map(|key| Setting::of(key, &resolved)).collect();
    screen.document(&settings)?;
    screen.say(text(settings.into_iter().map(Setting::cells)))
}

impl Setting {
    fn of(key: &Key, resolved: &Resolved) -> Self {
        Self {
            key: key.path,
            value: resolved.config.value(key.path),
            set_by: resolved.origin(key.path).to_string(),
            variable: key.variable(),
            meaning: key.meaning,
        }
    }

    fn cells(self) -> [String; 5] {
        let value = self.value.map_or_else(|| "–".to_owned(), |value| value.to_string());
        [self.key.to_owned(), value, self.set_by, self.variable, self.meaning.to_owned()]
    }
}

// For people a table, whose names stay whole so that they can be copied; for programs a line per setting, with tabs.
fn text(rows: impl Iterator<Item = [String; 5]>) -> String {
    if !io::stdout().is_terminal() {
        let lines = [COLUMNS.map(str::to_owned)].into_iter().chain(rows);
        return lines.map(|cells| cells.join("\t")).collect::<Vec<_>>().join("\n");
    }
    let mut grid = Grid::new(&COLUMNS);
    rows.for_each(|cells| grid.row(&cells));
    grid.keep_words_whole();
    grid.text()
}
