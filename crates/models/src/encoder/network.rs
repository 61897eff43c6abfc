//! The network: embeddings, blocks, pooling; forward and backward on packed sequences (no padding anywhere).

use segue_nn::attention::Mask;
use segue_nn::block::{Block, BlockCache, BlockPass, BlockScratch, BlockShape, Dropping, NormOrder};
use segue_nn::layer_norm::{LayerNorm, NormInput, RowStats};
use segue_nn::linear::Linear;
use segue_nn::low_rank::LowRank;
use segue_nn::{Gradients, ParamId, Params};

use crate::encoder::error::EncoderError;
use crate::encoder::settings::{Pooling, Shape};

/// An encoder of the BERT family (Devlin et al., 2019); its arrays stand in a [`Params`] under their Hugging Face names,
/// except that query, key and value are one array `…attention.self.qkv`.
#[derive(Clone, Debug)]
pub struct Network {
    /// Sizes.
    pub shape: Shape,
    words: ParamId,         // [n_tokens, width]
    positions: ParamId,     // [n_positions, width]
    types: Option<ParamId>, // [n_types, width]
    norm: LayerNorm,
    /// The transformer blocks, first to last.
    pub blocks: Vec<Block>,
}

/// Tokens of several texts, one behind the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenBatch {
    /// Token of each row, `[N]`, below `n_tokens`.
    pub tokens: Vec<u32>,
    /// Tokens per text, each at least 1; their sum is N.
    pub lengths: Vec<usize>,
}

/// How the token vectors become the text's vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Mean or first token.
    pub pooling: Pooling,
    /// Whether the vector gets length 1.
    pub normalizes: bool,
}

/// What a forward pass leaves behind; reused from batch to batch.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    embedded: Vec<f32>, // [N, width], before the norm
    stats: RowStats,
    x: Vec<f32>, // [N, width]
    blocks: Vec<BlockCache>,
    scratch: BlockScratch,
    lengths_of_pooled: Vec<f32>, // [B], Euclidean
    out: Vec<f32>,               // [B, width]
}

/// What a pass reads.
#[derive(Clone, Copy)]
pub struct BatchPass<'a> {
    /// Of the encoder.
    pub params: &'a Params,
    /// Several texts, one after another.
    pub batch: &'a TokenBatch,
    /// How their vectors come about.
    pub head: Head,
    /// What is dropped on the way; the way back must drop the same.
    pub dropping: Dropping,
}

/// Gradients of what a forward pass gives.
#[derive(Clone, Copy)]
pub(crate) struct OutputGradients<'a> {
    /// Of the vectors, `[B, width]`.
    pub(crate) vectors: &'a [f32],
    /// Of the tokens' last states beside what comes through the vectors, `[N, width]`; empty: nothing.
    pub(crate) states: &'a [f32],
}

/// What a pass is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Only the vectors: intermediate results of a block are overwritten by the next.
    Vectors,
    /// A backward pass follows.
    Training,
}

impl Trace {
    /// Vectors of the last forward pass, `[B, width]`.
    pub fn vectors(&self) -> &[f32] {
        &self.out
    }

    /// What the last block of the last forward pass left of every token, `[N, width]`.
    pub fn states(&self) -> &[f32] {
        &self.x
    }
}

impl Network {
    /// Builds the network; `read(name, shape)` gives its arrays.
    pub(crate) fn build(
        shape: Shape,
        params: &mut Params,
        mut read: impl FnMut(&str, &[usize]) -> Result<Vec<f32>, EncoderError>,
    ) -> Result<Self, EncoderError> {
        let width = shape.width;
        let mut table = |params: &mut Params, part: &str, n: usize| {
            let name = format!("embeddings.{part}.weight");
            Ok::<ParamId, EncoderError>(params.add_values(&*name, &[n, width], read(&name, &[n, width])?))
        };
        let words = table(params, "word_embeddings", shape.n_tokens)?;
        let positions = table(params, "position_embeddings", shape.n_positions)?;
        let types = match shape.n_types {
            0 => None,
            n => Some(table(params, "token_type_embeddings", n)?),
        };
        let mut layers = Layers { params, shape, read: &mut read };
        let norm = layers.norm("embeddings.LayerNorm")?;
        let blocks = (0..shape.n_layers).map(|at| layers.block(at)).collect::<Result<_, _>>()?;
        Ok(Self { shape, words, positions, types, norm, blocks })
    }

    /// Vectors of a batch, `[B, width]`.
    ///
    /// # Panics
    /// When a token or a length is out of the network's range, or the lengths do not add up.
    pub fn forward<'t>(&self, pass: BatchPass<'_>, purpose: Purpose, trace: &'t mut Trace) -> &'t [f32] {
        let BatchPass { params, batch, head, dropping } = pass;
        self.embed(params, batch, trace);
        trace.x.resize(trace.embedded.len(), 0.0);
        self.norm.forward(params, &trace.embedded, &mut trace.x, &mut trace.stats);
        let n_caches = if purpose == Purpose::Training { self.blocks.len() } else { 1 };
        trace.blocks.resize_with(n_caches, BlockCache::default);
        for (at, block) in self.blocks.iter().enumerate() {
            let cache = &mut trace.blocks[at.min(n_caches - 1)];
            let dropping = dropping.of(at as u64);
            let lengths = &batch.lengths;
            let mut pass = BlockPass { params, lengths, dropping, scratch: &mut trace.scratch };
            block.forward(&mut pass, &mut trace.x, cache);
        }
        self.pool(batch, head, trace);
        &trace.out
    }

    /// Adds the gradients of all trainable arrays, from that of the vectors (`d_out: [B, width]`) and the trace of a forward
    /// pass for training with the same arguments.
    ///
    /// # Panics
    /// When the shapes do not fit.
    pub fn backward(&self, pass: BatchPass<'_>, trace: &mut Trace, d_out: &[f32], gradients: &mut Gradients) {
        let d = OutputGradients { vectors: d_out, states: &[] };
        let d_embedded = self.blocks_backward(pass, trace, d, gradients);
        self.embed_backward(pass.batch, &d_embedded, gradients);
    }

    /// As [`backward`](Self::backward) without the embedding tables: the gradient of the embedded tokens, `[N, width]`; empty
    /// where the tables and their norm are frozen.
    ///
    /// # Panics
    /// When the shapes do not fit.
    pub(crate) fn blocks_backward(
        &self,
        pass: BatchPass<'_>,
        trace: &mut Trace,
        d: OutputGradients<'_>,
        gradients: &mut Gradients,
    ) -> Vec<f32> {
        let BatchPass { params, batch, head, dropping } = pass;
        let OutputGradients { vectors: d_out, states: d_states } = d;
        assert_eq!(d_out.len(), trace.out.len(), "gradient of the vectors");
        assert_eq!(trace.blocks.len(), self.blocks.len(), "the forward pass was not for training");
        assert!(d_states.is_empty() || d_states.len() == trace.x.len(), "gradient of the states");
        let mut dx = self.pool_backward(batch, head, trace, d_out); // [N, width]
        dx.iter_mut().zip(d_states).for_each(|(sum, d)| *sum += d);
        for (at, block) in self.blocks.iter().enumerate().rev() {
            let (cache, scratch) = (&trace.blocks[at], &mut trace.scratch);
            let dropping = dropping.of(at as u64);
            let mut pass = BlockPass { params, lengths: &batch.lengths, dropping, scratch };
            block.backward(&mut pass, &mut dx, cache, gradients);
        }
        let mut below = self.tables().chain([self.norm.gain, self.norm.bias]);
        if !below.any(|id| params.is_trainable(id)) {
            return Vec::new();
        }
        let mut d_embedded = vec![0.0; dx.len()]; // [N, width]
        let input = NormInput { x: &trace.embedded, stats: &trace.stats };
        self.norm.parameter_gradients(input, &dx, gradients);
        self.norm.add_input_gradient(params, input, &dx, &mut d_embedded);
        d_embedded
    }

    pub(crate) fn words(&self) -> ParamId {
        self.words
    }

    /// Large and touched in few rows: gradients of lanes leave them out.
    pub(crate) fn tables(&self) -> impl Iterator<Item = ParamId> + use<> {
        [Some(self.words), Some(self.positions), self.types].into_iter().flatten()
    }

    /// The low-rank deltas, first block to last.
    pub fn deltas(&self) -> impl Iterator<Item = &LowRank> {
        let linears = self.blocks.iter().flat_map(|block| [&block.qkv, &block.out, &block.up, &block.down]);
        linears.flat_map(|linear| &linear.deltas)
    }

    // Rows of the three tables per token: (row of words, row of positions).
    fn places<'b>(&self, batch: &'b TokenBatch) -> impl Iterator<Item = (usize, usize)> + use<'b> {
        let first = self.shape.first_position;
        let positions = batch.lengths.iter().flat_map(move |&t| first..first + t);
        batch.tokens.iter().map(|&token| token as usize).zip(positions)
    }

    fn embed(&self, params: &Params, batch: &TokenBatch, trace: &mut Trace) {
        assert_eq!(batch.tokens.len(), batch.lengths.iter().sum::<usize>(), "lengths of a token batch");
        let width = self.shape.width;
        let (words, positions) = (params.get(self.words), params.get(self.positions));
        let types = self.types.map(|types| &params.get(types)[..width]);
        trace.embedded.resize(batch.tokens.len() * width, 0.0);
        for (out, (word, position)) in trace.embedded.chunks_exact_mut(width).zip(self.places(batch)) {
            let (word, position) = (&words[word * width..][..width], &positions[position * width..][..width]);
            for ((out, word), position) in out.iter_mut().zip(word).zip(position) {
                *out = word + position;
            }
            if let Some(types) = types {
                out.iter_mut().zip(types).for_each(|(out, x)| *out += x);
            }
        }
    }

    /// Adds the gradients of the embedding tables, from that of the embedded tokens.
    pub(crate) fn embed_backward(&self, batch: &TokenBatch, d_embedded: &[f32], gradients: &mut Gradients) {
        let width = self.shape.width;
        for (d, (word, position)) in d_embedded.chunks_exact(width).zip(self.places(batch)) {
            let rows =
                [Some((self.words, word)), Some((self.positions, position)), self.types.map(|id| (id, 0))];
            for (id, row) in rows.into_iter().flatten() {
                if let Some(gradient) = gradients.get_mut(id) {
                    gradient[row * width..][..width].iter_mut().zip(d).for_each(|(sum, d)| *sum += d);
                }
            }
        }
    }

    fn pool(&self, batch: &TokenBatch, head: Head, trace: &mut Trace) {
        let width = self.shape.width;
        trace.out.clear();
        trace.out.resize(batch.lengths.len() * width, 0.0);
        trace.lengths_of_pooled.clear();
        let mut row = 0;
        for (out, &t) in trace.out.chunks_exact_mut(width).zip(&batch.lengths) {
            let tokens = &trace.x[row * width..(row + t) * width];
            row += t;
            let (n, used) = counted(head.pooling, t);
            for token in tokens.chunks_exact(width).take(used) {
                out.iter_mut().zip(token).for_each(|(sum, x)| *sum += x);
            }
            let mut scale = 1.0 / n;
            let square: f64 = out.iter().map(|x| f64::from(*x * scale).powi(2)).sum();
            let length = square.sqrt().max(1e-12) as f32;
            trace.lengths_of_pooled.push(length);
            if head.normalizes {
                scale /= length;
            }
            out.iter_mut().for_each(|x| *x *= scale);
        }
    }

    // d_token = d_pooled / n; d_pooled = (d − (d · y) y) / length where y has length 1.
    fn pool_backward(&self, batch: &TokenBatch, head: Head, trace: &Trace, d_out: &[f32]) -> Vec<f32> {
        let width = self.shape.width;
        let mut dx = vec![0.0; batch.tokens.len() * width];
        let mut row = 0;
        for (at, &t) in batch.lengths.iter().enumerate() {
            let (out, d_out) = (&trace.out[at * width..][..width], &d_out[at * width..][..width]);
            let (n, used) = counted(head.pooling, t);
            let along: f32 = out.iter().zip(d_out).map(|(y, d)| y * d).sum();
            for token in dx[row * width..].chunks_exact_mut(width).take(used) {
                for ((dx, d), y) in token.iter_mut().zip(d_out).zip(out) {
                    *dx = if head.normalizes {
                        (d - along * y) / (trace.lengths_of_pooled[at] * n)
                    } else {
                        d / n
                    };
                }
            }
            row += t;
        }
        dx
    }
}

// By what the sum of the tokens is divided, and how many of `t` tokens are summed.
fn counted(pooling: Pooling, t: usize) -> (f32, usize) {
    match pooling {
        Pooling::Mean => (t as f32, t),
        Pooling::First => (1.0, 1),
    }
}

// Reads layers by their Hugging Face names.
struct Layers<'a, R> {
    params: &'a mut Params,
    shape: Shape,
    read: &'a mut R,
}

impl<R: FnMut(&str, &[usize]) -> Result<Vec<f32>, EncoderError>> Layers<'_, R> {
    fn block(&mut self, at: usize) -> Result<Block, EncoderError> {
        let (width, n_hidden) = (self.shape.width, self.shape.n_hidden);
        let name = |part: &str| format!("encoder.layer.{at}.{part}");
        Ok(Block {
            shape: BlockShape {
                width,
                n_heads: self.shape.n_heads,
                n_hidden,
                mask: Mask::Bidirectional,
                order: NormOrder::Post,
                epsilon: self.shape.epsilon,
            },
            qkv: self.qkv(&name("attention.self"))?,
            out: self.linear(&name("attention.output.dense"), width, width)?,
            norm1: self.norm(&name("attention.output.LayerNorm"))?,
            up: self.linear(&name("intermediate.dense"), width, n_hidden)?,
            down: self.linear(&name("output.dense"), n_hidden, width)?,
            norm2: self.norm(&name("output.LayerNorm"))?,
            prefix: None,
            adapter: None,
        })
    }

    // Query, key and value as one layer.
    fn qkv(&mut self, name: &str) -> Result<Linear, EncoderError> {
        let width = self.shape.width;
        let (mut weight, mut bias) = (Vec::new(), Vec::new());
        for part in ["query", "key", "value"] {
            weight.extend((self.read)(&format!("{name}.{part}.weight"), &[width, width])?);
            bias.extend((self.read)(&format!("{name}.{part}.bias"), &[width])?);
        }
        let weight = self.params.add_values(format!("{name}.qkv.weight"), &[3 * width, width], weight);
        let bias = Some(self.params.add_values(format!("{name}.qkv.bias"), &[3 * width], bias));
        Ok(Linear { weight, bias, n_in: width, n_out: 3 * width, deltas: Vec::new() })
    }

    fn linear(&mut self, name: &str, n_in: usize, n_out: usize) -> Result<Linear, EncoderError> {
        let weight = self.array(format!("{name}.weight"), &[n_out, n_in])?;
        let bias = Some(self.array(format!("{name}.bias"), &[n_out])?);
        Ok(Linear { weight, bias, n_in, n_out, deltas: Vec::new() })
    }

    fn norm(&mut self, name: &str) -> Result<LayerNorm, EncoderError> {
        let (width, epsilon) = (self.shape.width, self.shape.epsilon);
        let gain = self.array(format!("{name}.weight"), &[width])?;
        let bias = self.array(format!("{name}.bias"), &[width])?;
        Ok(LayerNorm { gain, bias, width, epsilon })
    }

    fn array(&mut self, name: String, shape: &[usize]) -> Result<ParamId, EncoderError> {
        let values = (self.read)(&name, shape)?;
        Ok(self.params.add_values(name, shape, values))
    }
}
