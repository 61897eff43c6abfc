//! `InfoNCE`: each query finds its key among the keys of its batch.

use crate::contrast::{Contrast, ContrastGradients};
use crate::simd::add;

/// Who looks for whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Directions {
    /// Queries look for keys.
    QueryToKey,
    /// Both, with half the weight each (Radford et al., 2021).
    Both,
}

/// Cross-entropy of row i of the keys for row i of the queries, the other keys being negatives (van den Oord et al., 2018).
/// Scores are products over the temperature; for cosines, give rows of length 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct InfoNce<'a> {
    /// Values of a row.
    pub width: usize,
    /// Divides scores; positive.
    pub temperature: f32,
    /// Who looks for whom.
    pub directions: Directions,
    /// `[N, N]`: whether key j is no negative of query i, such as another view of the same thing. The diagonal is not read.
    pub false_negatives: Option<&'a [bool]>,
}

impl InfoNce<'_> {
    /// Mean loss of `queries` and `keys`, `[N, width]` each; `d_queries` and `d_keys` are overwritten. No rows: 0.
    ///
    /// # Panics
    /// When the shapes do not fit, or the temperature is not positive.
    pub fn run(&self, queries: &[f32], keys: &[f32], d_queries: &mut [f32], d_keys: &mut [f32]) -> f64 {
        let n = queries.len() / self.width;
        assert!(self.temperature > 0.0, "temperature {}", self.temperature);
        assert_eq!(queries.len(), n * self.width, "whole rows");
        let lens = [keys.len(), d_queries.len(), d_keys.len()];
        assert_eq!(lens, [queries.len(); 3], "queries, keys and their gradients");
        assert!(self.false_negatives.is_none_or(|mask| mask.len() == n * n), "mask of {n} rows");
        let excluded =
            |i: usize, j: usize| i == j || self.false_negatives.is_some_and(|mask| mask[i * n + j]);
        let mut loss = self.one_way([queries, keys], excluded, [d_queries, d_keys]);
        if self.directions == Directions::Both {
            let mut back = [vec![0.0; keys.len()], vec![0.0; queries.len()]];
            let [d_keys_back, d_queries_back] = &mut back;
            loss += self.one_way([keys, queries], |i, j| excluded(j, i), [d_keys_back, d_queries_back]);
            add(d_keys, d_keys_back);
            add(d_queries, d_queries_back);
        }
        loss
    }

    fn one_way(
        &self,
        [queries, keys]: [&[f32]; 2],
        excluded: impl Fn(usize, usize) -> bool + Sync,
        [d_queries, d_keys]: [&mut [f32]; 2],
    ) -> f64 {
        let n_directions = if self.directions == Directions::Both { 2 } else { 1 };
        let n_losses = n_directions * (queries.len() / self.width);
        let contrast = Contrast {
            width: self.width,
            scale: 1.0 / self.temperature,
            rows: queries,
            positives: keys,
            candidates: keys,
        };
        let mut d_own = vec![0.0; keys.len()]; // [N, width], of the keys as positives
        let gradients = ContrastGradients { rows: d_queries, positives: &mut d_own, candidates: d_keys };
        let loss = contrast.run(1.0 / n_losses.max(1) as f32, excluded, gradients);
        add(d_keys, &d_own);
        loss
    }
}
