//! Softmax over a positive and sampled negatives in place of all rows of a table.

use crate::contrast::{Contrast, ContrastGradients};
use crate::row_gradients::RowGradients;

/// Cross-entropy of each position's row among its own and `S` negatives that all positions share (Jean et al., 2015). A
/// negative that is a position's positive does not count for that position. Negatives are drawn uniformly: draws that
/// prefer some rows would need a correction of the scores.
#[derive(Clone, Copy, Debug)]
pub struct SampledSoftmax<'a> {
    /// Values of a row.
    pub width: usize,
    /// `[n_rows, width]`.
    pub table: &'a [f32],
    /// The right row of each position, `[N]`.
    pub positives: &'a [u32],
    /// Uniformly sampled rows, `[S]`.
    pub negatives: &'a [u32],
}

impl SampledSoftmax<'_> {
    /// Mean loss of `h: [N, width]`, scores being products with rows. `d_h` is overwritten; the gradients of the table name
    /// the N positives, then the S negatives, with repetitions. No positions: 0.
    ///
    /// # Panics
    /// When the shapes do not fit, or a row is not in the table.
    pub fn run(&self, h: &[f32], d_h: &mut [f32]) -> (f64, RowGradients) {
        let (n, width) = (self.positives.len(), self.width);
        assert!(h.len() == n * width && d_h.len() == h.len(), "{n} positions of width {width}");
        let positives = self.gathered(self.positives); // [N, width]
        let negatives = self.gathered(self.negatives); // [S, width]
        let mut gradients =
            RowGradients { rows: [self.positives, self.negatives].concat(), values: Vec::new() };
        gradients.values.resize(gradients.rows.len() * width, 0.0);
        let (d_positives, d_negatives) = gradients.values.split_at_mut(n * width);
        let contrast = Contrast { width, scale: 1.0, rows: h, positives: &positives, candidates: &negatives };
        let loss = contrast.run(
            1.0 / n.max(1) as f32,
            |i, j| self.positives[i] == self.negatives[j],
            ContrastGradients { rows: d_h, positives: d_positives, candidates: d_negatives },
        );
        (loss, gradients)
    }

    fn gathered(&self, rows: &[u32]) -> Vec<f32> {
        let mut values = Vec::with_capacity(rows.len() * self.width);
        for &row in rows {
            let first = row as usize * self.width;
            let row = self.table.get(first..first + self.width);
            values.extend_from_slice(row.expect("rows are in the table"));
        }
        values
    }
}
