//! What a recipe is without one of its parts: the same fit with that part switched off, everything else chosen anew.

use std::fmt;

use segue_data::DomainIdx;
use segue_data::reveal::without_domains;
use segue_models::{ExpertId, ExpertKind, Scope};
use serde::{Deserialize, Serialize};

use crate::domain_fit::{DomainFit, Known, fit_domain_from};
use crate::error::TrainError;
use crate::fit_plan::FitPlan;
use crate::judge::Judge;
use crate::material::Material;
use crate::session::Session;

/// A part that can be switched off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// All experts of a kind.
    Expert(ExpertKind),
    /// All that comes from other domains.
    Sources,
    /// The events of one other domain.
    Source(DomainIdx),
    /// The text encoder: words are left.
    Encoder,
    /// Whitening of the encoder's vectors: only their mean is removed.
    Whitening,
    /// Something inside the sequence models.
    Sequence(SequencePart),
}

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
    const ALL: [Self; 8] = [
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

    // Whether the plan has it switched on, so that switching it off says something.
    fn is_on(self, plan: &FitPlan, has_sources: bool) -> bool {
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

    fn switch_off(self, plan: &mut FitPlan) {
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

    fn touches(self, id: ExpertId) -> bool {
        match self {
            Self::TimeGaps => id.kind.learns_by_steps(),
            Self::SourceLoss => id.kind.learns_by_steps() && id.scope == Scope::All,
            Self::DomainAdapter => id.kind == ExpertKind::Transfer && id.scope == Scope::All,
            _ => id.kind == ExpertKind::Transfer,
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expert(kind) => f.write_str(kind.name()),
            Self::Sources => f.write_str("sources"),
            Self::Source(domain) => write!(f, "source {}", domain.0),
            Self::Encoder => f.write_str("encoder vectors"),
            Self::Whitening => f.write_str("whitening"),
            Self::Sequence(part) => f.write_str(part.name()),
        }
    }
}

impl Part {
    /// The parts of a recipe that are on, for one target.
    pub fn all_of(plan: &FitPlan, material: Material<'_>, target: DomainIdx) -> Vec<Self> {
        let n_domains = material.items.n_domains();
        let has_sources = plan.use_sources && n_domains > 1;
        let mut parts = Vec::new();
        if plan.experts.len() > 1 {
            parts.extend(plan.experts.iter().map(|&kind| Self::Expert(kind)));
        }
        if has_sources {
            parts.push(Self::Sources);
        }
        if has_sources && n_domains > 2 {
            let others = (0..n_domains as u16).map(DomainIdx).filter(|domain| *domain != target);
            parts.extend(others.map(Self::Source));
        }
        let reads = |kind| plan.experts.contains(&kind);
        let learns = reads(ExpertKind::Transfer) || reads(ExpertKind::Joint);
        if material.vectors.is_some() && (reads(ExpertKind::Encoder) || learns) {
            // Of the encoder alone its expert says the same.
            if learns {
                parts.push(Self::Encoder);
            }
            parts.push(Self::Whitening);
        }
        let sequence = SequencePart::ALL.into_iter().filter(|part| part.is_on(plan, has_sources));
        parts.extend(sequence.map(Self::Sequence));
        parts
    }

    /// Whether an expert comes out differently without the part.
    pub fn touches(self, id: ExpertId) -> bool {
        match self {
            // The text prior of the linear expert is the content expert's.
            Self::Expert(ExpertKind::Content) => id.kind == ExpertKind::Linear,
            Self::Expert(_) | Self::Sources => false,
            Self::Source(_) => id.scope != Scope::Target,
            Self::Encoder | Self::Whitening => {
                matches!(id.kind, ExpertKind::Encoder | ExpertKind::Transfer | ExpertKind::Joint)
            }
            Self::Sequence(part) => part.touches(id),
        }
    }

    fn plan_without(self, plan: &FitPlan) -> FitPlan {
        let mut plan = plan.clone();
        match self {
            Self::Expert(kind) => plan.experts.retain(|other| *other != kind),
            Self::Sources => plan.use_sources = false,
            Self::Sequence(part) => part.switch_off(&mut plan),
            Self::Source(_) | Self::Encoder | Self::Whitening => {}
        }
        plan
    }
}

/// Fits the recipe without a part; experts of the whole recipe's fit that do not depend on the part are taken over. Histories of
/// `valid` stay as they are: an expert that has learned nothing of a domain makes nothing of its events.
///
/// # Errors
/// As [`fit_domain`](crate::fit_domain).
pub fn fit_without(
    part: Part,
    (plan, whole): (&FitPlan, &DomainFit),
    material: Material<'_>,
    valid: &Judge<'_>,
    session: Session<'_>,
) -> Result<DomainFit, TrainError> {
    let plan = part.plan_without(plan);
    let train = match part {
        Part::Source(domain) => Some(without_domains(material.train, material.items, &[domain])),
        _ => None,
    };
    let material = Material {
        train: train.as_ref().unwrap_or(material.train),
        vectors: material.vectors.filter(|_| part != Part::Encoder),
        whitens: material.whitens && part != Part::Whitening,
        ..material
    };
    let holds = |id: ExpertId| !part.touches(id);
    fit_domain_from(
        &plan,
        material,
        valid,
        session,
        Some(Known { fit: whole, holds: &holds, pretrained: None }),
    )
}

#[cfg(test)]
mod tests {
    use segue_data::{ItemCatalog, TrainSet, Vocabulary};

    use super::*;

    #[test]
    fn a_part_that_was_switched_off_is_no_part_any_more() {
        let domains = ["a", "b", "c"].map(|name| std::iter::once(name.to_owned()).collect::<Vocabulary>());
        let items = ItemCatalog::new(domains.into(), Vec::new());
        let train = TrainSet::default();
        let vectors = segue_models::ItemVectors {
            dim: 1,
            values: vec![1.0; 3],
            model: String::new(),
            model_sha256: String::new(),
        };
        let material = Material::new(&train, &items, Some(&vectors));
        let plan = FitPlan { experts: ExpertKind::ALL.into(), ..FitPlan::default() };
        let parts = Part::all_of(&plan, material, DomainIdx(1));
        let sources = parts.iter().filter(|part| matches!(part, Part::Source(_))).count();
        assert_eq!(sources, 2, "the target is no source of its own");
        let sequence = parts.iter().filter(|part| matches!(part, Part::Sequence(_))).count();
        assert_eq!(sequence, SequencePart::ALL.len());
        for part in parts
            .into_iter()
            .filter(|part| !matches!(part, Part::Source(_) | Part::Encoder | Part::Whitening))
        {
            let without = part.plan_without(&plan);
            assert!(!Part::all_of(&without, material, DomainIdx(1)).contains(&part), "{part}");
        }
    }
}
