//! The settings of a run, typed. Each is a field of what reads it; [`keys`] gives it a path, [`document`] reads and writes all of
//! them by path, [`layers`] puts flags, environment and file together.

use std::ops::Bound;

use anyhow::Result;
use segue_data::split::SplitRule;
use segue_models::range::{first, of_part, outside};
use segue_train::Objective;
use serde::{Deserialize, Serialize};

mod document;
pub mod keys;
pub mod layers;
mod variables;

use crate::failure::usage;
use crate::pipeline::Recipe;

/// Everything that decides what a run gives, besides the data. `config.toml` of a run holds it in full.
///
/// The derives are for the types' own nesting, which `remote` keeps apart from the document that people read: [`document`] has that.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, remote = "Self")]
pub struct RunConfig {
    /// Which events and domains.
    pub data: DataSection,
    /// How train, valid and test are cut.
    pub split: SplitSection,
    /// What is shown.
    pub report: ReportSection,
    // Not public: a key may set several of its values, which then must not differ.
    recipe: Recipe,
}

/// `[data]`
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DataSection {
    /// Domains to recommend; empty = all.
    pub targets: Vec<String>,
    /// Events with a lower rating or weight are left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_value: Option<f64>,
    /// Users and items with fewer events are left out until none is; 0 = keep all.
    pub k_core: u32,
}

/// How to cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SplitName {
    /// Global time where the data has timestamps, else leave-one-out.
    #[default]
    Auto,
    /// Two points in time for everybody.
    GlobalTime,
    /// The last event of each user is test.
    LeaveOneOut,
    /// The last event of each user in each domain is test.
    LeaveOneOutPerDomain,
    /// The split column of the source.
    Published,
}

impl SplitName {
    /// The name in configs and flags.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::GlobalTime => "global-time",
            Self::LeaveOneOut => "leave-one-out",
            Self::LeaveOneOutPerDomain => "leave-one-out-per-domain",
            Self::Published => "published",
        }
    }
}

/// `[split]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SplitSection {
    /// The rule.
    pub rule: SplitName,
    /// Share of events in train, for `global-time`.
    pub train: f64,
    /// Share of events in valid, for `global-time`.
    pub valid: f64,
}

impl Default for SplitSection {
    fn default() -> Self {
        Self { rule: SplitName::Auto, train: 0.8, valid: 0.1 }
    }
}

/// `[report]`, besides what the recipe measures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ReportSection {
    /// Users whose recommendations the page shows, per domain.
    pub examples: usize,
}

impl Default for ReportSection {
    fn default() -> Self {
        Self { examples: 1 }
    }
}

impl RunConfig {
    /// How problems are answered and measured under this config.
    pub fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    /// Seed of the search and the intervals.
    pub fn seed(&self) -> u64 {
        self.recipe.plan.seed
    }

    /// Checks ranges that types do not, and that the settings fit each other.
    ///
    /// # Errors
    /// A usage error about the first setting that cannot be meant.
    pub fn check(&self) -> Result<()> {
        if let Some(problem) = self.problem() {
            return Err(usage(problem, "`segue config` says what each setting is"));
        }
        let SplitSection { train, valid, .. } = self.split;
        if train + valid >= 1.0 {
            let problem = format!("`split.train` {train} and `split.valid` {valid} leave no room for test");
            return Err(usage(problem, "for example train = 0.8 and valid = 0.1"));
        }
        Ok(())
    }

    // The first setting that is out of range whatever the others are.
    fn problem(&self) -> Option<String> {
        let is_sampled = self.recipe.plan.objective == Objective::Sampled;
        first([
            self.data.min_value.and_then(|value| outside("min_value", value, f64::MIN..=f64::MAX)),
            share("train", self.split.train),
            share("valid", self.split.valid),
            is_sampled.then(|| "objective sampled is for `segue benchmark` only".to_owned()),
            self.recipe.problem(),
            of_part("report", outside("examples", self.report.examples, 0..=10_000)),
        ])
    }

    /// The rule of the split; `auto` looks at whether there are timestamps.
    pub fn split_rule(&self, has_timestamps: bool) -> SplitRule {
        let global_time = SplitRule::GlobalTime { train: self.split.train, valid: self.split.valid };
        match self.split.rule {
            SplitName::Auto if has_timestamps => global_time,
            SplitName::Auto | SplitName::LeaveOneOut => SplitRule::LeaveOneOut,
            SplitName::GlobalTime => global_time,
            SplitName::LeaveOneOutPerDomain => SplitRule::LeaveOneOutPerDomain,
            SplitName::Published => SplitRule::Published,
        }
    }
}

fn share(name: &str, value: f64) -> Option<String> {
    outside(name, value, (Bound::Excluded(0.0), Bound::Excluded(1.0)))
}

#[cfg(test)]
mod tests;
