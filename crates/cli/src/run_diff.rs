//! What two runs differ in.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::Result;
use serde::Serialize;

use crate::figures::{RunFigures, SystemFigures};
use crate::grid::Grid;
use crate::number;
use crate::run_dir::RunDir;
use crate::screen::Screen;

/// Differences of two runs.
#[derive(Debug, Serialize)]
pub(crate) struct RunDiff {
    before: PathBuf,
    after: PathBuf,
    /// Whether both used the same data.
    same_data: bool,
    /// Whether both hold the same model, byte by byte.
    same_artifact: bool,
    settings: Vec<Changed<String>>,
    weights: Vec<Changed<f32>>,
    figures: Vec<Changed<f64>>,
}

#[derive(Debug, Serialize)]
struct Changed<T> {
    name: String,
    before: Option<T>,
    after: Option<T>,
}

impl RunDiff {
    /// Compares two runs.
    pub(crate) fn of(before: &RunDir, after: &RunDir) -> Result<Self> {
        let (old, new) = (before.manifest()?, after.manifest()?);
        let (old_figures, new_figures) = (before.figures()?, after.figures()?);
        Ok(Self {
            before: before.path.clone(),
            after: after.path.clone(),
            same_data: old.artifact_data_sha256 == new.artifact_data_sha256,
            same_artifact: old.artifact_sha256 == new.artifact_sha256,
            settings: changes(&flat(&before.config_table()?), &flat(&after.config_table()?)),
            weights: changes(&weights(&old_figures), &weights(&new_figures)),
            figures: changes(&values(&old_figures), &values(&new_figures)),
        })
    }

    /// Prints it.
    pub(crate) fn show(&self, screen: Screen) -> Result<()> {
        screen.document(self)?;
        screen.say(format!("before  {}\nafter   {}", self.before.display(), self.after.display()))?;
        screen.say(format!(
            "data    {}\nmodel   {}",
            if self.same_data { "the same" } else { "different" },
            if self.same_artifact { "the same, byte by byte" } else { "different" }
        ))?;
        show("settings", &self.settings, Clone::clone, |_, _| String::new(), screen)?;
        show(
            "weights",
            &self.weights,
            |value| format!("{value:.2}"),
            |a, b| format!("{:+.2}", b - a),
            screen,
        )?;
        show(
            "test figures",
            &self.figures,
            |value| number::value(*value),
            |a, b| number::signed(b - a),
            screen,
        )
    }
}

fn show<T>(
    title: &str,
    changes: &[Changed<T>],
    write: impl Fn(&T) -> String,
    difference: impl Fn(&T, &T) -> String,
    screen: Screen,
) -> Result<()> {
    screen.heading(title)?;
    if changes.is_empty() {
        return screen.say("no difference");
    }
    let mut grid = Grid::new(&["", ">before", ">after", ">difference"]);
    for change in changes {
        let cell = |value: &Option<T>| value.as_ref().map_or_else(|| "–".to_owned(), &write);
        let moved = match (&change.before, &change.after) {
            (Some(before), Some(after)) => difference(before, after),
            _ => String::new(),
        };
        grid.row(&[change.name.clone(), cell(&change.before), cell(&change.after), moved]);
    }
    screen.say(grid.text())
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
