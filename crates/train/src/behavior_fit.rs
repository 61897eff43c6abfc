//! Trains the experts that learn by gradient steps, `behavior` and `transfer`, for one domain.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use segue_data::reveal::without_domains;
use segue_data::{DomainIdx, ItemCatalog, TrainSet};
use segue_models::behavior::{
    Behavior, BehaviorConfig, BehaviorStep, Example, JointConfig, SequenceTuning, TransferConfig,
};
use segue_models::nn::dropout::DropoutKey;
use segue_models::nn::{Gradients, Params};
use segue_models::{Expert, ExpertConfig, ExpertId, FusionInputs, ModelError, Scope};

use crate::error::TrainError;
use crate::judge::{Judge, Objective, mean};
use crate::learn::{Epoch, LearnPlan, Learner, Method, learn};
use crate::session::Keeping;
use crate::tasks::calibration_of;

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
    /// What is known about them, for `transfer` and `joint`.
    pub inputs: FusionInputs<'a>,
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
    (keeping, mut observe): (Keeping<'_>, impl FnMut(&Epoch)),
) -> Result<(Expert, Vec<Epoch>), TrainError> {
    let stands_aside = |source: ModelError| TrainError::Model { expert: id.to_string(), source };
    let model = new_model((id, domain), config, lessons, seed).map_err(stands_aside)?;
    let mut fit = Fit { id, model, valid, seed, keeping, curve: Vec::new() };
    let config = match config {
        ExpertConfig::Transfer(config)
            if config.tuning != SequenceTuning::Joint && id.scope == Scope::All =>
        {
            let pretrain_epochs = fit.pretrain(config, lessons, &mut observe)?;
            let config = TransferConfig { pretrain_epochs, ..config.clone() };
            fit.adapt(&config, lessons, &mut observe)?;
            ExpertConfig::Transfer(config)
        }
        config => {
            let examples = Example::all_of(lessons.train, &fit.model);
            fit.model.count_targets(&examples);
            fit.phase(examples, fit.model.config.epochs, None, &mut observe)?;
            config.clone()
        }
    };
    Ok(fit.finish(domain, &config))
}

/// A `transfer` expert of [`SequenceTuning::Frozen`] with its passes: what was pretrained on the other domains.
#[derive(Clone, Copy, Debug)]
pub struct Pretrained<'a> {
    /// The expert.
    pub expert: &'a Expert,
    /// Its passes.
    pub passes: &'a [Epoch],
}

/// As [`fit_behavior`] for a `transfer` expert of [`SequenceTuning::Light`] or [`SequenceTuning::Full`], without its first phase: that is
/// taken from an expert which was pretrained with the same settings, lessons, valid cases and seed. The outcome has the same bytes.
///
/// # Errors
/// As [`fit_behavior`].
///
/// # Panics
/// When the expert is no pretrained `transfer` expert.
pub fn adapt_pretrained(
    (id, domain): (ExpertId, DomainIdx),
    (config, pretrained): (&TransferConfig, Pretrained<'_>),
    lessons: Lessons<'_>,
    valid: Option<Validation<'_>>,
    seed: u64,
    (keeping, mut observe): (Keeping<'_>, impl FnMut(&Epoch)),
) -> Result<(Expert, Vec<Epoch>), TrainError> {
    let (ExpertConfig::Transfer(of_pretrained), Some(trained)) =
        (pretrained.expert.config(), pretrained.expert.sequence_model())
    else {
        panic!("{} is no pretrained transfer expert", pretrained.expert.id)
    };
    let stands_aside = |source: ModelError| TrainError::Model { expert: id.to_string(), source };
    let settings = ExpertConfig::Transfer(config.clone());
    let mut model = new_model((id, domain), &settings, lessons, seed).map_err(stands_aside)?;
    // What only training needs is new, the numbers are not.
    model.params.clone_from(&trained.params);
    model.config.epochs = trained.config.epochs;
    pretrained.passes.iter().for_each(&mut observe);
    let mut fit = Fit { id, model, valid, seed, keeping, curve: pretrained.passes.to_vec() };
    let config = TransferConfig { pretrain_epochs: of_pretrained.pretrain_epochs, ..config.clone() };
    fit.adapt(&config, lessons, &mut observe)?;
    Ok(fit.finish(domain, &ExpertConfig::Transfer(config)))
}

/// A model while it is trained, in one phase or two.
struct Fit<'a> {
    id: ExpertId,
    model: Behavior,
    valid: Option<Validation<'a>>,
    seed: u64,
    keeping: Keeping<'a>,
    curve: Vec<Epoch>,
}

impl Fit<'_> {
    // On the other domains' events alone; the number of passes. Valid of the target decides when to stop: what is sought is what
    // carries over.
    fn pretrain(
        &mut self,
        config: &TransferConfig,
        lessons: Lessons<'_>,
        observe: &mut impl FnMut(&Epoch),
    ) -> Result<usize, TrainError> {
        let others = without_domains(lessons.train, lessons.items, &[self.model.rows.target]);
        let examples = Example::all_of(&others, &self.model);
        self.model.count_targets(&examples);
        let epochs = if self.valid.is_some() { 0 } else { config.pretrain_epochs.max(1) };
        self.phase(examples, epochs, Some("pretrain"), observe)
    }

    // On what comes next in the target, from what came before anywhere. Without enough of it the model stays as it is.
    fn adapt(
        &mut self,
        config: &TransferConfig,
        lessons: Lessons<'_>,
        observe: &mut impl FnMut(&Epoch),
    ) -> Result<(), TrainError> {
        let tuning = config.tuning;
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
        self.phase(examples, config.sequence.epochs, None, observe)?;
        self.model.tune(SequenceTuning::Joint);
        Ok(())
    }

    // Trains on examples; the number of passes to the best. Passes count on from those of the phase before.
    fn phase(
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
            let source = ModelError::StandsAside { expert: self.id.kind.name(), reason };
            return Err(TrainError::Model { expert: self.id.to_string(), source });
        }
        let epochs = if self.valid.is_some() { 0 } else { epochs.max(1) };
        let plan = plan_of(&self.model.config, examples.len(), epochs, self.seed);
        let before = self.curve.len();
        let counted_on = |epoch: &Epoch| Epoch { epoch: epoch.epoch + before, ..*epoch };
        let folder = self.keeping.folder.map(|kept| folder.map_or(kept.into(), |own| kept.join(own)));
        let keeping = Keeping { folder: folder.as_deref(), ..self.keeping };
        let mut learner = BehaviorLearner {
            model: &mut self.model,
            examples,
            step: BehaviorStep::default(),
            valid: self.valid,
        };
        let curve = learn(&mut learner, &plan, keeping, |epoch| observe(&counted_on(epoch)))?;
        self.curve.extend(curve.iter().map(counted_on));
        self.model.config.epochs = best_epoch(&curve);
        Ok(self.model.config.epochs)
    }

    // The expert of what was trained, and the passes.
    fn finish(self, domain: DomainIdx, config: &ExpertConfig) -> (Expert, Vec<Epoch>) {
        let mut model = self.model.trained();
        if let Some(valid) = self.valid {
            model.config.tasks.calibration = calibration_of(&model, valid.judge, self.seed);
        }
        let expert = match config {
            ExpertConfig::Transfer(config) => {
                let config = TransferConfig { sequence: model.config.clone(), ..config.clone() };
                Expert::of_transfer(self.id, domain, config, model)
            }
            ExpertConfig::Joint(config) => {
                let config = JointConfig { sequence: model.config.clone(), ..(**config).clone() };
                Expert::of_joint(self.id, domain, config, model)
            }
            _ => Expert::of_behavior(self.id, domain, model),
        };
        (expert, self.curve)
    }
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
            let space = lessons.inputs.text.ok_or_else(|| ModelError::StandsAside {
                expert: "transfer",
                reason: "no item with training events has text".into(),
            })?;
            Behavior::with_text(config, (lessons.items, space), place, &mut rng)?
        }
        ExpertConfig::Joint(config) => {
            let content = (lessons.items, &lessons.inputs, lessons.train);
            Behavior::with_fusion(config, content, place, &mut rng)?
        }
        other => panic!("{} is not trained by steps: {other:?}", id.kind.name()),
    };
    model.read_profiles(lessons.train.profiles.n_values(), &mut rng);
    model.learn_rating_biases(lessons.train);
    Ok(model)
}

fn plan_of(config: &BehaviorConfig, n_examples: usize, epochs: usize, seed: u64) -> LearnPlan {
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

struct BehaviorLearner<'a> {
    model: &'a mut Behavior,
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
        self.step.losses(self.model, &batch, key, gradients)
    }

    fn validate(&mut self) -> Result<f64, TrainError> {
        self.model.refresh();
        let Some(valid) = self.valid else { return Ok(0.0) };
        let score = |query: &segue_models::Query<'_>, scores: &mut [f32]| self.model.score(query, scores);
        Ok(mean(&valid.judge.metric_values(valid.objective, score)?))
    }
}
