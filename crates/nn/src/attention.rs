//! Multi-head self-attention over sequences of any lengths, packed one behind the other: there is no padding to mask.

use crate::matmul::{Matrix, MatrixMut, add_matmul, matmul};
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
    /// Values of a position, a multiple of `n_heads`.
    pub width: usize,
    /// Parts of a position that attend on their own, at least 1.
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

/// What attention reads.
#[derive(Clone, Copy, Debug)]
pub struct AttentionInput<'a> {
    /// Queries, keys and values of all positions, `[N, 3 · width]`.
    pub qkv: &'a [f32],
    /// What stands in front of every sequence.
    pub prefix: PrefixRows<'a>,
    /// Positions of each sequence, none of them 0; N is their sum.
    pub lengths: &'a [usize],
}

/// Where the gradients of a prefix are added; `None` where they are not wanted.
#[derive(Debug, Default)]
pub struct PrefixGradients<'a> {
    /// `[P, width]`.
    pub keys: Option<&'a mut [f32]>,
    /// `[P, width]`.
    pub values: Option<&'a mut [f32]>,
}

/// Where the gradients of an [`AttentionInput`] go.
#[derive(Debug)]
pub struct AttentionGradients<'a> {
    /// `[N, 3 · width]`, overwritten.
    pub qkv: &'a mut [f32],
    /// Added to.
    pub prefix: PrefixGradients<'a>,
}

// One head over the sequence of `length` positions that starts at `row`.
struct HeadOfSequence<'a> {
    input: AttentionInput<'a>,
    row: usize,
    length: usize,
    head: usize,
    probabilities: &'a [f32], // [T, P + T]
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

    /// `input.qkv: [N, 3 · width]` → `out: [N, width]`. `probabilities` is overwritten, by sequence, then by head,
    /// `[T, P + T]` each (P rows of the prefix first); the backward pass needs it.
    ///
    /// # Panics
    /// When the shapes do not fit.
    pub fn forward(self, input: AttentionInput<'_>, out: &mut [f32], probabilities: &mut Vec<f32>) {
        self.check(input, out);
        let AttentionInput { qkv, prefix, lengths } = input;
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
                matmul(MatrixMut::new(p, n_keys), self.scale(), q, prefix_k.t());
                matmul(MatrixMut::new(&mut p[n_prefix..], n_keys), self.scale(), q, k.t());
                vectorized(SoftmaxRows { mask: self.mask, scores: p, n_prefix, length: t });
                let out = &mut out[row * self.width + head * self.head_width()..];
                let p = Matrix::new(p, t, n_keys, n_keys);
                matmul(MatrixMut::new(out, self.width), 1.0, p.columns(n_prefix..n_keys), v);
                if n_prefix > 0 {
                    add_matmul(MatrixMut::new(out, self.width), 1.0, p.columns(0..n_prefix), prefix_v);
                }
                at += t * n_keys;
            }
            row += t;
        }
    }

    /// The way back from the gradient of the output and the probabilities of the forward pass.
    ///
    /// # Panics
    /// When the shapes do not fit.
    pub fn backward(
        self,
        input: AttentionInput<'_>,
        probabilities: &[f32],
        d_out: &[f32],
        mut gradients: AttentionGradients<'_>,
    ) {
        self.check(input, d_out);
        let lengths = input.lengths;
        let n_prefix = input.prefix.n(self.width);
        let n_probabilities = self.n_probabilities(n_prefix, lengths);
        let fits = gradients.qkv.len() == input.qkv.len() && probabilities.len() == n_probabilities;
        assert!(fits, "attention");
        let longest = lengths.iter().copied().max().unwrap_or(0);
        let mut d_scores = vec![0.0; longest * (n_prefix + longest)]; // [T, P + T]
        let (mut row, mut at) = (0, 0);
        for &t in lengths {
            let n_values = t * (n_prefix + t);
            for head in 0..self.n_heads {
                let probabilities = &probabilities[at..at + n_values];
                let sequence = HeadOfSequence { input, row, length: t, head, probabilities };
                self.backward_head(&sequence, d_out, &mut d_scores[..n_values], &mut gradients);
                at += n_values;
            }
            row += t;
        }
    }

    // `d_scores` (`[T, P + T]`) is scratch memory for the gradient of the scores.
    fn backward_head(
        self,
        sequence: &HeadOfSequence<'_>,
        d_out: &[f32],
        d_scores: &mut [f32],
        gradients: &mut AttentionGradients<'_>,
    ) {
        let &HeadOfSequence { input, row, length: t, head, probabilities: p } = sequence;
        let AttentionInput { qkv, prefix, .. } = input;
        let (width, stride) = (self.head_width(), 3 * self.width);
        let n_prefix = prefix.n(self.width);
        let n_keys = n_prefix + t;
        let p_matrix = Matrix::new(p, t, n_keys, n_keys);
        let [q, k, v] = self.parts(qkv, row, t, head);
        let [prefix_k, prefix_v] = self.prefix_parts(prefix, head);
        let d_out = Matrix::new(&d_out[row * self.width + head * width..], t, width, self.width);
        matmul(MatrixMut::new(d_scores, n_keys), 1.0, d_out, prefix_v.t());
        matmul(MatrixMut::new(&mut d_scores[n_prefix..], n_keys), 1.0, d_out, v.t());
        vectorized(SoftmaxBackward { p, d_scores, n_keys });
        let d_scores = Matrix::new(d_scores, t, n_keys, n_keys);
        let (p_own, d_own) = (p_matrix.columns(n_prefix..n_keys), d_scores.columns(n_prefix..n_keys));
        let d_qkv = &mut gradients.qkv[row * stride + head * width..];
        matmul(MatrixMut::new(d_qkv, stride), self.scale(), d_own, k);
        matmul(MatrixMut::new(&mut d_qkv[self.width..], stride), self.scale(), d_own.t(), q);
        matmul(MatrixMut::new(&mut d_qkv[2 * self.width..], stride), 1.0, p_own.t(), d_out);
        if n_prefix > 0 {
            let [p, d_scores] = [p_matrix, d_scores].map(|matrix| matrix.columns(0..n_prefix));
            add_matmul(MatrixMut::new(d_qkv, stride), self.scale(), d_scores, prefix_k);
            let first = head * width;
            if let Some(d_keys) = &mut gradients.prefix.keys {
                add_matmul(MatrixMut::new(&mut d_keys[first..], self.width), self.scale(), d_scores.t(), q);
            }
            if let Some(d_values) = &mut gradients.prefix.values {
                add_matmul(MatrixMut::new(&mut d_values[first..], self.width), 1.0, p.t(), d_out);
            }
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

    fn check(self, input: AttentionInput<'_>, out: &[f32]) {
        let AttentionInput { qkv, lengths, .. } = input;
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

// Turns scores `[T, P + T]` of a prefix of P rows and a sequence of T into probabilities.
struct SoftmaxRows<'a> {
    mask: Mask,
    scores: &'a mut [f32],
    n_prefix: usize,
    length: usize,
}

impl Kernel for SoftmaxRows<'_> {
    #[inline(always)]
    fn run(self) {
        let Self { mask, scores, n_prefix, length: t } = self;
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

// dS = P ∘ (dP − rowsum(dP ∘ P)), in place, for rows of `n_keys` values.
struct SoftmaxBackward<'a> {
    p: &'a [f32],
    d_scores: &'a mut [f32],
    n_keys: usize,
}

impl Kernel for SoftmaxBackward<'_> {
    #[inline(always)]
    fn run(self) {
        let Self { p, d_scores, n_keys: t } = self;
        for (p, d) in p.chunks_exact(t).zip(d_scores.chunks_exact_mut(t)) {
            let shared = sum_of(t, |at| p[at] * d[at]);
            for (d, p) in d.iter_mut().zip(p) {
                *d = p * (*d - shared);
            }
        }
    }
}
