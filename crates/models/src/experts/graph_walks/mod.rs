//! Closed-form walks over the knowledge graph: items that short paths lead to from the history's.

mod path;
mod space;
mod weights;

use std::ops::Range;

use rand::{Rng, RngCore};
use segue_data::{DomainIdx, ItemCatalog, ItemGraph, ItemIdx, TrainSet};
use serde::{Deserialize, Serialize};

pub use self::path::{GraphPath, PathStep};
use self::space::{Features, Space, scale};
use self::weights::RelationWeights;
use super::contract::{FitContext, KindFacts, Scorer, Settings};
use super::grid::{self, HALF_LIVES, RECENCY};
use super::window::{Window, WindowConfig};
use super::{ExpertConfig, ExpertId, ExpertKind, Fitted};
use crate::query::{Fading, Place, Query};
use crate::similarity::{ItemSimilarity, RowScratch, SparseRow, keep_largest};
use crate::tensors::{ModelError, Tensors};

pub(super) const GRAPH: KindFacts = KindFacts {
    has_material: |context| context.graph.is_some(),
    ..KindFacts::closed_form(ExpertKind::Graph, "graph", || ExpertConfig::Graph(GraphWalksConfig::default()))
};

/// Settings of [`GraphWalks`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GraphWalksConfig {
    /// Exponent α of the number of items at an entity that damps walks over it: 0 = all count alike, 1 = a random walk.
    pub degree_exponent: f32,
    /// Exponent γ of the relations' learned lift; 0 = all relations count alike.
    pub lift_exponent: f32,
    /// Weight of walks over two entities in between; 0 = off.
    pub third_hop: f32,
    /// Exponent of the candidate's length in the normalization: 1 = cosine, 0 = well-described items come first.
    pub norm_exponent: f32,
    /// Weight of walks that begin with a step to an item that the same users had; 0 = off.
    pub through_users: f32,
    /// Candidates kept per item, ≥ 1.
    pub neighbors: usize,
    /// Weight of a history event relative to the next newer one, in (0, 1].
    pub recency: f32,
    /// Days before the request after which a history event counts half; 0 = time does not count.
    pub half_life_days: f32,
}

impl Default for GraphWalksConfig {
    fn default() -> Self {
        Self {
            degree_exponent: 0.5,
            lift_exponent: 1.0,
            third_hop: 0.5,
            norm_exponent: 0.5,
            through_users: 0.0,
            neighbors: 400,
            recency: 0.8,
            half_life_days: 0.0,
        }
    }
}

impl Settings for GraphWalksConfig {
    fn fit(&self, id: ExpertId, train: &TrainSet, context: &FitContext<'_>) -> Result<Fitted, ModelError> {
        let place = Place { domain: context.domain, scope: id.scope };
        GraphWalks::fit(self, context.graph, train, context.items, place).map(Fitted::Graph)
    }

    fn load(&self, items: &ItemCatalog, place: Place, tensors: &mut Tensors) -> Result<Fitted, ModelError> {
        GraphWalks::load(self, items, place.domain, tensors).map(Fitted::Graph)
    }

    fn fading(&self) -> Option<Fading> {
        Some(Fading { recency: self.recency, half_life_days: self.half_life_days })
    }

    fn step(&self, _: ExpertKind, rng: &mut dyn RngCore) -> ExpertConfig {
        let mut next = self.clone();
        match rng.random_range(0..8) {
            0 => grid::move_on(&mut next.degree_exponent, &[0.0, 0.25, 0.5, 0.75, 1.0], rng),
            1 => grid::move_on(&mut next.lift_exponent, &[0.0, 0.5, 1.0, 1.5], rng),
            2 => grid::move_on(&mut next.third_hop, &[0.0, 0.25, 0.5, 1.0], rng),
            3 => grid::move_on(&mut next.norm_exponent, &[0.0, 0.25, 0.5, 0.75, 1.0], rng),
            4 | 5 => grid::move_on(&mut next.through_users, &[0.0, 0.5, 1.0, 2.0, 4.0], rng),
            6 => grid::move_on(&mut next.half_life_days, HALF_LIVES, rng),
            _ => grid::move_on(&mut next.recency, RECENCY, rng),
        }
        ExpertConfig::Graph(next)
    }

    fn differs_in_scoring_only(&self, other: &ExpertConfig) -> bool {
        let ExpertConfig::Graph(other) = other else { return false };
        let Self { recency, half_life_days, .. } = *other;
        Self { recency, half_life_days, ..self.clone() } == *other
    }

    fn score_by(&self, model: &mut Fitted) {
        if let Fitted::Graph(model) = model {
            model.config = self.clone();
        }
    }
}

/// Similarity of items by walks of at most three edges over an [`ItemGraph`], closed form.
///
/// An item i is a vector over entities: `f_i[e] = Σ_r w_r · d_e^(−α/2)` over its edges i –r→ e in either direction, itself included;
/// `g_i[e'] = third_hop · Σ w_r w_r'' / n_e · d_e'^(−α/2)` over i –r→ e –r''→ e', `n_e` the edges that lead on from e.
/// `S[i, j] = (f_i·f_j + f_i·g_j + g_i·f_j) / (|f_i| · |f_j|^κ)`, `score(j) = Σ_history recency^age · S[h, j]`. The weights `w_r`
/// are learned from training events (`weights.rs`). With `through_users` μ, `S += μ · C S`, `C` the row-normalized window
/// co-occurrence and `S` without `g`: what is near to what the same users had.
#[derive(Clone, Debug, PartialEq)]
pub struct GraphWalks {
    /// What it was fitted with: paths are walked again by the same settings.
    config: GraphWalksConfig,
    similarity: ItemSimilarity, // [n_items, n_candidates]
    /// What users had together, `[n_items, n_candidates]`, rows of sum ≤ 1; empty without `through_users`.
    together: ItemSimilarity,
    relations: Vec<String>,
    weights: RelationWeights,
    first_candidate: usize,
}

/// Co-occurring items that a walk may begin with.
const TOGETHER: usize = 30;
/// Keeps rows with little evidence from being blown up by the row normalization.
const ROW_SHRINK: f32 = 0.2;

impl GraphWalks {
    /// Walks from the items that the place's scope keeps to the items of its domain.
    ///
    /// # Errors
    /// Stands aside without a graph, or when no fact is about the domain's items.
    pub fn fit(
        config: &GraphWalksConfig,
        graph: Option<&ItemGraph>,
        train: &TrainSet,
        items: &ItemCatalog,
        place: Place,
    ) -> Result<Self, ModelError> {
        let aside = |reason: &str| ModelError::StandsAside { expert: "graph", reason: reason.into() };
        let graph =
            graph.ok_or_else(|| aside("no graph: neither triples nor item fields whose values repeat"))?;
        let target = items.range(place.domain);
        let is_connected = |item: usize| {
            let entity = graph.entity_of(ItemIdx(item as u32));
            entity.is_some_and(|entity| !graph.edges(entity).is_empty())
        };
        if !target.clone().any(is_connected) {
            return Err(aside("no fact is about an item of this domain"));
        }
        let weights = weights::learn(config, graph, train, items, place);
        let together = if config.through_users > 0.0 {
            together(Window::fit(&WindowConfig::default(), train, items, place).similarity())
        } else {
            ItemSimilarity::default()
        };
        let similarity = {
            let space = Space::new(graph, config, &weights);
            let reads = |item: usize| place.keeps(ItemIdx(item as u32), items);
            let walks = Walks::new(&space, config, items.len(), target.clone());
            walks.similarity(&together, reads)
        };
        if similarity.n_values() == 0 {
            return Err(aside("no relation brings items together beyond chance"));
        }
        let relations = graph.relations.clone();
        let config = config.clone();
        Ok(Self { config, similarity, together, relations, weights, first_candidate: target.start })
    }

    /// Item → candidate weights.
    pub fn similarity(&self) -> &ItemSimilarity {
        &self.similarity
    }

    /// The relations and their learned weights.
    pub fn relation_weights(&self) -> impl Iterator<Item = (&str, f32)> {
        self.relations.iter().map(String::as_str).zip(self.weights.relations.iter().copied())
    }

    fn load(
        config: &GraphWalksConfig,
        items: &ItemCatalog,
        domain: DomainIdx,
        tensors: &mut Tensors,
    ) -> Result<Self, ModelError> {
        let (n_items, target) = (items.len(), items.range(domain));
        let similarity = ItemSimilarity::load("graph", n_items, target.len(), tensors)?;
        let together = if config.through_users > 0.0 {
            ItemSimilarity::load("graph.together", n_items, target.len(), tensors)?
        } else {
            ItemSimilarity::default()
        };
        let relations = tensors.take_texts("graph.relations")?;
        let mut weights = tensors.take_f32("graph.weights")?;
        if weights.len() != relations.len() + 1 {
            let expected = format!("{} weights", relations.len() + 1);
            return Err(ModelError::Inconsistent { tensor: "graph.weights".into(), expected });
        }
        let itself = weights.pop().unwrap_or(1.0);
        let weights = RelationWeights { relations: weights, itself };
        let config = config.clone();
        Ok(Self { config, similarity, together, relations, weights, first_candidate: target.start })
    }
}

impl Scorer for GraphWalks {
    fn score(&self, _: &Query<'_>, history: &[(ItemIdx, f32)], scores: &mut [f32]) {
        scores.fill(0.0);
        self.similarity.add_weighted(history, scores);
    }

    fn save(&self, tensors: &mut Tensors) {
        self.similarity.save("graph", tensors);
        if self.together.n_rows() > 0 {
            self.together.save("graph.together", tensors);
        }
        tensors.put_texts("graph.relations", &self.relations);
        let mut weights = self.weights.relations.clone();
        weights.push(self.weights.itself);
        tensors.put_f32("graph.weights", weights);
    }

    fn paths(
        &self,
        graph: &ItemGraph,
        history: &[(ItemIdx, f32)],
        candidate: usize,
        n: usize,
    ) -> Vec<GraphPath> {
        self.strongest_paths(graph, history, candidate, n)
    }

    fn item_weights(&self) -> Option<&ItemSimilarity> {
        Some(&self.similarity)
    }
}

// Rows of the strongest co-occurring candidates, of sum below 1.
fn together(window: &ItemSimilarity) -> ItemSimilarity {
    ItemSimilarity::build(
        window.n_rows(),
        window.n_cols(),
        || (),
        |(), item| {
            let (columns, values) = window.row(item);
            let (columns, mut values) = keep_largest((columns.to_vec(), values.to_vec()), TOGETHER);
            let sum: f32 = values.iter().sum();
            values.iter_mut().for_each(|value| *value /= sum + ROW_SHRINK);
            (columns, values)
        },
    )
}

/// All items in the space of entities, and the candidates by entity.
struct Walks<'a> {
    config: &'a GraphWalksConfig,
    features: Vec<Features>,
    near: ItemSimilarity, // [n_entities, n_candidates], candidates divided by their length
    far: ItemSimilarity,  // [n_entities, n_candidates], the same
    target: Range<usize>,
}

impl<'a> Walks<'a> {
    fn new(space: &Space<'_>, config: &'a GraphWalksConfig, n_items: usize, target: Range<usize>) -> Self {
        let features: Vec<Features> =
            (0..n_items as u32).map(|item| space.features(ItemIdx(item), &[])).collect();
        let n_entities = space.graph.n_entities();
        let postings = |of: fn(&Features) -> &[(u32, f32)]| {
            let mut lists: Vec<SparseRow> = vec![SparseRow::default(); n_entities];
            for (candidate, features) in features[target.clone()].iter().enumerate() {
                for &(entity, weight) in of(features) {
                    let list = &mut lists[entity as usize];
                    list.0.push(candidate as u32);
                    list.1.push(weight / scale(1.0, features.norm, config.norm_exponent));
                }
            }
            ItemSimilarity::build(n_entities, target.len(), || (), |(), at| lists[at].clone())
        };
        let (near, far) = (postings(|features| &features.near), postings(|features| &features.far));
        Self { config, features, near, far, target }
    }

    // Walks from one item, none back to it; over two entities in between only with `far`.
    fn row(&self, scratch: &mut RowScratch, item: usize, far: bool) -> SparseRow {
        let features = &self.features[item];
        let length = scale(features.norm, 1.0, 1.0);
        let mut add = |entries: &[(u32, f32)], postings: &ItemSimilarity| {
            for &(entity, weight) in entries {
                let (columns, values) = postings.row(entity as usize);
                let columns = columns.iter().map(|&column| column as usize);
                scratch.add_all(columns.zip(values.iter().map(|value| value * weight / length)));
            }
        };
        add(&features.near, &self.near);
        if far {
            add(&features.far, &self.near);
            add(&features.near, &self.far);
        }
        self.kept(scratch, item)
    }

    // The strongest sums, without the item itself.
    fn kept(&self, scratch: &mut RowScratch, item: usize) -> SparseRow {
        let (mut columns, mut values) = scratch.take(|_, sum| sum);
        if let Some(own) = item.checked_sub(self.target.start)
            && let Ok(at) = columns.binary_search(&(own as u32))
        {
            columns.remove(at);
            values.remove(at);
        }
        keep_largest((columns, values), self.config.neighbors)
    }

    fn build(&self, row: impl Fn(&mut RowScratch, usize) -> SparseRow + Sync + Send) -> ItemSimilarity {
        let n_candidates = self.target.len();
        ItemSimilarity::build(self.features.len(), n_candidates, || RowScratch::new(n_candidates), row)
    }

    fn similarity(
        &self,
        together: &ItemSimilarity,
        reads: impl Fn(usize) -> bool + Sync + Send,
    ) -> ItemSimilarity {
        let none = SparseRow::default;
        let direct =
            self.build(|scratch, item| if reads(item) { self.row(scratch, item, true) } else { none() });
        if self.config.through_users == 0.0 {
            return direct;
        }
        // What the same users had is of the target; the step to it is the first of three.
        let onward =
            self.build(
                |scratch, item| {
                    if self.target.contains(&item) { self.row(scratch, item, false) } else { none() }
                },
            );
        self.build(|scratch, item| {
            if !reads(item) {
                return none();
            }
            let mut add = |row: (&[u32], &[f32]), weight: f32| {
                let (columns, values) = row;
                let columns = columns.iter().map(|&column| column as usize);
                scratch.add_all(columns.zip(values.iter().map(|value| value * weight)));
            };
            add(direct.row(item), 1.0);
            let (others, shares) = together.row(item);
            for (&other, &share) in others.iter().zip(shares) {
                add(onward.row(self.target.start + other as usize), self.config.through_users * share);
            }
            self.kept(scratch, item)
        })
    }
}
