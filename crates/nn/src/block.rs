//! One transformer block: attention and a two-layer network, each with normalization and a residual connection.

use rand::Rng;

use crate::adapter::{Adapter, AdapterCache};
use crate::attention::{Attention, AttentionGradients, AttentionInput, Mask, PrefixRows};
use crate::dropout::{DropoutKey, dropout};
use crate::gelu::{gelu, gelu_backward};
use crate::layer_norm::{LayerNorm, NormInput, RowStats};
use crate::linear::{Linear, LinearShape};
use crate::params::{Gradients, Params};
use crate::prefix::Prefix;
use crate::simd::add;

/// Where the normalization stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NormOrder {
    /// `x + f(norm(x))`, for models trained from scratch (Xiong et al., 2020).
    Pre,
    /// `norm(x + f(x))`, as in BERT.
    Post,
}

/// What distinguishes one block from another, weights aside.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BlockShape {
    /// Values of a position in the stream.
    pub width: usize,
    /// Attention heads; they divide `width`.
    pub n_heads: usize,
    /// Width between the two linear layers.
    pub n_hidden: usize,
    /// What a position may look at.
    pub mask: Mask,
    /// Before or after the residual sums.
    pub order: NormOrder,
    /// Added to variances, so that equal values do not divide by zero.
    pub epsilon: f32,
}

/// A transformer block on packed sequences.
#[derive(Clone, Debug, PartialEq)]
pub struct Block {
    /// Its form; the layers below agree with it.
    pub shape: BlockShape,
    /// `[q | k | v]`, width → 3 · width.
    pub qkv: Linear,
    /// After attention, width → width.
    pub out: Linear,
    /// Normalization of the attention half.
    pub norm1: LayerNorm,
    /// width → `n_hidden`.
    pub up: Linear,
    /// `n_hidden` → width.
    pub down: Linear,
    /// Normalization of the second half.
    pub norm2: LayerNorm,
    /// Trained keys and values that every position sees.
    pub prefix: Option<Prefix>,
    /// After the second half, before its residual is added.
    pub adapter: Option<Adapter>,
}

/// Dropout of one pass.
#[derive(Clone, Copy, Debug)]
pub struct Dropping {
    /// Probability that a value becomes zero, in [0, 1).
    pub rate: f32,
    /// Decides which values; the way back needs the same.
    pub key: DropoutKey,
}

impl Dropping {
    /// No dropout, for scoring.
    pub fn none() -> Self {
        Self { rate: 0.0, key: DropoutKey::new(0) }
    }

    /// The same rate with the mask of a part.
    #[must_use]
    pub fn of(self, part: u64) -> Self {
        Self { key: self.key.of(part), ..self }
    }

    fn apply(self, site: u64, x: &mut [f32]) {
        dropout(self.rate, self.key.of(site), x);
    }
}

/// What the forward pass leaves for the backward pass; reused from step to step.
#[derive(Clone, Debug, Default)]
pub struct BlockCache {
    input: Vec<f32>,         // [N, width]
    stats1: RowStats,        // [N]
    qkv: Vec<f32>,           // [N, 3 · width]
    probabilities: Vec<f32>, // Σ [heads, T, T]
    attended: Vec<f32>,      // [N, width]
    middle: Vec<f32>,        // [N, width]: pre, the stream after attention; post, the sum before its norm
    stats2: RowStats,        // [N]
    hidden: Vec<f32>,        // [N, n_hidden], before GELU
    last: Vec<f32>,          // [N, width]: post only, the sum before the last norm
    adapter: AdapterCache,
}

/// Memory for intermediate results, shared by the blocks of a model.
#[derive(Clone, Debug, Default)]
pub struct BlockScratch {
    a: Vec<f32>,
    b: Vec<f32>,
    hidden: Vec<f32>,
    hidden2: Vec<f32>,
}

/// One pass of a batch through a block.
#[derive(Debug)]
pub struct BlockPass<'a> {
    /// Where the layers find their weights.
    pub params: &'a Params,
    /// Positions of each sequence, none of them 0; N is their sum.
    pub lengths: &'a [usize],
    /// With a mask of this block's own.
    pub dropping: Dropping,
    /// What stands in it before and after means nothing.
    pub scratch: &'a mut BlockScratch,
}

impl Block {
    /// A block with normal weights of deviation `deviation`.
    pub fn new(
        params: &mut Params,
        name: &str,
        shape: BlockShape,
        deviation: f32,
        rng: &mut impl Rng,
    ) -> Self {
        let (width, n_hidden) = (shape.width, shape.n_hidden);
        let mut linear = |part: &str, n_in, n_out| {
            Linear::new(params, &format!("{name}.{part}"), LinearShape { n_in, n_out }, deviation, rng)
        };
        let qkv = linear("qkv", width, 3 * width);
        let out = linear("out", width, width);
        let up = linear("up", width, n_hidden);
        let down = linear("down", n_hidden, width);
        let norm1 = LayerNorm::new(params, &format!("{name}.norm1"), width, shape.epsilon, rng);
        let norm2 = LayerNorm::new(params, &format!("{name}.norm2"), width, shape.epsilon, rng);
        Self { shape, qkv, out, norm1, up, down, norm2, prefix: None, adapter: None }
    }

    fn attention(&self) -> Attention {
        Attention { width: self.shape.width, n_heads: self.shape.n_heads, mask: self.shape.mask }
    }

    fn prefix_rows<'p>(&self, params: &'p Params) -> PrefixRows<'p> {
        self.prefix.as_ref().map_or(PrefixRows::none(), |prefix| prefix.rows(params))
    }

    /// `x: [N, width]`, in place.
    pub fn forward(&self, pass: &mut BlockPass<'_>, x: &mut [f32], cache: &mut BlockCache) {
        copy(x, &mut cache.input);
        self.attention_half(pass, x, cache);
        self.feed_forward_half(pass, x, cache);
    }

    // The attention half; leaves the stream in `x` and in `cache.middle`.
    fn attention_half(&self, pass: &mut BlockPass<'_>, x: &mut [f32], cache: &mut BlockCache) {
        let params = pass.params;
        cache.qkv.resize(3 * x.len(), 0.0);
        cache.attended.resize(x.len(), 0.0);
        let a = sized(&mut pass.scratch.a, x.len());
        if self.shape.order == NormOrder::Pre {
            self.norm1.forward(params, x, a, &mut cache.stats1);
            self.qkv.forward(params, a, &mut cache.qkv);
        } else {
            self.qkv.forward(params, x, &mut cache.qkv);
        }
        let input =
            AttentionInput { qkv: &cache.qkv, prefix: self.prefix_rows(params), lengths: pass.lengths };
        self.attention().forward(input, &mut cache.attended, &mut cache.probabilities);
        self.out.forward(params, &cache.attended, a);
        pass.dropping.apply(1, a);
        add(x, a);
        copy(x, &mut cache.middle);
    }

    // The two linear layers, from and to the stream in `x`.
    fn feed_forward_half(&self, pass: &mut BlockPass<'_>, x: &mut [f32], cache: &mut BlockCache) {
        let params = pass.params;
        let n_hidden = x.len() / self.shape.width * self.shape.n_hidden;
        cache.hidden.resize(n_hidden, 0.0);
        let a = sized(&mut pass.scratch.a, x.len());
        let hidden = sized(&mut pass.scratch.hidden, n_hidden);
        if self.shape.order == NormOrder::Pre {
            self.norm2.forward(params, x, a, &mut cache.stats2);
            self.up.forward(params, a, &mut cache.hidden);
        } else {
            self.norm1.forward(params, &cache.middle, x, &mut cache.stats1);
            self.up.forward(params, x, &mut cache.hidden);
        }
        gelu(&cache.hidden, hidden);
        self.down.forward(params, hidden, a);
        pass.dropping.apply(2, a);
        if let Some(adapter) = &self.adapter {
            adapter.forward(params, a, &mut cache.adapter);
        }
        add(x, a);
        if self.shape.order == NormOrder::Post {
            copy(x, &mut cache.last);
            self.norm2.forward(params, &cache.last, x, &mut cache.stats2);
        }
    }

    /// The gradient of the output in `dx` becomes that of the input; gradients of the parameters are added. `pass` is as it
    /// was for the forward pass.
    pub fn backward(
        &self,
        pass: &mut BlockPass<'_>,
        dx: &mut [f32],
        cache: &BlockCache,
        gradients: &mut Gradients,
    ) {
        match self.shape.order {
            NormOrder::Pre => self.backward_pre(pass, dx, cache, gradients),
            NormOrder::Post => self.backward_post(pass, dx, cache, gradients),
        }
    }

    fn backward_pre(
        &self,
        pass: &mut BlockPass<'_>,
        dx: &mut [f32],
        cache: &BlockCache,
        gradients: &mut Gradients,
    ) {
        let params = pass.params;
        let mut stats = RowStats::new();
        let a = sized(&mut pass.scratch.a, dx.len());
        self.norm2.forward(params, &cache.middle, a, &mut stats); // again, cheaper than keeping it
        self.feed_forward_backward(pass, dx, cache, gradients);
        let middle = NormInput { x: &cache.middle, stats: &cache.stats2 };
        self.norm2.parameter_gradients(middle, &pass.scratch.b, gradients);
        self.norm2.add_input_gradient(params, middle, &pass.scratch.b, dx);
        self.attention_backward(pass, dx, cache, gradients);
        let BlockScratch { a, b, hidden2: d_qkv, .. } = &mut *pass.scratch;
        self.norm1.forward(params, &cache.input, a, &mut stats);
        self.qkv.parameter_gradients(params, a, d_qkv, gradients);
        self.qkv.input_gradient(params, d_qkv, b);
        let input = NormInput { x: &cache.input, stats: &cache.stats1 };
        self.norm1.parameter_gradients(input, b, gradients);
        self.norm1.add_input_gradient(params, input, b, dx);
    }

    fn backward_post(
        &self,
        pass: &mut BlockPass<'_>,
        dx: &mut [f32],
        cache: &BlockCache,
        gradients: &mut Gradients,
    ) {
        let params = pass.params;
        let mut d_sum = vec![0.0; dx.len()]; // [N, width], of the sum before norm2, then before norm1
        let last = NormInput { x: &cache.last, stats: &cache.stats2 };
        self.norm2.parameter_gradients(last, dx, gradients);
        self.norm2.add_input_gradient(params, last, dx, &mut d_sum);
        let a = sized(&mut pass.scratch.a, dx.len());
        self.norm1.forward(params, &cache.middle, a, &mut RowStats::new());
        self.feed_forward_backward(pass, &d_sum, cache, gradients);
        let d_norm1 = &mut pass.scratch.b; // the gradient of norm1's output
        add(d_norm1, &d_sum);
        d_sum.fill(0.0);
        let middle = NormInput { x: &cache.middle, stats: &cache.stats1 };
        self.norm1.parameter_gradients(middle, d_norm1, gradients);
        self.norm1.add_input_gradient(params, middle, d_norm1, &mut d_sum);
        self.attention_backward(pass, &d_sum, cache, gradients);
        let d_qkv = &pass.scratch.hidden2;
        self.qkv.parameter_gradients(params, &cache.input, d_qkv, gradients);
        self.qkv.input_gradient(params, d_qkv, dx);
        add(dx, &d_sum);
    }

    // From the gradient `dy` of the first half's output to that of queries, keys and values, into `scratch.hidden2`.
    fn attention_backward(
        &self,
        pass: &mut BlockPass<'_>,
        dy: &[f32],
        cache: &BlockCache,
        gradients: &mut Gradients,
    ) {
        let params = pass.params;
        let BlockScratch { a, b, hidden2, .. } = &mut *pass.scratch;
        copy(dy, a);
        pass.dropping.apply(1, a);
        let d_attended = sized(b, dy.len());
        self.out.parameter_gradients(params, &cache.attended, a, gradients);
        self.out.input_gradient(params, a, d_attended);
        let input =
            AttentionInput { qkv: &cache.qkv, prefix: self.prefix_rows(params), lengths: pass.lengths };
        let prefix = self.prefix.as_ref().map(|prefix| prefix.gradients(gradients)).unwrap_or_default();
        let to = AttentionGradients { qkv: sized(hidden2, cache.qkv.len()), prefix };
        self.attention().backward(input, &cache.probabilities, d_attended, to);
    }

    // From the gradient `dy` of the second half's output to that of its input, which stands in `scratch.a`, into `scratch.b`.
    fn feed_forward_backward(
        &self,
        pass: &mut BlockPass<'_>,
        dy: &[f32],
        cache: &BlockCache,
        gradients: &mut Gradients,
    ) {
        let params = pass.params;
        let BlockScratch { a: x, b, hidden, hidden2 } = &mut *pass.scratch;
        let d_input = sized(b, dy.len());
        let activated = sized(hidden, cache.hidden.len());
        let d_hidden = sized(hidden2, cache.hidden.len());
        d_input.copy_from_slice(dy);
        if let Some(adapter) = &self.adapter {
            adapter.backward(params, d_input, &cache.adapter, gradients);
        }
        pass.dropping.apply(2, d_input);
        // The weight gradient of `down` needs the activation, which comes with the derivative: input gradient first.
        self.down.input_gradient(params, d_input, d_hidden);
        gelu_backward(&cache.hidden, activated, d_hidden);
        self.down.parameter_gradients(params, activated, d_input, gradients);
        self.up.parameter_gradients(params, x, d_hidden, gradients);
        self.up.input_gradient(params, d_hidden, d_input);
    }
}

fn copy(from: &[f32], to: &mut Vec<f32>) {
    to.clear();
    to.extend_from_slice(from);
}

fn sized(buffer: &mut Vec<f32>, n: usize) -> &mut [f32] {
    buffer.resize(n, 0.0);
    buffer
}
