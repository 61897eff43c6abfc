//! Pretrains a text encoder on the items' texts alone: which texts are held out, the training, and what the held-out ones say of it.

use std::collections::HashMap;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use segue_data::{DomainIdx, ItemCatalog};
use segue_models::encoder::{
    Described, HeadedEncoder, MlmFigures, MlmHead, MlmWeights, PretrainConfig, Pretraining, TextEncoder,
    Tuning,
};
use segue_models::item_vectors::{TextFields, item_descriptions, item_texts};
use segue_models::range::{self, first, outside};
use segue_nn::dropout::DropoutKey;
use segue_nn::{Gradients, Params};
use serde::{Deserialize, Serialize};

use crate::encoder_learning::{Trainee, rate_of, tokens_of};
use crate::error::TrainError;
use crate::keeping::Keeping;
use crate::learn::{Epoch, LearnPlan, Learner, Method, State, learn};

/// How an encoder is pretrained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PretrainPlan {
    /// What is trained.
    pub tuning: Tuning,
    /// Loss terms.
    pub loss: PretrainConfig,
    /// Texts per step.
    pub batch_size: usize,
    /// Steps in a pass; the held-out texts are asked after each.
    pub steps_per_pass: usize,
    /// Most passes.
    pub max_passes: usize,
    /// Passes without improvement after which training stops.
    pub patience: usize,
    /// Learning rate; 0 = the tuning's usual one.
    pub learning_rate: f32,
    /// Tokens of a text, at most.
    pub max_tokens: usize,
    /// Share of the distinct texts that is never learned from, in (0, 1).
    pub held_out: f64,
    /// Seed of added parts, held-out texts, order, masks and dropout.
    pub seed: u64,
}

impl Default for PretrainPlan {
    fn default() -> Self {
        Self {
            tuning: Tuning::Frozen,
            loss: PretrainConfig::default(),
            batch_size: 32,
            steps_per_pass: 50,
            max_passes: 4,
            patience: 2,
            learning_rate: 0.0,
            max_tokens: 48,
            held_out: 0.05,
            seed: 0,
        }
    }
}

impl PretrainPlan {
    /// What is out of range; `None` when nothing is.
    pub fn problem(&self) -> Option<String> {
        let PretrainConfig { mlm, simcse, description, .. } = self.loss;
        let is_inside = |share: f64| 0.0 < share && share < 1.0;
        let share = |name, share| (!is_inside(share)).then(|| format!("{name} {share} is outside (0, 1)"));
        first([
            outside("mlm", mlm, range::WEIGHT),
            outside("simcse", simcse, range::WEIGHT),
            outside("description", description, range::WEIGHT),
            (mlm + simcse + description == 0.0).then(|| "all weights of the loss are 0".to_owned()),
            share("masked_share", self.loss.masked_share),
            outside("temperature", self.loss.temperature, range::POSITIVE),
            outside("dropout", self.loss.dropout, range::PROBABILITY),
            outside("batch_size", self.batch_size, range::BATCH),
            outside("steps", self.steps_per_pass, 1..=range::COUNT_MAX),
            outside("passes", self.max_passes, 1..=*range::PASSES.end()),
            outside("learning rate", self.learning_rate, 0.0..=100.0),
            outside("max_tokens", self.max_tokens, 1..=usize::from(u16::MAX)),
            share("held_out", self.held_out),
        ])
    }
}

/// What an encoder is pretrained on. There is no event in it.
#[derive(Clone, Copy)]
pub struct PretrainMaterial<'a> {
    /// Items of all domains.
    pub items: &'a ItemCatalog,
    /// Domains whose texts are read.
    pub domains: &'a [DomainIdx],
    /// The encoder's own head for masked words; `None`: one that starts from nothing.
    pub head: Option<&'a MlmWeights>,
    /// Hears of every step and every pass.
    pub observer: &'a dyn Fn(PretrainProgress),
}

/// What has just ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PretrainProgress {
    /// A step, with its loss.
    Step(f64),
    /// A pass; its metric is the held-out loss of masked words with a minus in front.
    Pass(Epoch),
}

/// A pretrained encoder and how it came about.
pub struct Pretrained {
    /// With its trained parts, and the hash that tells it from others.
    pub encoder: TextEncoder,
    /// The head that belongs to it; `None` where no words were masked.
    pub head: Option<MlmWeights>,
    /// The passes.
    pub curve: Vec<Epoch>,
    /// Masked words of the held-out texts before the first step, by the head as it started; `None` where no words are masked.
    pub before: Option<MlmFigures>,
    /// The same masked words by what is given back.
    pub after: Option<MlmFigures>,
    /// What there was to train and to learn from.
    pub counts: Counts,
}

/// What there was to train and to learn from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Values of the encoder that were trained.
    pub n_trained: usize,
    /// Distinct texts that were learned from.
    pub n_texts: usize,
    /// How many of these have a description that was learned from.
    pub n_described: usize,
    /// Distinct texts that were held out.
    pub n_held_out: usize,
}

/// Distinct texts below which an encoder is not pretrained.
const FEWEST_TEXTS: usize = 40;
/// More held-out texts tell no more.
const MOST_HELD_OUT: usize = 1000;

/// Pretrains an encoder, from the checkpoint in `keeping` where there is one: it must be of the same plan, encoder and material. With
/// masked words, what is best on the held-out texts comes back, the encoder as it was included.
///
/// # Errors
/// When there are too few texts, a term or the tuning does not fit the encoder, or training diverges or is stopped.
pub fn pretrain_encoder(
    encoder: TextEncoder,
    plan: &PretrainPlan,
    material: PretrainMaterial<'_>,
    keeping: Keeping<'_>,
) -> Result<Pretrained, TrainError> {
    let mut rng = ChaCha8Rng::seed_from_u64(plan.seed);
    rng.set_stream(19);
    let corpus = Corpus::new(&encoder, plan, material, &mut rng)?;
    let learned = corpus.texts[..corpus.n_learned].iter().map(|text| text.text.as_slice());
    let own = material.head.cloned();
    let start_head = own.unwrap_or_else(|| MlmWeights::starting(&encoder.network.shape, learned));
    let held_out = HeldOut {
        texts: (corpus.n_learned..corpus.texts.len()).collect(),
        key: DropoutKey::new(plan.seed).of(u64::MAX),
    };
    let counts = corpus.counts();
    let mut pretraining = Pretraining::new(&plan.loss, corpus.texts, encoder.tokens())?;
    let before = (plan.loss.mlm > 0.0).then(|| {
        let mut encoder = encoder.clone();
        let mut head = MlmHead::add(&mut encoder, &start_head);
        held_out.figures(&mut pretraining, HeadedEncoder { encoder: &encoder, head: &mut head })
    });
    if before.is_some_and(|before| before.n == 0) {
        let problem = format!("no word of the {} held-out texts can be masked", counts.n_held_out);
        return Err(TrainError::request(
            problem,
            "is the model of another language? else give `mlm` weight 0",
        ));
    }
    let mut tuned = encoder.clone();
    tuned.tune(&plan.tuning, &mut rng)?;
    let counts = Counts { n_trained: tuned.params.n_trainable(), ..counts };
    let start = Start { encoder, head: start_head, before, counts };
    if counts.n_trained == 0 {
        return Ok(start.unchanged(Vec::new()));
    }
    let learn_plan = learn_plan(plan, counts.n_texts);
    let mut trainee = Trainee::new(tuned, plan.max_passes * plan.steps_per_pass);
    let learner = PretrainLearner {
        head: MlmHead::add(&mut trainee.encoder, &start.head),
        trainee,
        pretraining,
        held_out,
        observer: material.observer,
        n_texts: counts.n_texts,
        n_per_pass: learn_plan.n_examples,
        first: 0,
    };
    train(start, learner, &learn_plan, keeping)
}

// An encoder before training, which is what comes back where training does not help.
struct Start {
    encoder: TextEncoder,
    head: MlmWeights,
    before: Option<MlmFigures>,
    counts: Counts,
}

impl Start {
    fn unchanged(self, curve: Vec<Epoch>) -> Pretrained {
        let Self { encoder, head, before, counts } = self;
        Pretrained { encoder, head: before.map(|_| head), curve, before, after: before, counts }
    }
}

fn train(
    start: Start,
    mut learner: PretrainLearner<'_>,
    plan: &LearnPlan,
    keeping: Keeping<'_>,
) -> Result<Pretrained, TrainError> {
    let Start { before, counts, .. } = start;
    let observer = learner.observer;
    let observe = |pass: &Epoch| observer(PretrainProgress::Pass(*pass));
    let curve = learn(&mut learner, plan, keeping, observe)?;
    let after = before.map(|_| learner.figures());
    if before.zip(after).is_some_and(|(before, after)| after.loss >= before.loss) {
        return Ok(start.unchanged(curve));
    }
    let mut encoder = learner.trainee.encoder;
    let head = learner.head.remove(&mut encoder);
    encoder.refresh_sha256();
    Ok(Pretrained { encoder, head: after.map(|_| head), curve, before, after, counts })
}

// The distinct texts in random order: first those that are learned from, then those that are held out.
struct Corpus {
    texts: Vec<Described>,
    n_learned: usize,
}

impl Corpus {
    fn new(
        encoder: &TextEncoder,
        plan: &PretrainPlan,
        material: PretrainMaterial<'_>,
        rng: &mut ChaCha8Rng,
    ) -> Result<Self, TrainError> {
        let mut texts = distinct_texts(encoder, plan, material)?;
        if texts.len() < FEWEST_TEXTS {
            let problem = format!(
                "{} distinct item texts to pretrain from, at least {FEWEST_TEXTS} needed",
                texts.len()
            );
            return Err(TrainError::request(problem, "use more domains, or the encoder as it is"));
        }
        texts.shuffle(rng);
        let n_held_out = (plan.held_out * texts.len() as f64).round() as usize;
        let n_learned = texts.len() - n_held_out.clamp(1, MOST_HELD_OUT.min(texts.len() / 2));
        check_terms(&plan.loss, &texts[..n_learned])?;
        Ok(Self { texts, n_learned })
    }

    fn counts(&self) -> Counts {
        let is_described = |text: &&Described| !text.description.is_empty();
        Counts {
            n_trained: 0,
            n_texts: self.n_learned,
            n_described: self.texts[..self.n_learned].iter().filter(is_described).count(),
            n_held_out: self.texts.len() - self.n_learned,
        }
    }
}

fn learn_plan(plan: &PretrainPlan, n_texts: usize) -> LearnPlan {
    let batch_size = plan.batch_size.max(1);
    LearnPlan {
        method: Method::AdamW,
        n_examples: (plan.steps_per_pass * batch_size).min(n_texts),
        batch_size,
        learning_rate: rate_of(&plan.tuning, plan.learning_rate),
        warmup_steps: 20,
        weight_decay: 0.01,
        clip_norm: 1.0,
        epochs: if plan.loss.mlm > 0.0 { 0 } else { plan.max_passes },
        max_epochs: plan.max_passes,
        patience: plan.patience,
        seed: plan.seed,
    }
}

// One of each, so that no held-out text is learned from under another item; with the first description that it has.
fn distinct_texts(
    encoder: &TextEncoder,
    plan: &PretrainPlan,
    PretrainMaterial { items, domains, .. }: PretrainMaterial<'_>,
) -> Result<Vec<Described>, TrainError> {
    let of_domains = |all: Vec<String>| -> Vec<String> {
        let own = all.into_iter().enumerate();
        let asked = |item: usize| domains.contains(&items.domain_of(segue_data::ItemIdx(item as u32)));
        own.filter(|(item, _)| asked(*item)).map(|(_, text)| text).collect()
    };
    let texts = tokens_of(encoder, &of_domains(item_texts(items, TextFields::Short)), plan.max_tokens)?;
    let descriptions = if plan.loss.description > 0.0 {
        tokens_of(encoder, &of_domains(item_descriptions(items)), plan.max_tokens)?
    } else {
        vec![Vec::new(); texts.len()]
    };
    let mut places: HashMap<Vec<u32>, usize> = HashMap::new();
    let mut distinct: Vec<Described> = Vec::new();
    for (text, description) in texts.into_iter().zip(descriptions).filter(|(text, _)| !text.is_empty()) {
        let at = *places.entry(text.clone()).or_insert(distinct.len());
        match distinct.get_mut(at) {
            Some(known) if known.description.is_empty() => known.description = description,
            Some(_) => {}
            None => distinct.push(Described { text, description }),
        }
    }
    Ok(distinct)
}

fn check_terms(loss: &PretrainConfig, texts: &[Described]) -> Result<(), TrainError> {
    let weights = [("mlm", loss.mlm), ("simcse", loss.simcse), ("description", loss.description)];
    if let Some((name, weight)) = weights.iter().find(|(_, weight)| !(*weight >= 0.0 && weight.is_finite())) {
        let problem = format!("the weight of `{name}` is {weight}");
        return Err(TrainError::request(problem, "give a number from 0"));
    }
    let is_described = texts.iter().any(|text| !text.description.is_empty());
    if loss.mlm == 0.0 && loss.simcse == 0.0 && (loss.description == 0.0 || !is_described) {
        let problem = "no term of the loss is left: all weights are 0, or only that of descriptions, of which there are none";
        return Err(TrainError::request(problem, "give `mlm` or `simcse` a weight above 0"));
    }
    Ok(())
}

// Texts that are never learned from, whose hidden tokens are always the same ones.
struct HeldOut {
    texts: Vec<usize>,
    key: DropoutKey,
}

impl HeldOut {
    fn figures(&self, pretraining: &mut Pretraining, headed: HeadedEncoder<'_>) -> MlmFigures {
        pretraining.figures(headed, &self.texts, self.key)
    }
}

struct PretrainLearner<'a> {
    trainee: Trainee,
    head: MlmHead,
    pretraining: Pretraining,
    held_out: HeldOut,
    observer: &'a dyn Fn(PretrainProgress),
    /// Texts that are learned from.
    n_texts: usize,
    n_per_pass: usize,
    /// Where the running pass begins among them.
    first: usize,
}

impl PretrainLearner<'_> {
    fn figures(&mut self) -> MlmFigures {
        let headed = HeadedEncoder { encoder: &self.trainee.encoder, head: &mut self.head };
        self.held_out.figures(&mut self.pretraining, headed)
    }
}

impl Learner for PretrainLearner<'_> {
    fn params(&mut self) -> &mut Params {
        &mut self.trainee.encoder.params
    }

    fn state(&mut self) -> State<'_> {
        let (encoder, memory) = self.trainee.parts();
        State { params: &mut encoder.params, memory }
    }

    fn end_step(&mut self, gradients: &Gradients, step: u64) {
        self.trainee.end_step(gradients, step);
    }

    // A pass sees only so many texts: the next one continues behind it.
    fn begin_pass(&mut self, epoch: usize) {
        self.first = (epoch - 1) * self.n_per_pass;
    }

    fn losses(&mut self, batch: &[usize], key: DropoutKey, gradients: &mut Gradients) -> f64 {
        let batch: Vec<usize> = batch.iter().map(|at| (self.first + at) % self.n_texts).collect();
        let Self { trainee, head, pretraining, observer, .. } = self;
        let encoder = &trainee.encoder;
        let loss = pretraining.losses(HeadedEncoder { encoder, head }, &batch, key, gradients);
        observer(PretrainProgress::Step(loss));
        loss + encoder.add_penalty(gradients)
    }

    fn validate(&mut self) -> Result<f64, TrainError> {
        Ok(-self.figures().loss)
    }
}
