//! One config out of four layers: flag > environment > file > default, every value with its origin.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use toml::de::DeTable;
use toml::{Spanned, Table, Value};

use crate::config::RunConfig;
use crate::config::keys::{self, KEYS};
use crate::failure::{closest, usage};

/// The file that is read when none is named.
pub const FILE_NAME: &str = "segue.toml";

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// A line of the config file.
    File {
        /// The file.
        path: PathBuf,
        /// One-based line.
        line: usize,
    },
    /// An environment variable.
    Environment(String),
    /// A flag of the command line.
    Flag,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => write!(f, "default"),
            Self::File { path, line } => write!(f, "{} line {line}", path.display()),
            Self::Environment(name) => write!(f, "{name}"),
            Self::Flag => write!(f, "flag"),
        }
    }
}

/// A value of the command line: path of the key and value.
pub type FlagValue = (&'static str, Value);

/// The config with the origin of every value.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// The config, checked.
    pub config: RunConfig,
    /// Origins of the values that somebody set, by path.
    pub origins: BTreeMap<String, Origin>,
}

impl Resolved {
    /// Where the value at `path` comes from.
    pub fn origin(&self, path: &str) -> Origin {
        self.origins.get(path).cloned().unwrap_or(Origin::Default)
    }
}

/// Puts the layers together. `file` is the file named with `--config`; without one `segue.toml` is read if it is there.
pub fn resolve(
    file: Option<&Path>,
    environment: impl Fn(&str) -> Option<String>,
    flags: Vec<FlagValue>,
) -> Result<Resolved> {
    let mut layers = Layers::default();
    match file {
        Some(path) => layers.read_file(path)?,
        None if Path::new(FILE_NAME).is_file() => layers.read_file(Path::new(FILE_NAME))?,
        None => {}
    }
    for key in KEYS {
        let variable = key.variable();
        if let Some(text) = environment(&variable).filter(|text| !text.is_empty()) {
            layers.set(key.path, from_text(key.path, &text), Origin::Environment(variable))?;
        }
    }
    for (path, value) in flags {
        layers.set(path, value, Origin::Flag)?;
    }
    layers.finish()
}

#[derive(Default)]
struct Layers {
    merged: Table,
    origins: BTreeMap<String, Origin>,
}

impl Layers {
    fn read_file(&mut self, path: &Path) -> Result<()> {
        let problem = |what: &dyn fmt::Display| format!("config `{}`: {what}", path.display());
        let text = std::fs::read_to_string(path)
            .map_err(|e| usage(problem(&e), "name a file that exists with --config, or leave it out"))?;
        let spans = DeTable::parse(&text).map_err(|e| usage(problem(&e), "write it as TOML: key = value"))?;
        let table: Table = text.parse().map_err(|e| usage(problem(&e), "write it as TOML: key = value"))?;
        for (path_of_key, line, value) in entries(&table, &spans, &text) {
            let origin = Origin::File { path: path.to_owned(), line };
            if keys::find(&path_of_key).is_none() {
                return Err(unknown(&path_of_key, &origin));
            }
            self.set(&path_of_key, value, origin)?;
        }
        Ok(())
    }

    // Checks the value alone, so that the message can name its origin.
    fn set(&mut self, path: &str, value: Value, origin: Origin) -> Result<()> {
        let mut alone = Table::new();
        put(&mut alone, path, value.clone());
        if let Err(error) = alone.try_into::<RunConfig>() {
            let meaning = keys::find(path).map_or("", |key| key.meaning);
            let cause = error.message().trim().to_owned();
            return Err(usage(format!("`{path}` ({origin}): {cause}"), format!("`{path}` is: {meaning}")));
        }
        put(&mut self.merged, path, value);
        self.origins.insert(path.to_owned(), origin);
        Ok(())
    }

    fn finish(self) -> Result<Resolved> {
        let config: RunConfig = self.merged.try_into().context("config")?;
        config.check()?;
        Ok(Resolved { config, origins: self.origins })
    }
}

fn put(table: &mut Table, path: &str, value: Value) {
    let Some((section, key)) = path.split_once('.') else {
        table.insert(path.to_owned(), value);
        return;
    };
    let entry = table.entry(section).or_insert_with(|| Value::Table(Table::new()));
    if let Value::Table(inner) = entry {
        inner.insert(key.to_owned(), value);
    }
}

// `section.key`, its line and its value, for every key of the file.
fn entries(table: &Table, spans: &Spanned<DeTable<'_>>, text: &str) -> Vec<(String, usize, Value)> {
    let line_of = |at: usize| 1 + text[..at.min(text.len())].matches('\n').count();
    let mut found = Vec::new();
    for (name, spanned) in spans.get_ref() {
        let (name, line) = (name.get_ref().as_ref(), line_of(name.span().start));
        match (spanned.get_ref().as_table(), table.get(name)) {
            (Some(section), Some(Value::Table(values))) => {
                for key in section.keys() {
                    let (key, line) = (key.get_ref().as_ref(), line_of(key.span().start));
                    if let Some(value) = values.get(key) {
                        found.push((format!("{name}.{key}"), line, value.clone()));
                    }
                }
            }
            (_, Some(value)) => found.push((name.to_owned(), line, value.clone())),
            (_, None) => {}
        }
    }
    found.sort_by_key(|(_, line, _)| *line);
    found
}

fn unknown(path: &str, origin: &Origin) -> anyhow::Error {
    let paths = || KEYS.iter().map(|key| key.path);
    let last = |path: &str| path.rsplit('.').next().unwrap_or_default().to_owned();
    // The right key in the wrong section is likelier than another key with a similar path.
    let same_key = paths().find(|known| last(known) == last(path));
    let remedy = match same_key.or_else(|| closest(path, paths())) {
        Some(known) => format!("did you mean `{known}`? `segue config` lists all keys"),
        None => "`segue config` lists all keys".to_owned(),
    };
    usage(format!("unknown key `{path}` ({origin})"), remedy)
}

// A value of the environment: lists between commas, numbers and true/false as in TOML, anything else is text.
fn from_text(path: &str, text: &str) -> Value {
    let scalar = |text: &str| {
        let parsed = format!("x = {text}").parse::<Table>().ok().and_then(|mut table| table.remove("x"));
        parsed.unwrap_or_else(|| Value::String(text.to_owned()))
    };
    let is_list = matches!(path, "data.targets" | "fit.experts" | "report.cutoffs");
    if is_list && !text.trim_start().starts_with('[') {
        return Value::Array(text.split(',').map(|part| scalar(part.trim())).collect());
    }
    scalar(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure;

    fn file(name: &str, text: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("segue-config-{name}-{}.toml", std::process::id()));
        std::fs::write(&path, text).unwrap();
        path
    }

    #[test]
    fn a_flag_beats_the_environment_beats_the_file_beats_the_default() {
        let path = file("order", "seed = 1\n[fit]\nbudget = 2\nblend_cases = 30\n");
        let environment = |name: &str| match name {
            "SEGUE_FIT_BUDGET" => Some("3".to_owned()),
            "SEGUE_SEED" => Some("4".to_owned()),
            _ => None,
        };
        let flags = vec![("seed", Value::Integer(5))];
        let resolved = resolve(Some(&path), environment, flags).unwrap();
        let config = &resolved.config;
        assert_eq!((config.seed, config.fit.budget, config.fit.blend_cases), (5, 3, 30));
        assert_eq!(config.fit.search_cases, RunConfig::default().fit.search_cases);
        assert_eq!(resolved.origin("seed"), Origin::Flag);
        assert_eq!(resolved.origin("fit.budget"), Origin::Environment("SEGUE_FIT_BUDGET".into()));
        assert_eq!(resolved.origin("fit.blend_cases"), Origin::File { path: path.clone(), line: 4 });
        assert_eq!(resolved.origin("fit.search_cases"), Origin::Default);
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_line_and_a_suggestion() {
        for (text, line, meant) in [
            ("[fit]\n\nbudgte = 3\n", 3, "`fit.budget`"),
            ("budget = 3\n", 1, "`fit.budget`"),
            ("[slpit]\nrule = \"auto\"\n", 2, "`split.rule`"),
        ] {
            let path = file("unknown", text);
            let error = resolve(Some(&path), |_| None, Vec::new()).unwrap_err();
            let message = error.to_string();
            assert!(message.contains(&format!("line {line}")) && message.contains(meant), "{message}");
            assert!(failure::is_usage(&error));
            std::fs::remove_file(path).unwrap();
        }
    }

    #[test]
    fn a_value_of_the_wrong_type_names_its_origin() {
        let environment = |name: &str| (name == "SEGUE_FIT_BUDGET").then(|| "many".to_owned());
        let message = resolve(None, environment, Vec::new()).unwrap_err().to_string();
        assert!(message.contains("`fit.budget` (SEGUE_FIT_BUDGET)"), "{message}");
        let lists = |name: &str| (name == "SEGUE_REPORT_CUTOFFS").then(|| "10, 50".to_owned());
        assert_eq!(resolve(None, lists, Vec::new()).unwrap().config.report.cutoffs, [10, 50]);
    }
}
