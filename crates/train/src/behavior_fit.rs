//! Trains the experts that learn by gradient steps, `behavior` and `transfer`, for one domain.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use segue_data::{DomainIdx, ItemCatalog, TrainSet};
use segue_models::behavior::{Behavior, BehaviorConfig, BehaviorStep, Example, TransferConfig};
use segue_models::nn::dropout::DropoutKey;
use segue_models::nn::{Gradients, Params};
use segue_models::{Expert, ExpertConfig, ExpertId, ModelError, TextSpace};

use crate::error::TrainError;
use crate::judge::{Judge, Objective, mean};
use crate::learn::{Epoch, LearnPlan, Learner, Method, learn};
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

/// What a model is trained on.
#[derive(Clone, Copy)]
pub struct Lessons<'a> {
    /// Training events.
    pub train: &'a TrainSet,
    /// Items of all domains.
    pub items: &'a ItemCatalog,
    /// Vectors of their texts, for `transfer`.
    pub text_space: Option<&'a TextSpace<'a>>,
}

/// Trains a sequence model for the items of `domain`. With `valid`, it decides when to stop, and the returned expert's settings hold
/// the number of passes found, so that a refit without `valid` can repeat them.
///
/// # Errors
/// When there is too little to learn from (it stands aside), training diverges, or as [`learn`] where `keeping` says so.
///
/// # Panics
/// When the settings are those of an expert that is fitted in closed form.
pub fn fit_behavior(
    (id, domain): (ExpertId, DomainIdx),
    config: &ExpertConfig,
    lessons: Lessons<'_>,
    valid: Option<Validation<'_>>,
    seed: u64,
    (keeping, observe): (Keeping<'_>, impl FnMut(&Epoch)),
) -> Result<(Expert, Vec<Epoch>), TrainError> {
    let stands_aside = |source: ModelError| TrainError::Model { expert: id.to_string(), source };
    let model = new_model((id, domain), config, lessons, seed).map_err(stands_aside)?;
    let examples = Example::all_of(lessons.train, &model);
    if examples.len() < FEWEST_EXAMPLES {
        let reason =
            format!("{} sequences of two or more events, at least {FEWEST_EXAMPLES} needed", examples.len());
        return Err(stands_aside(ModelError::StandsAside { expert: id.kind.name(), reason }));
    }
    let plan = plan_of(&model.config, examples.len(), valid.is_some(), seed);
    let mut learner = BehaviorLearner { model, examples, step: BehaviorStep::default(), valid };
    learner.model.count_targets(&learner.examples);
    let curve = learn(&mut learner, &plan, keeping, observe)?;
    let mut model = learner.model.trained();
    model.config.epochs = best_epoch(&curve);
    let expert = match config {
        ExpertConfig::Transfer(config) => {
            let config = TransferConfig { sequence: model.config.clone(), ..config.clone() };
            Expert::of_transfer(id, domain, config, model)
        }
        _ => Expert::of_behavior(id, domain, model),
    };
    Ok((expert, curve))
}

fn new_model(
    (id, domain): (ExpertId, DomainIdx),
    config: &ExpertConfig,
    lessons: Lessons<'_>,
    seed: u64,
) -> Result<Behavior, ModelError> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(id.scope as u64 + 1);
    let place = (domain, id.scope);
    let mut model = match config {
        ExpertConfig::Behavior(config) => Behavior::new(config, lessons.items, place, &mut rng)?,
        ExpertConfig::Transfer(config) => {
            let space = lessons.text_space.ok_or_else(|| ModelError::StandsAside {
                expert: "transfer",
                reason: "no item with training events has text".into(),
            })?;
            Behavior::with_text(config, (lessons.items, space), place, &mut rng)?
        }
        other => panic!("{} is not trained by steps: {other:?}", id.kind.name()),
    };
    model.read_profiles(lessons.train.profiles.n_values(), &mut rng);
    Ok(model)
}

fn plan_of(config: &BehaviorConfig, n_examples: usize, has_valid: bool, seed: u64) -> LearnPlan {
    LearnPlan {
        n_examples,
        batch_size: config.batch_size.min(n_examples / STEPS_PER_PASS).max(SMALLEST_BATCH),
        method: Method::AdamW,
        learning_rate: config.learning_rate,
        warmup_steps: 100,
        weight_decay: config.weight_decay,
        clip_norm: 5.0,
        epochs: if has_valid { 0 } else { config.epochs.max(1) },
        max_epochs: config.max_epochs,
        patience: config.patience,
        seed,
    }
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
        self.model.refresh_step(key);
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
