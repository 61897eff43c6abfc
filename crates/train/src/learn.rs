//! The one training loop: batches → loss and gradients → clip → step → validate → keep the best → stop early.

mod training;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use segue_nn::clip::{clip_factor, global_norm};
use segue_nn::dropout::DropoutKey;
use segue_nn::{Gradients, Params};
use serde::{Deserialize, Serialize};

use self::training::Training;
use crate::error::TrainError;
use crate::keeping::Keeping;

/// What can be trained by gradient steps.
pub trait Learner {
    /// The trainable parameters.
    fn params(&mut self) -> &mut Params;
    /// Hears that pass `epoch` (from 1) begins, or resumes after a stop.
    fn begin_pass(&mut self, _epoch: usize) {}
    /// The loss of a batch of examples, its gradients added to `gradients`. `key` decides this step's dropout.
    fn losses(&mut self, batch: &[usize], key: DropoutKey, gradients: &mut Gradients) -> f64;
    /// Hears that the optimizer has taken step `step` (from 0, counted over all passes) with these gradients.
    fn end_step(&mut self, _gradients: &Gradients, _step: u64) {}
    /// The parameters, and what else a training needs of the learner to resume.
    fn state(&mut self) -> State<'_> {
        State { params: self.params(), memory: Vec::new() }
    }
    /// How good the model is on valid; higher is better.
    ///
    /// # Errors
    /// When a score is not finite.
    fn validate(&mut self) -> Result<f64, TrainError>;
}

/// What a checkpoint keeps of a learner.
#[derive(Debug)]
pub struct State<'a> {
    /// The trainable parameters.
    pub params: &'a mut Params,
    /// Arrays that decide later steps, by name; always the same names and lengths.
    pub memory: Vec<(String, &'a mut [f32])>,
}

/// How gradients become steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// For networks.
    AdamW,
    /// For embeddings that few examples touch each; weight decay is not read.
    Adagrad,
}

/// Settings of the loop.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LearnPlan {
    /// Examples to learn from.
    pub n_examples: usize,
    /// Examples per step.
    pub batch_size: usize,
    /// Optimizer.
    pub method: Method,
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

impl LearnPlan {
    /// Most passes.
    pub fn n_epochs(&self) -> usize {
        if self.epochs > 0 { self.epochs } else { self.max_epochs }
    }
}

/// What happened in one pass.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
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
/// With a folder in `keeping` it resumes from the checkpoint there, if there is one, and leaves one after each pass: whatever
/// stops it and however often, the outcome has the same bytes. `observe` sees the passes of this call.
///
/// # Errors
/// When a loss is not finite, a validation fails, it was stopped, or a checkpoint cannot be written or is of another training.
pub fn learn(
    learner: &mut impl Learner,
    plan: &LearnPlan,
    keeping: Keeping<'_>,
    mut observe: impl FnMut(&Epoch),
) -> Result<Vec<Epoch>, TrainError> {
    let mut training = Training::new(plan, learner.params());
    if let Some(folder) = keeping.folder {
        training.load(plan, learner.state(), folder)?;
    }
    let mut gradients = learner.params().gradients();
    while !training.is_done(plan) {
        pass(learner, plan, keeping, &mut training, &mut gradients)?;
        stop_if_asked(learner, plan, keeping, &training)?;
        let metric = if plan.epochs > 0 { None } else { Some(learner.validate()?) };
        observe(&training.end_pass(plan, metric, learner.params()));
        keep(learner, plan, keeping, &training)?;
    }
    if let Some(best) = training.best {
        *learner.params() = best.params;
    }
    Ok(training.curve)
}

// The steps that are left of the running pass over all examples, in an order of its own.
fn pass(
    learner: &mut impl Learner,
    plan: &LearnPlan,
    keeping: Keeping<'_>,
    training: &mut Training,
    gradients: &mut Gradients,
) -> Result<(), TrainError> {
    let epoch = training.curve.len() + 1;
    let mut rng = ChaCha8Rng::seed_from_u64(plan.seed);
    rng.set_stream(epoch as u64);
    let mut order: Vec<usize> = (0..plan.n_examples).collect();
    order.shuffle(&mut rng);
    let key = DropoutKey::new(plan.seed).of(epoch as u64);
    learner.begin_pass(epoch);
    for (step, batch) in order.chunks(plan.batch_size).enumerate().skip(training.n_steps) {
        stop_if_asked(learner, plan, keeping, training)?;
        gradients.clear();
        let loss = learner.losses(batch, key.of(step as u64), gradients);
        let norm = global_norm(learner.params(), gradients, &[]).ok().filter(|_| loss.is_finite());
        let norm = norm.ok_or(TrainError::Diverged { epoch, step, loss })?;
        let scale = clip_factor(norm, f64::from(plan.clip_norm));
        let optimizer = &mut training.optimizer;
        let warm = (optimizer.n_steps() + 1) as f32 / plan.warmup_steps.max(1) as f32;
        optimizer.step(learner.params(), gradients, plan.learning_rate * warm.min(1.0), scale);
        learner.end_step(gradients, training.optimizer.n_steps() - 1);
        training.total += loss * batch.len() as f64;
        training.n_steps = step + 1;
        if keeping.every_steps > 0 && training.optimizer.n_steps().is_multiple_of(keeping.every_steps) {
            keep(learner, plan, keeping, training)?;
        }
    }
    Ok(())
}

fn stop_if_asked(
    learner: &mut impl Learner,
    plan: &LearnPlan,
    keeping: Keeping<'_>,
    training: &Training,
) -> Result<(), TrainError> {
    if !keeping.is_stopped() {
        return Ok(());
    }
    keep(learner, plan, keeping, training)?;
    Err(TrainError::Stopped)
}

fn keep(
    learner: &mut impl Learner,
    plan: &LearnPlan,
    keeping: Keeping<'_>,
    training: &Training,
) -> Result<(), TrainError> {
    keeping.folder.map_or(Ok(()), |folder| Ok(training.save(plan, &learner.state(), folder)?))
}
