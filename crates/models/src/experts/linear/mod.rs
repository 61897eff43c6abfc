//! Linear item–item models in closed form: EASE, with a text prior, and a sparse approximation for large catalogs.

mod gram;
mod inverse;

use rand::{Rng, RngCore};
use segue_data::{ItemCatalog, ItemIdx, TrainSet};
use serde::{Deserialize, Serialize};

use self::gram::Gram;
use super::contract::{FitContext, KindFacts, Scorer, Settings};
use super::grid::{self, HALF_LIVES, RECENCY};
use super::{ExpertConfig, ExpertId, ExpertKind, Fitted};
use crate::query::{Fading, Place, Query, Scope};
use crate::similarity::ItemSimilarity;
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
