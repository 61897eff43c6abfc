//! The figures of a run: what `metrics.json` holds.

use std::collections::BTreeMap;

use segue_data::leak::LeakCounts;
use segue_eval::metric_table::Comparison;
use segue_eval::summary::Summary;
use segue_models::ExpertId;
use segue_train::pseudo_labels::PseudoEvidence;
use segue_train::tasks::TaskFigures;
use segue_train::{ExpertCurve, FittedBlend, Trial};
use serde::{Deserialize, Serialize};

use crate::facts::DataFacts;

/// The metric of headlines.
pub const HEADLINE: &str = "ndcg@10";

/// What the measured models were fitted on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Regime {
    /// Train only.
    Train,
    /// Settings and blend chosen with train and valid, then fitted again on both.
    TrainValid,
}

impl Regime {
    /// In words, for tables.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Train => "fitted on train",
            Self::TrainValid => "chosen on valid, fitted again on train + valid",
        }
    }
}

/// All figures of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunFigures {
    /// The data that was used, after filters.
    pub data: DataFacts,
    /// How it was cut, in words.
    pub split: String,
    /// What the models behind the test figures were fitted on.
    pub regime: Regime,
    /// What the split lets the models know that they could not have known.
    pub leaks: LeakCounts,
    /// One entry per target.
    pub domains: Vec<DomainFigures>,
}

/// The figures of one target domain.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DomainFigures {
    /// The domain.
    pub domain: String,
    /// Items of the domain: the candidates.
    pub n_candidates: usize,
    /// How the blend was chosen, on valid with models fitted on train.
    pub fitted: FittedBlend,
    /// All settings tried, on valid.
    pub trials: Vec<Trial>,
    /// Experts that stood aside, and why.
    pub aside: Vec<(ExpertId, String)>,
    /// Passes of the experts that were trained by gradient steps, on train.
    #[serde(default)]
    pub curves: Vec<ExpertCurve>,
    /// What valid said of pseudo-labels, where they were asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pseudo_labels: Option<PseudoEvidence>,
    /// Test figures.
    pub test: TestFigures,
}

/// What the test split said: the one time it was asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TestFigures {
    /// Every expert alone, the single-domain blend, the blend.
    pub systems: Vec<SystemFigures>,
    /// The blend against its best member and against the single-domain blend.
    pub comparisons: Vec<PairFigures>,
    /// Ratings and choices, of the experts that are trained for them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tasks: Vec<TaskFigures>,
}

/// What a measured system is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SystemKind {
    /// One expert alone.
    Expert,
    /// The best blend of experts that see this domain only.
    SingleDomain,
    /// The blend that is served.
    Blend,
}

/// One system on test.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SystemFigures {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: SystemKind,
    /// How it differs from what its name promises, if it does.
    pub note: Option<String>,
    /// Its metrics.
    pub summary: Summary,
}

/// The cases of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CaseGroup {
    /// All test cases of the domain.
    All,
    /// Those whose user has fewer than five events in the domain.
    ColdUsers,
}

/// Two systems on the same cases, paired, intervals over users.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PairFigures {
    /// The first.
    pub candidate: String,
    /// The second.
    pub baseline: String,
    /// Whose cases.
    pub cases: CaseGroup,
    /// How many.
    pub n_cases: usize,
    /// `candidate − baseline` of every metric, masked.
    pub metrics: BTreeMap<String, Comparison>,
}

impl TestFigures {
    /// The first system of a kind.
    pub fn system(&self, kind: SystemKind) -> Option<&SystemFigures> {
        self.systems.iter().find(|system| system.kind == kind)
    }

    /// The blend against the single-domain blend, on a group of cases.
    pub fn transfer(&self, cases: CaseGroup) -> Option<&PairFigures> {
        self.comparisons.iter().find(|pair| pair.baseline == SINGLE_DOMAIN && pair.cases == cases)
    }

    /// The blend against its best member.
    pub fn over_best_member(&self) -> Option<&PairFigures> {
        self.comparisons.iter().find(|pair| pair.baseline != SINGLE_DOMAIN)
    }
}

/// Name of the blend in tables.
pub const BLEND: &str = "blend";
/// Name of the single-domain blend in tables.
pub const SINGLE_DOMAIN: &str = "blend, this domain only";
