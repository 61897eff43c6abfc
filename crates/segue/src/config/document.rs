//! The config as people read and write it: a value per key, in sections. What is in no key's reach is not in the document.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use toml::{Table, Value};

use super::RunConfig;
use super::keys::{self, KEYS, Key};
use crate::failure::usage;

/// All values of a config, nested as its types are.
struct Nested<'a>(&'a RunConfig);

impl Serialize for Nested<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Of the type itself, by its derive; the trait's gives the document.
        RunConfig::serialize(self.0, serializer)
    }
}

/// All values of a config, nested as its types are.
pub(super) fn nested(config: &RunConfig) -> Table {
    Table::try_from(Nested(config)).expect("a config is made of tables, lists, texts and numbers")
}

impl RunConfig {
    /// The value of a key; `None` where it has none, or there is no such key.
    pub fn value(&self, path: &str) -> Option<Value> {
        value_in(&nested(self), keys::find(path)?)
    }

    /// Sets a key, and checks the value.
    ///
    /// ```
    /// let mut config = segue::config::RunConfig::default();
    /// config.set("fit.budget", 3)?;
    /// assert_eq!(config.recipe().plan.budget, 3);
    /// assert!(config.set("behavior.dropout", 1.5).unwrap_err().to_string().contains("outside [0, 1)"));
    /// # Ok::<(), anyhow::Error>(())
    /// ```
    ///
    /// # Errors
    /// When there is no such key, or the value is of another type or out of range; the config stays as it was.
    pub fn set(&mut self, path: &str, value: impl Into<Value>) -> anyhow::Result<()> {
        let Some(key) = keys::find(path) else {
            return Err(usage(format!("unknown key `{path}`"), "`segue config` lists all keys"));
        };
        let changed = self.with(key, value.into()).and_then(|changed| match changed.problem() {
            Some(problem) => Err(problem),
            None => Ok(changed),
        });
        *self = changed.map_err(|cause| usage(format!("`{path}`: {cause}"), key.hint()))?;
        Ok(())
    }

    /// This config with another value of a key, which may be out of range; what is wrong where the type is.
    pub(super) fn with(&self, key: &Key, value: Value) -> Result<Self, String> {
        let value = from_names(key, value)?;
        let mut all = nested(self);
        for path in key.values() {
            put(&mut all, &path, value.clone());
        }
        // Of the type itself, as above.
        Self::deserialize(Value::Table(all)).map_err(|error| error.message().trim().to_owned())
    }
}

/// A value of the document: of a key at the top, or all of a section.
enum Entry {
    Value(Value),
    Section(Vec<(&'static str, Value)>),
}

impl Serialize for Entry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Value(value) => value.serialize(serializer),
            Self::Section(values) => serializer.collect_map(values.iter().map(|(key, value)| (key, value))),
        }
    }
}

impl Serialize for RunConfig {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let all = nested(self);
        let mut entries: Vec<(&str, Entry)> = Vec::new();
        for key in KEYS {
            let Some(value) = value_in(&all, key) else { continue };
            match (key.path.split_once('.'), entries.last_mut()) {
                (None, _) => entries.push((key.path, Entry::Value(value))),
                (Some((section, name)), Some((last, Entry::Section(values)))) if section == *last => {
                    values.push((name, value));
                }
                (Some((section, name)), _) => entries.push((section, Entry::Section(vec![(name, value)]))),
            }
        }
        serializer.collect_map(entries)
    }
}

impl<'de> Deserialize<'de> for RunConfig {
    /// Checks keys and types, not ranges: a run that was made when a range was wider can still be shown.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut config = Self::default();
        for (path, value) in flat(Table::deserialize(deserializer)?) {
            let Some(key) = keys::find(&path) else {
                return Err(D::Error::custom(format!("unknown key `{path}`")));
            };
            config = config
                .with(key, value)
                .map_err(|problem| D::Error::custom(format!("`{path}`: {problem}")))?;
        }
        Ok(config)
    }
}

// The values of a document by path.
fn flat(document: Table) -> impl Iterator<Item = (String, Value)> {
    document.into_iter().flat_map(|(name, value)| match value {
        Value::Table(section) => {
            section.into_iter().map(|(key, value)| (format!("{name}.{key}"), value)).collect::<Vec<_>>()
        }
        value => vec![(name, value)],
    })
}

// Keys that set several values have the first one's; no way leads to values that differ.
fn value_in(all: &Table, key: &Key) -> Option<Value> {
    let path = key.values().next()?;
    let mut steps = path.split('.');
    let first = all.get(steps.next()?);
    let value = steps.fold(first, |value, step| value?.get(step))?.clone();
    let is_model = path.starts_with("recipe.plan.");
    Some(match (value, key.names()) {
        (Value::Boolean(is_on), Some(names)) => names[usize::from(is_on)].into(),
        // Numbers of models are f32: 0.4, where its nearest f64 were 0.4000000059604645.
        (Value::Float(x), _) if is_model => Value::Float(shortest(x as f32)),
        (value, _) => value,
    })
}

fn from_names(key: &Key, value: Value) -> Result<Value, String> {
    let Some(names) = key.names() else { return Ok(value) };
    let at = value.as_str().and_then(|given| names.iter().position(|name| *name == given));
    match at {
        Some(at) => Ok(Value::Boolean(at == 1)),
        None => Err(format!("{value} is neither `{}` nor `{}`", names[0], names[1])),
    }
}

// Values that the derive leaves out when they are not set (`data.min_value`) are added.
fn put(all: &mut Table, path: &str, value: Value) {
    let Some((step, rest)) = path.split_once('.') else {
        all.insert(path.to_owned(), value);
        return;
    };
    if let Some(Value::Table(inner)) = all.get_mut(step) {
        put(inner, rest, value);
    }
}

// The shortest decimal that is this f32.
fn shortest(x: f32) -> f64 {
    x.to_string().parse().unwrap_or(f64::from(x))
}
