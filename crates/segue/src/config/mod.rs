//! The settings of a run, typed; [`crate::config::layers`] puts them together.

use anyhow::Result;
use segue_data::split::SplitRule;
use segue_eval::bootstrap::Bootstrap;
use segue_eval::metric_table::TableSettings;
use segue_models::ExpertKind;
use segue_train::{FitPlan, Objective};
use serde::{Deserialize, Serialize};

pub mod keys;
pub mod layers;
pub mod models;

use crate::config::models::{BehaviorSection, JointSection, LossSection, TransferSection};
use crate::failure::usage;
use crate::pipeline::Recipe;

/// Everything that decides what a run gives, besides the data. `config.toml` of a run holds it in full.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RunConfig {
    /// Seed of the search and the intervals.
    pub seed: u64,
    /// Which events and domains.
    pub data: DataSection,
    /// How train, valid and test are cut.
    pub split: SplitSection,
    /// What is trained and how much is tried.
    pub fit: FitSection,
    /// What the behavior expert reads, and its size.
    pub behavior: BehaviorSection,
    /// How the transfer expert comes from other domains, and its size.
    pub transfer: TransferSection,
    /// What the joint expert fuses, and its size.
    pub joint: JointSection,
    /// What all three are trained for.
    pub loss: LossSection,
    /// What is measured and shown.
    pub report: ReportSection,
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

/// `[fit]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FitSection {
    /// Kinds of experts to train.
    pub experts: Vec<ExpertKind>,
    /// Settings tried per expert.
    pub budget: usize,
    /// Valid cases used per trial of the search.
    pub search_cases: usize,
    /// Valid cases used to choose the blend.
    pub blend_cases: usize,
    /// Ranks that count when choosing: `masked` or `unmasked`.
    pub objective: Objective,
    /// Whether other domains may be used.
    pub use_sources: bool,
    /// Whether the surest lists of users with hardly an event in a domain become training events, where valid proves a gain.
    pub pseudo_labels: bool,
    /// Memory that a dense linear solution may take, MiB.
    pub linear_budget_mib: u64,
    /// Whether the chosen experts are fitted again on train and valid before test is measured.
    pub refit: bool,
}

impl Default for FitSection {
    fn default() -> Self {
        let plan = FitPlan::default();
        Self {
            experts: plan.experts,
            budget: plan.budget,
            search_cases: plan.search_cases,
            blend_cases: plan.blend_cases,
            objective: plan.objective,
            use_sources: plan.use_sources,
            pseudo_labels: false,
            linear_budget_mib: plan.linear_budget_bytes >> 20,
            refit: true,
        }
    }
}

/// `[report]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ReportSection {
    /// Lengths of lists that are measured; 10 must be among them.
    pub cutoffs: Vec<usize>,
    /// Resamples of an interval.
    pub resamples: usize,
    /// Confidence of an interval.
    pub confidence: f64,
    /// Users whose recommendations the page shows, per domain.
    pub examples: usize,
}

impl Default for ReportSection {
    fn default() -> Self {
        let settings = TableSettings::default();
        Self {
            cutoffs: settings.cutoffs,
            resamples: settings.bootstrap.n_resamples,
            confidence: settings.bootstrap.confidence,
            examples: 1,
        }
    }
}

impl RunConfig {
    /// Checks ranges that types do not.
    pub fn check(&self) -> Result<()> {
        let refuse = |problem: String, remedy: &str| Err(usage(problem, remedy));
        let (fit, split, report) = (&self.fit, &self.split, &self.report);
        if fit.experts.is_empty() {
            return refuse(
                "`fit.experts` is empty".into(),
                "name at least one, or leave the key out for all",
            );
        }
        if fit.budget == 0 || fit.search_cases == 0 || fit.blend_cases == 0 {
            return refuse(
                format!(
                    "`fit.budget` {}, `fit.search_cases` {}, `fit.blend_cases` {}: none may be 0",
                    fit.budget, fit.search_cases, fit.blend_cases
                ),
                "budget = 1 takes the default settings without a search",
            );
        }
        if fit.objective == Objective::Sampled {
            return refuse(
                "`fit.objective` = \"sampled\" is for `segue benchmark` only".into(),
                "choose \"masked\" (what is served) or \"unmasked\"",
            );
        }
        if !(split.train > 0.0 && split.valid > 0.0 && split.train + split.valid < 1.0) {
            return refuse(
                format!(
                    "`split.train` {} and `split.valid` {} leave no room for test",
                    split.train, split.valid
                ),
                "for example train = 0.8 and valid = 0.1",
            );
        }
        if let Some(problem) = self.loss.problem() {
            return refuse(problem, "for example next_item = 1, rating = 0.5, click = 0");
        }
        if let Some(problem) = self.joint.problem() {
            return refuse(problem, "for example modality_dropout = 0.1 and tokens = [\"text\", \"id\"]");
        }
        let widths = [
            ("behavior", self.behavior.width),
            ("transfer", self.transfer.width),
            ("joint", self.joint.width),
        ];
        for (name, width) in widths {
            if width == 0 || width % 2 == 1 {
                return refuse(format!("`{name}.width` is {width}"), "give an even number, such as 64");
            }
        }
        if !report.cutoffs.contains(&10) || report.cutoffs.contains(&0) {
            return refuse(
                format!("`report.cutoffs` is {:?}", report.cutoffs),
                "give positive lengths with 10 among them, for example [5, 10, 20]",
            );
        }
        if report.resamples == 0 || !(report.confidence > 0.0 && report.confidence < 1.0) {
            return refuse(
                format!("`report.resamples` {}, `report.confidence` {}", report.resamples, report.confidence),
                "for example resamples = 1000 and confidence = 0.95",
            );
        }
        Ok(())
    }

    /// What `segue-train` needs of it.
    pub fn fit_plan(&self) -> FitPlan {
        FitPlan {
            experts: self.fit.experts.clone(),
            budget: self.fit.budget,
            search_cases: self.fit.search_cases,
            blend_cases: self.fit.blend_cases,
            objective: self.fit.objective,
            use_sources: self.fit.use_sources,
            linear_budget_bytes: self.fit.linear_budget_mib << 20,
            behavior: self.behavior.config(&self.loss),
            transfer: self.transfer.config(&self.behavior, &self.loss),
            joint: self.joint.config(&self.behavior, &self.loss),
            seed: self.seed,
        }
    }

    /// How problems are answered and measured under this config.
    pub fn recipe(&self) -> Recipe {
        Recipe {
            plan: self.fit_plan(),
            pseudo_labels: self.fit.pseudo_labels,
            refit: self.fit.refit,
            table: self.table_settings(),
        }
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

    /// How metrics and intervals are computed.
    pub fn table_settings(&self) -> TableSettings {
        let bootstrap = Bootstrap {
            n_resamples: self.report.resamples,
            confidence: self.report.confidence,
            seed: self.seed,
        };
        TableSettings { cutoffs: self.report.cutoffs.clone(), bootstrap, ..TableSettings::default() }
    }
}
