//! The one training loop: batches → loss and gradients → clip → step → validate → keep the best → stop early.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use segue_nn::adamw::{AdamW, AdamWConfig};
use segue_nn::dropout::DropoutKey;
use segue_nn::{Gradients, Params};

use crate::error::TrainError;

/// What can be trained by gradient steps.
pub trait Learner {
    /// The numbers that are trained.
    fn params(&mut self) -> &mut Params;
    /// The loss of a batch of examples, its gradients added to `gradients`. `key` decides this step's dropout.
    fn losses(&mut self, batch: &[usize], key: DropoutKey, gradients: &mut Gradients) -> f64;
    /// How good the model is on valid; higher is better.
    ///
    /// # Errors
    /// When a score is not finite.
    fn validate(&mut self) -> Result<f64, TrainError>;
}

/// Settings of the loop.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LearnPlan {
    /// Examples to learn from.
    pub n_examples: usize,
    /// Examples per step.
    pub batch_size: usize,
    /// Learning rate after warm-up.
    pub learning_rate: f32,
    /// Steps until the learning rate is reached.
    pub warmup_steps: u64,
    /// Weight decay per unit of learning rate.
    pub weight_decay: f32,
    /// Norm of the gradient above which it is scaled down.
    pub clip_norm: f32,
    /// Passes over the examples; 0 = until valid no longer improves.
    pub epochs: usize,
    /// Most passes when valid decides.
    pub max_epochs: usize,
    /// Validations without improvement after which training stops.
    pub patience: usize,
    /// Seed of order and dropout.
    pub seed: u64,
}

/// What happened in one pass.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Epoch {
    /// Counted from 1.
    pub epoch: usize,
    /// Mean loss.
    pub loss: f64,
    /// Metric on valid; `None` when the number of passes was fixed.
    pub metric: Option<f64>,
}

/// Trains, and leaves the best parameters in the learner. Returns the curve; the best pass is the one with the highest metric,
/// or the last when the number of passes was fixed.
///
/// # Errors
/// When a loss is not finite or a validation fails.
pub fn learn(
    learner: &mut impl Learner,
    plan: &LearnPlan,
    mut observe: impl FnMut(&Epoch),
) -> Result<Vec<Epoch>, TrainError> {
    let config = AdamWConfig { weight_decay: plan.weight_decay, ..AdamWConfig::default() };
    let mut optimizer = AdamW::new(config, learner.params());
    let mut gradients = learner.params().gradients();
    let mut best: Option<(f64, usize, Params)> = None;
    let mut curve = Vec::new();
    let n_epochs = if plan.epochs > 0 { plan.epochs } else { plan.max_epochs };
    for epoch in 1..=n_epochs {
        let loss = pass(learner, plan, epoch, &mut optimizer, &mut gradients)?;
        let metric = if plan.epochs > 0 { None } else { Some(learner.validate()?) };
        curve.push(Epoch { epoch, loss, metric });
        observe(&Epoch { epoch, loss, metric });
        let Some(metric) = metric else { continue };
        if best.as_ref().is_none_or(|(top, _, _)| metric > *top) {
            best = Some((metric, epoch, learner.params().clone()));
        } else if best.as_ref().is_some_and(|(_, at, _)| epoch - at >= plan.patience) {
            break;
        }
    }
    if let Some((_, _, params)) = best {
        *learner.params() = params;
    }
    Ok(curve)
}

// One pass over all examples in a new order; the mean loss.
fn pass(
    learner: &mut impl Learner,
    plan: &LearnPlan,
    epoch: usize,
    optimizer: &mut AdamW,
    gradients: &mut Gradients,
) -> Result<f64, TrainError> {
    let mut rng = ChaCha8Rng::seed_from_u64(plan.seed);
    rng.set_stream(epoch as u64);
    let mut order: Vec<usize> = (0..plan.n_examples).collect();
    order.shuffle(&mut rng);
    let key = DropoutKey::new(plan.seed).of(epoch as u64);
    let mut total = 0.0;
    for (step, batch) in order.chunks(plan.batch_size).enumerate() {
        gradients.clear();
        let loss = learner.losses(batch, key.of(step as u64), gradients);
        let norm = norm_of(gradients);
        if !loss.is_finite() || !norm.is_finite() {
            return Err(TrainError::Diverged { epoch, step, loss });
        }
        let scale = if norm > f64::from(plan.clip_norm) { plan.clip_norm / norm as f32 } else { 1.0 };
        let warm = (optimizer.step + 1) as f32 / plan.warmup_steps.max(1) as f32;
        optimizer.step(learner.params(), gradients, plan.learning_rate * warm.min(1.0), scale);
        total += loss * batch.len() as f64;
    }
    Ok(total / plan.n_examples.max(1) as f64)
}

fn norm_of(gradients: &Gradients) -> f64 {
    segue_nn::sum_of_squares(gradients).sqrt()
}
