//! Gradients of some rows of a table.

use rayon::prelude::*;

use crate::simd::vectorized;

/// Distinct rows that one thread sums.
const ROWS_PER_BLOCK: usize = 256;

/// Gradients of rows; a row that is named more than once has the sum.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RowGradients {
    /// Which rows, `[M]`.
    pub rows: Vec<u32>,
    /// `[M, width]`.
    pub values: Vec<f32>,
}

impl RowGradients {
    /// Width of a row; 0 when there is none.
    ///
    /// # Panics
    /// When the values are not whole rows.
    pub fn width(&self) -> usize {
        let width = self.values.len().checked_div(self.rows.len()).unwrap_or(0);
        assert_eq!(self.values.len(), width * self.rows.len(), "values of {} rows", self.rows.len());
        width
    }

    /// Appends rows; `values: [rows.len(), width]`.
    pub fn extend(&mut self, rows: &[u32], values: &[f32]) {
        self.rows.extend_from_slice(rows);
        self.values.extend_from_slice(values);
    }

    /// Whether rows ascend, each named once.
    pub fn is_distinct(&self) -> bool {
        self.rows.windows(2).all(|pair| pair[0] < pair[1])
    }

    /// The same gradients with each row named once, ascending. Terms are added in the order they stand in.
    #[must_use]
    pub fn distinct(&self) -> Self {
        let width = self.width();
        let order = self.order();
        // Where each row's terms start in `order`.
        let mut starts: Vec<usize> =
            (0..order.len()).filter(|&at| at == 0 || order[at - 1].0 != order[at].0).collect();
        let rows: Vec<u32> = starts.iter().map(|&at| order[at].0).collect();
        starts.push(order.len());
        let mut values = vec![0.0; rows.len() * width]; // [n_distinct, width]
        let blocks =
            values.par_chunks_mut((ROWS_PER_BLOCK * width).max(1)).zip(starts.par_chunks(ROWS_PER_BLOCK));
        blocks.enumerate().for_each(|(block, (sums, _))| {
            for (at, sum) in sums.chunks_exact_mut(width).enumerate() {
                let at = block * ROWS_PER_BLOCK + at;
                self.add_terms(&order[starts[at]..starts[at + 1]], sum);
            }
        });
        Self { rows, values }
    }

    /// Rows with their places, by row, then by place.
    fn order(&self) -> Vec<(u32, u32)> {
        let mut order: Vec<(u32, u32)> = self.rows.iter().copied().zip(0..).collect();
        order.sort_unstable();
        order
    }

    fn add_terms(&self, terms: &[(u32, u32)], sum: &mut [f32]) {
        let width = sum.len();
        vectorized(|| {
            for &(_, place) in terms {
                let term = &self.values[place as usize * width..][..width];
                sum.iter_mut().zip(term).for_each(|(sum, term)| *sum += term);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_rows_are_summed_in_the_order_they_stand_in() {
        let mut gradients = RowGradients::default();
        assert!(gradients.distinct() == gradients && gradients.width() == 0);
        // 1e8 + 1 − 1e8 is 0 in this order, and 1 in another.
        gradients.extend(&[7, 2, 7, 7], &[1e8, 1.0, 5.0, 6.0, 1.0, 2.0, -1e8, 3.0]);
        assert!(!gradients.is_distinct());
        let distinct = gradients.distinct();
        assert_eq!(distinct, RowGradients { rows: vec![2, 7], values: vec![5.0, 6.0, 0.0, 6.0] });
        assert!(distinct.is_distinct() && distinct.distinct() == distinct);
    }
}
