//! What to train for a domain, and how much to try.

use segue_models::range::{self, first, of_part, outside};
use segue_models::sequence::{JointConfig, SequenceConfig, TransferConfig};
use segue_models::{ExpertConfig, ExpertKind};
use serde::{Deserialize, Serialize};

use crate::judge::Objective;

/// What to train and how much to try.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FitPlan {
    /// Kinds of experts to train.
    pub experts: Vec<ExpertKind>,
    /// Settings tried per expert, ≥ 1; the first is the default.
    pub budget: usize,
    /// Valid cases used per trial of the search.
    pub search_cases: usize,
    /// Valid cases used to choose the blend.
    pub blend_cases: usize,
    /// Which ranks count when choosing.
    pub objective: Objective,
    /// Whether other domains may be used.
    pub use_sources: bool,
    /// Memory that a dense linear solution may take, MiB.
    pub linear_budget_mib: u64,
    /// Settings of the behavior expert; its number of passes is found on valid.
    pub behavior: SequenceConfig,
    /// Settings of the transfer expert; its number of passes is found on valid.
    pub transfer: TransferConfig,
    /// Settings of the joint expert; its number of passes is found on valid.
    pub joint: JointConfig,
    /// Seed of the search, of training and of the intervals.
    pub seed: u64,
}

impl Default for FitPlan {
    fn default() -> Self {
        Self {
            experts: ExpertKind::ALL.into_iter().filter(|kind| kind.is_default()).collect(),
            budget: 24,
            search_cases: 4_000,
            blend_cases: 6_000,
            objective: Objective::Masked,
            use_sources: true,
            linear_budget_mib: 700,
            behavior: SequenceConfig::default(),
            transfer: TransferConfig::default(),
            joint: JointConfig::default(),
            seed: 0,
        }
    }
}

impl FitPlan {
    /// What is out of range; `None` when nothing is.
    pub fn problem(&self) -> Option<String> {
        first([
            self.experts.is_empty().then(|| "experts are empty".to_owned()),
            outside("budget", self.budget, 1..=range::COUNT_MAX),
            outside("search_cases", self.search_cases, 1..=range::COUNT_MAX),
            outside("blend_cases", self.blend_cases, 1..=range::COUNT_MAX),
            // Beyond 16 TiB the number of bytes is of no meaning to any machine, and far beyond it does not fit.
            outside("linear_budget_mib", self.linear_budget_mib, 0..=16 << 20),
            of_part("behavior", self.behavior.problem()),
            of_part("transfer", self.transfer.problem()),
            of_part("joint", self.joint.problem()),
        ])
    }

    /// Bytes that a dense linear solution may take.
    pub fn linear_budget_bytes(&self) -> u64 {
        self.linear_budget_mib << 20
    }

    /// The settings with which a kind starts.
    pub fn settings_of(&self, kind: ExpertKind) -> ExpertConfig {
        match kind {
            ExpertKind::Behavior => ExpertConfig::Behavior(self.behavior.clone()),
            ExpertKind::Transfer => ExpertConfig::Transfer(self.transfer.clone()),
            ExpertKind::Joint => ExpertConfig::Joint(Box::new(self.joint.clone())),
            other => ExpertConfig::default_of(other),
        }
    }
}
