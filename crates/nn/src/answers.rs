//! Softmax cross-entropy of rows with several right answers each, from their logits.
//!
//! A row with n answers counts as n rows with one answer each: the logits are computed once instead of n times.

use rayon::prelude::*;

use crate::attention::max_of;
use crate::simd::{Kernel, exp, sum_of, vectorized};

/// The right answers of each row.
#[derive(Clone, Copy, Debug)]
pub struct Answers<'a> {
    /// `[B + 1]`, where each row's list begins and ends.
    pub offsets: &'a [usize],
    /// The lists, one behind the other; the same answer may stand in a list more than once.
    pub items: &'a [u32],
}

impl<'a> Answers<'a> {
    /// The part of `items` that belongs to a row, possibly empty.
    ///
    /// # Panics
    /// When there is no such row.
    pub fn of(&self, row: usize) -> &'a [u32] {
        &self.items[self.offsets[row]..self.offsets[row + 1]]
    }
}

/// Sum over rows and their answers of `−log softmax(logits)[answer]`; `logits` (`[B, n_items]`) become the gradient of
/// `scale · sum`. Equal at any thread count.
///
/// # Panics
/// When the shapes do not fit or an answer is not below `n_items`.
pub fn answers_cross_entropy(logits: &mut [f32], n_items: usize, answers: Answers<'_>, scale: f32) -> f64 {
    let n_rows = answers.offsets.len().saturating_sub(1);
    assert_eq!(logits.len(), n_rows * n_items, "shape of the logits");
    if n_rows == 0 {
        return 0.0;
    }
    let row_loss = |(row, logits): (usize, &mut [f32])| {
        let list = answers.of(row);
        let right: f64 = list.iter().map(|&answer| f64::from(logits[answer as usize])).sum();
        let n = list.len() as f32;
        let mut log_sum = 0.0;
        vectorized(SoftmaxWithLogSum(logits, scale * n, &mut log_sum));
        list.iter().for_each(|&answer| logits[answer as usize] -= scale);
        log_sum * f64::from(n) - right
    };
    let losses: Vec<f64> = logits.par_chunks_mut(n_items).enumerate().map(row_loss).collect();
    losses.iter().sum()
}

/// Logits to `factor · softmax`, and the logarithm of the sum of their exponentials.
struct SoftmaxWithLogSum<'a>(&'a mut [f32], f32, &'a mut f64);

impl Kernel for SoftmaxWithLogSum<'_> {
    #[inline(always)]
    fn run(self) {
        let Self(logits, factor, log_sum) = self;
        let top = max_of(logits);
        for x in logits.iter_mut() {
            *x = exp(*x - top);
        }
        let sum = sum_of(logits.len(), |at| logits[at]);
        *log_sum = f64::from(top) + f64::from(sum).ln();
        let factor = factor / sum;
        for x in logits.iter_mut() {
            *x *= factor;
        }
    }
}
