//! One config out of four layers: flag > environment > file > default, every value with its origin.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::Result;
use toml::de::DeTable;
use toml::{Spanned, Table, Value};

use crate::config::keys::{self, KEYS, Key};
use crate::config::{RunConfig, variables};
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
    /// Lines for the user: variables of the environment that look like settings and are none.
    pub warnings: Vec<String>,
}

impl Resolved {
    /// Where the value at `path` comes from.
    pub fn origin(&self, path: &str) -> Origin {
        self.origins.get(path).cloned().unwrap_or(Origin::Default)
    }
}

/// Variables of the environment, by name.
pub type Variables = BTreeMap<String, String>;

/// Puts the layers together. `file` is the file named with `--config`; without one `segue.toml` is read if it is there.
///
/// # Errors
/// A usage error about the first value that is of no key, of another type or out of range.
pub fn resolve(file: Option<&Path>, environment: &Variables, flags: Vec<FlagValue>) -> Result<Resolved> {
    let mut layers = Layers::default();
    match file {
        Some(path) => layers.read_file(path)?,
        None if Path::new(FILE_NAME).is_file() => layers.read_file(Path::new(FILE_NAME))?,
        None => {}
    }
    for key in KEYS {
        let variable = key.variable();
        if let Some(text) = environment.get(&variable).filter(|text| !text.is_empty()) {
            layers.set(key, from_text(key, text), Origin::Environment(variable))?;
        }
    }
    for (path, value) in flags {
        let key = keys::find(path).ok_or_else(|| unknown(path, &Origin::Flag))?;
        layers.set(key, value, Origin::Flag)?;
    }
    let Layers { config, origins } = layers;
    config.check()?;
    let warnings = variables::warnings(environment.keys().map(String::as_str));
    Ok(Resolved { config, origins, warnings })
}

#[derive(Default)]
struct Layers {
    config: RunConfig,
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
            let key = keys::find(&path_of_key).ok_or_else(|| unknown(&path_of_key, &origin))?;
            self.set(key, value, origin)?;
        }
        Ok(())
    }

    // What was set before is in range, so that a problem is this value's, and its origin can be named.
    fn set(&mut self, key: &Key, value: Value, origin: Origin) -> Result<()> {
        let refuse = |cause: String| usage(format!("`{}` ({origin}): {cause}", key.path), key.hint());
        let changed = self.config.with(key, value).map_err(refuse)?;
        if let Some(problem) = changed.problem() {
            return Err(refuse(problem));
        }
        self.config = changed;
        self.origins.insert(key.path.to_owned(), origin);
        Ok(())
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
fn from_text(key: &Key, text: &str) -> Value {
    let scalar = |text: &str| {
        let parsed = format!("x = {text}").parse::<Table>().ok().and_then(|mut table| table.remove("x"));
        parsed.unwrap_or_else(|| Value::String(text.to_owned()))
    };
    let is_list = RunConfig::default().value(key.path).is_some_and(|value| value.is_array());
    if is_list && !text.trim_start().starts_with('[') {
        return Value::Array(text.split(',').map(|part| scalar(part.trim())).collect());
    }
    scalar(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure;
    use segue_models::TokenKind;

    fn variables(given: &[(&str, &str)]) -> Variables {
        given.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn file(name: &str, text: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("segue-config-{name}-{}.toml", std::process::id()));
        std::fs::write(&path, text).unwrap();
        path
    }

    #[test]
    fn a_flag_beats_the_environment_beats_the_file_beats_the_default() {
        let path = file("order", "seed = 1\n[fit]\nbudget = 2\nblend_cases = 30\n");
        let environment = variables(&[("SEGUE_FIT_BUDGET", "3"), ("SEGUE_SEED", "4")]);
        let flags = vec![("seed", Value::Integer(5))];
        let resolved = resolve(Some(&path), &environment, flags).unwrap();
        let config = &resolved.config;
        let (plan, default) = (&config.recipe().plan, RunConfig::default());
        assert_eq!((config.seed(), plan.budget, plan.blend_cases), (5, 3, 30));
        assert_eq!(plan.search_cases, default.recipe().plan.search_cases);
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
            let error = resolve(Some(&path), &Variables::new(), Vec::new()).unwrap_err();
            let message = error.to_string();
            assert!(message.contains(&format!("line {line}")) && message.contains(meant), "{message}");
            assert!(failure::is_usage(&error));
            std::fs::remove_file(path).unwrap();
        }
    }

    #[test]
    fn a_value_of_the_wrong_type_names_its_origin() {
        let environment = variables(&[("SEGUE_FIT_BUDGET", "many")]);
        let message = resolve(None, &environment, Vec::new()).unwrap_err().to_string();
        assert!(message.contains("`fit.budget` (SEGUE_FIT_BUDGET): invalid type"), "{message}");
    }

    #[test]
    fn lists_stand_between_commas() {
        let environment = variables(&[("SEGUE_REPORT_CUTOFFS", "10, 50"), ("SEGUE_JOINT_TOKENS", "text,id")]);
        let config = resolve(None, &environment, Vec::new()).unwrap().config;
        assert_eq!(config.recipe().table.cutoffs, [10, 50]);
        assert_eq!(config.recipe().plan.joint.fusion.tokens, [TokenKind::Text, TokenKind::Id]);
    }

    #[test]
    fn a_value_out_of_range_names_its_origin_whatever_the_others_are() {
        let path = file("range", "[split]\ntrain = 0.95\nvalid = 0.02\n[transfer]\ndropout = 1.5\n");
        let message = resolve(Some(&path), &Variables::new(), Vec::new()).unwrap_err().to_string();
        assert!(message.contains("line 5): transfer: dropout 1.5 is outside [0, 1)"), "{message}");
        std::fs::remove_file(path).unwrap();
    }
}
