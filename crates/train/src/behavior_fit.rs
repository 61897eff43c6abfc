//! Trains the behavior expert for one domain.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use segue_data::{DomainIdx, ItemCatalog, TrainSet};
use segue_models::behavior::{Behavior, BehaviorConfig, BehaviorStep, Example};
use segue_models::nn::dropout::DropoutKey;
use segue_models::nn::{Gradients, Params};
use segue_models::{Expert, ExpertId, ModelError};

use crate::error::TrainError;
use crate::judge::{Judge, Objective, mean};
use crate::learn::{Epoch, LearnPlan, Learner, learn};
use crate::session::Keeping;

/// Sequences below which there is nothing to learn from.
const FEWEST_EXAMPLES: usize = 50;

/// Small data take smaller batches, so that a pass is about so many steps.
const STEPS_PER_PASS: usize = 64;
const SMALLEST_BATCH: usize = 16;

/// How a behavior model is validated: on cases of its domain.
#[derive(Clone, Copy)]
pub struct Validation<'a> {
    /// The cases.
    pub judge: &'a Judge<'a>,
    /// Which ranks count.
    pub objective: Objective,
}

/// Trains a behavior model for the items of `domain`. With `valid`, it decides when to stop, and the returned expert's settings hold
/// the number of passes found, so that a refit without `valid` can repeat them.
///
/// # Errors
/// When there is too little to learn from (it stands aside), training diverges, or as [`learn`] where `keeping` says so.
pub fn fit_behavior(
    (id, domain): (ExpertId, DomainIdx),
    config: &BehaviorConfig,
    (train, items): (&TrainSet, &ItemCatalog),
    valid: Option<Validation<'_>>,
    seed: u64,
    (keeping, observe): (Keeping<'_>, impl FnMut(&Epoch)),
) -> Result<(Expert, Vec<Epoch>), TrainError> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(id.scope as u64 + 1);
    let stands_aside = |source: ModelError| TrainError::Model { expert: id.to_string(), source };
    let mut model = Behavior::new(config, items, (domain, id.scope), &mut rng).map_err(stands_aside)?;
    model.read_profiles(train.profiles.n_values(), &mut rng);
    let examples = Example::all_of(train, &model);
    if examples.len() < FEWEST_EXAMPLES {
        let reason =
            format!("{} sequences of two or more events, at least {FEWEST_EXAMPLES} needed", examples.len());
        return Err(stands_aside(ModelError::StandsAside { expert: "behavior", reason }));
    }
    model.count_targets(&examples);
    let plan = LearnPlan {
        n_examples: examples.len(),
        batch_size: config.batch_size.min(examples.len() / STEPS_PER_PASS).max(SMALLEST_BATCH),
        learning_rate: config.learning_rate,
        warmup_steps: 100,
        weight_decay: config.weight_decay,
        clip_norm: 5.0,
        epochs: if valid.is_some() { 0 } else { config.epochs.max(1) },
        max_epochs: config.max_epochs,
        patience: config.patience,
        seed,
    };
    let mut learner = BehaviorLearner { model, examples, step: BehaviorStep::default(), valid };
    let curve = learn(&mut learner, &plan, keeping, observe)?;
    let mut model = learner.model.trained();
    model.refresh();
    model.config.epochs = best_epoch(&curve);
    Ok((Expert::of_behavior(id, domain, model), curve))
}

fn best_epoch(curve: &[Epoch]) -> usize {
    let best =
        curve.iter().filter(|epoch| epoch.metric.is_some()).fold(None, |best: Option<&Epoch>, next| {
            best.filter(|best| best.metric >= next.metric).or(Some(next))
        });
    best.or(curve.last()).map_or(1, |epoch| epoch.epoch)
}

struct BehaviorLearner<'a> {
    model: Behavior,
    examples: Vec<Example>,
    step: BehaviorStep,
    valid: Option<Validation<'a>>,
}

impl Learner for BehaviorLearner<'_> {
    fn params(&mut self) -> &mut Params {
        &mut self.model.params
    }

    fn losses(&mut self, batch: &[usize], key: DropoutKey, gradients: &mut Gradients) -> f64 {
        self.model.refresh();
        let batch: Vec<&Example> = batch.iter().map(|&at| &self.examples[at]).collect();
        self.step.losses(&self.model, &batch, key, gradients)
    }

    fn validate(&mut self) -> Result<f64, TrainError> {
        self.model.refresh();
        let Some(valid) = self.valid else { return Ok(0.0) };
        let score = |query: &segue_models::Query<'_>, scores: &mut [f32]| self.model.score(query, scores);
        Ok(mean(&valid.judge.ndcg(valid.objective, score)?))
    }
}
