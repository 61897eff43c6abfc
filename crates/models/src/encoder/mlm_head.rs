//! The head of masked-language modeling: from a token's last state to a distribution over the vocabulary.
//!
//! `logits = E · LayerNorm(GELU(W s + b)) + c`, where E are the encoder's own word embeddings (Devlin et al., 2019).

use std::path::Path;

use rayon::prelude::*;
use segue_nn::cross_entropy::{Denominator, FullSoftmax, SoftmaxScratch};
use segue_nn::gelu::{gelu, gelu_backward};
use segue_nn::layer_norm::{LayerNorm, NormInput, RowStats};
use segue_nn::linear::Linear;
use segue_nn::{Gradients, Matrix, ParamId, Params, matmul_parallel};

use crate::encoder::delta::{Slice, write_error};
use crate::encoder::error::EncoderError;
use crate::encoder::weights::WeightsFile;
use crate::encoder::{Shape, TextEncoder};
use crate::model_folder;

/// Where a folder without the head in its model has it.
const FILE: &str = "mlm_head.safetensors";

// Names of dense weight, dense bias, norm weight, norm bias; then those that the decoder's bias goes by.
type Names = ([&'static str; 4], [&'static str; 2]);
const BERT: Names = (
    [
        "cls.predictions.transform.dense.weight",
        "cls.predictions.transform.dense.bias",
        "cls.predictions.transform.LayerNorm.weight",
        "cls.predictions.transform.LayerNorm.bias",
    ],
    ["cls.predictions.bias", "cls.predictions.decoder.bias"],
);
const ROBERTA: Names = (
    ["lm_head.dense.weight", "lm_head.dense.bias", "lm_head.layer_norm.weight", "lm_head.layer_norm.bias"],
    ["lm_head.bias", "lm_head.decoder.bias"],
);

/// What a head has learned, as it is kept beside an encoder.
#[derive(Clone, Debug, PartialEq)]
pub struct MlmWeights {
    /// `[width, width]`.
    pub dense_weight: Vec<f32>,
    /// `[width]`.
    pub dense_bias: Vec<f32>,
    /// `[width]`.
    pub norm_gain: Vec<f32>,
    /// `[width]`.
    pub norm_bias: Vec<f32>,
    /// `[n_tokens]`, of the logits.
    pub bias: Vec<f32>,
}

impl MlmWeights {
    /// A head for an encoder that has none: the dense layer passes states on as they are, and the logits start at the logarithms
    /// of how often each token stands in `texts`, so that the encoder need not learn those.
    pub fn starting<'t>(shape: &Shape, texts: impl Iterator<Item = &'t [u32]>) -> Self {
        let width = shape.width;
        let mut dense_weight = vec![0.0; width * width];
        (0..width).for_each(|at| dense_weight[at * width + at] = 1.0);
        let mut counts = vec![0.1f64; shape.n_tokens]; // also for tokens that were not seen
        texts.flatten().for_each(|&token| counts[token as usize] += 1.0);
        let total: f64 = counts.iter().sum();
        Self {
            dense_weight,
            dense_bias: vec![0.0; width],
            norm_gain: vec![1.0; width],
            norm_bias: vec![0.0; width],
            bias: counts.iter().map(|count| (count / total).ln() as f32).collect(),
        }
    }

    /// The head of a folder: of a model that was saved with it, or that [`save`](Self::save) wrote; `None` without one.
    ///
    /// # Errors
    /// When the file is damaged or the head belongs to an encoder of other sizes.
    pub fn read(folder: &Path, shape: &Shape) -> Result<Option<Self>, EncoderError> {
        let paths = [folder.join(FILE), folder.join("model.safetensors")];
        let Some(path) = paths.iter().find(|path| model_folder::has(path)) else { return Ok(None) };
        let mut file = WeightsFile::open(path)?;
        let Some((names, biases)) = [BERT, ROBERTA].into_iter().find(|names| file.has(names.0[0])) else {
            return Ok(None);
        };
        let width = shape.width;
        let bias = biases.into_iter().find(|name| file.has(name)).unwrap_or(biases[0]);
        Ok(Some(Self {
            dense_weight: file.read_whole_name(names[0], &[width, width])?,
            dense_bias: file.read_whole_name(names[1], &[width])?,
            norm_gain: file.read_whole_name(names[2], &[width])?,
            norm_bias: file.read_whole_name(names[3], &[width])?,
            bias: file.read_whole_name(bias, &[shape.n_tokens])?,
        }))
    }

    /// Writes `mlm_head.safetensors` into a folder, under BERT's names.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(&self, folder: &Path) -> Result<(), EncoderError> {
        let (width, n_tokens) = (self.dense_bias.len(), self.bias.len());
        let arrays = [
            (BERT.0[0], Slice { values: &self.dense_weight, shape: &[width, width] }),
            (BERT.0[1], Slice { values: &self.dense_bias, shape: &[width] }),
            (BERT.0[2], Slice { values: &self.norm_gain, shape: &[width] }),
            (BERT.0[3], Slice { values: &self.norm_bias, shape: &[width] }),
            (BERT.1[0], Slice { values: &self.bias, shape: &[n_tokens] }),
        ];
        let path = folder.join(FILE);
        model_folder::write_arrays(&path, arrays).map_err(|e| write_error(&path, e))
    }
}

/// The head in an encoder's arrays, behind all others; it is trained.
#[derive(Debug)]
pub struct MlmHead {
    dense: Linear,
    norm: LayerNorm,
    words: ParamId, // [n_tokens, width]
    bias: ParamId,  // [n_tokens]
    n_before: usize,
    scratch: Scratch,
}

// Buffers, reused from step to step. The bias is one more column of the words, and 1 stands there in every row that is scored.
#[derive(Debug, Default)]
struct Scratch {
    dense: Vec<f32>,     // [M, width]
    activated: Vec<f32>, // [M, width]
    hidden: Vec<f32>,    // [M, width]
    stats: RowStats,
    table: Vec<f32>,   // [n_tokens, width + 1]
    d_table: Vec<f32>, // [n_tokens, width + 1]
    softmax: SoftmaxScratch,
}

/// Tokens that were hidden from the encoder, as its last block left them.
#[derive(Clone, Copy, Debug)]
pub struct HiddenTokens<'a> {
    /// `[M, width]`
    pub states: &'a [f32],
    /// `[M]`: the right token of each.
    pub targets: &'a [u32],
}

/// How well hidden tokens are found.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct MlmFigures {
    /// Tokens that were to be found.
    pub n: usize,
    /// Mean −ln of the probability that they had.
    pub loss: f64,
    /// Share of them that had the highest probability.
    pub accuracy: f64,
}

impl MlmHead {
    /// Adds the head to the encoder's arrays. The encoder's tuning must be chosen before, and the head be
    /// [removed](Self::remove) before it is changed, saved or merged.
    ///
    /// # Panics
    /// When the weights are of other sizes, or there is a head already.
    pub fn add(encoder: &mut TextEncoder, weights: &MlmWeights) -> Self {
        let Shape { width, n_tokens, epsilon, .. } = encoder.network.shape;
        let n_before = encoder.params.arrays().len();
        let params = &mut encoder.params;
        let mut put =
            |name: &str, shape: &[usize], values: &[f32]| params.add_values(name, shape, values.to_vec());
        let weight = put(BERT.0[0], &[width, width], &weights.dense_weight);
        let bias = Some(put(BERT.0[1], &[width], &weights.dense_bias));
        let gain = put(BERT.0[2], &[width], &weights.norm_gain);
        let shift = put(BERT.0[3], &[width], &weights.norm_bias);
        Self {
            dense: Linear { weight, bias, n_in: width, n_out: width, deltas: Vec::new() },
            norm: LayerNorm { gain, bias: shift, width, epsilon },
            words: encoder.network.words(),
            bias: put(BERT.1[0], &[n_tokens], &weights.bias),
            n_before,
            scratch: Scratch::default(),
        }
    }

    /// Takes the head out of the encoder's arrays, with what it has learned.
    pub fn remove(self, encoder: &mut TextEncoder) -> MlmWeights {
        let get = |id: ParamId| encoder.params.get(id).to_vec();
        let weights = MlmWeights {
            dense_weight: get(self.dense.weight),
            dense_bias: self.dense.bias.map(get).unwrap_or_default(),
            norm_gain: get(self.norm.gain),
            norm_bias: get(self.norm.bias),
            bias: get(self.bias),
        };
        encoder.params.truncate(self.n_before);
        weights
    }

    /// Mean over the rows of −ln of the target's probability, times `weight`; adds the gradients of the head and, where they are
    /// trained, of the word embeddings; also the gradient of the states. No rows: 0.
    ///
    /// # Panics
    /// When the shapes do not fit or a target is no token.
    pub fn loss(
        &mut self,
        params: &Params,
        hidden: HiddenTokens<'_>,
        weight: f32,
        gradients: &mut Gradients,
    ) -> (f64, Vec<f32>) {
        let HiddenTokens { states, targets } = hidden;
        if targets.is_empty() {
            return (0.0, Vec::new());
        }
        self.transform(params, states);
        let (width, n) = (self.norm.width, targets.len());
        let hidden = with_column(&self.scratch.hidden, width, |_| 1.0); // [M, width + 1]
        self.fill_table(params);
        let Scratch { table, d_table, softmax, .. } = &mut self.scratch;
        d_table.clear();
        d_table.resize(table.len(), 0.0);
        let mut d_hidden = vec![0.0; hidden.len()]; // [M, width + 1]
        let scale = weight / n as f32;
        let loss = FullSoftmax {
            hidden: &hidden,
            items: table,
            targets,
            scale,
            denominator: Denominator::default(),
        };
        let sum = loss.run(&mut d_hidden, Some(d_table), softmax);
        self.add_table_gradients(gradients);
        let d_hidden: Vec<f32> =
            d_hidden.chunks_exact(width + 1).flat_map(|row| &row[..width]).copied().collect();
        (f64::from(weight) * sum / n as f64, self.transform_backward(params, states, &d_hidden, gradients))
    }

    /// How well the tokens are found from their states.
    ///
    /// # Panics
    /// When the shapes do not fit or a target is no token.
    pub fn figures(&mut self, params: &Params, hidden: HiddenTokens<'_>) -> MlmFigures {
        let HiddenTokens { states, targets } = hidden;
        if targets.is_empty() {
            return MlmFigures::default();
        }
        self.transform(params, states);
        let (width, n) = (self.norm.width, targets.len());
        let (words, bias) = (params.get(self.words), params.get(self.bias));
        let n_tokens = bias.len();
        let mut logits = vec![0.0; n * n_tokens]; // [M, n_tokens]
        let hidden = Matrix::new(&self.scratch.hidden, n, width, width);
        matmul_parallel(&mut logits, hidden, Matrix::new(words, n_tokens, width, width).t());
        logits.par_chunks_exact_mut(n_tokens).for_each(|row| segue_nn::add_scaled(row, 1.0, bias));
        let of_row = |(logits, &target): (&[f32], &u32)| {
            let top = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let sum: f64 = logits.iter().map(|x| f64::from(x - top).exp()).sum();
            let own = logits[target as usize];
            (sum.ln() + f64::from(top - own), own >= top)
        };
        let rows: Vec<(f64, bool)> = logits.par_chunks_exact(n_tokens).zip(targets).map(of_row).collect();
        let loss = rows.iter().map(|(loss, _)| loss).sum::<f64>() / n as f64;
        let n_right = rows.iter().filter(|(_, is_right)| *is_right).count();
        MlmFigures { n, loss, accuracy: n_right as f64 / n as f64 }
    }

    fn transform(&mut self, params: &Params, states: &[f32]) {
        let Scratch { dense, activated, hidden, stats, .. } = &mut self.scratch;
        for buffer in [&mut *dense, &mut *activated, &mut *hidden] {
            buffer.resize(states.len(), 0.0);
        }
        self.dense.forward(params, states, dense);
        gelu(dense, activated);
        self.norm.forward(params, activated, hidden, stats);
    }

    // From the gradient of the rows that are scored to that of the states.
    fn transform_backward(
        &mut self,
        params: &Params,
        states: &[f32],
        d_hidden: &[f32],
        gradients: &mut Gradients,
    ) -> Vec<f32> {
        let Scratch { dense, activated, stats, .. } = &mut self.scratch;
        let mut d = vec![0.0; states.len()]; // [M, width]
        let input = NormInput { x: activated, stats };
        self.norm.parameter_gradients(input, d_hidden, gradients);
        self.norm.add_input_gradient(params, input, d_hidden, &mut d);
        gelu_backward(dense, activated, &mut d);
        let mut d_states = vec![0.0; states.len()];
        self.dense.parameter_gradients(params, states, &d, gradients);
        self.dense.input_gradient(params, &d, &mut d_states);
        d_states
    }

    fn fill_table(&mut self, params: &Params) {
        let (words, bias) = (params.get(self.words), params.get(self.bias));
        self.scratch.table = with_column(words, self.norm.width, |token| bias[token]);
    }

    fn add_table_gradients(&self, gradients: &mut Gradients) {
        let width = self.norm.width;
        let rows = || self.scratch.d_table.chunks_exact(width + 1);
        if let Some(gradient) = gradients.get_mut(self.words) {
            for (sum, d) in gradient.chunks_exact_mut(width).zip(rows()) {
                segue_nn::add_scaled(sum, 1.0, &d[..width]);
            }
        }
        if let Some(gradient) = gradients.get_mut(self.bias) {
            gradient.iter_mut().zip(rows()).for_each(|(sum, d)| *sum += d[width]);
        }
    }
}

// `[n, width]` → `[n, width + 1]`.
fn with_column(rows: &[f32], width: usize, last: impl Fn(usize) -> f32) -> Vec<f32> {
    let mut wide = Vec::with_capacity(rows.len() / width * (width + 1));
    for (at, row) in rows.chunks_exact(width).enumerate() {
        wide.extend_from_slice(row);
        wide.push(last(at));
    }
    wide
}
