//! Gradients of some rows of a table: as much memory as rows were used, however long the table is.

use rayon::prelude::*;

use crate::simd::add;

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
    /// Values of a row; 0 when there is none.
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
        let terms = self.terms();
        let groups: Vec<&[Term]> = groups(&terms).collect();
        let mut values = vec![0.0; groups.len() * width]; // [n_distinct, width]
        let blocks =
            values.par_chunks_mut((ROWS_PER_BLOCK * width).max(1)).zip(groups.par_chunks(ROWS_PER_BLOCK));
        blocks.for_each(|(sums, groups)| {
            for (sum, group) in sums.chunks_exact_mut(width).zip(groups) {
                self.add(group, sum);
            }
        });
        Self { rows: groups.iter().map(|group| group[0].row).collect(), values }
    }

    /// What is to be added, by row, then by place.
    pub(crate) fn terms(&self) -> Vec<Term> {
        let mut terms: Vec<Term> =
            self.rows.iter().zip(0..).map(|(&row, place)| Term { row, place }).collect();
        if !self.is_distinct() {
            terms.sort_unstable();
        }
        terms
    }

    /// The values of a term.
    pub(crate) fn values_of(&self, term: Term, width: usize) -> &[f32] {
        &self.values[term.place as usize * width..][..width]
    }

    /// Adds terms to `sum: [width]`, in order.
    pub(crate) fn add(&self, terms: &[Term], sum: &mut [f32]) {
        for term in terms {
            add(sum, self.values_of(*term, sum.len()));
        }
    }
}

/// One of the gradients of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Term {
    pub(crate) row: u32,
    pub(crate) place: u32,
}

/// The terms of each row, from terms in order.
pub(crate) fn groups(terms: &[Term]) -> impl Iterator<Item = &[Term]> {
    terms.chunk_by(|a, b| a.row == b.row)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_rows_are_summed_in_the_order_they_stand_in() {
        let mut gradients = RowGradients::default();
        assert!(gradients.distinct() == gradients && gradients.width() == 0);
        // 1e8 − 1e8 + 1 is 1 in this order, and 0 in the opposite one.
        gradients.extend(&[7, 2, 7, 7], &[1e8, 1.0, 5.0, 6.0, -1e8, 2.0, 1.0, 3.0]);
        assert!(!gradients.is_distinct());
        let distinct = gradients.distinct();
        assert_eq!(distinct, RowGradients { rows: vec![2, 7], values: vec![5.0, 6.0, 1.0, 6.0] });
        assert!(distinct.is_distinct() && distinct.distinct() == distinct);
    }
}
