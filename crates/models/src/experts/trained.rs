//! The experts that are trained by steps, all sequence models: the facts of the three kinds, their settings, their start.

use rand::{Rng, RngCore};
use segue_data::{ItemCatalog, ItemIdx, TrainSet};

use super::contract::{FitContext, KindFacts, Scorer, Settings};
use super::{ExpertConfig, ExpertId, ExpertKind, Fitted};
use crate::query::{Place, Query, Scope};
use crate::sequence::{JointConfig, Lessons, SequenceConfig, SequenceModel, TransferConfig};
use crate::tensors::{ModelError, Tensors};

const fn by_steps(kind: ExpertKind, name: &'static str, default: fn() -> ExpertConfig) -> KindFacts {
    KindFacts {
        scope_with_sources: Some(Scope::All),
        learns_by_steps: true,
        ..KindFacts::closed_form(kind, name, default)
    }
}

pub(super) const BEHAVIOR: KindFacts =
    by_steps(ExpertKind::Behavior, "behavior", || ExpertConfig::Behavior(SequenceConfig::default()));

/// Not by default, as `joint`: both cost as much as `behavior` and more, and have not made a blend on real data better yet
/// (docs/experiments.md).
pub(super) const TRANSFER: KindFacts = KindFacts {
    is_default: false,
    ..by_steps(ExpertKind::Transfer, "transfer", || ExpertConfig::Transfer(TransferConfig::default()))
};

pub(super) const JOINT: KindFacts = KindFacts {
    is_default: false,
    ..by_steps(ExpertKind::Joint, "joint", || ExpertConfig::Joint(Box::default()))
};

// One training run costs as much as all other searches together: settings of sequence models are not searched.
impl Settings for SequenceConfig {
    fn fit(&self, id: ExpertId, _: &TrainSet, _: &FitContext<'_>) -> Result<Fitted, ModelError> {
        Err(ModelError::NeedsTraining(id.kind.name()))
    }

    fn load(&self, items: &ItemCatalog, place: Place, tensors: &mut Tensors) -> Result<Fitted, ModelError> {
        SequenceModel::load(self, items, place, tensors).map(|model| Fitted::Sequence(Box::new(model)))
    }

    fn step(&self, _: ExpertKind, _: &mut dyn RngCore) -> ExpertConfig {
        ExpertConfig::Behavior(self.clone())
    }
}

impl Settings for TransferConfig {
    fn fit(&self, id: ExpertId, _: &TrainSet, _: &FitContext<'_>) -> Result<Fitted, ModelError> {
        Err(ModelError::NeedsTraining(id.kind.name()))
    }

    fn load(&self, items: &ItemCatalog, place: Place, tensors: &mut Tensors) -> Result<Fitted, ModelError> {
        let model = SequenceModel::load_with_text(self, items, place, tensors)?;
        Ok(Fitted::Sequence(Box::new(model)))
    }

    fn step(&self, _: ExpertKind, _: &mut dyn RngCore) -> ExpertConfig {
        ExpertConfig::Transfer(self.clone())
    }
}

impl Settings for JointConfig {
    fn fit(&self, id: ExpertId, _: &TrainSet, _: &FitContext<'_>) -> Result<Fitted, ModelError> {
        Err(ModelError::NeedsTraining(id.kind.name()))
    }

    fn load(&self, items: &ItemCatalog, place: Place, tensors: &mut Tensors) -> Result<Fitted, ModelError> {
        let model = SequenceModel::load_with_fusion(self, items, place, tensors)?;
        Ok(Fitted::Sequence(Box::new(model)))
    }

    fn step(&self, _: ExpertKind, _: &mut dyn RngCore) -> ExpertConfig {
        ExpertConfig::Joint(Box::new(self.clone()))
    }
}

impl Scorer for SequenceModel {
    /// All 0 for a user without events in scope of whom nothing is known.
    fn score(&self, query: &Query<'_>, _: &[(ItemIdx, f32)], scores: &mut [f32]) {
        self.score(query, scores);
    }

    fn save(&self, tensors: &mut Tensors) {
        self.save(tensors);
    }
}

impl ExpertConfig {
    /// The settings of the sequence model, where the expert is one.
    pub fn sequence(&self) -> Option<&SequenceConfig> {
        match self {
            Self::Behavior(sequence) | Self::Transfer(TransferConfig { sequence, .. }) => Some(sequence),
            Self::Joint(config) => Some(&config.sequence),
            _ => None,
        }
    }

    /// The same settings with those of a sequence model that was trained; unchanged where the expert is none.
    #[must_use]
    pub fn with_sequence(mut self, trained: SequenceConfig) -> Self {
        match &mut self {
            Self::Behavior(sequence) | Self::Transfer(TransferConfig { sequence, .. }) => *sequence = trained,
            Self::Joint(config) => config.sequence = trained,
            _ => {}
        }
        self
    }
}

impl SequenceModel {
    /// The model of an expert before training, ready for its lessons.
    ///
    /// # Errors
    /// When it stands aside: its settings contradict each other, or the lessons lack what it reads.
    ///
    /// # Panics
    /// When the settings are those of an expert that is fitted in closed form.
    pub fn untrained(
        config: &ExpertConfig,
        lessons: Lessons<'_>,
        place: Place,
        rng: &mut impl Rng,
    ) -> Result<Self, ModelError> {
        let mut model = match config {
            ExpertConfig::Behavior(config) => Self::new(config, lessons.items, place, rng)?,
            ExpertConfig::Transfer(config) => {
                let space = lessons.inputs.text.ok_or_else(|| ModelError::StandsAside {
                    expert: "transfer",
                    reason: "no item with training events has text".into(),
                })?;
                Self::with_text(config, lessons.items, space, place, rng)?
            }
            ExpertConfig::Joint(config) => Self::with_fusion(config, lessons, place, rng)?,
            other => panic!("it is not trained by steps: {other:?}"),
        };
        model.read_profiles(lessons.train.profiles.n_values(), rng);
        model.learn_rating_biases(lessons.train);
        Ok(model)
    }
}
