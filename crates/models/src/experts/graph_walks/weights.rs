//! How much each relation counts: what training events say about items that share an entity by it.

use segue_data::{EntityIdx, ItemCatalog, ItemGraph, ItemIdx, RelationIdx, TrainSet};

use super::GraphWalksConfig;
use crate::query::{Place, Scope};

/// Steps between two events of a user that count as a pair.
const WINDOW: usize = 5;
/// Pairs that are looked at; with more events, evenly chosen ones.
const PAIRS_MAX: usize = 400_000;
/// Pairs' worth of chance added to what is counted and to what is expected: rare relations are trusted less.
const PRIOR_PAIRS: f64 = 5.0;
/// What is expected per pair below which nothing is: what subtraction leaves of zero depends on the order of items.
const ROUNDING: f64 = 1e-9;
/// Highest lift beyond chance; entities of two or three items would have thousands.
const LIFT_MAX: f64 = 100.0;

/// A weight per relation.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct RelationWeights {
    /// `[n_relations]`, ≥ 0.
    pub(super) relations: Vec<f32>,
    /// Of standing at an entity itself.
    pub(super) itself: f32,
}

impl RelationWeights {
    /// The weight of a relation; 0 for one that the fit has not seen.
    pub(super) fn of(&self, relation: RelationIdx) -> f32 {
        self.relations.get(relation.0 as usize).copied().unwrap_or(0.0)
    }
}

/// Counted and expected overlap of one relation.
#[derive(Clone, Copy, Debug, Default)]
struct Overlap {
    counted: f64,
    expected: f64,
}

/// Weights from training events. For every relation r, the overlap of two items is `o_r(i, j) = Σ_e d_e^(−α)` over the entities e that
/// both reach by r (or that one is and the other reaches by r), `d_e` the number of items at e. `lift_r` is the mean overlap of pairs
/// that stand within [`WINDOW`] steps of each other in training, over the mean when each side is drawn by itself as often as it
/// occurs in pairs; the weight is `√(lift_r − 1)^γ`: 0 for relations that bring nothing beyond chance, 1 for those that no pair can
/// tell anything about.
pub(super) fn learn(
    config: &GraphWalksConfig,
    graph: &ItemGraph,
    train: &TrainSet,
    items: &ItemCatalog,
    place: Place,
) -> RelationWeights {
    if config.lift_exponent == 0.0 {
        return RelationWeights { relations: vec![1.0; graph.n_relations()], itself: 1.0 };
    }
    let pairs = pairs(train, items, place);
    let overlaps = overlaps(graph, &pairs, items.len(), config.degree_exponent);
    let weight = |overlap: &Overlap| {
        let n_pairs = pairs.len() as f64;
        if overlap.expected <= ROUNDING * n_pairs {
            return 1.0;
        }
        // The prior in the unit of the overlap: as much as so many pairs have by chance.
        let prior = overlap.expected / n_pairs * PRIOR_PAIRS;
        let lift = (overlap.counted + prior) / (overlap.expected + prior) - 1.0;
        lift.clamp(0.0, LIFT_MAX).sqrt().powf(f64::from(config.lift_exponent)) as f32
    };
    let mut relations: Vec<f32> = overlaps.iter().map(weight).collect();
    let itself = relations.pop().unwrap_or(1.0);
    RelationWeights { relations, itself }
}

// Pairs of items within the window: both of the target, or from another domain to it.
fn pairs(train: &TrainSet, items: &ItemCatalog, place: Place) -> Vec<(ItemIdx, ItemIdx)> {
    let target = items.range(place.domain);
    let inside = |item: ItemIdx| target.contains(&item.at());
    let n_events = train.sequences.n_events();
    let every = (n_events * WINDOW).div_ceil(PAIRS_MAX).max(1);
    let mut pairs = Vec::new();
    let mut n_seen = 0;
    let mut kept: Vec<ItemIdx> = Vec::new();
    for row in train.sequences.rows() {
        kept.clear();
        let is_kept = |item: &ItemIdx| place.scope != Scope::Target || inside(*item);
        kept.extend(row.iter().map(|event| event.item).filter(is_kept));
        for (at, &a) in kept.iter().enumerate() {
            for &b in kept[at + 1..].iter().take(WINDOW) {
                let counts = |from: ItemIdx, to: ItemIdx| inside(to) && place.keeps(from, items);
                if a == b {
                    continue;
                }
                n_seen += 1;
                if n_seen % every != 0 {
                    continue;
                }
                if counts(a, b) {
                    pairs.push((a, b));
                } else if counts(b, a) {
                    pairs.push((b, a));
                }
            }
        }
    }
    pairs
}

// Entities that an item is or is connected to, with the relation (`n_relations` for itself), ascending.
fn touched(graph: &ItemGraph, item: ItemIdx) -> Vec<(EntityIdx, u32)> {
    let Some(own) = graph.entity_of(item) else { return Vec::new() };
    let mut touched: Vec<(EntityIdx, u32)> =
        graph.edges(own).iter().map(|edge| (edge.to, edge.relation.0)).collect();
    touched.push((own, graph.n_relations() as u32));
    touched.sort_unstable();
    touched.dedup();
    touched
}

fn overlaps(
    graph: &ItemGraph,
    pairs: &[(ItemIdx, ItemIdx)],
    n_items: usize,
    degree_exponent: f32,
) -> Vec<Overlap> {
    let n = graph.n_relations();
    let mut overlaps = vec![Overlap::default(); n + 1];
    let touched: Vec<Vec<(EntityIdx, u32)>> =
        (0..n_items as u32).map(|item| touched(graph, ItemIdx(item))).collect();
    let mut degrees = vec![0u32; graph.n_entities()];
    for entities in &touched {
        let mut last = None;
        for &(entity, _) in entities.iter().filter(|(entity, _)| last.replace(*entity) != Some(*entity)) {
            degrees[entity.0 as usize] += 1;
        }
    }
    let damping: Vec<f64> =
        degrees.iter().map(|&d| f64::from(d.max(1)).powf(-f64::from(degree_exponent))).collect();
    for &(a, b) in pairs {
        add_shared(&touched[a.at()], &touched[b.at()], n as u32, &damping, |relation, overlap| {
            overlaps[relation as usize].counted += overlap;
        });
    }
    expect(graph, &touched, pairs, &damping, &mut overlaps);
    overlaps
}

// Every entity that both touch, once per pair of relations.
fn add_shared(
    a: &[(EntityIdx, u32)],
    b: &[(EntityIdx, u32)],
    itself: u32,
    damping: &[f64],
    mut add: impl FnMut(u32, f64),
) {
    let (mut i, mut j) = (0, 0);
    while i < a.len() && j < b.len() {
        match a[i].0.cmp(&b[j].0) {
            std::cmp::Ordering::Less => i += 1,
            std::cmp::Ordering::Greater => j += 1,
            std::cmp::Ordering::Equal => {
                let entity = a[i].0;
                let same = |list: &[(EntityIdx, u32)]| list.iter().take_while(|(e, _)| *e == entity).count();
                let (n_a, n_b) = (same(&a[i..]), same(&b[j..]));
                for &(_, r) in &a[i..i + n_a] {
                    for &(_, s) in &b[j..j + n_b] {
                        credit(r, s, itself, damping[entity.0 as usize], &mut add);
                    }
                }
                i += n_a;
                j += n_b;
            }
        }
    }
}

// A walk by one relation counts for it; by two, half for each; standing at an end says nothing of the way.
fn credit(r: u32, s: u32, itself: u32, overlap: f64, add: &mut impl FnMut(u32, f64)) {
    if r == s || s == itself {
        add(r, overlap);
    } else if r == itself {
        add(s, overlap);
    } else {
        add(r, 0.5 * overlap);
        add(s, 0.5 * overlap);
    }
}

// The same overlap when both sides of every pair are drawn anew, never the same item.
fn expect(
    graph: &ItemGraph,
    touched: &[Vec<(EntityIdx, u32)>],
    pairs: &[(ItemIdx, ItemIdx)],
    damping: &[f64],
    overlaps: &mut [Overlap],
) {
    let n = graph.n_relations() as u32;
    let (mut from, mut to) = (vec![0.0f64; touched.len()], vec![0.0f64; touched.len()]);
    for &(a, b) in pairs {
        from[a.at()] += 1.0;
        to[b.at()] += 1.0;
    }
    let n_pairs = pairs.len() as f64;
    // Mass at every (entity, relation) from either side.
    let mut mass: std::collections::BTreeMap<(EntityIdx, u32), (f64, f64)> =
        std::collections::BTreeMap::new();
    for (item, entities) in touched.iter().enumerate().filter(|(item, _)| from[*item] + to[*item] > 0.0) {
        for &place in entities {
            let sums = mass.entry(place).or_default();
            sums.0 += from[item];
            sums.1 += to[item];
        }
    }
    let mass: Vec<((EntityIdx, u32), (f64, f64))> = mass.into_iter().collect();
    let same: f64 = from.iter().zip(&to).map(|(a, b)| a * b).sum();
    let scale = n_pairs / (n_pairs * n_pairs - same).max(1.0);
    for group in mass.chunk_by(|a, b| a.0.0 == b.0.0) {
        for &((entity, r), (a, _)) in group {
            for &((_, s), (_, b)) in group {
                credit(r, s, n, a * b * damping[entity.0 as usize] * scale, &mut |relation, overlap| {
                    overlaps[relation as usize].expected += overlap;
                });
            }
        }
    }
    // Without an item beside itself.
    for (item, entities) in touched.iter().enumerate().filter(|(item, _)| from[*item] * to[*item] > 0.0) {
        add_shared(entities, entities, n, damping, |relation, overlap| {
            overlaps[relation as usize].expected -= overlap * from[item] * to[item] * scale;
        });
    }
}
