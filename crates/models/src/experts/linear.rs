//! Linear item–item models in closed form: EASE, with a text prior, and a sparse approximation for large catalogs.

use rand::{Rng, RngCore};
use rayon::prelude::*;
use segue_data::{ItemCatalog, ItemIdx, TrainSet};
use segue_nn::{Elimination, solve_spd_small};
use serde::{Deserialize, Serialize};

use super::contract::{FitContext, KindFacts, Scorer, Settings};
use super::grid::{self, HALF_LIVES, RECENCY};
use super::{ExpertConfig, ExpertId, ExpertKind, Fitted};
use crate::query::{Fading, Place, Query, Scope};
use crate::similarity::{ItemSimilarity, RowScratch, SparseRow, keep_largest};
use crate::tensors::{ModelError, Tensors};

pub(super) const LINEAR: KindFacts =
    KindFacts::closed_form(ExpertKind::Linear, "linear", || ExpertConfig::Linear(LinearConfig::default()));

/// Settings of [`Linear`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinearConfig {
    /// L2 penalty λ, > 0.
    pub l2: f32,
    /// Strength κ of the text prior: weights are pulled towards κ · cosine of TF-IDF rows; 0 = no prior.
    pub text_prior: f32,
    /// Weight of a history event relative to the next newer one, in (0, 1].
    pub recency: f32,
    /// Days before the request after which a history event counts half; 0 = time does not count.
    #[serde(default)]
    pub half_life_days: f32,
    /// Weights kept per item, those of largest magnitude.
    pub weights_per_item: usize,
    /// Neighbors per item in the sparse approximation.
    pub neighbors: usize,
    /// Bytes the dense solution may take; larger catalogs get the sparse approximation.
    pub budget_bytes: u64,
}

impl Default for LinearConfig {
    fn default() -> Self {
        Self {
            l2: 100.0,
            text_prior: 0.0,
            recency: 0.8,
            half_life_days: 0.0,
            weights_per_item: 512,
            neighbors: 128,
            budget_bytes: 700 << 20,
        }
    }
}

impl Settings for LinearConfig {
    fn fit(&self, id: ExpertId, train: &TrainSet, context: &FitContext<'_>) -> Result<Fitted, ModelError> {
        let place = Place { domain: context.domain, scope: id.scope };
        Linear::fit(self, train, context.items, place, context.text_neighbors).map(Fitted::Linear)
    }

    fn load(&self, items: &ItemCatalog, place: Place, tensors: &mut Tensors) -> Result<Fitted, ModelError> {
        Linear::load(items.len(), items.range(place.domain).len(), tensors).map(Fitted::Linear)
    }

    fn fading(&self) -> Option<Fading> {
        Some(Fading { recency: self.recency, half_life_days: self.half_life_days })
    }

    fn step(&self, _: ExpertKind, rng: &mut dyn RngCore) -> ExpertConfig {
        let mut next = self.clone();
        match rng.random_range(0..4) {
            3 => grid::move_on(&mut next.half_life_days, HALF_LIVES, rng),
            0 => {
                let l2 = &[2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0];
                grid::move_on(&mut next.l2, l2, rng);
            }
            1 => grid::move_on(&mut next.text_prior, &[0.0, 0.05, 0.1, 0.2, 0.4], rng),
            _ => grid::move_on(&mut next.recency, RECENCY, rng),
        }
        ExpertConfig::Linear(next)
    }

    fn differs_in_scoring_only(&self, other: &ExpertConfig) -> bool {
        let ExpertConfig::Linear(other) = other else { return false };
        let Self { recency, half_life_days, .. } = *other;
        Self { recency, half_life_days, ..self.clone() } == *other
    }
}

/// Item → candidate weights `B` of a ridge regression from what users did to what else they did.
#[derive(Clone, Debug, PartialEq)]
pub struct Linear {
    weights: ItemSimilarity,
    /// Whether `B` is the exact solution (else the sparse approximation).
    exact: bool,
}

impl Linear {
    /// EASE (Steck, WWW 2019) over the items that the place's scope keeps, for candidates of its domain: with `G = XᵀX` of the binary user ×
    /// item matrix and `P = (G + λI)⁻¹`, `B = I − P · diag(1 / diag P)` inside the domain; from the sources it is the ridge solution
    /// `B = P · G[sources, target]` (nothing has to be excluded there).
    ///
    /// `prior` (item → candidate weights `S`, already scaled) pulls the solution: minimize
    /// `‖X − XB‖² + λ‖B − S‖²` with zero diagonal, so `B = I − λP + λPS − P · diag(μ)` (as L3AE, CIKM 2025).
    ///
    /// Where the dense solution exceeds the budget, each candidate's column is solved on its `neighbors` strongest
    /// co-occurring items alone: a sparse approximate inverse by columns (Grote & Huckle 1997), the idea behind SANSA.
    ///
    /// # Errors
    /// Stands aside when there is nothing to learn from.
    pub fn fit(
        config: &LinearConfig,
        train: &TrainSet,
        items: &ItemCatalog,
        place: Place,
        prior: Option<&ItemSimilarity>,
    ) -> Result<Self, ModelError> {
        let gram = Gram::collect(train, items, place);
        if gram.inputs.is_empty() {
            let reason = "no item of the kept domains has an interaction".into();
            return Err(ModelError::StandsAside { expert: "linear", reason });
        }
        let n = gram.inputs.len() as u64;
        // Sources are never excluded from their own regression, so the sparse form serves them at any size.
        let exact = n * n * 4 <= config.budget_bytes && place.scope == Scope::Target;
        let weights = if exact {
            gram.solve_dense(config, items, prior)?
        } else {
            gram.solve_sparse(config, items, prior)
        };
        Ok(Self { weights, exact })
    }

    /// The item → candidate weights.
    pub fn weights(&self) -> &ItemSimilarity {
        &self.weights
    }

    /// Whether the weights are the exact solution.
    pub fn is_exact(&self) -> bool {
        self.exact
    }

    fn load(n_items: usize, n_candidates: usize, tensors: &mut Tensors) -> Result<Self, ModelError> {
        let weights = ItemSimilarity::load("linear", n_items, n_candidates, tensors)?;
        let flag = tensors.take_u32("linear.exact")?;
        if flag != [0] && flag != [1] {
            let expected = "one value, 0 or 1".to_owned();
            return Err(ModelError::Inconsistent { tensor: "linear.exact".to_owned(), expected });
        }
        Ok(Self { weights, exact: flag == [1] })
    }
}

impl Scorer for Linear {
    fn score(&self, _: &Query<'_>, history: &[(ItemIdx, f32)], scores: &mut [f32]) {
        scores.fill(0.0);
        self.weights.add_weighted(history, scores);
    }

    fn save(&self, tensors: &mut Tensors) {
        self.weights.save("linear", tensors);
        tensors.put_u32("linear.exact", vec![u32::from(self.exact)]);
    }

    fn item_weights(&self) -> Option<&ItemSimilarity> {
        Some(&self.weights)
    }

    fn note(&self) -> Option<&'static str> {
        (!self.exact).then_some("sparse approximation")
    }
}

/// The binary user × item matrix, both ways, over items with interactions.
struct Gram {
    /// Items that a regression may start from, ascending.
    inputs: Vec<u32>,
    /// Position of each item among `inputs`, or `NONE`.
    position: Vec<u32>,
    /// Distinct input positions per user, and users per input.
    user_items: Vec<Vec<u32>>,
    item_users: Vec<Vec<u32>>,
    target: std::ops::Range<usize>,
    scope: Scope,
}

const NONE: u32 = u32::MAX;

impl Gram {
    fn collect(train: &TrainSet, items: &ItemCatalog, place: Place) -> Self {
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

    fn solve_dense(
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

    fn solve_sparse(
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

/// P = (G + λI)⁻¹, dense.
struct Inverse {
    /// `[n, n]` in the order of elimination, symmetric.
    values: Vec<f32>,
    /// Place of each input in that order.
    place: Vec<u32>,
}

impl Inverse {
    fn of(gram: &Gram, l2: f32) -> Result<Self, ModelError> {
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
    fn row(&self, input: usize) -> Vec<f32> {
        let n = self.place.len();
        let row = &self.values[self.place[input] as usize * n..][..n];
        self.place.iter().map(|&at| row[at as usize]).collect()
    }

    fn diagonal(&self, input: usize) -> f32 {
        self.values[self.place[input] as usize * (self.place.len() + 1)]
    }
}

/// What the text prior adds to the dense solution.
struct Prior<'a> {
    gram: &'a Gram,
    similarity: &'a ItemSimilarity,
    strength: f32,
    l2: f32,
    /// `μ_j` = (1 − `λP_jj` + λ(PS)_jj) / `P_jj`: makes the diagonal of B zero.
    mu: Vec<f32>,
}

impl<'a> Prior<'a> {
    fn new(gram: &'a Gram, prior: &'a ItemSimilarity, config: &LinearConfig, inverse: &Inverse) -> Self {
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
    fn pulled_row(&self, p: &[f32]) -> Vec<f32> {
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
    fn add_untrained_columns(&self, pulled: &[f32], columns: &mut Vec<u32>, values: &mut Vec<f32>) {
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
    fn untrained_row(&self, item: usize) -> SparseRow {
        let (columns, values) = self.similarity.row(item);
        (columns.to_vec(), values.iter().map(|value| self.strength * value).collect())
    }
}

fn finite(weights: ItemSimilarity) -> Result<ItemSimilarity, ModelError> {
    let all = (0..weights.n_rows()).all(|row| weights.row(row).1.iter().all(|value| value.is_finite()));
    if all { Ok(weights) } else { Err(ModelError::NotFinite("linear")) }
}
