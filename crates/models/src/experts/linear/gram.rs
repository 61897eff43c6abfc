//! `G = XᵀX` and the two ways to weights: the exact solution, and one column after the other.

use segue_data::{ItemCatalog, ItemIdx, TrainSet};
use segue_nn::solve_spd_small;

use super::LinearConfig;
use super::inverse::{Inverse, Prior};
use crate::query::{Place, Scope};
use crate::similarity::{ItemSimilarity, RowScratch, SparseRow, keep_largest};
use crate::tensors::ModelError;

/// The binary user × item matrix, both ways, over items with interactions.
pub(super) struct Gram {
    /// Items that a regression may start from, ascending.
    pub(super) inputs: Vec<u32>,
    /// Position of each item among `inputs`, or `NONE`.
    pub(super) position: Vec<u32>,
    /// Distinct input positions per user, and users per input.
    pub(super) user_items: Vec<Vec<u32>>,
    pub(super) item_users: Vec<Vec<u32>>,
    pub(super) target: std::ops::Range<usize>,
    scope: Scope,
}

pub(super) const NONE: u32 = u32::MAX;

impl Gram {
    pub(super) fn collect(train: &TrainSet, items: &ItemCatalog, place: Place) -> Self {
        let target = items.range(place.domain);
        // Regressing the target on its sources needs both in one row.
        let kept = |item: ItemIdx| place.scope != Scope::Target || target.contains(&item.at());
        let counts = train.sequences.item_counts(items.len());
        let inputs: Vec<u32> =
            (0..items.len() as u32).filter(|&i| counts[i as usize] > 0 && kept(ItemIdx(i))).collect();
        let mut position = vec![NONE; items.len()];
        for (at, &item) in inputs.iter().enumerate() {
            position[item as usize] = at as u32;
        }
        let mut user_items = Vec::new();
        let mut item_users = vec![Vec::new(); inputs.len()];
        for row in train.sequences.rows() {
            let mut distinct: Vec<u32> =
                row.iter().map(|event| position[event.item.at()]).filter(|&at| at != NONE).collect();
            distinct.sort_unstable();
            distinct.dedup();
            for &at in &distinct {
                item_users[at as usize].push(user_items.len() as u32);
            }
            user_items.push(distinct);
        }
        Self { inputs, position, user_items, item_users, target, scope: place.scope }
    }

    // Row `at` of G = XᵀX: co-occurrence counts with all inputs; the diagonal is the item's count.
    fn gram_row(&self, at: usize, scratch: &mut RowScratch) -> SparseRow {
        for &user in &self.item_users[at] {
            for &other in &self.user_items[user as usize] {
                scratch.add(other as usize, 1.0);
            }
        }
        scratch.take(|_, count| count)
    }

    pub(super) fn solve_dense(
        &self,
        config: &LinearConfig,
        items: &ItemCatalog,
        prior: Option<&ItemSimilarity>,
    ) -> Result<ItemSimilarity, ModelError> {
        let n = self.inputs.len();
        let inverse = Inverse::of(self, config.l2)?;
        let diagonal: Vec<f32> = (0..n).map(|at| inverse.diagonal(at)).collect();
        let prior =
            prior.filter(|_| config.text_prior > 0.0).map(|prior| Prior::new(self, prior, config, &inverse));
        let row = |(): &mut (), item: usize| -> SparseRow {
            let at = self.position[item];
            if at == NONE {
                let row = prior.as_ref().map(|prior| prior.untrained_row(item)).unwrap_or_default();
                return keep_largest(row, config.weights_per_item);
            }
            let p = inverse.row(at as usize);
            let mut columns = Vec::with_capacity(n);
            let mut values = Vec::with_capacity(n);
            let pulled = prior.as_ref().map(|prior| prior.pulled_row(&p));
            for (other, &value) in p.iter().enumerate() {
                if other == at as usize {
                    continue;
                }
                let weight = match (&prior, &pulled) {
                    (Some(prior), Some(pulled)) => {
                        config.l2 * (pulled[other] - value) - value * prior.mu[other]
                    }
                    _ => -value / diagonal[other],
                };
                columns.push(self.inputs[other] - self.target.start as u32);
                values.push(weight);
            }
            if let (Some(prior), Some(pulled)) = (&prior, &pulled) {
                prior.add_untrained_columns(pulled, &mut columns, &mut values);
            }
            keep_largest((columns, values), config.weights_per_item)
        };
        let weights = ItemSimilarity::build(items.len(), self.target.len(), || (), row);
        finite(weights)
    }

    pub(super) fn solve_sparse(
        &self,
        config: &LinearConfig,
        items: &ItemCatalog,
        prior: Option<&ItemSimilarity>,
    ) -> ItemSimilarity {
        let n = self.inputs.len();
        let gram =
            ItemSimilarity::build(n, n, || RowScratch::new(n), |scratch, at| self.gram_row(at, scratch));
        let solve = |scratch: &mut Vec<u32>, candidate: usize| {
            let at = self.position[self.target.start + candidate];
            if at == NONE { Default::default() } else { self.solve_column(config, &gram, at, scratch) }
        };
        // One sparse column per candidate; rows of the transpose.
        let columns = ItemSimilarity::build(self.target.len(), items.len(), || vec![NONE; n], solve);
        let mut rows: Vec<SparseRow> = vec![Default::default(); items.len()];
        for candidate in 0..self.target.len() {
            let (inputs, values) = columns.row(candidate);
            for (&input, &value) in inputs.iter().zip(values) {
                rows[input as usize].0.push(candidate as u32);
                rows[input as usize].1.push(value);
            }
        }
        // The prior enters untrained columns only: where there are counts, the regression speaks.
        let row = |(): &mut (), item: usize| {
            let mut row = rows[item].clone();
            if let Some(prior) = prior.filter(|_| config.text_prior > 0.0) {
                let (columns, values) = prior.row(item);
                for (&column, &value) in columns.iter().zip(values) {
                    if self.position[self.target.start + column as usize] == NONE {
                        row.0.push(column);
                        row.1.push(config.text_prior * value);
                    }
                }
                let mut order: Vec<usize> = (0..row.0.len()).collect();
                order.sort_by_key(|&at| row.0[at]);
                row = (
                    order.iter().map(|&at| row.0[at]).collect(),
                    order.iter().map(|&at| row.1[at]).collect(),
                );
            }
            keep_largest(row, config.weights_per_item)
        };
        ItemSimilarity::build(items.len(), self.target.len(), || (), row)
    }

    // min ‖x_target − X_N b‖² + λ‖b‖² over the strongest neighbors N of one candidate.
    fn solve_column(
        &self,
        config: &LinearConfig,
        gram: &ItemSimilarity,
        at: u32,
        local: &mut [u32],
    ) -> SparseRow {
        let (columns, counts) = gram.row(at as usize);
        let allowed = |other: u32| {
            let inside = self.target.contains(&(self.inputs[other as usize] as usize));
            other != at && (self.scope != Scope::Sources || !inside)
        };
        let strength = |other: u32, count: f32| count / (self.item_users[other as usize].len() as f32).sqrt();
        let candidates: SparseRow = columns
            .iter()
            .zip(counts)
            .filter(|&(&other, _)| allowed(other))
            .map(|(&other, &count)| (other, strength(other, count)))
            .unzip();
        let (chosen, _) = keep_largest(candidates, config.neighbors);
        let k = chosen.len();
        for (place, &other) in chosen.iter().enumerate() {
            local[other as usize] = place as u32;
        }
        let mut a = vec![0.0; k * k];
        let mut b: Vec<f32> = chosen.iter().map(|&other| gram.get(at as usize, other)).collect();
        for (place, &other) in chosen.iter().enumerate() {
            let (columns, counts) = gram.row(other as usize);
            for (&column, &count) in columns.iter().zip(counts) {
                if local[column as usize] != NONE {
                    a[place * k + local[column as usize] as usize] = count;
                }
            }
            a[place * k + place] += config.l2;
        }
        for &other in &chosen {
            local[other as usize] = NONE;
        }
        if !solve_spd_small(&mut a, &mut b) {
            return Default::default();
        }
        (chosen.iter().map(|&other| self.inputs[other as usize]).collect(), b)
    }
}

fn finite(weights: ItemSimilarity) -> Result<ItemSimilarity, ModelError> {
    let all = (0..weights.n_rows()).all(|row| weights.row(row).1.iter().all(|value| value.is_finite()));
    if all { Ok(weights) } else { Err(ModelError::NotFinite("linear")) }
}
