//! Trains the experts that learn by gradient steps, `behavior`, `transfer` and `joint`, for one domain.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use segue_data::DomainIdx;
use segue_data::reveal::without_domains;
pub use segue_models::sequence::Lessons;
use segue_models::sequence::{
    Example, SequenceConfig, SequenceModel, SequenceStep, SequenceTuning, TransferConfig,
};
use segue_models::{Expert, ExpertConfig, ExpertId, ModelError, Place, Scope};
use segue_nn::dropout::DropoutKey;
use segue_nn::{Gradients, Params};

use crate::error::TrainError;
use crate::judge::{Judge, Objective, mean};
use crate::keeping::Keeping;
use crate::learn::{Epoch, LearnPlan, Learner, Method, learn};
use crate::tasks::calibration_of;

/// Sequences below which there is nothing to learn from.
const FEWEST_EXAMPLES: usize = 50;

/// Small data take smaller batches, so that a pass is about so many steps.
const STEPS_PER_PASS: usize = 64;
const SMALLEST_BATCH: usize = 16;

/// How a sequence model is validated: on cases of its domain.
#[derive(Clone, Copy)]
pub struct Validation<'a> {
    /// With the cases that decide.
    pub judge: &'a Judge<'a>,
    /// Which ranks count.
    pub objective: Objective,
}

/// One training of a sequence model.
#[derive(Clone, Copy)]
pub struct SequenceTraining<'a> {
    /// Which expert it becomes.
    pub id: ExpertId,
    /// The domain whose items it scores.
    pub domain: DomainIdx,
    /// What it is trained on.
    pub lessons: Lessons<'a>,
    /// Decides when to stop, where it is given; the settings of the expert then hold the number of passes found, so that a refit
    /// without it can repeat them.
    pub valid: Option<Validation<'a>>,
    /// Of its start, the order of examples and dropout.
    pub seed: u64,
    /// Where it keeps its state, and what stops it.
    pub keeping: Keeping<'a>,
}

/// Trains a sequence model with the settings of any of its kinds; `observe` sees every pass. The expert and its passes.
///
/// # Errors
/// When there is too little to learn from (it stands aside), training diverges, or as [`learn`] where `keeping` says so.
///
/// # Panics
/// When the settings are those of an expert that is fitted in closed form.
pub fn fit_sequence(
    training: SequenceTraining<'_>,
    config: &ExpertConfig,
    mut observe: impl FnMut(&Epoch),
) -> Result<(Expert, Vec<Epoch>), TrainError> {
    let SequenceTraining { id, lessons, .. } = training;
    let mut fit = Fit { training, model: training.untrained(config)?, curve: Vec::new() };
    let config = match config {
        ExpertConfig::Transfer(config)
            if config.tuning != SequenceTuning::AtOnce && id.scope == Scope::All =>
        {
            let pretrain_epochs = fit.pretrain(config, &mut observe)?;
            let config = TransferConfig { pretrain_epochs, ..config.clone() };
            fit.adapt(&config, &mut observe)?;
            ExpertConfig::Transfer(config)
        }
        config => {
            let examples = Example::all_of(lessons.train, &fit.model);
            fit.model.count_targets(&examples);
            fit.train_phase(examples, fit.model.config.epochs, None, &mut observe)?;
            config.clone()
        }
    };
    Ok(fit.finish(config))
}

/// A `transfer` expert of [`SequenceTuning::Frozen`] with its passes: what was pretrained on the other domains.
#[derive(Clone, Copy, Debug)]
pub struct Pretrained<'a> {
    /// With [`SequenceTuning::Frozen`] settings.
    pub expert: &'a Expert,
    /// Of its pretraining.
    pub passes: &'a [Epoch],
}

/// As [`fit_sequence`] for a `transfer` expert of [`SequenceTuning::Light`] or [`SequenceTuning::Full`], without its first phase: that is
/// taken from an expert which was pretrained with the same settings, lessons, valid cases and seed. The outcome has the same bytes.
///
/// # Errors
/// As [`fit_sequence`].
///
/// # Panics
/// When the expert is no pretrained `transfer` expert.
pub fn adapt_pretrained(
    training: SequenceTraining<'_>,
    config: &TransferConfig,
    pretrained: Pretrained<'_>,
    mut observe: impl FnMut(&Epoch),
) -> Result<(Expert, Vec<Epoch>), TrainError> {
    let (ExpertConfig::Transfer(frozen), Some(trained)) =
        (pretrained.expert.config(), pretrained.expert.sequence_model())
    else {
        panic!("{} is no pretrained transfer expert", pretrained.expert.id)
    };
    let mut model = training.untrained(&ExpertConfig::Transfer(config.clone()))?;
    // What only training needs is new, the numbers are not.
    model.params.clone_from(&trained.params);
    model.config.epochs = trained.config.epochs;
    pretrained.passes.iter().for_each(&mut observe);
    let mut fit = Fit { training, model, curve: pretrained.passes.to_vec() };
    let config = TransferConfig { pretrain_epochs: frozen.pretrain_epochs, ..config.clone() };
    fit.adapt(&config, &mut observe)?;
    Ok(fit.finish(ExpertConfig::Transfer(config)))
}

impl<'a> SequenceTraining<'a> {
    /// A training that keeps nothing and is never stopped.
    pub fn new(
        id: ExpertId,
        domain: DomainIdx,
        lessons: Lessons<'a>,
        valid: Option<Validation<'a>>,
        seed: u64,
    ) -> Self {
        Self { id, domain, lessons, valid, seed, keeping: Keeping::nothing() }
    }

    // The model before its first step. Its draws are its scope's own, so that experts of one seed do not start alike.
    fn untrained(&self, config: &ExpertConfig) -> Result<SequenceModel, TrainError> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(self.id.scope as u64 + 1);
        let place = Place { domain: self.domain, scope: self.id.scope };
        SequenceModel::untrained(config, self.lessons, place, &mut rng).map_err(|source| self.failed(source))
    }

    fn failed(&self, source: ModelError) -> TrainError {
        TrainError::Model { expert: self.id.to_string(), source }
    }
}

/// A model while it is trained, in one phase or two.
struct Fit<'a> {
    training: SequenceTraining<'a>,
    model: SequenceModel,
    curve: Vec<Epoch>,
}

impl Fit<'_> {
    // On the other domains' events alone; the number of passes. Valid of the target decides when to stop: what is sought is what
    // carries over.
    fn pretrain(
        &mut self,
        config: &TransferConfig,
        observe: &mut impl FnMut(&Epoch),
    ) -> Result<usize, TrainError> {
        let lessons = self.training.lessons;
        let others = without_domains(lessons.train, lessons.items, &[self.model.rows.target]);
        let examples = Example::all_of(&others, &self.model);
        self.model.count_targets(&examples);
        let epochs = if self.training.valid.is_some() { 0 } else { config.pretrain_epochs.max(1) };
        self.train_phase(examples, epochs, Some("pretrain"), observe)
    }

    // On what comes next in the target, from what came before anywhere. Without enough of it the model stays as it is.
    fn adapt(&mut self, config: &TransferConfig, observe: &mut impl FnMut(&Epoch)) -> Result<(), TrainError> {
        let (lessons, tuning) = (self.training.lessons, config.tuning);
        if tuning == SequenceTuning::Frozen {
            return Ok(());
        }
        let examples = Example::all_of(lessons.train, &self.model);
        let examples = Example::towards(examples, &self.model.rows.candidates());
        if examples.len() < FEWEST_EXAMPLES {
            return Ok(());
        }
        self.model.tune(tuning);
        self.model.count_targets(&examples);
        // Not the passes of the phase before, which the model's settings hold by now.
        self.train_phase(examples, config.sequence.epochs, None, observe)?;
        self.model.tune(SequenceTuning::AtOnce);
        Ok(())
    }

    // Trains on examples; the number of passes to the best. Passes count on from those of the phase before.
    fn train_phase(
        &mut self,
        examples: Vec<Example>,
        epochs: usize,
        folder: Option<&str>,
        observe: &mut impl FnMut(&Epoch),
    ) -> Result<usize, TrainError> {
        if examples.len() < FEWEST_EXAMPLES {
            let reason = format!(
                "{} sequences of two or more events, at least {FEWEST_EXAMPLES} needed",
                examples.len()
            );
            let expert = self.training.id.kind.name();
            return Err(self.training.failed(ModelError::StandsAside { expert, reason }));
        }
        let SequenceTraining { valid, seed, keeping, .. } = self.training;
        let epochs = if valid.is_some() { 0 } else { epochs.max(1) };
        let plan = plan_of(&self.model.config, examples.len(), epochs, seed);
        let before = self.curve.len();
        let counted_on = |epoch: &Epoch| Epoch { epoch: epoch.epoch + before, ..*epoch };
        let folder = keeping.folder.map(|kept| folder.map_or(kept.into(), |own| kept.join(own)));
        let keeping = Keeping { folder: folder.as_deref(), ..keeping };
        let mut learner =
            SequenceLearner { model: &mut self.model, examples, step: SequenceStep::default(), valid };
        let curve = learn(&mut learner, &plan, keeping, |epoch| observe(&counted_on(epoch)))?;
        self.curve.extend(curve.iter().map(counted_on));
        self.model.config.epochs = best_epoch(&curve);
        Ok(self.model.config.epochs)
    }

    // The expert of what was trained, and the passes.
    fn finish(self, config: ExpertConfig) -> (Expert, Vec<Epoch>) {
        let SequenceTraining { id, domain, valid, seed, .. } = self.training;
        let mut model = self.model.trained();
        if let Some(valid) = valid {
            model.config.tasks.calibration = calibration_of(&model, valid.judge, seed);
        }
        let config = config.with_sequence(model.config.clone());
        (Expert::of_sequence(id, domain, config, model), self.curve)
    }
}

fn plan_of(config: &SequenceConfig, n_examples: usize, epochs: usize, seed: u64) -> LearnPlan {
    LearnPlan {
        n_examples,
        batch_size: config.batch_size.min(n_examples / STEPS_PER_PASS).max(SMALLEST_BATCH),
        method: Method::AdamW,
        learning_rate: config.learning_rate,
        warmup_steps: 100,
        weight_decay: config.weight_decay,
        clip_norm: 5.0,
        epochs,
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

struct SequenceLearner<'a> {
    model: &'a mut SequenceModel,
    examples: Vec<Example>,
    step: SequenceStep,
    valid: Option<Validation<'a>>,
}

impl Learner for SequenceLearner<'_> {
    fn params(&mut self) -> &mut Params {
        &mut self.model.params
    }

    fn losses(&mut self, batch: &[usize], key: DropoutKey, gradients: &mut Gradients) -> f64 {
        self.model.refresh_step(key);
        let batch: Vec<&Example> = batch.iter().map(|&at| &self.examples[at]).collect();
        self.step.losses(self.model, &batch, key, gradients)
    }

    fn validate(&mut self) -> Result<f64, TrainError> {
        self.model.refresh();
        let Some(valid) = self.valid else { return Ok(0.0) };
        let score = |query: &segue_models::Query<'_>, scores: &mut [f32]| self.model.score(query, scores);
        Ok(mean(&valid.judge.metric_values(valid.objective, score)?))
    }
}
