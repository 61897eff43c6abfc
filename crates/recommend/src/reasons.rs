//! Reasons that can be checked: what carried an item, found by taking it away.

use segue_data::{DomainIdx, Event, ItemIdx};
use segue_models::graph_walks::PathStep;
use segue_models::sequence::TokenEffect;
use segue_models::{ExpertId, Query};
use serde::{Deserialize, Serialize};

use crate::error::RecommendError;
use crate::paths::modalities;
use crate::recommender::{Recommender, Request, Scratch, hidden};

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
        /// Its edges, each of them stated in the graph ([`Recommender::graph`]), from there to the item.
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

/// Why an item is not in a list: the stage that dropped it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "stage")]
pub enum WhyNot {
    /// The item belongs to another domain than the one asked for.
    OtherDomain {
        /// The item's domain.
        domain: String,
    },
    /// Masked: the user has it already.
    Seen,
    /// Masked: the request excludes it.
    Excluded,
    /// No active expert knows anything about it for this user.
    Unscored {
        /// Its place among the candidates all the same.
        rank: usize,
    },
    /// Scored, but others scored higher.
    OutRanked {
        /// Its place among the candidates that may be shown.
        rank: usize,
        /// Its score.
        score: f32,
        /// The score it would have needed.
        needed: f32,
    },
    /// It is in the list.
    InList {
        /// Its place.
        rank: usize,
    },
}

/// Longest history whose events are each tested by removal; older events beyond it are not named.
const EVENTS_TESTED: usize = 50;

impl Recommender {
    /// Reasons for one item, strongest events first.
    ///
    /// # Errors
    /// When the domain is not a trained target or the item is of another domain.
    pub fn explain(&self, query: &Query<'_>, item: ItemIdx) -> Result<Vec<Reason>, RecommendError> {
        let model = self.model(query.domain)?;
        let at = self.candidate(query.domain, item)?;
        let mut reasons = self.event_effects(query, at)?;
        reasons.extend(self.profile_effect(query, at)?);
        for expert_at in model.blend.active() {
            let expert = &model.experts[expert_at];
            let words = expert.shared_words(query, &self.dataset.items, at, 5);
            if !words.is_empty() {
                let words = words.into_iter().map(|(word, _)| word).collect();
                reasons.push(Reason::SharedWords { expert: expert.id, words });
            }
            if let Some(item) = expert.most_alike(query, &self.dataset.items, at) {
                reasons.push(Reason::LikeText { expert: expert.id, item });
            }
            reasons.extend(self.paths(expert, query, at));
            reasons.extend(modalities(expert, query, at));
            if let Some(rank) = expert.popularity_rank(at) {
                reasons.push(Reason::Popular { expert: expert.id, rank, of: model.n_candidates() });
            }
        }
        Ok(reasons)
    }

    /// The place of an item among the candidates of its domain.
    pub(crate) fn candidate(&self, domain: DomainIdx, item: ItemIdx) -> Result<usize, RecommendError> {
        let range = self.dataset.items.range(domain);
        if range.contains(&item.at()) {
            return Ok(item.at() - range.start);
        }
        let problem = format!("item `{}` is not in the domain asked for", self.dataset.items.raw(item));
        Err(RecommendError::request(problem, "name its own domain with --domain"))
    }

    // The exact effect of each distinct history item: the score with all its events minus the score without them.
    fn event_effects(&self, query: &Query<'_>, candidate: usize) -> Result<Vec<Reason>, RecommendError> {
        let model = self.model(query.domain)?;
        let mut scratch = Scratch::default();
        let mut scores = vec![0.0; model.n_candidates()];
        model.score(query, &self.dataset.items, &mut scratch, &mut scores);
        let full = scores[candidate];
        let mut tested: Vec<ItemIdx> = Vec::new();
        let mut reasons = Vec::new();
        for event in query.history.iter().rev() {
            if tested.contains(&event.item) || tested.len() == EVENTS_TESTED {
                continue;
            }
            tested.push(event.item);
            let without: Vec<Event> =
                query.history.iter().copied().filter(|e| e.item != event.item).collect();
            let reduced = Query { history: &without, ..*query };
            model.score(&reduced, &self.dataset.items, &mut scratch, &mut scores);
            let effect = full - scores[candidate];
            if effect > 0.0 {
                reasons.push((event.item, effect));
            }
        }
        reasons.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        Ok(reasons.into_iter().map(|(item, effect)| Reason::Event { item, effect }).collect())
    }

    // The exact effect of the profile: the score with it minus the score without it; `None` where it does not raise the score.
    fn profile_effect(&self, query: &Query<'_>, candidate: usize) -> Result<Option<Reason>, RecommendError> {
        let model = self.model(query.domain)?;
        let reads_profile = model.blend.active().any(|at| model.experts[at].n_profile_values() > 0);
        if query.profile.is_empty() || !reads_profile {
            return Ok(None);
        }
        let mut scratch = Scratch::default();
        let mut scores = vec![0.0; model.n_candidates()];
        let mut score_with = |profile: &[u32]| {
            model.score(&Query { profile, ..*query }, &self.dataset.items, &mut scratch, &mut scores);
            scores[candidate]
        };
        let full = score_with(query.profile);
        let effect = full - score_with(&[]);
        if effect <= 0.0 {
            return Ok(None);
        }
        let mut alone: Vec<(u32, f32)> = Vec::new();
        for &value in query.profile {
            let others: Vec<u32> = query.profile.iter().copied().filter(|&other| other != value).collect();
            alone.push((value, full - score_with(&others)));
        }
        alone.retain(|&(_, effect)| effect > 0.0);
        alone.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        Ok(Some(Reason::Profile { values: alone.into_iter().map(|(value, _)| value).collect(), effect }))
    }

    /// The stage that kept `item` out of the list that `request` gives.
    ///
    /// # Errors
    /// When the domain is not a trained target.
    pub fn why_not(
        &self,
        query: &Query<'_>,
        request: &Request,
        item: ItemIdx,
    ) -> Result<WhyNot, RecommendError> {
        let model = self.model(query.domain)?;
        let items = &self.dataset.items;
        let range = items.range(query.domain);
        if !range.contains(&item.at()) {
            let domain = self.dataset.domains[items.domain_of(item).at()].name.clone();
            return Ok(WhyNot::OtherDomain { domain });
        }
        if request.exclude.contains(&item) {
            return Ok(WhyNot::Excluded);
        }
        if !request.allow_seen && query.history.iter().any(|event| event.item == item) {
            return Ok(WhyNot::Seen);
        }
        let mut scores = vec![0.0; model.n_candidates()];
        model.score(query, items, &mut Scratch::default(), &mut scores);
        let hidden = hidden(query, request, range.start, scores.len());
        let at = item.at() - range.start;
        let score = scores[at];
        let above = |other: usize| scores[other] > score || (scores[other] == score && other < at);
        let rank = 1 + (0..scores.len()).filter(|&other| !hidden[other] && above(other)).count();
        if rank <= request.n {
            return Ok(WhyNot::InList { rank });
        }
        if !self.is_known(query, at)? {
            return Ok(WhyNot::Unscored { rank });
        }
        let list = self.recommend(query, request)?;
        let needed = list.items.last().map_or(score, |last| last.score);
        Ok(WhyNot::OutRanked { rank, score, needed })
    }

    // Whether any active expert gives the candidate a raw score other than "knows nothing".
    fn is_known(&self, query: &Query<'_>, candidate: usize) -> Result<bool, RecommendError> {
        let model = self.model(query.domain)?;
        let mut scores = vec![0.0; model.n_candidates()];
        Ok(model.blend.active().any(|at| {
            model.experts[at].score(query, &self.dataset.items, &mut scores);
            scores[candidate] != 0.0
        }))
    }
}
