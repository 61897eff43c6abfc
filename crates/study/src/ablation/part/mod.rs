//! What a recipe is without one of its parts: the same fit with that part switched off, everything else chosen anew.

mod modality;
mod sequence_part;
mod without;

use std::fmt;

use segue_data::DomainIdx;
use segue_models::{ExpertId, ExpertKind, Scope, TokenKind};
use segue_recommend::DomainModel;
use segue_train::domain_fit::{DomainFit, EarlierFit, fit_domain_from, refit_domain};
use segue_train::judge::Judge;
use segue_train::material::Material;
use segue_train::session::Session;
use segue_train::{FitPlan, TrainError};
use serde::{Deserialize, Serialize};

pub use self::sequence_part::SequencePart;
use self::without::Without;

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
    /// A modality, left out of everything that reads it (`ablation/part/modality.rs` says what that is).
    Modality(TokenKind),
    /// What the graph says: in its place stands a random graph with the same relations and degrees
    /// ([`ItemGraph::permuted`](segue_data::ItemGraph::permuted)).
    Facts,
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
            Self::Modality(kind) => f.write_str(kind.name()),
            Self::Facts => f.write_str("facts"),
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

    /// The modalities that the data have and an expert of the recipe reads.
    pub fn modalities_of(plan: &FitPlan, material: Material<'_>) -> Vec<TokenKind> {
        TokenKind::ALL.into_iter().filter(|kind| modality::is_on(*kind, plan, material)).collect()
    }

    /// The recipe without the part; what of the part lies in the material is left out of that instead.
    pub fn plan_without(self, plan: &FitPlan) -> FitPlan {
        let mut plan = plan.clone();
        match self {
            Self::Expert(kind) => plan.experts.retain(|other| *other != kind),
            Self::Sources => plan.use_sources = false,
            Self::Sequence(part) => part.switch_off(&mut plan),
            Self::Modality(kind) => modality::switch_off(kind, &mut plan),
            Self::Source(_) | Self::Encoder | Self::Whitening | Self::Facts => {}
        }
        plan
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
            Self::Modality(kind) => modality::is_read_by(kind, id.kind),
            Self::Facts => modality::is_read_by(TokenKind::Graph, id.kind),
        }
    }
}

/// The whole recipe as it was fitted: what a part is left out of.
#[derive(Clone, Copy)]
pub struct WholeFit<'a> {
    /// What was trained and how much was tried.
    pub plan: &'a FitPlan,
    /// What that gave.
    pub fit: &'a DomainFit,
    /// What it was fitted on.
    pub material: Material<'a>,
}

/// Fits the recipe without a part. Experts of the whole recipe's fit that do not depend on the part are taken over, so that the
/// difference is the part's and not that of another search: this is what the one pipeline, which fits all experts, cannot do. Histories
/// of `valid` stay as they are: an expert that has learned nothing of a domain ignores its events.
///
/// # Errors
/// As [`fit_domain`](segue_train::fit_domain).
pub fn fit_without(
    part: Part,
    whole: WholeFit<'_>,
    valid: &Judge<'_>,
    session: Session<'_>,
) -> Result<DomainFit, TrainError> {
    let WholeFit { plan, fit, material } = whole;
    let holds = |id: ExpertId| !part.touches(id);
    let earlier = Some(EarlierFit { fit, holds: &holds, pretrained: None });
    let without = Without::new(part, material, plan.seed);
    fit_domain_from(&part.plan_without(plan), without.material(), valid, session, earlier)
}

/// The model of [`fit_without`] on other events (train and valid), again without the part.
///
/// # Errors
/// As [`refit_domain`].
pub fn refit_without(
    part: Part,
    model: &DomainModel,
    material: Material<'_>,
    seed: u64,
    session: Session<'_>,
) -> Result<DomainModel, TrainError> {
    refit_domain(model, Without::new(part, material, seed).material(), seed, session)
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
        assert_eq!(sources, 2, "the target is no source for itself");
        let sequence = parts.iter().filter(|part| matches!(part, Part::Sequence(_))).count();
        assert_eq!(sequence, SequencePart::ALL.len());
        assert_eq!(Part::modalities_of(&plan, material), [TokenKind::Text, TokenKind::Id]);
        for part in parts
            .into_iter()
            .filter(|part| !matches!(part, Part::Source(_) | Part::Encoder | Part::Whitening))
        {
            let without = part.plan_without(&plan);
            assert!(!Part::all_of(&without, material, DomainIdx(1)).contains(&part), "{part}");
        }
    }
}
