//! Multi-head self-attention over sequences of any lengths, packed one behind the other: there is no padding to mask.

use crate::matmul::{Matrix, matmul};
use crate::simd::{Kernel, exp, sum_of, vectorized};

/// What a position may look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mask {
    /// Itself and what came before.
    Causal,
    /// The whole sequence.
    Bidirectional,
}

/// Multi-head attention on packed rows `[q | k | v]` (Vaswani et al., 2017); projections are layers of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attention {
    /// Width of the model, a multiple of `n_heads`.
    pub width: usize,
    /// Number of heads.
    pub n_heads: usize,
    /// What a position may look at.
    pub mask: Mask,
}

/// Keys and values that every position sees besides those of its own sequence.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PrefixRows<'a> {
    /// `[P, width]`.
    pub keys: &'a [f32],
    /// `[P, width]`.
    pub values: &'a [f32],
}

impl PrefixRows<'_> {
    /// There is no prefix.
    pub fn none() -> Self {
        Self::default()
    }

    fn n(self, width: usize) -> usize {
        let n = self.keys.len() / width;
        assert!(self.keys.len() == n * width && self.values.len() == n * width, "prefix of width {width}");
        n
    }
}

impl Attention {
    fn head_width(self) -> usize {
        self.width / self.n_heads
    }

    fn scale(self) -> f32 {
        1.0 / (self.head_width() as f32).sqrt()
    }

    /// Number of attention probabilities of sequences with these lengths, behind a prefix of `n_prefix` rows.
    pub fn n_probabilities(self, n_prefix: usize, lengths: &[usize]) -> usize {
        lengths.iter().map(|n| n * (n_prefix + n)).sum::<usize>() * self.n_heads
    }

    /// `qkv: [N, 3 · width]` → `out: [N, width]`, N = Σ lengths. `probabilities` is overwritten, by sequence, then by head,
    /// `[T, P + T]` each (P rows of the prefix first); the backward pass needs it.
    ///
    /// # Panics
    /// When the shapes do not fit.
    pub fn forward(
        self,
        (qkv, prefix): (&[f32], PrefixRows<'_>),
        lengths: &[usize],
        out: &mut [f32],
        probabilities: &mut Vec<f32>,
    ) {
        self.check(qkv, lengths, out);
        let n_prefix = prefix.n(self.width);
        probabilities.clear();
        probabilities.resize(self.n_probabilities(n_prefix, lengths), 0.0);
        let (mut row, mut at) = (0, 0);
        for &t in lengths {
            let n_keys = n_prefix + t;
            for head in 0..self.n_heads {
                let p = &mut probabilities[at..at + t * n_keys]; // [T, P + T]
                let [q, k, v] = self.parts(qkv, row, t, head);
                let [prefix_k, prefix_v] = self.prefix_parts(prefix, head);
                matmul(0.0, p, n_keys, self.scale(), q, prefix_k.t());
                matmul(0.0, &mut p[n_prefix..], n_keys, self.scale(), q, k.t());
                vectorized(SoftmaxRows(self.mask, p, (n_prefix, t)));
                let first = row * self.width + head * self.head_width();
                let p = Matrix::new(p, t, n_keys, n_keys);
                matmul(0.0, &mut out[first..], self.width, 1.0, p.columns(n_prefix..n_keys), v);
                if n_prefix > 0 {
                    matmul(1.0, &mut out[first..], self.width, 1.0, p.columns(0..n_prefix), prefix_v);
                }
                at += t * n_keys;
            }
            row += t;
        }
    }

    /// The gradient of `qkv` into `d_qkv` (overwritten), from that of the output; those of the prefix's keys and values, where
    /// they are wanted, are added to `d_prefix`.
    ///
    /// # Panics
    /// When the shapes do not fit.
    pub fn backward(
        self,
        (qkv, prefix): (&[f32], PrefixRows<'_>),
        lengths: &[usize],
        probabilities: &[f32],
        d_out: &[f32],
        (d_qkv, mut d_prefix): (&mut [f32], [Option<&mut [f32]>; 2]),
    ) {
        self.check(qkv, lengths, d_out);
        let n_prefix = prefix.n(self.width);
        let n_probabilities = self.n_probabilities(n_prefix, lengths);
        assert!(d_qkv.len() == qkv.len() && probabilities.len() == n_probabilities, "attention");
        let longest = lengths.iter().copied().max().unwrap_or(0);
        let mut d_scores = vec![0.0; longest * (n_prefix + longest)]; // [T, P + T]
        let (mut row, mut at) = (0, 0);
        let (width, stride) = (self.head_width(), 3 * self.width);
        for &t in lengths {
            let n_keys = n_prefix + t;
            let own = n_prefix..n_keys;
            for head in 0..self.n_heads {
                let p = &probabilities[at..at + t * n_keys];
                let p_matrix = Matrix::new(p, t, n_keys, n_keys);
                let [q, k, v] = self.parts(qkv, row, t, head);
                let [prefix_k, prefix_v] = self.prefix_parts(prefix, head);
                let d_out = Matrix::new(&d_out[row * self.width + head * width..], t, width, self.width);
                let d_scores = &mut d_scores[..t * n_keys];
                matmul(0.0, d_scores, n_keys, 1.0, d_out, prefix_v.t());
                matmul(0.0, &mut d_scores[n_prefix..], n_keys, 1.0, d_out, v.t());
                vectorized(SoftmaxBackward(p, d_scores, n_keys));
                let d_scores = Matrix::new(d_scores, t, n_keys, n_keys);
                let d_own = d_scores.columns(own.clone());
                let first = row * stride + head * width;
                matmul(0.0, &mut d_qkv[first..], stride, self.scale(), d_own, k);
                matmul(0.0, &mut d_qkv[first + self.width..], stride, self.scale(), d_own.t(), q);
                let p_own = p_matrix.columns(own.clone());
                matmul(0.0, &mut d_qkv[first + 2 * self.width..], stride, 1.0, p_own.t(), d_out);
                if n_prefix > 0 {
                    let [p, d_scores] = [p_matrix, d_scores].map(|matrix| matrix.columns(0..n_prefix));
                    matmul(1.0, &mut d_qkv[first..], stride, self.scale(), d_scores, prefix_k);
                    let [d_keys, d_values] = &mut d_prefix;
                    if let Some(d_keys) = d_keys {
                        matmul(1.0, &mut d_keys[head * width..], self.width, self.scale(), d_scores.t(), q);
                    }
                    if let Some(d_values) = d_values {
                        matmul(1.0, &mut d_values[head * width..], self.width, 1.0, p.t(), d_out);
                    }
                }
                at += t * n_keys;
            }
            row += t;
        }
    }

    // Key and value of one head of the prefix, `[P, head_width]` each.
    fn prefix_parts(self, prefix: PrefixRows<'_>, head: usize) -> [Matrix<'_>; 2] {
        let n_prefix = prefix.n(self.width);
        [prefix.keys, prefix.values].map(|rows| {
            let first = (head * self.head_width()).min(rows.len());
            Matrix::new(&rows[first..], n_prefix, self.head_width(), self.width)
        })
    }

    // Query, key and value of one head of the sequence that starts at `row`, `[T, head_width]` each.
    fn parts(self, qkv: &[f32], row: usize, t: usize, head: usize) -> [Matrix<'_>; 3] {
        let stride = 3 * self.width;
        [0, 1, 2].map(|part| {
            let first = row * stride + part * self.width + head * self.head_width();
            Matrix::new(&qkv[first..], t, self.head_width(), stride)
        })
    }

    fn check(self, qkv: &[f32], lengths: &[usize], out: &[f32]) {
        let n: usize = lengths.iter().sum();
        assert_eq!(
            self.width % self.n_heads,
            0,
            "width {} is no multiple of {} heads",
            self.width,
            self.n_heads
        );
        assert!(qkv.len() == n * 3 * self.width && out.len() == n * self.width, "attention over {n} rows");
        assert!(lengths.iter().all(|&t| t > 0), "an empty sequence");
    }
}

// Scores `[T, P + T]` of a prefix of P rows and a sequence of T, `(P, T)`.
struct SoftmaxRows<'a>(Mask, &'a mut [f32], (usize, usize));

impl Kernel for SoftmaxRows<'_> {
    #[inline(always)]
    fn run(self) {
        let Self(mask, scores, (n_prefix, t)) = self;
        for (at, row) in scores.chunks_exact_mut(n_prefix + t).enumerate() {
            let n_seen = n_prefix + if mask == Mask::Causal { at + 1 } else { t };
            let (seen, unseen) = row.split_at_mut(n_seen);
            softmax_row(seen);
            unseen.fill(0.0);
        }
    }
}

/// Replaces scores by probabilities.
#[inline(always)]
fn softmax_row(row: &mut [f32]) {
    let top = max_of(row);
    for x in row.iter_mut() {
        *x = exp(*x - top);
    }
    let inverse = 1.0 / sum_of(row.len(), |at| row[at]);
    for x in row.iter_mut() {
        *x *= inverse;
    }
}

/// The greatest value, in a fixed order that is vectorized.
#[inline(always)]
pub(crate) fn max_of(row: &[f32]) -> f32 {
    let mut tops = [f32::NEG_INFINITY; crate::simd::LANES];
    let chunks = row.chunks_exact(crate::simd::LANES);
    let mut highest = f32::NEG_INFINITY;
    for x in chunks.remainder() {
        highest = if *x > highest { *x } else { highest };
    }
    for chunk in chunks {
        for (top, x) in tops.iter_mut().zip(chunk) {
            *top = if *x > *top { *x } else { *top };
        }
    }
    for top in tops {
        highest = if top > highest { top } else { highest };
    }
    highest
}

// dS = P ∘ (dP − rowsum(dP ∘ P)), in place.
struct SoftmaxBackward<'a>(&'a [f32], &'a mut [f32], usize);

impl Kernel for SoftmaxBackward<'_> {
    #[inline(always)]
    fn run(self) {
        let Self(p, d_scores, t) = self;
        for (p, d) in p.chunks_exact(t).zip(d_scores.chunks_exact_mut(t)) {
            let shared = sum_of(t, |at| p[at] * d[at]);
            for (d, p) in d.iter_mut().zip(p) {
                *d = p * (*d - shared);
            }
        }
    }
}
