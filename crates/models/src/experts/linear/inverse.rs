//! The dense inverse behind the exact solution, and what a text prior adds to it.

use rayon::prelude::*;
use segue_nn::Elimination;

use super::LinearConfig;
use super::gram::{Gram, NONE};
use crate::similarity::{ItemSimilarity, SparseRow};
use crate::tensors::ModelError;

/// P = (G + λI)⁻¹, dense.
pub(super) struct Inverse {
    /// `[n, n]` in the order of elimination, symmetric.
    values: Vec<f32>,
    /// Place of each input in that order.
    place: Vec<u32>,
}

impl Inverse {
    pub(super) fn of(gram: &Gram, l2: f32) -> Result<Self, ModelError> {
        let n = gram.inputs.len();
        let plan = Elimination::plan(n, &gram.user_items);
        let mut place = vec![0; n];
        for (at, &input) in plan.order().iter().enumerate() {
            place[input as usize] = at as u32;
        }
        let in_order = |items: &Vec<u32>| {
            let mut places: Vec<u32> = items.iter().map(|&input| place[input as usize]).collect();
            places.sort_unstable();
            places
        };
        let user_places: Vec<Vec<u32>> = gram.user_items.par_iter().map(in_order).collect();
        let mut values = vec![0.0f32; n * n];
        values.par_chunks_mut(n).zip(plan.order()).enumerate().for_each(|(at, (row, &input))| {
            for &user in &gram.item_users[input as usize] {
                // The lower triangle is enough.
                for &other in user_places[user as usize].iter().take_while(|&&other| other as usize <= at) {
                    row[other as usize] += 1.0;
                }
            }
            row[at] += l2;
        });
        plan.invert(&mut values)
            .map_err(|e| ModelError::StandsAside { expert: "linear", reason: e.to_string() })?;
        Ok(Self { values, place })
    }

    // Row of an input, columns by input.
    pub(super) fn row(&self, input: usize) -> Vec<f32> {
        let n = self.place.len();
        let row = &self.values[self.place[input] as usize * n..][..n];
        self.place.iter().map(|&at| row[at as usize]).collect()
    }

    pub(super) fn diagonal(&self, input: usize) -> f32 {
        self.values[self.place[input] as usize * (self.place.len() + 1)]
    }
}

/// What the text prior adds to the dense solution.
pub(super) struct Prior<'a> {
    gram: &'a Gram,
    similarity: &'a ItemSimilarity,
    strength: f32,
    l2: f32,
    /// `μ_j` = (1 − `λP_jj` + λ(PS)_jj) / `P_jj`: with it the diagonal of B is zero.
    pub(super) mu: Vec<f32>,
}

impl<'a> Prior<'a> {
    pub(super) fn new(
        gram: &'a Gram,
        prior: &'a ItemSimilarity,
        config: &LinearConfig,
        inverse: &Inverse,
    ) -> Self {
        let n = gram.inputs.len();
        let mut built =
            Self { gram, similarity: prior, strength: config.text_prior, l2: config.l2, mu: Vec::new() };
        let mu = |at: usize| {
            let p = inverse.row(at);
            let pulled = built.pulled_row(&p)[at];
            (1.0 - config.l2 * p[at] + config.l2 * pulled) / p[at]
        };
        built.mu = (0..n).into_par_iter().map(mu).collect();
        built
    }

    // (P S)[at, ·] over inputs, then over untrained candidates (which have no input position).
    pub(super) fn pulled_row(&self, p: &[f32]) -> Vec<f32> {
        let n = self.gram.inputs.len();
        let mut pulled = vec![0.0; n + self.gram.target.len()];
        for (k, &weight) in p.iter().enumerate() {
            let (columns, values) = self.similarity.row(self.gram.inputs[k] as usize);
            for (&column, &value) in columns.iter().zip(values) {
                let at = self.gram.position[self.gram.target.start + column as usize];
                let at = if at == NONE { n + column as usize } else { at as usize };
                pulled[at] += weight * self.strength * value;
            }
        }
        pulled
    }

    // For a candidate without interactions, (G + λI) has only λ on its diagonal: B = λPS in its column.
    pub(super) fn add_untrained_columns(
        &self,
        pulled: &[f32],
        columns: &mut Vec<u32>,
        values: &mut Vec<f32>,
    ) {
        let n = self.gram.inputs.len();
        let mut entries: Vec<(u32, f32)> = columns.drain(..).zip(values.drain(..)).collect();
        for (column, &value) in pulled[n..].iter().enumerate().filter(|&(_, &value)| value != 0.0) {
            entries.push((column as u32, self.l2 * value));
        }
        entries.sort_by_key(|&(column, _)| column);
        for (column, value) in entries {
            columns.push(column);
            values.push(value);
        }
    }

    // An item without interactions speaks through its text alone.
    pub(super) fn untrained_row(&self, item: usize) -> SparseRow {
        let (columns, values) = self.similarity.row(item);
        (columns.to_vec(), values.iter().map(|value| self.strength * value).collect())
    }
}
