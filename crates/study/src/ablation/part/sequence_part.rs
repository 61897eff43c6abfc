//! Parts inside the sequence models that can be switched off.

use segue_models::{ExpertId, ExpertKind, Scope};
use serde::{Deserialize, Serialize};

use segue_train::FitPlan;

/// A part of the sequence models.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SequencePart {
    /// Time until the next event.
    TimeGaps,
    /// Loss on other domains' events.
    SourceLoss,
    /// Training of the adaptor from texts to item vectors (`transfer`).
    Adaptor,
    /// Items' own vectors beside their texts (`transfer`).
    OwnVectors,
    /// Now and then leaving own vectors out of training (`transfer`).
    IdDropout,
    /// Tags as parts of item vectors (`transfer`).
    Tags,
    /// Leaving near-duplicates out of the competition (`transfer`).
    Duplicates,
    /// The low-rank adapter of each domain (`transfer`).
    DomainAdapter,
}

impl SequencePart {
    pub(super) const ALL: [Self; 8] = [
        Self::TimeGaps,
        Self::SourceLoss,
        Self::Adaptor,
        Self::OwnVectors,
        Self::IdDropout,
        Self::Tags,
        Self::Duplicates,
        Self::DomainAdapter,
    ];

    /// The name in flags and tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::TimeGaps => "time-gaps",
            Self::SourceLoss => "source-loss",
            Self::Adaptor => "adaptor",
            Self::OwnVectors => "own-vectors",
            Self::IdDropout => "id-dropout",
            Self::Tags => "tags",
            Self::Duplicates => "duplicates",
            Self::DomainAdapter => "domain-adapter",
        }
    }

    /// Whether the plan has it switched on, so that switching it off says something.
    pub(super) fn is_on(self, plan: &FitPlan, has_sources: bool) -> bool {
        let has = |kind| plan.experts.contains(&kind);
        let (sequence, text) = (&plan.transfer.sequence, &plan.transfer.text);
        let (behavior, transfer) = (has(ExpertKind::Behavior), has(ExpertKind::Transfer));
        match self {
            Self::TimeGaps => behavior && plan.behavior.time_gaps || transfer && sequence.time_gaps,
            Self::SourceLoss => {
                let weighs = |weight: f32| has_sources && weight > 0.0;
                behavior && weighs(plan.behavior.source_weight) || transfer && weighs(sequence.source_weight)
            }
            Self::Adaptor => transfer && text.trains_adaptor,
            Self::OwnVectors => transfer && text.id_bound > 0.0,
            Self::IdDropout => transfer && text.id_bound > 0.0 && text.id_dropout > 0.0,
            Self::Tags => transfer && text.tags,
            Self::Duplicates => transfer && text.duplicate_cosine <= 1.0,
            Self::DomainAdapter => transfer && has_sources && text.domain_rank > 0,
        }
    }

    /// Changes the plan so that it is off.
    pub(super) fn switch_off(self, plan: &mut FitPlan) {
        let text = &mut plan.transfer.text;
        match self {
            Self::TimeGaps => {
                plan.behavior.time_gaps = false;
                plan.transfer.sequence.time_gaps = false;
            }
            Self::SourceLoss => {
                plan.behavior.source_weight = 0.0;
                plan.transfer.sequence.source_weight = 0.0;
            }
            Self::Adaptor => text.trains_adaptor = false,
            Self::OwnVectors => text.id_bound = 0.0,
            Self::IdDropout => text.id_dropout = 0.0,
            Self::Tags => text.tags = false,
            Self::Duplicates => text.duplicate_cosine = 2.0,
            Self::DomainAdapter => text.domain_rank = 0,
        }
    }

    /// Whether an expert comes out differently without it.
    pub(super) fn touches(self, id: ExpertId) -> bool {
        match self {
            Self::TimeGaps => id.kind.learns_by_steps(),
            Self::SourceLoss => id.kind.learns_by_steps() && id.scope == Scope::All,
            Self::DomainAdapter => id.kind == ExpertKind::Transfer && id.scope == Scope::All,
            _ => id.kind == ExpertKind::Transfer,
        }
    }
}
