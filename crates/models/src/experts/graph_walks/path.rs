//! The path that carries a recommendation, and what the score is without it.

use segue_data::{EntityIdx, ItemGraph, ItemIdx, Triple};
use serde::{Deserialize, Serialize};

use super::GraphWalks;
use super::space::{Features, Reached, Space, Step, product, scale, similarity};

/// Paths that are tried out for an item, strongest first.
const PATHS_TRIED: usize = 8;

/// One edge of a path, in the direction in which it is walked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathStep {
    /// As the graph states it, head first.
    pub fact: Triple,
    /// Whether it is walked from tail to head.
    pub inverse: bool,
}

impl PathStep {
    /// The entity from which the step starts.
    pub fn from(self) -> EntityIdx {
        if self.inverse { self.fact.tail } else { self.fact.head }
    }

    /// The entity at which the step arrives.
    pub fn to(self) -> EntityIdx {
        if self.inverse { self.fact.head } else { self.fact.tail }
    }
}

/// A path of at most three edges from an item of the history to a candidate.
#[derive(Clone, Debug, PartialEq)]
pub struct GraphPath {
    /// Where it begins: an item of the history.
    pub from: ItemIdx,
    /// The item that the same users had, from which the path continues; it counts as an edge.
    pub together: Option<ItemIdx>,
    /// Its edges, from there to the candidate.
    pub steps: Vec<PathStep>,
    /// Share of the expert's raw score of the candidate that is lost without these edges, in (0, 1]: found by walking again without
    /// them, with the same weights of relations.
    pub effect: f32,
}

/// A path that has not been tried out.
struct Candidate {
    from: ItemIdx,
    together: Option<ItemIdx>,
    steps: Vec<PathStep>,
    share: f32,
}

impl GraphWalks {
    /// The strongest paths to a candidate (counted within the domain) without which its score falls, at most `n`. Nothing where
    /// `graph` is not the one that was walked.
    pub(super) fn strongest_paths(
        &self,
        graph: &ItemGraph,
        history: &[(ItemIdx, f32)],
        candidate: usize,
        n: usize,
    ) -> Vec<GraphPath> {
        if graph.relations != self.relations {
            return Vec::new();
        }
        let space = Space::new(graph, &self.config, &self.weights);
        let score = |gone: &[Triple]| self.score_in(&space, history, candidate, gone);
        let whole = score(&[]);
        if whole <= 0.0 {
            return Vec::new();
        }
        let mut found = Vec::new();
        for path in self.strongest(&space, history, candidate) {
            let facts: Vec<Triple> = path.steps.iter().map(|step| step.fact).collect();
            let effect = (whole - score(&facts)) / whole;
            if effect > 0.0 {
                let Candidate { from, together, steps, .. } = path;
                found.push(GraphPath { from, together, steps, effect });
            }
            if found.len() == n {
                break;
            }
        }
        found
    }

    /// The raw score of a candidate (counted within the domain) on a graph without some facts, walked again: degrees and lengths are
    /// those of the smaller graph, weights of relations the learned ones.
    pub fn score_without(
        &self,
        graph: &ItemGraph,
        history: &[(ItemIdx, f32)],
        candidate: usize,
        gone: &[Triple],
    ) -> f32 {
        let space = Space::new(graph, &self.config, &self.weights);
        self.score_in(&space, history, candidate, gone)
    }

    fn score_in(
        &self,
        space: &Space<'_>,
        history: &[(ItemIdx, f32)],
        candidate: usize,
        gone: &[Triple],
    ) -> f32 {
        let to_item = self.item(candidate);
        let to = space.features(to_item, gone);
        let exponent = self.config.norm_exponent;
        let mut score = 0.0;
        for &(item, weight) in self.speaking(history, candidate) {
            score += weight * similarity(&space.features(item, gone), &to, exponent);
            for (other, share) in self.others(item, to_item) {
                let share = weight * self.config.through_users * share;
                score += share * near_similarity(&space.features(other, gone), &to, exponent);
            }
        }
        score
    }

    fn item(&self, candidate: usize) -> ItemIdx {
        ItemIdx((self.first_candidate + candidate) as u32)
    }

    // Items of the history from which the candidate gets anything.
    fn speaking<'h>(
        &self,
        history: &'h [(ItemIdx, f32)],
        candidate: usize,
    ) -> impl Iterator<Item = &'h (ItemIdx, f32)> {
        history.iter().filter(move |(item, _)| self.similarity.get(item.at(), candidate as u32) > 0.0)
    }

    // What the same users had, without the candidate.
    fn others(&self, item: ItemIdx, to: ItemIdx) -> impl Iterator<Item = (ItemIdx, f32)> {
        let (columns, shares) = self.together.row(item.at());
        let other = |(&column, &share): (&u32, &f32)| (self.item(column as usize), share);
        columns.iter().zip(shares).map(other).filter(move |(other, _)| *other != to && *other != item)
    }

    // Paths by their part of the score, largest first; ties by their facts.
    fn strongest(&self, space: &Space<'_>, history: &[(ItemIdx, f32)], candidate: usize) -> Vec<Candidate> {
        let to_item = self.item(candidate);
        let target = End::new(space, to_item);
        let exponent = self.config.norm_exponent;
        let mut paths: Vec<Candidate> = Vec::new();
        for &(item, weight) in self.speaking(history, candidate) {
            let start = End::new(space, item);
            let length = scale(start.norm, target.norm, exponent);
            Ends { start: &start, target: &target, length, weight, far: true }.meet(space, |steps, share| {
                paths.push(Candidate { from: item, together: None, steps, share });
            });
            for (other, share) in self.others(item, to_item) {
                let start = End::new(space, other);
                let weight = weight * self.config.through_users * share;
                let length = scale(start.norm, target.norm, exponent);
                let ends = Ends { start: &start, target: &target, length, weight, far: false };
                ends.meet(space, |steps, share| {
                    paths.push(Candidate { from: item, together: Some(other), steps, share });
                });
            }
        }
        let key = |path: &Candidate| {
            (path.from, path.together, path.steps.iter().map(|s| s.fact).collect::<Vec<_>>())
        };
        paths.sort_by(|a, b| b.share.total_cmp(&a.share).then_with(|| key(a).cmp(&key(b))));
        paths.truncate(PATHS_TRIED);
        paths
    }
}

fn near_similarity(from: &Features, to: &Features, norm_exponent: f32) -> f32 {
    product(&from.near, &to.near) / scale(from.norm, to.norm, norm_exponent)
}

/// One end of a path: all walks from an item.
struct End {
    entity: Option<EntityIdx>,
    walks: Vec<Reached>,
    norm: f32,
}

impl End {
    fn new(space: &Space<'_>, item: ItemIdx) -> Self {
        let mut walks = space.walks(item, &[]);
        walks.retain(|walk| space.connects(walk.entity.0, 0));
        walks.sort_by_key(|walk| walk.entity);
        Self { entity: space.graph.entity_of(item), walks, norm: space.features(item, &[]).norm }
    }
}

/// Both ends of the paths between two items.
struct Ends<'a> {
    start: &'a End,
    target: &'a End,
    /// What their walks are divided by.
    length: f32,
    /// Weight of the item of the history.
    weight: f32,
    /// Whether one of the walks may go over an entity in between.
    far: bool,
}

impl Ends<'_> {
    // All pairs of walks from both ends that meet at an entity, of one to three edges together, with their parts of the score.
    fn meet(&self, space: &Space<'_>, mut found: impl FnMut(Vec<PathStep>, f32)) {
        let (Some(from), Some(to)) = (self.start.entity, self.target.entity) else { return };
        for a in &self.start.walks {
            let at = self.target.walks.partition_point(|walk| walk.entity < a.entity);
            for b in self.target.walks[at..].iter().take_while(|walk| walk.entity == a.entity) {
                let n_far = [a, b].iter().filter(|walk| matches!(walk.step, Step::Through { .. })).count();
                if n_far > usize::from(self.far) {
                    continue;
                }
                let mut steps = steps_from(from, a.step);
                let back = steps_from(to, b.step).into_iter().rev();
                steps.extend(back.map(|step| PathStep { inverse: !step.inverse, ..step }));
                // The same fact twice is no path but a way back.
                let turns_back = steps.windows(2).any(|pair| pair[0].fact == pair[1].fact);
                if !steps.is_empty() && !turns_back {
                    let damping = space.damping(a.entity.0, 0);
                    found(steps, self.weight * a.weight * b.weight * damping / self.length);
                }
            }
        }
    }
}

fn steps_from(entity: EntityIdx, step: Step) -> Vec<PathStep> {
    let edges = match step {
        Step::Itself => vec![],
        Step::Edge(edge) => vec![edge.inverse],
        Step::Through { first, second } => vec![first.inverse, second.inverse],
    };
    step.facts(entity).into_iter().zip(edges).map(|(fact, inverse)| PathStep { fact, inverse }).collect()
}
