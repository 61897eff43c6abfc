//! Cross-entropy of rows, each with a positive of its own, against candidates that all rows share.

use rayon::prelude::*;

use crate::attention::max_of;
use crate::matmul::{Matrix, MatrixMut, add_matmul, dot, matmul};
use crate::simd::{Kernel, add, add_scaled, exp, sum_of, vectorized};

/// Rows whose scores are in memory at one time, per thread.
const ROWS_PER_BLOCK: usize = 128;
/// Parts of the rows with a gradient of the candidates each; they are summed in order, whoever computed them.
const N_LANES: usize = 8;

/// `−log( e^{s(i,+)} / (e^{s(i,+)} + Σ_j e^{s(i,j)}) )` of every row i, `s(i, j) = scale · rowᵢ·candidateⱼ`,
/// j over the candidates that are not excluded.
pub(crate) struct Contrast<'a> {
    pub(crate) width: usize,
    pub(crate) scale: f32,
    pub(crate) rows: &'a [f32],       // [N, width]
    pub(crate) positives: &'a [f32],  // [N, width]
    pub(crate) candidates: &'a [f32], // [C, width]
}

/// Where gradients go; all are overwritten, in the shapes of what they belong to.
pub(crate) struct ContrastGradients<'a> {
    pub(crate) rows: &'a mut [f32],
    pub(crate) positives: &'a mut [f32],
    pub(crate) candidates: &'a mut [f32],
}

/// Some rows, from number `first` on.
struct Lane<'a> {
    first: usize,
    d_rows: &'a mut [f32],
    d_positives: &'a mut [f32],
}

impl Contrast<'_> {
    /// `weight` times the sum over rows, and its gradients. `excluded(i, j)` says which candidate does not count for which row.
    pub(crate) fn run(
        &self,
        weight: f32,
        excluded: impl Fn(usize, usize) -> bool + Sync,
        gradients: ContrastGradients<'_>,
    ) -> f64 {
        let ContrastGradients { rows: d_rows, positives: d_positives, candidates: d_candidates } = gradients;
        let n = self.rows.len() / self.width;
        let n_blocks = n.div_ceil(ROWS_PER_BLOCK);
        let lane_len = n_blocks.div_ceil(N_LANES).max(1) * ROWS_PER_BLOCK * self.width;
        let parts = d_rows.par_chunks_mut(lane_len).zip(d_positives.par_chunks_mut(lane_len));
        let lanes = parts.enumerate().map(|(at, (d_rows, d_positives))| {
            let lane = Lane { first: at * lane_len / self.width, d_rows, d_positives };
            self.run_lane(weight, &excluded, lane)
        });
        let lanes: Vec<(f64, Vec<f32>)> = lanes.collect();
        d_candidates.fill(0.0);
        let mut loss = 0.0;
        for (lane_loss, d_lane) in &lanes {
            loss += lane_loss;
            add(d_candidates, d_lane);
        }
        loss * f64::from(weight)
    }

    fn run_lane(
        &self,
        weight: f32,
        excluded: &(impl Fn(usize, usize) -> bool + Sync),
        lane: Lane<'_>,
    ) -> (f64, Vec<f32>) {
        let Lane { first: lane_first, d_rows, d_positives } = lane;
        let (width, n_candidates) = (self.width, self.candidates.len() / self.width);
        let candidates = Matrix::new(self.candidates, n_candidates, width, width);
        let mut d_candidates = vec![0.0; self.candidates.len()]; // [C, width]
        let mut scores = vec![0.0; ROWS_PER_BLOCK.min(d_rows.len() / width) * n_candidates]; // [B, C]
        let mut loss = 0.0;
        let blocks = d_rows.chunks_mut(ROWS_PER_BLOCK * width);
        let blocks = blocks.zip(d_positives.chunks_mut(ROWS_PER_BLOCK * width));
        for (at, (d_rows, d_positives)) in blocks.enumerate() {
            let first = lane_first + at * ROWS_PER_BLOCK;
            let n = d_rows.len() / width;
            let rows = Matrix::new(&self.rows[first * width..], n, width, width);
            let scores = &mut scores[..n * n_candidates];
            matmul(MatrixMut::new(scores, n_candidates), self.scale, rows, candidates.t());
            let mut pulls = [0.0; ROWS_PER_BLOCK]; // gradients of the positives' scores
            for (at, pull) in pulls[..n].iter_mut().enumerate() {
                let scores = &mut scores[at * n_candidates..(at + 1) * n_candidates];
                let (row_loss, gradient) = self.row(first + at, weight, excluded, scores);
                loss += row_loss;
                *pull = gradient;
            }
            let d_scores = Matrix::new(scores, n, n_candidates, n_candidates);
            matmul(MatrixMut::new(d_rows, width), 1.0, d_scores, candidates);
            add_matmul(MatrixMut::new(&mut d_candidates, width), 1.0, d_scores.t(), rows);
            self.pull(first, &pulls, d_rows, d_positives);
        }
        (loss, d_candidates)
    }

    /// Loss of a row and gradient of its positive's product; the products in `scores` become their gradients.
    fn row(
        &self,
        at: usize,
        weight: f32,
        excluded: &impl Fn(usize, usize) -> bool,
        scores: &mut [f32],
    ) -> (f64, f32) {
        let [row, positive] = [self.rows, self.positives].map(|all| &all[at * self.width..][..self.width]);
        let score = self.scale * dot(row, positive);
        for (j, score) in scores.iter_mut().enumerate() {
            *score = if excluded(at, j) { f32::NEG_INFINITY } else { *score };
        }
        let mut sums = Sums::default();
        vectorized(SoftmaxBesidePositive { scores, score, weight: weight * self.scale, sums: &mut sums });
        let Sums { top, own, rest } = sums;
        // Where the positive wins, `own` is 1, and what the others add to it is not lost in rounding.
        let log_sum = if score == top { f64::from(rest).ln_1p() } else { f64::from(own + rest).ln() };
        (f64::from(top - score) + log_sum, -weight * self.scale * rest / (own + rest))
    }

    /// Gradients through the positives' scores: `d_rowᵢ += pullᵢ · positiveᵢ`, `d_positiveᵢ = pullᵢ · rowᵢ`.
    fn pull(&self, first: usize, pulls: &[f32], d_rows: &mut [f32], d_positives: &mut [f32]) {
        let [rows, positives] =
            [self.rows, self.positives].map(|all| all[first * self.width..].chunks_exact(self.width));
        let gradients = d_rows.chunks_exact_mut(self.width).zip(d_positives.chunks_exact_mut(self.width));
        for (((row, positive), (d_row, d_positive)), pull) in rows.zip(positives).zip(gradients).zip(pulls) {
            add_scaled(d_row, *pull, positive);
            d_positive.fill(0.0);
            add_scaled(d_positive, *pull, row);
        }
    }
}

/// Of a row: the greatest score, and what `e^{score − top}` is of the positive, and in sum of the candidates.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    top: f32,
    own: f32,
    rest: f32,
}

/// Turns the candidates' scores into `weight` times their probabilities beside the positive with `score`.
struct SoftmaxBesidePositive<'a> {
    scores: &'a mut [f32],
    score: f32,
    weight: f32,
    sums: &'a mut Sums,
}

impl Kernel for SoftmaxBesidePositive<'_> {
    #[inline(always)]
    fn run(self) {
        let scores = self.scores;
        let top = max_of(scores).max(self.score);
        for score in &mut *scores {
            *score = if *score == f32::NEG_INFINITY { 0.0 } else { exp(*score - top) };
        }
        let rest = sum_of(scores.len(), |j| scores[j]);
        let own = exp(self.score - top);
        let factor = self.weight / (own + rest);
        for score in scores {
            *score *= factor;
        }
        *self.sums = Sums { top, own, rest };
    }
}
