//! Adapts a pretrained encoder to recommending: which lessons, the training, and what valid says of it.

use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use segue_data::{DomainIdx, ItemCatalog, TrainSet};
use segue_models::encoder::{Adaptation, AdaptationConfig, ItemTokens, Lesson, TextEncoder, Tuning};
use segue_models::item_vectors::{TextFields, item_descriptions, item_texts};
use segue_models::range::{self, first, outside};
use segue_models::whitening::Spectrum;
use segue_models::{
    Expert, ExpertConfig, ExpertId, ExpertKind, FitContext, ItemVectors, ModelError, Query, Scope, TextSpace,
};
use segue_nn::dropout::DropoutKey;
use segue_nn::{Gradients, Params};
use serde::{Deserialize, Serialize};

use crate::encoder_learning::{Trainee, rate_of, tokens_of};
use crate::error::TrainError;
use crate::judge::{Judge, Objective, mean};
use crate::keeping::Keeping;
use crate::learn::{Epoch, LearnPlan, Learner, Method, State, learn};

/// How an encoder is adapted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdaptPlan {
    /// What is trained.
    pub tuning: Tuning,
    /// Loss terms.
    pub loss: AdaptationConfig,
    /// Lessons per step.
    pub batch_size: usize,
    /// Steps in a pass; valid is asked after each.
    pub steps_per_pass: usize,
    /// Most passes.
    pub max_passes: usize,
    /// Passes without improvement after which training stops.
    pub patience: usize,
    /// Learning rate; 0 = the tuning's usual one.
    pub learning_rate: f32,
    /// Newest events of a history.
    pub history: usize,
    /// Tokens of a text, at most.
    pub max_tokens: usize,
    /// Seed of added parts, order and dropout.
    pub seed: u64,
}

impl Default for AdaptPlan {
    fn default() -> Self {
        Self {
            tuning: Tuning::Frozen,
            loss: AdaptationConfig::default(),
            batch_size: 32,
            steps_per_pass: 50,
            max_passes: 4,
            patience: 2,
            learning_rate: 0.0,
            history: 5,
            max_tokens: 48,
            seed: 0,
        }
    }
}

impl AdaptPlan {
    /// What is out of range; `None` when nothing is.
    pub fn problem(&self) -> Option<String> {
        let AdaptationConfig { next_item, simcse, description, .. } = self.loss;
        first([
            outside("next_item", next_item, range::WEIGHT),
            outside("simcse", simcse, range::WEIGHT),
            outside("description", description, range::WEIGHT),
            (next_item + simcse + description == 0.0).then(|| "all weights of the loss are 0".to_owned()),
            outside("temperature", self.loss.temperature, range::POSITIVE),
            outside("dropout", self.loss.dropout, range::PROBABILITY),
            outside("n_negatives", self.loss.n_negatives, range::NEGATIVES),
            outside("batch_size", self.batch_size, range::BATCH),
            outside("steps", self.steps_per_pass, 1..=range::COUNT_MAX),
            outside("passes", self.max_passes, 1..=*range::PASSES.end()),
            outside("learning rate", self.learning_rate, 0.0..=100.0),
            outside("history", self.history, 1..=usize::from(u16::MAX)),
            outside("max_tokens", self.max_tokens, 1..=usize::from(u16::MAX)),
        ])
    }
}

/// What an encoder is adapted on.
#[derive(Clone, Copy)]
pub struct AdaptMaterial<'a> {
    /// Training events.
    pub train: &'a TrainSet,
    /// Items of all domains.
    pub items: &'a ItemCatalog,
    /// Vectors of their texts by the encoder as it is.
    pub vectors: &'a ItemVectors,
    /// Domains whose events are lessons.
    pub domains: &'a [DomainIdx],
    /// Valid cases of the target, which choose the best pass; `None`: the last pass is kept.
    pub valid: Option<&'a Judge<'a>>,
    /// Which ranks count on valid.
    pub objective: Objective,
}

/// An adapted encoder and how it came about.
pub struct Adapted {
    /// With its trained parts, and the hash that tells it from others.
    pub encoder: TextEncoder,
    /// The best of the passes, where valid refused it, so that [`encoder`](Self::encoder) is the one before the first step.
    pub refused: Option<TextEncoder>,
    /// The passes.
    pub curve: Vec<Epoch>,
    /// NDCG@10 on valid of its vectors alone before training; `None` without valid.
    pub before: Option<f64>,
    /// Values that were trained.
    pub n_trained: usize,
    /// Steps taken.
    pub n_steps: usize,
    /// Lessons that there were.
    pub n_lessons: usize,
}

/// When the steps of a pass begin and end, for whoever measures what they cost; validation lies outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepsMoment {
    /// The first step is next.
    Begin,
    /// The last step is done.
    End,
}

/// Lessons below which an encoder is not adapted.
const FEWEST_LESSONS: usize = 200;

/// Adapts an encoder, from the checkpoint in `keeping` where there is one: it must be of the same plan, encoder and material.
/// What is best on valid, the encoder before the first step included, is what comes back: it cannot lose there.
///
/// # Errors
/// When there are too few lessons, the tuning does not fit the encoder, or training diverges or is stopped.
pub fn adapt_encoder(
    encoder: TextEncoder,
    plan: &AdaptPlan,
    material: AdaptMaterial<'_>,
    keeping: Keeping<'_>,
    observe: impl FnMut(&Epoch),
) -> Result<Adapted, TrainError> {
    adapt(encoder, plan, material, keeping, Heard { observe, steps: &|_| () })
}

/// As [`adapt_encoder`], without checkpoints; `steps` hears when the steps of a pass begin, and when they end if valid is asked then.
///
/// # Errors
/// As [`adapt_encoder`].
pub fn adapt_encoder_timed(
    encoder: TextEncoder,
    plan: &AdaptPlan,
    material: AdaptMaterial<'_>,
    steps: &dyn Fn(StepsMoment),
) -> Result<Adapted, TrainError> {
    adapt(encoder, plan, material, Keeping::nothing(), Heard { observe: |_: &Epoch| (), steps })
}

/// Who hears of passes, and of the steps inside them.
struct Heard<'a, F: FnMut(&Epoch)> {
    observe: F,
    steps: &'a dyn Fn(StepsMoment),
}

fn adapt<F: FnMut(&Epoch)>(
    encoder: TextEncoder,
    plan: &AdaptPlan,
    material: AdaptMaterial<'_>,
    keeping: Keeping<'_>,
    heard: Heard<'_, F>,
) -> Result<Adapted, TrainError> {
    let Heard { observe, steps } = heard;
    let mut rng = ChaCha8Rng::seed_from_u64(plan.seed);
    rng.set_stream(17);
    let adaptation = prepare(&encoder, plan, material)?;
    let lessons = lessons(plan, material, &adaptation, &mut rng);
    if lessons.len() < FEWEST_LESSONS {
        let problem =
            format!("{} lessons to adapt an encoder from, at least {FEWEST_LESSONS} needed", lessons.len());
        return Err(TrainError::request(problem, "use more domains, or the encoder as it is"));
    }
    let (n_lessons, start) = (lessons.len(), encoder.clone());
    let learn_plan = learn_plan(plan, n_lessons, material.valid.is_some());
    let mut learner = EncoderLearner {
        trainee: Trainee::new(encoder, 0),
        adaptation,
        lessons,
        material,
        n_per_pass: learn_plan.n_examples,
        first: 0,
        steps: &|_| (),
    };
    let before = material.valid.map(|_| learner.validate()).transpose()?;
    let mut encoder = learner.trainee.encoder;
    encoder.tune(&plan.tuning, &mut rng)?;
    let n_trained = encoder.params.n_trainable();
    if n_trained == 0 {
        let (curve, refused) = (Vec::new(), None);
        return Ok(Adapted { encoder: start, refused, curve, before, n_trained, n_steps: 0, n_lessons });
    }
    learner.trainee = Trainee::new(encoder, plan.max_passes * plan.steps_per_pass);
    learner.steps = steps;
    let curve = learn(&mut learner, &learn_plan, keeping, observe)?;
    let best = curve.iter().filter_map(|pass| pass.metric).fold(f64::MIN, f64::max);
    let n_steps = curve.len() * learn_plan.n_examples.div_ceil(learn_plan.batch_size);
    let mut trained = learner.trainee.encoder;
    trained.refresh_sha256();
    let is_refused = before.is_some_and(|before| before >= best);
    let (encoder, refused) = if is_refused { (start, Some(trained)) } else { (trained, None) };
    Ok(Adapted { encoder, refused, curve, before, n_trained, n_steps, n_lessons })
}

fn learn_plan(plan: &AdaptPlan, n_lessons: usize, has_valid: bool) -> LearnPlan {
    let batch_size = plan.batch_size.max(1);
    LearnPlan {
        n_examples: (plan.steps_per_pass * batch_size).min(n_lessons),
        batch_size,
        method: Method::AdamW,
        learning_rate: rate_of(&plan.tuning, plan.learning_rate),
        warmup_steps: 20,
        weight_decay: 0.01,
        clip_norm: 1.0,
        epochs: if has_valid { 0 } else { plan.max_passes },
        max_epochs: plan.max_passes,
        patience: plan.patience,
        seed: plan.seed,
    }
}

fn prepare(
    encoder: &TextEncoder,
    plan: &AdaptPlan,
    material: AdaptMaterial<'_>,
) -> Result<Adaptation, TrainError> {
    let AdaptMaterial { train, items, vectors, .. } = material;
    let texts = tokens_of(encoder, &item_texts(items, TextFields::Short), plan.max_tokens)?;
    let described = if plan.loss.description > 0.0 { item_descriptions(items) } else { Vec::new() };
    let descriptions = tokens_of(encoder, &described, plan.max_tokens)?;
    let counts = train.sequences.item_counts(items.len());
    let known = (0..items.len()).filter(|&item| counts[item] > 0);
    let spectrum = Spectrum::fit(&vectors.values, vectors.dim, known);
    let spectrum = spectrum.ok_or_else(|| {
        TrainError::request("fewer than two items with training events have text", "use the encoder as it is")
    })?;
    let domains = (0..items.n_domains())
        .map(|at| items.range(DomainIdx(at as _)))
        .map(|range| range.start as u32..range.end as u32)
        .collect();
    let tokens = ItemTokens { texts, descriptions };
    Ok(Adaptation::new(&plan.loss, tokens, vectors.values.clone(), &spectrum, domains))
}

// Every event with another one of its domain before it, in random order; histories without the target and without items
// that have no text.
fn lessons(
    plan: &AdaptPlan,
    material: AdaptMaterial<'_>,
    adaptation: &Adaptation,
    rng: &mut impl Rng,
) -> Vec<Lesson> {
    let items = material.items;
    let has_text = |item: u32| !adaptation.texts[item as usize].is_empty();
    let mut lessons = Vec::new();
    for events in material.train.sequences.rows() {
        for &domain in material.domains {
            let own = events.iter().filter(|event| items.domain_of(event.item) == domain);
            let own: Vec<u32> = own.map(|event| event.item.0).filter(|&item| has_text(item)).collect();
            for (at, &target) in own.iter().enumerate().skip(1) {
                let before = &own[at.saturating_sub(plan.history)..at];
                let history: Vec<u32> = before.iter().copied().filter(|&item| item != target).collect();
                if !history.is_empty() {
                    lessons.push(Lesson { history, target });
                }
            }
        }
    }
    lessons.shuffle(rng);
    lessons
}

struct EncoderLearner<'a> {
    trainee: Trainee,
    adaptation: Adaptation,
    lessons: Vec<Lesson>,
    material: AdaptMaterial<'a>,
    n_per_pass: usize,
    first: usize,
    steps: &'a dyn Fn(StepsMoment),
}

impl Learner for EncoderLearner<'_> {
    fn params(&mut self) -> &mut Params {
        &mut self.trainee.encoder.params
    }

    fn state(&mut self) -> State<'_> {
        let (encoder, mut memory) = self.trainee.parts();
        memory.push(("item_vectors".to_owned(), self.adaptation.memory.as_mut_slice()));
        State { params: &mut encoder.params, memory }
    }

    fn end_step(&mut self, gradients: &Gradients, step: u64) {
        self.trainee.end_step(gradients, step);
    }

    // A pass sees only so many lessons: the next one continues behind it.
    fn begin_pass(&mut self, epoch: usize) {
        self.first = (epoch - 1) * self.n_per_pass;
        (self.steps)(StepsMoment::Begin);
    }

    fn losses(&mut self, batch: &[usize], key: DropoutKey, gradients: &mut Gradients) -> f64 {
        let n = self.lessons.len();
        let lessons: Vec<&Lesson> = batch.iter().map(|at| &self.lessons[(self.first + at) % n]).collect();
        let encoder = &self.trainee.encoder;
        let loss = self.adaptation.losses(encoder, &lessons, key, gradients);
        loss + encoder.add_penalty(gradients)
    }

    // NDCG@10 of the vectors alone on the target's valid cases, after its items were read again.
    fn validate(&mut self) -> Result<f64, TrainError> {
        let AdaptMaterial { train, items, vectors, valid, objective, .. } = self.material;
        let Some(valid) = valid else { return Ok(0.0) };
        (self.steps)(StepsMoment::End);
        let dim = vectors.dim;
        let range = items.range(valid.domain());
        let with_text: Vec<usize> = range.filter(|&item| !self.adaptation.texts[item].is_empty()).collect();
        let tokens: Vec<&[u32]> =
            with_text.iter().map(|&item| self.adaptation.texts[item].as_slice()).collect();
        let read = self.trainee.encoder.encode_tokens(&tokens, &|_| ());
        for (&item, vector) in with_text.iter().zip(read.chunks_exact(dim)) {
            self.adaptation.memory[item * dim..][..dim].copy_from_slice(vector);
        }
        let vectors = ItemVectors { values: self.adaptation.memory.clone(), ..vectors.clone() };
        let expert = vectors_alone(&vectors, train, items, valid.domain())?;
        let score = |query: &Query<'_>, scores: &mut [f32]| expert.score(query, items, scores);
        Ok(mean(&valid.metric_values(objective, score)?))
    }
}

/// The expert `encoder` with default settings on vectors: what they are worth alone.
///
/// # Errors
/// When it stands aside.
pub fn vectors_alone(
    vectors: &ItemVectors,
    train: &TrainSet,
    items: &ItemCatalog,
    domain: DomainIdx,
) -> Result<Expert, TrainError> {
    let id = ExpertId { kind: ExpertKind::Encoder, scope: Scope::Target };
    let space = TextSpace::new(vectors, train, items);
    let context = FitContext { text_space: space.as_ref(), ..FitContext::new(items, domain) };
    let config = ExpertConfig::default_of(ExpertKind::Encoder);
    let failed = |source: ModelError| TrainError::Model { expert: id.to_string(), source };
    Expert::fit(id, &config, train, context).map_err(failed)
}
