//! The published protocols: what each fixes of the recipe and of the cases.

use segue_data::Dataset;
use segue_train::judge::JudgeRule;
use segue_train::{FitPlan, MaskRule, Objective, SampledNegatives};

/// A published protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// S3-Rec text: leave-one-out, full ranking.
    S3rec,
    /// `MiniOneRec` tables: global time split, full ranking.
    Minionerec,
    /// ABXI text: two domains, 999 sampled negatives.
    Abxi,
}

/// Whose events an encoder is adapted on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdaptOn {
    /// The target's.
    Target,
    /// The other domains'.
    Sources,
    /// Both.
    All,
}

impl Protocol {
    /// The name in commands and tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::S3rec => "s3rec",
            Self::Minionerec => "minionerec",
            Self::Abxi => "abxi",
        }
    }

    /// The one recipe under this protocol: only what the protocol fixes differs.
    pub fn plan(self, seed: u64) -> FitPlan {
        let objective = match self {
            Self::S3rec => Objective::Masked,
            Self::Minionerec => Objective::Unmasked,
            Self::Abxi => Objective::Sampled,
        };
        FitPlan { seed, objective, ..FitPlan::default() }
    }

    /// Which candidates the cases have.
    pub fn rule(self, seed: u64) -> JudgeRule {
        let sampled = (self == Self::Abxi).then_some(SampledNegatives { n: 999, seed });
        let mask = match self {
            // The floors of this table leave the target in; the strict rule is measured beside it.
            Self::Minionerec => MaskRule::SeenExceptTarget,
            Self::S3rec | Self::Abxi => MaskRule::Seen,
        };
        JudgeRule { mask, sampled }
    }

    /// Whether a data set can be studied for what other domains give.
    pub(super) fn has_sources(dataset: &Dataset) -> bool {
        dataset.domains.len() > 1
    }
}
