//! Multi-head self-attention over sequences of any lengths, packed one behind the other: there is no padding to mask.

use crate::matmul::{Matrix, matmul};
use crate::simd::{exp, sum_of, vectorized};

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

impl Attention {
    fn head_width(self) -> usize {
        self.width / self.n_heads
    }

    fn scale(self) -> f32 {
        1.0 / (self.head_width() as f32).sqrt()
    }

    /// Number of attention probabilities of sequences with these lengths.
    pub fn n_probabilities(self, lengths: &[usize]) -> usize {
        lengths.iter().map(|n| n * n).sum::<usize>() * self.n_heads
    }

    /// `qkv: [N, 3 · width]` → `out: [N, width]`, N = Σ lengths. `probabilities` is overwritten, by sequence, then by head,
    /// `[T, T]` each; the backward pass needs it.
    ///
    /// # Panics
    /// When the shapes do not fit.
    pub fn forward(self, qkv: &[f32], lengths: &[usize], out: &mut [f32], probabilities: &mut Vec<f32>) {
        self.check(qkv, lengths, out);
        probabilities.clear();
        probabilities.resize(self.n_probabilities(lengths), 0.0);
        let (mut row, mut at) = (0, 0);
        for &t in lengths {
            for head in 0..self.n_heads {
                let p = &mut probabilities[at..at + t * t]; // [T, T]
                let [q, k, v] = self.parts(qkv, row, t, head);
                matmul(0.0, p, t, self.scale(), q, k.t());
                self.softmax(p, t);
                let first = row * self.width + head * self.head_width();
                matmul(0.0, &mut out[first..], self.width, 1.0, Matrix::new(p, t, t, t), v);
                at += t * t;
            }
            row += t;
        }
    }

    /// The gradient of `qkv` into `d_qkv` (overwritten), from that of the output.
    ///
    /// # Panics
    /// When the shapes do not fit.
    pub fn backward(
        self,
        qkv: &[f32],
        lengths: &[usize],
        probabilities: &[f32],
        d_out: &[f32],
        d_qkv: &mut [f32],
    ) {
        self.check(qkv, lengths, d_out);
        assert!(
            d_qkv.len() == qkv.len() && probabilities.len() == self.n_probabilities(lengths),
            "attention"
        );
        let longest = lengths.iter().copied().max().unwrap_or(0);
        let mut d_scores = vec![0.0; longest * longest]; // [T, T]
        let (mut row, mut at) = (0, 0);
        let (width, stride) = (self.head_width(), 3 * self.width);
        for &t in lengths {
            for head in 0..self.n_heads {
                let p = &probabilities[at..at + t * t];
                let p_matrix = Matrix::new(p, t, t, t);
                let [q, k, v] = self.parts(qkv, row, t, head);
                let d_out = Matrix::new(&d_out[row * self.width + head * width..], t, width, self.width);
                let d_scores = &mut d_scores[..t * t];
                matmul(0.0, d_scores, t, 1.0, d_out, v.t());
                softmax_backward(p, d_scores, t);
                let d_scores = Matrix::new(d_scores, t, t, t);
                let first = row * stride + head * width;
                matmul(0.0, &mut d_qkv[first..], stride, self.scale(), d_scores, k);
                matmul(0.0, &mut d_qkv[first + self.width..], stride, self.scale(), d_scores.t(), q);
                matmul(0.0, &mut d_qkv[first + 2 * self.width..], stride, 1.0, p_matrix.t(), d_out);
                at += t * t;
            }
            row += t;
        }
    }

    // Query, key and value of one head of the sequence that starts at `row`, `[T, head_width]` each.
    fn parts(self, qkv: &[f32], row: usize, t: usize, head: usize) -> [Matrix<'_>; 3] {
        let stride = 3 * self.width;
        [0, 1, 2].map(|part| {
            let first = row * stride + part * self.width + head * self.head_width();
            Matrix::new(&qkv[first..], t, self.head_width(), stride)
        })
    }

    fn softmax(self, scores: &mut [f32], t: usize) {
        vectorized(
            #[inline(always)]
            || {
                for (at, row) in scores.chunks_exact_mut(t).enumerate() {
                    let n_seen = if self.mask == Mask::Causal { at + 1 } else { t };
                    let (seen, unseen) = row.split_at_mut(n_seen);
                    softmax_row(seen);
                    unseen.fill(0.0);
                }
            },
        );
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

/// Replaces scores by probabilities.
#[inline(always)]
pub(crate) fn softmax_row(row: &mut [f32]) {
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
    let rest = chunks.remainder().iter().copied().fold(f32::NEG_INFINITY, f32::max);
    for chunk in chunks {
        for (top, x) in tops.iter_mut().zip(chunk) {
            *top = if *x > *top { *x } else { *top };
        }
    }
    tops.into_iter().fold(rest, f32::max)
}

// dS = P ∘ (dP − rowsum(dP ∘ P)), in place.
fn softmax_backward(p: &[f32], d_scores: &mut [f32], t: usize) {
    vectorized(
        #[inline(always)]
        || {
            for (p, d) in p.chunks_exact(t).zip(d_scores.chunks_exact_mut(t)) {
                let shared = sum_of(t, |at| p[at] * d[at]);
                for (d, p) in d.iter_mut().zip(p) {
                    *d = p * (*d - shared);
                }
            }
        },
    );
}
