//! Reasons that can be checked: what carried an item, found by taking it away.

mod effects;
mod paths;

use segue_data::ItemIdx;
use segue_models::graph_walks::PathStep;
use segue_models::sequence::TokenEffect;
use segue_models::{ExpertId, Query};
use serde::{Deserialize, Serialize};

use self::paths::modalities;
use crate::error::RecommendError;
use crate::model::Model;

/// One reason for a recommended item.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// An event of the history: without it (all its repeats removed) the score falls by `effect`, found by scoring again.
    Event {
        /// The item of the event.
        item: ItemIdx,
        /// Score with the event minus score without it.
        effect: f32,
    },
    /// What is known about the user: without any of it the score falls by `effect`, found by scoring again.
    Profile {
        /// Ids of the attribute values that carried it, strongest first: without one of them alone the score falls, too.
        values: Vec<u32>,
        /// Score with the profile minus score without it.
        effect: f32,
    },
    /// Words and bigrams that the item shares with the history, strongest first.
    SharedWords {
        /// Which expert read them.
        expert: ExpertId,
        /// The words.
        words: Vec<String>,
    },
    /// The history item whose text is most like the item's, by an encoder.
    LikeText {
        /// Which expert compared them.
        expert: ExpertId,
        /// The history item.
        item: ItemIdx,
    },
    /// A path over the graph from an item of the history; without its facts the expert scores the item lower, found by walking again.
    Path {
        /// Which expert walked it.
        expert: ExpertId,
        /// The item of the history.
        from: ItemIdx,
        /// The item that the same users had, from which the path goes on; it counts as an edge.
        together: Option<ItemIdx>,
        /// Its edges, each of them stated in the graph ([`Catalog::graph`](crate::Catalog::graph)), from there to the item.
        steps: Vec<PathStep>,
        /// Share of the expert's raw score that is lost without the path's facts, in (0, 1].
        effect: f32,
    },
    /// How much what is known of the item counts in its vector: its text, image, sound, place in the graph, vector of its own.
    Modalities {
        /// Which expert fused them.
        expert: ExpertId,
        /// Those that the item has, largest weight first; weights sum to 1.
        tokens: Vec<TokenEffect>,
    },
    /// The item's place by popularity in its domain (1 = most popular).
    Popular {
        /// Which expert counted.
        expert: ExpertId,
        /// The place; ties count half.
        rank: f64,
        /// Number of items in the domain.
        of: usize,
    },
}

/// Words named per expert.
const WORDS_NAMED: usize = 5;

impl Model {
    /// Reasons for one item, strongest events first.
    ///
    /// # Errors
    /// When the domain is not a trained target or the item is of another domain.
    pub fn explain(&self, query: &Query<'_>, item: ItemIdx) -> Result<Vec<Reason>, RecommendError> {
        let candidate = self.candidate(query.domain, item)?;
        Ok(self.reasons(query, &[candidate])?.pop().unwrap_or_default())
    }

    /// Reasons for each of some candidates.
    pub(crate) fn reasons(
        &self,
        query: &Query<'_>,
        candidates: &[usize],
    ) -> Result<Vec<Vec<Reason>>, RecommendError> {
        let mut reasons = effects::of_events(self, query, candidates)?;
        let profile = effects::of_profile(self, query, candidates)?;
        for ((reasons, profile), &candidate) in reasons.iter_mut().zip(profile).zip(candidates) {
            reasons.extend(profile);
            reasons.extend(self.of_experts(query, candidate)?);
        }
        Ok(reasons)
    }

    // What each expert with a weight has to say of a candidate.
    fn of_experts(&self, query: &Query<'_>, candidate: usize) -> Result<Vec<Reason>, RecommendError> {
        let (target, items) = (self.target(query.domain)?, self.catalog().items());
        let mut reasons = Vec::new();
        for at in target.blend.active() {
            let expert = &target.experts[at];
            let words = expert.shared_words(query, items, candidate, WORDS_NAMED);
            if !words.is_empty() {
                let words = words.into_iter().map(|(word, _)| word).collect();
                reasons.push(Reason::SharedWords { expert: expert.id, words });
            }
            if let Some(item) = expert.most_alike(query, items, candidate) {
                reasons.push(Reason::LikeText { expert: expert.id, item });
            }
            reasons.extend(self.paths(expert, query, candidate));
            reasons.extend(modalities(expert, query, candidate));
            if let Some(rank) = expert.popularity_rank(candidate) {
                let of = target.n_candidates();
                reasons.push(Reason::Popular { expert: expert.id, rank, of });
            }
        }
        Ok(reasons)
    }
}
