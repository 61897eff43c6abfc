//! What two runs differ in.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::Result;
use serde::Serialize;

use crate::config::RunConfig;
use crate::figures::{RunFigures, SystemFigures};
use crate::run::dir::RunDir;

/// Differences of two runs.
#[derive(Debug, Serialize)]
pub struct RunDiff {
    /// The folder of the first.
    pub before: PathBuf,
    /// The folder of the second.
    pub after: PathBuf,
    /// Whether both used the same data.
    pub same_data: bool,
    /// Whether both hold the same model, byte by byte.
    pub same_artifact: bool,
    /// Keys of the config with different values.
    pub settings: Vec<Changed<String>>,
    /// Weights in the blends, by domain and expert.
    pub weights: Vec<Changed<f32>>,
    /// Masked test metrics, by domain and system.
    pub figures: Vec<Changed<f64>>,
}

/// One thing that differs; `None` where a run does not have it.
#[derive(Debug, Serialize)]
pub struct Changed<T> {
    /// What it is.
    pub name: String,
    /// In the first run.
    pub before: Option<T>,
    /// In the second run.
    pub after: Option<T>,
}

impl RunDiff {
    /// Compares two runs.
    ///
    /// # Errors
    /// When a file of a run is missing or damaged.
    pub fn of(before: &RunDir, after: &RunDir) -> Result<Self> {
        let (old, new) = (before.manifest()?, after.manifest()?);
        let (old_figures, new_figures) = (before.figures()?, after.figures()?);
        Ok(Self {
            before: before.path.clone(),
            after: after.path.clone(),
            same_data: old.data.sha256 == new.data.sha256
                && filters(&before.config()?) == filters(&after.config()?),
            same_artifact: old.artifact_sha256 == new.artifact_sha256,
            settings: changes(&flat(&before.config_table()?), &flat(&after.config_table()?)),
            weights: changes(&weights(&old_figures), &weights(&new_figures)),
            figures: changes(&values(&old_figures), &values(&new_figures)),
        })
    }
}

// What decides which events of a data set a run reads.
fn filters(config: &RunConfig) -> (Option<f64>, u32) {
    (config.data.min_value, config.data.k_core)
}

type Named<T> = Vec<(String, T)>;

fn changes<T: Clone + PartialEq>(before: &Named<T>, after: &Named<T>) -> Vec<Changed<T>> {
    let mut seen = BTreeSet::new();
    let names = before.iter().chain(after).map(|(name, _)| name).filter(|name| seen.insert((*name).clone()));
    let find = |values: &Named<T>, name: &str| {
        values.iter().find(|(known, _)| known == name).map(|(_, v)| v.clone())
    };
    let changed = |name: &String| {
        let change = Changed { before: find(before, name), after: find(after, name), name: name.clone() };
        (change.before != change.after).then_some(change)
    };
    names.filter_map(changed).collect()
}

fn flat(table: &toml::Table) -> Named<String> {
    let mut values = Vec::new();
    for (name, value) in table {
        match value {
            toml::Value::Table(section) => {
                values
                    .extend(section.iter().map(|(key, value)| (format!("{name}.{key}"), value.to_string())));
            }
            other => values.push((name.clone(), other.to_string())),
        }
    }
    values
}

fn weights(figures: &RunFigures) -> Named<f32> {
    let mut values = Vec::new();
    for domain in &figures.domains {
        let members = domain.fitted.blend.members.iter();
        values.extend(members.map(|member| (format!("{} · {}", domain.domain, member.expert), member.warm)));
    }
    values
}

fn values(figures: &RunFigures) -> Named<f64> {
    let mut values = Vec::new();
    let of_system = |domain: &str, system: &SystemFigures| -> Named<f64> {
        let metrics = ["ndcg@10", "hr@10", "mrr@10"];
        let mean = |key: &str| {
            Some((format!("{domain} · {} · {key}", system.name), system.summary.masked.mean(key)?))
        };
        metrics.into_iter().filter_map(mean).collect()
    };
    for domain in &figures.domains {
        values.extend(domain.test.systems.iter().flat_map(|system| of_system(&domain.domain, system)));
    }
    values
}
