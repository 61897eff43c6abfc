//! Reasons from what is known of an item: paths over the graph, and the weights of its modalities.

use segue_data::{ItemGraph, ItemIdx};
use segue_models::graph_walks::GraphPath;
use segue_models::{Expert, Query};

use super::Reason;
use crate::error::RecommendError;
use crate::model::Model;

/// Paths named per item and expert; every one of them has been tried out.
const PATHS_NAMED: usize = 3;

impl Model {
    /// What experts without weight in the blend would say of an item by the graph, or by what they fuse: no part of its score.
    ///
    /// # Errors
    /// When the domain is not a trained target or the item is of another domain.
    pub fn refused_reasons(&self, query: &Query<'_>, item: ItemIdx) -> Result<Vec<Reason>, RecommendError> {
        let target = self.target(query.domain)?;
        let at = self.candidate(query.domain, item)?;
        let active: Vec<usize> = target.blend.active().collect();
        let refused = target.experts.iter().enumerate().filter(|(expert, _)| !active.contains(expert));
        let reasons_of = |(_, expert): (usize, &Expert)| {
            let mut reasons = self.paths(expert, query, at);
            reasons.extend(modalities(expert, query, at));
            reasons
        };
        Ok(refused.flat_map(reasons_of).collect())
    }

    /// The paths that carry a candidate's score by an expert that walks over the graph, strongest first. A path is only named if each of
    /// its edges is stated, and the expert's score falls without them.
    pub(crate) fn paths(&self, expert: &Expert, query: &Query<'_>, candidate: usize) -> Vec<Reason> {
        if expert.graph_walks().is_none() {
            return Vec::new();
        }
        let (catalog, items) = (self.catalog(), self.catalog().items());
        let Some(graph) = catalog.graph() else { return Vec::new() };
        let mut paths = expert.paths(graph, &expert.history(query, items), candidate, PATHS_NAMED);
        // They come by their own part of the score; what is lost without one is more where others share its facts.
        paths.sort_by(|a, b| b.effect.total_cmp(&a.effect));
        let reason = |path: GraphPath| Reason::Path {
            expert: expert.id,
            from: path.from,
            together: path.together,
            steps: path.steps,
            effect: path.effect,
        };
        paths.into_iter().filter(|path| is_stated(graph, path)).map(reason).collect()
    }
}

// Whether every edge is a fact, and each starts where the one before it ends.
fn is_stated(graph: &ItemGraph, path: &GraphPath) -> bool {
    let start = graph.entity_of(path.together.unwrap_or(path.from));
    let joined = path.steps.windows(2).all(|pair| pair[0].to() == pair[1].from());
    let starts_there = path.steps.first().is_some_and(|step| Some(step.from()) == start);
    starts_there && joined && path.steps.iter().all(|step| graph.states(step.fact))
}

/// The weights of a candidate's modalities, where an expert fuses them.
pub(crate) fn modalities(expert: &Expert, query: &Query<'_>, candidate: usize) -> Option<Reason> {
    let mut tokens = expert.token_effects(query, candidate);
    tokens.sort_by(|a, b| b.weight.total_cmp(&a.weight).then(a.token.cmp(&b.token)));
    (!tokens.is_empty()).then_some(Reason::Modalities { expert: expert.id, tokens })
}
