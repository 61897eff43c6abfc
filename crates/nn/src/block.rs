//! One transformer block: attention and a two-layer network, each with normalization and a residual connection.

use rand::Rng;

use crate::adapter::{Adapter, AdapterCache};
use crate::attention::{Attention, Mask, PrefixRows};
use crate::dropout::{DropoutKey, dropout};
use crate::gelu::{gelu, gelu_backward};
use crate::layer_norm::{LayerNorm, RowStats};
use crate::linear::Linear;
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

/// Sizes of a block.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BlockShape {
    /// Width of the model.
    pub width: usize,
    /// Number of attention heads.
    pub n_heads: usize,
    /// Width between the two linear layers.
    pub n_hidden: usize,
    /// What a position may look at.
    pub mask: Mask,
    /// Where the normalization stands.
    pub order: NormOrder,
    /// Added to variances.
    pub epsilon: f32,
}

/// A transformer block on packed sequences.
#[derive(Clone, Debug, PartialEq)]
pub struct Block {
    /// Sizes.
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
    /// Probability of zero.
    pub rate: f32,
    /// Which mask.
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

/// Room for intermediate results, shared by the blocks of a model.
#[derive(Clone, Debug, Default)]
pub struct BlockScratch {
    a: Vec<f32>,
    b: Vec<f32>,
    hidden: Vec<f32>,
    hidden2: Vec<f32>,
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
        let mut linear =
            |part: &str, sizes| Linear::new(params, &format!("{name}.{part}"), sizes, deviation, rng);
        let qkv = linear("qkv", (width, 3 * width));
        let out = linear("out", (width, width));
        let up = linear("up", (width, n_hidden));
        let down = linear("down", (n_hidden, width));
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

    /// `x: [N, width]`, in place, N = Σ lengths.
    pub fn forward(
        &self,
        params: &Params,
        x: &mut [f32],
        lengths: &[usize],
        dropping: Dropping,
        (cache, scratch): (&mut BlockCache, &mut BlockScratch),
    ) {
        let n = x.len() / self.shape.width;
        copy(x, &mut cache.input);
        cache.qkv.resize(3 * x.len(), 0.0);
        cache.attended.resize(x.len(), 0.0);
        let a = sized(&mut scratch.a, x.len());
        if self.shape.order == NormOrder::Pre {
            self.norm1.forward(params, x, a, &mut cache.stats1);
            self.qkv.forward(params, a, &mut cache.qkv);
        } else {
            self.qkv.forward(params, x, &mut cache.qkv);
        }
        let qkv = (&*cache.qkv, self.prefix_rows(params));
        self.attention().forward(qkv, lengths, &mut cache.attended, &mut cache.probabilities);
        self.out.forward(params, &cache.attended, a);
        dropping.apply(1, a);
        add(x, a);
        copy(x, &mut cache.middle);
        cache.hidden.resize(n * self.shape.n_hidden, 0.0);
        let hidden = sized(&mut scratch.hidden, n * self.shape.n_hidden);
        if self.shape.order == NormOrder::Pre {
            self.norm2.forward(params, x, a, &mut cache.stats2);
            self.up.forward(params, a, &mut cache.hidden);
        } else {
            self.norm1.forward(params, &cache.middle, x, &mut cache.stats1);
            self.up.forward(params, x, &mut cache.hidden);
        }
        gelu(&cache.hidden, hidden);
        self.down.forward(params, hidden, a);
        dropping.apply(2, a);
        if let Some(adapter) = &self.adapter {
            adapter.forward(params, a, &mut cache.adapter);
        }
        add(x, a);
        if self.shape.order == NormOrder::Post {
            copy(x, &mut cache.last);
            self.norm2.forward(params, &cache.last, x, &mut cache.stats2);
        }
    }

    /// The gradient of the output in `dx` becomes that of the input; gradients of the parameters are added.
    #[expect(
        clippy::too_many_arguments,
        reason = "a pass needs the weights, the way in, the way out and the room between"
    )]
    pub fn backward(
        &self,
        params: &Params,
        dx: &mut [f32],
        lengths: &[usize],
        dropping: Dropping,
        (cache, scratch): (&BlockCache, &mut BlockScratch),
        gradients: &mut Gradients,
    ) {
        match self.shape.order {
            NormOrder::Pre => self.backward_pre(params, dx, lengths, dropping, (cache, scratch), gradients),
            NormOrder::Post => self.backward_post(params, dx, lengths, dropping, (cache, scratch), gradients),
        }
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "a pass needs the weights, the way in, the way out and the room between"
    )]
    fn backward_pre(
        &self,
        params: &Params,
        dx: &mut [f32],
        lengths: &[usize],
        dropping: Dropping,
        (cache, scratch): (&BlockCache, &mut BlockScratch),
        gradients: &mut Gradients,
    ) {
        let mut stats = RowStats::new();
        let (a, b) = (sized(&mut scratch.a, dx.len()), sized(&mut scratch.b, dx.len()));
        self.norm2.forward(params, &cache.middle, a, &mut stats); // again, cheaper than keeping it
        let hidden = (&mut scratch.hidden, &mut scratch.hidden2);
        self.feed_forward_backward(params, (a, dx, b), dropping, (cache, hidden), gradients);
        self.norm2.backward(params, (&cache.middle, &cache.stats2), b, dx, gradients);
        self.attention_backward(params, dx, lengths, dropping, (cache, scratch), gradients);
        let (a, b) = (&mut scratch.a, &mut scratch.b);
        self.norm1.forward(params, &cache.input, a, &mut stats);
        self.qkv.backward(params, a, &scratch.hidden2, Some(b), gradients);
        self.norm1.backward(params, (&cache.input, &cache.stats1), b, dx, gradients);
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "a pass needs the weights, the way in, the way out and the room between"
    )]
    fn backward_post(
        &self,
        params: &Params,
        dx: &mut [f32],
        lengths: &[usize],
        dropping: Dropping,
        (cache, scratch): (&BlockCache, &mut BlockScratch),
        gradients: &mut Gradients,
    ) {
        let mut stats = RowStats::new();
        let (a, b) = (sized(&mut scratch.a, dx.len()), sized(&mut scratch.b, dx.len()));
        let mut d_sum = vec![0.0; dx.len()]; // [N, width], of the sum before norm2, then before norm1
        self.norm2.backward(params, (&cache.last, &cache.stats2), dx, &mut d_sum, gradients);
        self.norm1.forward(params, &cache.middle, a, &mut stats);
        let hidden = (&mut scratch.hidden, &mut scratch.hidden2);
        self.feed_forward_backward(params, (a, &d_sum, b), dropping, (cache, hidden), gradients);
        add(b, &d_sum); // the gradient of norm1's output
        d_sum.fill(0.0);
        self.norm1.backward(params, (&cache.middle, &cache.stats1), b, &mut d_sum, gradients);
        self.attention_backward(params, &d_sum, lengths, dropping, (cache, scratch), gradients);
        self.qkv.backward(params, &cache.input, &scratch.hidden2, Some(dx), gradients);
        add(dx, &d_sum);
    }

    // From the gradient `dy` of the first half's output to that of queries, keys and values, into `hidden2`.
    #[expect(
        clippy::too_many_arguments,
        reason = "a pass needs the weights, the way in, the way out and the room between"
    )]
    fn attention_backward(
        &self,
        params: &Params,
        dy: &[f32],
        lengths: &[usize],
        dropping: Dropping,
        (cache, scratch): (&BlockCache, &mut BlockScratch),
        gradients: &mut Gradients,
    ) {
        copy(dy, &mut scratch.a);
        dropping.apply(1, &mut scratch.a);
        let d_attended = sized(&mut scratch.b, dy.len());
        self.out.backward(params, &cache.attended, &scratch.a, Some(d_attended), gradients);
        let d_qkv = sized(&mut scratch.hidden2, cache.qkv.len());
        let qkv = (&*cache.qkv, self.prefix_rows(params));
        let d_prefix = self.prefix.as_ref().map_or([None, None], |prefix| prefix.gradients(gradients));
        self.attention().backward(qkv, lengths, &cache.probabilities, d_attended, (d_qkv, d_prefix));
    }

    // From the gradient `dy` of the second half's output to that of its input `x`, into `d_input`.
    fn feed_forward_backward(
        &self,
        params: &Params,
        (x, dy, d_input): (&[f32], &[f32], &mut [f32]),
        dropping: Dropping,
        (cache, (hidden, hidden2)): (&BlockCache, (&mut Vec<f32>, &mut Vec<f32>)),
        gradients: &mut Gradients,
    ) {
        let activated = sized(hidden, cache.hidden.len());
        let d_hidden = sized(hidden2, cache.hidden.len());
        d_input.copy_from_slice(dy);
        if let Some(adapter) = &self.adapter {
            adapter.backward(params, d_input, &cache.adapter, gradients);
        }
        dropping.apply(2, d_input);
        // The weight gradient of `down` needs the activation, which comes with the derivative: input gradient first.
        self.down.input_gradient(params, d_input, d_hidden);
        gelu_backward(&cache.hidden, activated, d_hidden);
        self.down.backward(params, activated, d_input, None, gradients);
        self.up.backward(params, x, d_hidden, Some(d_input), gradients);
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
