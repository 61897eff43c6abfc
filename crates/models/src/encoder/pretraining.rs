//! What pretrains an encoder on texts alone: masked words, a text that finds itself, a text that finds its description.
//!
//! Masked-language modeling (Devlin et al., 2019) reads a text with hidden tokens; the two contrasts read it whole, in cosines of
//! the vectors as they are used later.

use segue_nn::dropout::DropoutKey;
use segue_nn::info_nce::{Directions, InfoNce};
use segue_nn::{Gradients, add_scaled};
use serde::{Deserialize, Serialize};

use crate::encoder::masking::{Masked, Masker};
use crate::encoder::mlm_head::{HiddenTokens, MlmFigures, MlmHead};
use crate::encoder::step::{TokenGradients, TokenPlace};
use crate::encoder::{EncoderError, EncoderStep, TextEncoder, Tokens};

/// Settings of [`Pretraining`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PretrainConfig {
    /// Weight of finding masked words (Devlin et al., 2019).
    pub mlm: f32,
    /// Weight of `SimCSE` (Gao et al., 2021): a text finds itself under other dropout.
    pub simcse: f32,
    /// Weight of the contrast of a text with its description, where there is one.
    pub description: f32,
    /// Probability that a token is to be predicted, in (0, 1).
    pub masked_share: f64,
    /// Divides the cosines of the contrasts.
    pub temperature: f32,
    /// Probability that a value is dropped in the encoder, in [0, 1).
    pub dropout: f32,
}

impl Default for PretrainConfig {
    fn default() -> Self {
        Self { mlm: 1.0, simcse: 0.1, description: 0.5, masked_share: 0.15, temperature: 0.05, dropout: 0.1 }
    }
}

/// What a pretraining reads of an item.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Described {
    /// Its tokens, at least one.
    pub text: Vec<u32>,
    /// Those of its description; empty without one.
    pub description: Vec<u32>,
}

/// The texts and the buffers of a step.
#[derive(Debug)]
pub struct Pretraining {
    config: PretrainConfig,
    texts: Vec<Described>,
    masker: Option<Masker>, // with masked words only
    step: EncoderStep,
}

/// Texts read at one time where nothing is learned.
const CHUNK: usize = 32;

/// An encoder with the head that guesses its hidden tokens.
#[derive(Debug)]
pub struct HeadedEncoder<'a> {
    /// What is pretrained.
    pub encoder: &'a TextEncoder,
    /// Its arrays are among those of the encoder; its buffers are its own.
    pub head: &'a mut MlmHead,
}

impl Pretraining {
    /// Before the first step.
    ///
    /// # Errors
    /// When words are to be masked and the tokenizer has no token for it.
    pub fn new(
        config: &PretrainConfig,
        texts: Vec<Described>,
        tokens: &Tokens,
    ) -> Result<Self, EncoderError> {
        let masker = (config.mlm > 0.0).then(|| Masker::new(tokens, config.masked_share)).transpose()?;
        Ok(Self { config: config.clone(), texts, masker, step: EncoderStep::new(config.dropout) })
    }

    /// What is learned from and what is held out.
    pub fn texts(&self) -> &[Described] {
        &self.texts
    }

    /// The loss of a batch of texts by number: every term is a mean, times its weight. Adds the gradients; `key` decides masks and
    /// dropout.
    ///
    /// # Panics
    /// When a number is not below that of the texts.
    pub fn losses(
        &mut self,
        headed: HeadedEncoder<'_>,
        batch: &[usize],
        key: DropoutKey,
        gradients: &mut Gradients,
    ) -> f64 {
        let HeadedEncoder { encoder, head } = headed;
        let masked = self.masked(batch, key.of(MASKS));
        let rows = Rows::new(&self.config, masked.len(), batch, &self.texts);
        let texts = &self.texts;
        let mut tokens: Vec<&[u32]> = masked.iter().map(|masked| masked.tokens.as_slice()).collect();
        tokens.extend(rows.whole.iter().chain(&rows.again).map(|&at| texts[at].text.as_slice()));
        tokens.extend(rows.described.iter().map(|&at| texts[batch[at]].description.as_slice()));
        let dim = encoder.dim();
        let vectors = self.step.forward(encoder, &tokens, key).to_vec(); // [rows, dim]
        let places = places_of(&masked);
        let targets: Vec<u32> = masked.iter().flat_map(|masked| &masked.targets).copied().collect();
        let states = self.step.states(&places); // [M, dim]
        let hidden = HiddenTokens { states: &states, targets: &targets };
        let (mut loss, d_states) = head.loss(&encoder.params, hidden, self.config.mlm, gradients);
        let mut d_vectors = vec![0.0; vectors.len()]; // [rows, dim]
        for pairs in rows.pairs(&self.config, batch) {
            loss += self.contrast(&pairs, &vectors, &mut d_vectors, dim);
        }
        let d_tokens = TokenGradients { places: &places, states: &d_states };
        self.step.backward_with_states(encoder, &d_vectors, d_tokens, gradients);
        loss
    }

    /// How well the hidden tokens of these texts are found; the same tokens with the same key. Nothing is dropped.
    ///
    /// # Panics
    /// When a number is not below that of the texts.
    pub fn figures(&mut self, headed: HeadedEncoder<'_>, texts: &[usize], key: DropoutKey) -> MlmFigures {
        let HeadedEncoder { encoder, head } = headed;
        let mut step = EncoderStep::new(0.0);
        let mut sum = MlmFigures::default();
        for (at, chunk) in texts.chunks(CHUNK).enumerate() {
            let masked = self.masked(chunk, key.of(at as u64));
            let tokens: Vec<&[u32]> = masked.iter().map(|masked| masked.tokens.as_slice()).collect();
            step.forward(encoder, &tokens, key);
            let targets: Vec<u32> = masked.iter().flat_map(|masked| &masked.targets).copied().collect();
            let states = step.states(&places_of(&masked));
            let part = head.figures(&encoder.params, HiddenTokens { states: &states, targets: &targets });
            sum.n += part.n;
            sum.loss += part.loss * part.n as f64;
            sum.accuracy += part.accuracy * part.n as f64;
        }
        let n = sum.n.max(1) as f64;
        MlmFigures { n: sum.n, loss: sum.loss / n, accuracy: sum.accuracy / n }
    }

    fn masked(&self, batch: &[usize], key: DropoutKey) -> Vec<Masked> {
        let Some(masker) = &self.masker else { return Vec::new() };
        let texts = batch.iter().map(|&at| &self.texts[at].text);
        texts.enumerate().map(|(row, text)| masker.mask(text, key.of(row as u64))).collect()
    }

    // Each pair's two texts find each other among those of the batch; adds to `d_vectors`.
    fn contrast(&self, pairs: &Pairs, vectors: &[f32], d_vectors: &mut [f32], dim: usize) -> f64 {
        let (queries, keys) =
            (UnitRows::new(&pairs.queries, vectors, dim), UnitRows::new(&pairs.keys, vectors, dim));
        let of = |at: usize| &self.texts[pairs.texts[at]];
        let n = pairs.texts.len();
        let is_same = |(one, other): (&Described, &Described)| {
            one.text == other.text || (pairs.describes && one.description == other.description)
        };
        let alike: Vec<bool> = (0..n * n).map(|at| is_same((of(at / n), of(at % n)))).collect();
        let contrast = InfoNce {
            width: dim,
            temperature: self.config.temperature,
            directions: Directions::Both,
            false_negatives: Some(&alike),
        };
        let (mut d_queries, mut d_keys) = (vec![0.0; n * dim], vec![0.0; n * dim]);
        let loss = contrast.run(&queries.values, &keys.values, &mut d_queries, &mut d_keys);
        queries.backward(&pairs.queries, &d_queries, pairs.weight, d_vectors);
        keys.backward(&pairs.keys, &d_keys, pairs.weight, d_vectors);
        f64::from(pairs.weight) * loss
    }
}

/// Part of a step's key that decides its masks; lanes of the encoder have small numbers.
const MASKS: u64 = 1 << 20;

fn places_of(masked: &[Masked]) -> Vec<TokenPlace> {
    let each = masked.iter().enumerate();
    each.flat_map(|(text, masked)| masked.places.iter().map(move |&place| (text, place))).collect()
}

// What a step reads, in this order: masked texts, whole texts, these again, descriptions.
struct Rows {
    n_masked: usize,
    whole: Vec<usize>,     // text numbers
    again: Vec<usize>,     // text numbers
    described: Vec<usize>, // places in the batch
}

// Rows that shall find each other.
struct Pairs {
    weight: f32,
    describes: bool,
    queries: Vec<usize>, // rows
    keys: Vec<usize>,    // rows
    texts: Vec<usize>,   // text numbers
}

impl Rows {
    fn new(config: &PretrainConfig, n_masked: usize, batch: &[usize], texts: &[Described]) -> Self {
        let is_described = |at: &usize| config.description > 0.0 && !texts[batch[*at]].description.is_empty();
        let described: Vec<usize> = (0..batch.len()).filter(is_described).collect();
        let finds_itself = config.simcse > 0.0;
        let whole = if finds_itself || !described.is_empty() { batch.to_vec() } else { Vec::new() };
        Self { n_masked, whole, again: if finds_itself { batch.to_vec() } else { Vec::new() }, described }
    }

    // One pair alone has nothing to be told from.
    fn pairs(&self, config: &PretrainConfig, batch: &[usize]) -> Vec<Pairs> {
        let (whole, again) = (self.n_masked, self.n_masked + self.whole.len());
        let described = again + self.again.len();
        let itself = Pairs {
            weight: config.simcse,
            describes: false,
            queries: (whole..whole + self.again.len()).collect(),
            keys: (again..described).collect(),
            texts: self.again.clone(),
        };
        let description = Pairs {
            weight: config.description,
            describes: true,
            queries: self.described.iter().map(|at| whole + at).collect(),
            keys: (described..described + self.described.len()).collect(),
            texts: self.described.iter().map(|&at| batch[at]).collect(),
        };
        [itself, description].into_iter().filter(|pairs| pairs.texts.len() > 1).collect()
    }
}

// Some rows of the vectors with length 1, and the lengths they had.
struct UnitRows {
    values: Vec<f32>,  // [n, dim]
    lengths: Vec<f32>, // [n]
}

impl UnitRows {
    fn new(rows: &[usize], vectors: &[f32], dim: usize) -> Self {
        let mut values: Vec<f32> =
            rows.iter().flat_map(|row| &vectors[row * dim..][..dim]).copied().collect();
        let shorten = |row: &mut [f32]| {
            let length = row.iter().map(|x| x * x).sum::<f32>().sqrt().max(1e-6);
            row.iter_mut().for_each(|x| *x /= length);
            length
        };
        let lengths = values.chunks_exact_mut(dim).map(shorten).collect();
        Self { values, lengths }
    }

    // Adds `weight` times the gradient of the vectors that these rows were.
    fn backward(&self, rows: &[usize], d: &[f32], weight: f32, d_vectors: &mut [f32]) {
        let dim = d.len() / rows.len();
        let each = self.values.chunks_exact(dim).zip(d.chunks_exact(dim)).zip(&self.lengths);
        for (row, ((unit, d), length)) in rows.iter().zip(each) {
            let along: f32 = unit.iter().zip(d).map(|(u, d)| u * d).sum();
            let out = &mut d_vectors[row * dim..][..dim];
            add_scaled(out, weight / length, d);
            add_scaled(out, -weight * along / length, unit);
        }
    }
}
