//! Items as the entities that short walks reach from them.

use segue_data::item_graph::Edge;
use segue_data::{EntityIdx, ItemGraph, ItemIdx, Triple};

use super::GraphWalksConfig;
use super::weights::RelationWeights;

/// How a walk came to an entity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Step {
    /// The entity is the item itself.
    Itself,
    /// One edge from the item.
    Edge(Edge),
    /// One edge to `via` and a second one from there.
    Through { first: Edge, second: Edge },
}

impl Step {
    /// The facts that the walk from an item's `entity` uses.
    pub(super) fn facts(self, entity: EntityIdx) -> Vec<Triple> {
        match self {
            Self::Itself => Vec::new(),
            Self::Edge(edge) => vec![fact(entity, edge)],
            Self::Through { first, second } => vec![fact(entity, first), fact(first.to, second)],
        }
    }
}

/// The fact behind an edge of an entity.
pub(super) fn fact(from: EntityIdx, edge: Edge) -> Triple {
    let (head, tail) = if edge.inverse { (edge.to, from) } else { (from, edge.to) };
    Triple { head, relation: edge.relation, tail }
}

/// An entity that a walk from an item reaches.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Reached {
    pub(super) entity: EntityIdx,
    pub(super) step: Step,
    /// Product of the weights of the relations on the way, damped by the degree of an entity in between.
    pub(super) weight: f32,
}

/// One item in the space of entities, each entity once, ascending. Entities that no other item reaches are left out.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Features {
    /// After at most one step.
    pub(super) near: Vec<(u32, f32)>,
    /// After two steps.
    pub(super) far: Vec<(u32, f32)>,
    /// Length of `near`.
    pub(super) norm: f32,
}

/// A graph with settings and weights: what is needed to walk.
pub(super) struct Space<'a> {
    pub(super) graph: &'a ItemGraph,
    config: &'a GraphWalksConfig,
    weights: &'a RelationWeights,
    /// Items that reach an entity by at most one step, `[n_entities]`.
    degrees: Vec<u32>,
    /// Edges that lead on from an entity to one that is no item, `[n_entities]`: over items in between, what people do says more
    /// than a graph. Most entities of most graphs have none.
    onward: Vec<Vec<Edge>>,
}

impl<'a> Space<'a> {
    pub(super) fn new(
        graph: &'a ItemGraph,
        config: &'a GraphWalksConfig,
        weights: &'a RelationWeights,
    ) -> Self {
        let is_no_item = |edge: &&Edge| graph.items_of(edge.to).is_empty();
        let onward = |at: u32| graph.edges(EntityIdx(at)).iter().filter(is_no_item).copied().collect();
        let onward = if config.third_hop > 0.0 {
            (0..graph.n_entities() as u32).map(onward).collect()
        } else {
            Vec::new()
        };
        Self { graph, config, weights, degrees: item_degrees(graph), onward }
    }

    /// All walks of at most two steps from an item, without the facts in `gone`.
    pub(super) fn walks(&self, item: ItemIdx, gone: &[Triple]) -> Vec<Reached> {
        let Some(entity) = self.graph.entity_of(item) else { return Vec::new() };
        let there = |from: EntityIdx, edge: &Edge| gone.is_empty() || !gone.contains(&fact(from, *edge));
        let mut walks = vec![Reached { entity, step: Step::Itself, weight: self.weights.itself }];
        for first in self.graph.edges(entity).iter().filter(|edge| there(entity, edge)) {
            let weight = self.weights.of(first.relation);
            walks.push(Reached { entity: first.to, step: Step::Edge(*first), weight });
            let onward = self.onward.get(first.to.0 as usize).map_or(&[][..], Vec::as_slice);
            let share = self.config.third_hop * weight / onward.len().max(1) as f32;
            for second in onward.iter().filter(|edge| edge.to != entity && there(first.to, edge)) {
                let weight = share * self.weights.of(second.relation).min(1.0);
                let step = Step::Through { first: *first, second: *second };
                walks.push(Reached { entity: second.to, step, weight });
            }
        }
        walks.retain(|walk| walk.weight > 0.0);
        walks
    }

    /// How much two walks that end at `entity` connect two items.
    pub(super) fn damping(&self, entity: u32, n_gone: u32) -> f32 {
        let degree = self.degrees[entity as usize].saturating_sub(n_gone);
        (degree.max(1) as f32).powf(-self.config.degree_exponent)
    }

    /// Whether at least two items reach an entity.
    pub(super) fn connects(&self, entity: u32, n_gone: u32) -> bool {
        self.degrees[entity as usize].saturating_sub(n_gone) >= 2
    }

    /// An item's place in the space, without the facts in `gone`.
    pub(super) fn features(&self, item: ItemIdx, gone: &[Triple]) -> Features {
        let mut features = Features::default();
        for walk in self.walks(item, gone) {
            let n_gone = self.n_gone(walk.entity, gone);
            if !self.connects(walk.entity.0, n_gone) {
                continue;
            }
            // Half of the damping on either side.
            let weight = walk.weight * self.damping(walk.entity.0, n_gone).sqrt();
            match walk.step {
                Step::Through { .. } => features.far.push((walk.entity.0, weight)),
                _ => features.near.push((walk.entity.0, weight)),
            }
        }
        add_up(&mut features.near);
        add_up(&mut features.far);
        features.norm = features.near.iter().map(|(_, x)| f64::from(x * x)).sum::<f64>().sqrt() as f32;
        features
    }

    // How many items do not reach an entity by one step any more when facts are gone.
    fn n_gone(&self, entity: EntityIdx, gone: &[Triple]) -> u32 {
        if gone.is_empty() {
            return 0;
        }
        let lost = |other: EntityIdx| {
            let mut edges = self.graph.edges(entity).iter().filter(|edge| edge.to == other);
            edges.all(|edge| gone.contains(&fact(entity, *edge)))
        };
        let mut others: Vec<EntityIdx> = gone
            .iter()
            .filter_map(|fact| match fact {
                fact if fact.head == entity => Some(fact.tail),
                fact if fact.tail == entity => Some(fact.head),
                _ => None,
            })
            .collect();
        others.sort_unstable();
        others.dedup();
        let n_items = |other: &EntityIdx| self.graph.items_of(*other).len() as u32;
        others.iter().filter(|other| lost(**other)).map(n_items).sum()
    }
}

// Number of items that are an entity or one edge from it.
fn item_degrees(graph: &ItemGraph) -> Vec<u32> {
    let entity = |at: usize| EntityIdx(at as u32);
    let of = |at: usize| -> u32 {
        let own = graph.items_of(entity(at)).len();
        let mut others: Vec<EntityIdx> = graph.edges(entity(at)).iter().map(|edge| edge.to).collect();
        others.sort_unstable();
        others.dedup();
        let others: usize = others.into_iter().map(|e| graph.items_of(e).len()).sum();
        (own + others) as u32
    };
    (0..graph.n_entities()).map(of).collect()
}

// Each entity once, ascending.
fn add_up(entries: &mut Vec<(u32, f32)>) {
    entries.sort_by_key(|&(entity, _)| entity);
    entries.dedup_by(|next, kept| {
        let same = next.0 == kept.0;
        if same {
            kept.1 += next.1;
        }
        same
    });
}

/// Sum over entities that both have, of products.
pub(super) fn product(a: &[(u32, f32)], b: &[(u32, f32)]) -> f32 {
    let (mut i, mut j, mut sum) = (0, 0, 0.0);
    while i < a.len() && j < b.len() {
        match a[i].0.cmp(&b[j].0) {
            std::cmp::Ordering::Less => i += 1,
            std::cmp::Ordering::Greater => j += 1,
            std::cmp::Ordering::Equal => {
                sum += a[i].1 * b[j].1;
                i += 1;
                j += 1;
            }
        }
    }
    sum
}

/// How similar a candidate is to an item: walks of at most three edges between them, at most one step of them at one end and two
/// at the other. `norm_exponent` of the candidate's length.
pub(super) fn similarity(from: &Features, to: &Features, norm_exponent: f32) -> f32 {
    let walks = product(&from.near, &to.near) + product(&from.near, &to.far) + product(&from.far, &to.near);
    if walks <= 0.0 { 0.0 } else { walks / scale(from.norm, to.norm, norm_exponent) }
}

/// What walks between two items are divided by.
pub(super) fn scale(from: f32, to: f32, norm_exponent: f32) -> f32 {
    // An item that only far walks reach has no length of its own.
    let length = |norm: f32| if norm > 0.0 { norm } else { 1.0 };
    length(from) * length(to).powf(norm_exponent)
}
