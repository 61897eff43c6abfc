//! Queries against all rows of a table, forward and back: the only work that grows with the number of entities.

use rayon::prelude::*;
use segue_nn::distance::DistanceScores;
use segue_nn::{Matrix, MatrixMut, add_matmul, matmul};

use crate::graph_links::score::Comparison;

/// Queries, or rows of the table, of one task.
const ROWS_PER_TASK: usize = 64;

/// Rows of `width` values.
#[derive(Clone, Copy)]
pub(crate) struct Sides<'a> {
    /// `[B, width]`
    pub(crate) queries: &'a [f32],
    /// `[N, width]`
    pub(crate) table: &'a [f32],
    pub(crate) width: usize,
}

impl Sides<'_> {
    fn n_queries(&self) -> usize {
        self.queries.len() / self.width
    }

    fn n_rows(&self) -> usize {
        self.table.len() / self.width
    }

    /// `scores: [B, N]`.
    pub(crate) fn scores(&self, comparison: Comparison, scores: &mut [f32]) {
        let Self { queries, table, width } = *self;
        let n_rows = self.n_rows();
        match comparison {
            Comparison::Distance(distance) => {
                DistanceScores { distance, width, queries, items: table }.forward(scores);
            }
            Comparison::Product => {
                let table = Matrix::new(table, n_rows, width, width).t();
                let tasks = scores.par_chunks_mut(ROWS_PER_TASK * n_rows);
                tasks.zip(queries.par_chunks(ROWS_PER_TASK * width)).for_each(|(scores, queries)| {
                    let queries = Matrix::new(queries, queries.len() / width, width, width);
                    matmul(MatrixMut::new(scores, n_rows), 1.0, queries, table);
                });
            }
        }
    }

    /// Adds the gradients of queries and table, given that of the scores.
    pub(crate) fn backward(
        &self,
        comparison: Comparison,
        d_scores: &[f32],
        d_queries: &mut [f32],
        d_table: &mut [f32],
    ) {
        let Self { queries, table, width } = *self;
        let (n_queries, n_rows) = (self.n_queries(), self.n_rows());
        match comparison {
            Comparison::Distance(distance) => {
                let distances = DistanceScores { distance, width, queries, items: table };
                distances.backward(d_scores, d_queries, d_table);
            }
            Comparison::Product => {
                let table = Matrix::new(table, n_rows, width, width);
                let tasks = d_queries.par_chunks_mut(ROWS_PER_TASK * width);
                tasks.zip(d_scores.par_chunks(ROWS_PER_TASK * n_rows)).for_each(|(d_queries, d_scores)| {
                    let d_scores = Matrix::new(d_scores, d_scores.len() / n_rows, n_rows, n_rows);
                    add_matmul(MatrixMut::new(d_queries, width), 1.0, d_scores, table);
                });
                let queries = Matrix::new(queries, n_queries, width, width);
                let d_scores = Matrix::new(d_scores, n_queries, n_rows, n_rows);
                let tasks = d_table.par_chunks_mut(ROWS_PER_TASK * width).enumerate();
                tasks.for_each(|(task, d_table)| {
                    let first = task * ROWS_PER_TASK;
                    let d_scores = d_scores.columns(first..first + d_table.len() / width).t();
                    add_matmul(MatrixMut::new(d_table, width), 1.0, d_scores, queries);
                });
            }
        }
    }
}
