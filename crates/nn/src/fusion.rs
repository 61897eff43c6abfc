//! Self-attention over the few tokens of one thing, such as the modalities of an item: one vector for it, and how much each token
//! counts in it.
//!
//! Queries and keys come from token and kind of token; the values are the tokens themselves. The mean over the queries of the tokens
//! present is then `Σ_m w_m t_m` with `w_m` the mean attention that token m receives: weights that sum to 1 and say all that
//! the attention does.

use rand::Rng;
use rayon::prelude::*;

use crate::linear::Linear;
use crate::matmul::{Matrix, MatrixMut, matmul, matmul_parallel};
use crate::params::{Gradients, Init, ParamId, Params};
use crate::simd::{Kernel, exp, sum_of, vectorized};

/// Rows that one task computes.
const ROWS: usize = 256;
/// Tokens whose share of a parameter's gradient one task sums.
const TOKENS: usize = 2048;

/// The layer: `n_tokens` places of `width` values per row, some of them empty.
#[derive(Clone, Debug, PartialEq)]
pub struct Fusion {
    /// Places for tokens, one per kind.
    pub n_tokens: usize,
    /// Values of a token.
    pub width: usize,
    /// `[n_tokens, width]`: added to the tokens before queries and keys, not to the values.
    pub kinds: ParamId,
    /// `width → n_key`.
    pub query: Linear,
    /// `width → n_key`.
    pub key: Linear,
}

/// Lengths and numbers of a [`Fusion`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FusionShape {
    /// Places for tokens, one per kind.
    pub n_tokens: usize,
    /// Values of a token.
    pub width: usize,
    /// Values of a query and of a key.
    pub n_key: usize,
}

/// Tokens by row and place, and which places are filled.
#[derive(Clone, Copy, Debug)]
pub struct Tokens<'a> {
    /// `[N, n_tokens, width]`; what stands in the place of an absent token is not read.
    pub values: &'a [f32],
    /// `[N, n_tokens]`.
    pub present: &'a [bool],
}

/// What a forward pass read, with what it left: the way back starts from both.
#[derive(Clone, Copy, Debug)]
pub struct FusionPass<'a> {
    /// The tokens it read.
    pub tokens: Tokens<'a>,
    /// What it wrote beside its result.
    pub cache: &'a FusionCache,
}

/// What the way back needs, and the weights.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FusionCache {
    typed: Vec<f32>,     // [N, n_tokens, width], tokens with their kinds added
    queries: Vec<f32>,   // [N, n_tokens, n_key]
    keys: Vec<f32>,      // [N, n_tokens, n_key]
    attention: Vec<f32>, // [N, n_tokens, n_tokens], rows are queries
    /// `[N, n_tokens]`: how much each token counts; a row sums to 1, or is 0 where no token is present.
    pub weights: Vec<f32>,
}

impl Fusion {
    /// A layer whose first weights are nearly even.
    pub fn new(params: &mut Params, name: &str, shape: FusionShape, rng: &mut impl Rng) -> Self {
        let FusionShape { n_tokens, width, n_key } = shape;
        let deviation = 1.0 / (width as f32).sqrt();
        let kinds = params.add(format!("{name}.kinds"), &[n_tokens, width], Init::Normal(deviation), rng);
        let mut linear = |part: &str| {
            let name = format!("{name}.{part}.weight");
            let weight = params.add(name, &[n_key, width], Init::Normal(deviation), rng);
            Linear { weight, bias: None, n_in: width, n_out: n_key, deltas: Vec::new() }
        };
        let (query, key) = (linear("query"), linear("key"));
        Self { n_tokens, width, kinds, query, key }
    }

    /// Its own arrays, in the order they were added to the model.
    pub fn arrays(&self) -> [ParamId; 3] {
        [self.kinds, self.query.weight, self.key.weight]
    }

    /// `y: [N, width]` becomes the weighted mean of the tokens present; 0 where there is none.
    ///
    /// # Panics
    /// When the shapes do not fit.
    pub fn forward(&self, params: &Params, tokens: Tokens<'_>, y: &mut [f32], cache: &mut FusionCache) {
        let (n, m, width) = (self.n_rows(tokens, y), self.n_tokens, self.width);
        let shape = self.shape();
        let n_key = shape.n_key;
        self.project(params, tokens.values, cache);
        let FusionCache { queries, keys, attention, weights, .. } = cache;
        attention.resize(n * m * m, 0.0);
        weights.resize(n * m, 0.0);
        let outputs = y.par_chunks_mut(ROWS * width).zip(weights.par_chunks_mut(ROWS * m));
        outputs.zip(attention.par_chunks_mut(ROWS * m * m)).enumerate().for_each(
            |(part, ((y, weights), attention))| {
                let first = part * ROWS;
                vectorized(Attend {
                    shape,
                    tokens: &tokens.values[first * m * width..],
                    present: &tokens.present[first * m..],
                    queries: &queries[first * m * n_key..],
                    keys: &keys[first * m * n_key..],
                    y,
                    weights,
                    attention,
                });
            },
        );
    }

    // Queries and keys of all tokens, absent ones too.
    fn project(&self, params: &Params, tokens: &[f32], cache: &mut FusionCache) {
        let FusionShape { n_tokens: m, width, n_key } = self.shape();
        let n = tokens.len() / (m * width);
        let FusionCache { typed, queries, keys, .. } = cache;
        typed.resize(tokens.len(), 0.0);
        queries.resize(n * m * n_key, 0.0);
        keys.resize(n * m * n_key, 0.0);
        let kinds = params.get(self.kinds);
        let block = m * width;
        typed.par_chunks_mut(ROWS * block).zip(tokens.par_chunks(ROWS * block)).for_each(
            |(typed, tokens)| {
                typed.copy_from_slice(tokens);
                typed.chunks_exact_mut(block).for_each(|row| crate::simd::add(row, kinds));
            },
        );
        for (part, out) in [(&self.query, &mut *queries), (&self.key, &mut *keys)] {
            let weight = Matrix::new(params.get(part.weight), n_key, width, width);
            matmul_parallel(out, Matrix::new(typed, n * m, width, width), weight.t());
        }
    }

    /// The gradient of the tokens, `[N, n_tokens, width]`, from that of `y` (`[N, width]`); gradients of parameters are added.
    ///
    /// # Panics
    /// When the shapes do not fit.
    pub fn backward(
        &self,
        params: &Params,
        pass: FusionPass<'_>,
        dy: &[f32],
        gradients: &mut Gradients,
    ) -> Vec<f32> {
        let FusionPass { tokens, cache } = pass;
        let n = self.n_rows(tokens, dy);
        let shape = self.shape();
        let FusionShape { n_tokens: m, width, n_key } = shape;
        let block = m * width;
        let mut d_tokens = vec![0.0; tokens.values.len()]; // [N, n_tokens, width]
        let mut d_queries = vec![0.0; n * m * n_key]; // [N, n_tokens, n_key]
        let mut d_keys = vec![0.0; n * m * n_key]; // [N, n_tokens, n_key]
        let d_parts = d_queries.par_chunks_mut(ROWS * m * n_key).zip(d_keys.par_chunks_mut(ROWS * m * n_key));
        d_tokens.par_chunks_mut(ROWS * block).zip(d_parts).enumerate().for_each(
            |(part, (d_tokens, (d_queries, d_keys)))| {
                let first = part * ROWS;
                vectorized(AttendBackward {
                    shape,
                    tokens: &tokens.values[first * block..],
                    present: &tokens.present[first * m..],
                    queries: &cache.queries[first * m * n_key..],
                    keys: &cache.keys[first * m * n_key..],
                    attention: &cache.attention[first * m * m..],
                    weights: &cache.weights[first * m..],
                    dy: &dy[first * width..],
                    d_tokens,
                    d_queries,
                    d_keys,
                });
            },
        );
        let d_typed = self.project_backward(params, [&d_queries, &d_keys], cache, gradients);
        add_parallel(&mut d_tokens, &d_typed);
        d_tokens
    }

    // From the gradients of queries and keys, that of the tokens with their kinds, `[N, n_tokens, width]`.
    fn project_backward(
        &self,
        params: &Params,
        d_outs: [&[f32]; 2],
        cache: &FusionCache,
        gradients: &mut Gradients,
    ) -> Vec<f32> {
        let FusionShape { n_tokens: m, width, n_key } = self.shape();
        let mut d_typed = vec![0.0; cache.typed.len()]; // [N, n_tokens, width]
        for (part, d_out) in [&self.query, &self.key].into_iter().zip(d_outs) {
            let weight = Matrix::new(params.get(part.weight), n_key, width, width);
            let mut own = vec![0.0; d_typed.len()]; // [N, n_tokens, width]
            matmul_parallel(&mut own, Matrix::new(d_out, d_out.len() / n_key, n_key, n_key), weight);
            add_parallel(&mut d_typed, &own);
            if let Some(d_weight) = gradients.get_mut(part.weight) {
                add_weight_gradient(d_weight, d_out, n_key, &cache.typed, width);
            }
        }
        if let Some(d_kinds) = gradients.get_mut(self.kinds) {
            d_typed.chunks_exact(m * width).for_each(|row| crate::simd::add(d_kinds, row));
        }
        d_typed
    }

    fn shape(&self) -> FusionShape {
        FusionShape { n_tokens: self.n_tokens, width: self.width, n_key: self.query.n_out }
    }

    fn n_rows(&self, tokens: Tokens<'_>, y: &[f32]) -> usize {
        let n = y.len() / self.width;
        assert_eq!(
            [y.len(), tokens.present.len(), tokens.values.len()],
            [n * self.width, n * self.n_tokens, n * self.n_tokens * self.width],
            "rows of {} tokens of width {}",
            self.n_tokens,
            self.width
        );
        n
    }
}

fn add_parallel(sums: &mut [f32], values: &[f32]) {
    sums.par_chunks_mut(1 << 14).zip(values.par_chunks(1 << 14)).for_each(|(sums, values)| {
        crate::simd::add(sums, values);
    });
}

// `d_weight: [n_out, n_in] += d_outᵀ x`, in parts of fixed size that are added one after the other.
fn add_weight_gradient(d_weight: &mut [f32], d_out: &[f32], n_out: usize, x: &[f32], n_in: usize) {
    let parts: Vec<Vec<f32>> = d_out
        .par_chunks(TOKENS * n_out)
        .zip(x.par_chunks(TOKENS * n_in))
        .map(|(d_out, x)| {
            let n = x.len() / n_in;
            let mut sum = vec![0.0; n_out * n_in]; // [n_out, n_in]
            let d_out = Matrix::new(d_out, n, n_out, n_out);
            matmul(MatrixMut::new(&mut sum, n_in), 1.0, d_out.t(), Matrix::new(x, n, n_in, n_in));
            sum
        })
        .collect();
    parts.iter().for_each(|part| crate::simd::add(d_weight, part));
}

struct Attend<'a> {
    shape: FusionShape,
    tokens: &'a [f32],
    present: &'a [bool],
    queries: &'a [f32],
    keys: &'a [f32],
    y: &'a mut [f32],
    weights: &'a mut [f32],
    attention: &'a mut [f32],
}

impl Kernel for Attend<'_> {
    #[inline(always)]
    fn run(self) {
        let Self { shape, tokens, present, queries, keys, y, weights, attention } = self;
        let FusionShape { n_tokens: m, width, n_key } = shape;
        let scale = 1.0 / (n_key as f32).sqrt();
        weights.fill(0.0);
        attention.fill(0.0);
        y.fill(0.0);
        for (row, y) in y.chunks_exact_mut(width).enumerate() {
            let present = &present[row * m..][..m];
            let n_present = present.iter().filter(|present| **present).count();
            let weights = &mut weights[row * m..][..m];
            for asking in (0..m).filter(|at| present[*at]) {
                let query = &queries[(row * m + asking) * n_key..][..n_key];
                let own = &mut attention[(row * m + asking) * m..][..m];
                let mut largest = f32::NEG_INFINITY;
                for asked in (0..m).filter(|at| present[*at]) {
                    let key = &keys[(row * m + asked) * n_key..][..n_key];
                    own[asked] = scale * sum_of(n_key, |k| query[k] * key[k]);
                    largest = largest.max(own[asked]);
                }
                let mut sum = 0.0;
                for asked in (0..m).filter(|at| present[*at]) {
                    own[asked] = exp(own[asked] - largest);
                    sum += own[asked];
                }
                for asked in (0..m).filter(|at| present[*at]) {
                    own[asked] /= sum;
                    weights[asked] += own[asked] / n_present as f32;
                }
            }
            for at in (0..m).filter(|at| present[*at]) {
                let token = &tokens[(row * m + at) * width..][..width];
                for (y, token) in y.iter_mut().zip(token) {
                    *y = token.mul_add(weights[at], *y);
                }
            }
        }
    }
}

struct AttendBackward<'a> {
    shape: FusionShape,
    tokens: &'a [f32],
    present: &'a [bool],
    queries: &'a [f32],
    keys: &'a [f32],
    attention: &'a [f32],
    weights: &'a [f32],
    dy: &'a [f32],
    d_tokens: &'a mut [f32],
    d_queries: &'a mut [f32],
    d_keys: &'a mut [f32],
}

impl Kernel for AttendBackward<'_> {
    #[inline(always)]
    fn run(self) {
        let FusionShape { n_tokens: m, width, n_key } = self.shape;
        let Self { d_tokens, d_queries, d_keys, .. } = self;
        let scale = 1.0 / (n_key as f32).sqrt();
        let n_rows = d_tokens.len() / (m * width);
        d_tokens.fill(0.0);
        for row in 0..n_rows {
            let present = &self.present[row * m..][..m];
            let n_present = present.iter().filter(|present| **present).count() as f32;
            let dy = &self.dy[row * width..][..width];
            for at in (0..m).filter(|at| present[*at]) {
                let weight = self.weights[row * m + at];
                let d_token = &mut d_tokens[(row * m + at) * width..][..width];
                d_token.iter_mut().zip(dy).for_each(|(d, dy)| *d = weight * dy);
            }
            for asking in (0..m).filter(|at| present[*at]) {
                let own = &self.attention[(row * m + asking) * m..][..m];
                // The gradient of a weight is the product of token and `dy`; every query has the same share in it.
                let d_weight = |at: usize| {
                    let token = &self.tokens[(row * m + at) * width..][..width];
                    sum_of(width, |k| token[k] * dy[k]) / n_present
                };
                let mean: f32 =
                    (0..m).filter(|at| present[*at]).map(|at| own[at] * d_weight(at)).sum::<f32>();
                for asked in (0..m).filter(|at| present[*at]) {
                    let d_score = scale * own[asked] * (d_weight(asked) - mean);
                    let (q, k) = ((row * m + asking) * n_key, (row * m + asked) * n_key);
                    for at in 0..n_key {
                        d_queries[q + at] = self.keys[k + at].mul_add(d_score, d_queries[q + at]);
                        d_keys[k + at] = self.queries[q + at].mul_add(d_score, d_keys[k + at]);
                    }
                }
            }
        }
    }
}
