//! The recommend path: score every candidate, blend, mask, take the best.

use std::sync::OnceLock;

use segue_data::{Dataset, DomainIdx, Event, ItemCatalog, ItemGraph, ItemIdx, UserIdx};
use segue_models::sequence::TaskPrediction;
use segue_models::{Expert, ExpertId, Query};
use serde::{Deserialize, Serialize};

use crate::blend::{Blend, standardize};
use crate::error::RecommendError;

/// All experts of one target domain and how they are combined.
#[derive(Clone, Debug, PartialEq)]
pub struct DomainModel {
    /// The domain that is recommended.
    pub domain: DomainIdx,
    /// Fitted experts.
    pub experts: Vec<Expert>,
    /// Their weights.
    pub blend: Blend,
    /// Whether each candidate had no training interaction, `[n_candidates]`.
    pub cold: Vec<bool>,
}

/// Buffers for scoring one query; reuse them between queries.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    scores: Vec<f32>,
}

impl DomainModel {
    /// Rating and probability of a choice of one candidate (counted within the domain), by the expert with the largest weight that is
    /// trained for them; nothing where none is.
    pub fn predict(&self, query: &Query<'_>, candidate: usize) -> TaskPrediction {
        let mut by_weight: Vec<usize> = (0..self.experts.len()).collect();
        by_weight.sort_by(|&a, &b| {
            let weight = |at: usize| self.blend.members.get(at).map_or(0.0, |member| member.warm);
            weight(b).total_cmp(&weight(a))
        });
        let mut said = TaskPrediction::default();
        for at in by_weight {
            let own = self.experts[at].predict(query, &[candidate])[0];
            said = TaskPrediction { rating: said.rating.or(own.rating), click: said.click.or(own.click) };
        }
        said
    }

    /// The experts' ids in order.
    pub fn expert_ids(&self) -> Vec<ExpertId> {
        self.experts.iter().map(|expert| expert.id).collect()
    }

    /// Number of candidates.
    pub fn n_candidates(&self) -> usize {
        self.cold.len()
    }

    /// Blended scores of all candidates into `blended` (`[n_candidates]`).
    pub fn score(&self, query: &Query<'_>, items: &ItemCatalog, scratch: &mut Scratch, blended: &mut [f32]) {
        self.score_with(&self.blend, query, (items, scratch), blended);
    }

    /// The same under other weights of the same experts: for comparing blends.
    pub fn score_with(
        &self,
        blend: &Blend,
        query: &Query<'_>,
        (items, scratch): (&ItemCatalog, &mut Scratch),
        blended: &mut [f32],
    ) {
        blended.fill(0.0);
        scratch.scores.resize(self.n_candidates(), 0.0);
        for at in blend.active() {
            let member = blend.members[at];
            self.expert_score(at, query, items, &mut scratch.scores);
            for ((total, &score), &cold) in blended.iter_mut().zip(&scratch.scores).zip(&self.cold) {
                *total += score * if cold { member.cold } else { member.warm };
            }
        }
        if blend.cold_offset != 0.0 {
            for (total, _) in blended.iter_mut().zip(&self.cold).filter(|(_, cold)| **cold) {
                *total += blend.cold_offset;
            }
        }
    }

    /// Standardized scores of one expert.
    pub fn expert_score(&self, at: usize, query: &Query<'_>, items: &ItemCatalog, scores: &mut [f32]) {
        self.experts[at].score(query, items, scores);
        standardize(scores, self.experts[at].spread());
    }
}

/// What is wanted besides the query.
#[derive(Clone, Debug)]
pub struct Request {
    /// Length of the list.
    pub n: usize,
    /// Items that must not appear.
    pub exclude: Vec<ItemIdx>,
    /// Whether items of the history may appear again.
    pub allow_seen: bool,
}

impl Default for Request {
    fn default() -> Self {
        Self { n: 10, exclude: Vec::new(), allow_seen: false }
    }
}

/// One recommended item.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RankedItem {
    /// The item.
    pub item: ItemIdx,
    /// Blended score.
    pub score: f32,
    /// Each active expert's part of the score; the parts and the cold offset add up to the score.
    pub shares: Vec<(ExpertId, f32)>,
}

/// A list, best first; equal scores are in index order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RankedList {
    /// The items.
    pub items: Vec<RankedItem>,
}

/// The trained model of all domains with what it needs to answer.
#[derive(Clone, Debug)]
pub struct Recommender {
    /// Users, items and histories.
    pub dataset: Dataset,
    /// One model per recommended domain.
    pub domains: Vec<DomainModel>,
    /// What is stated about the items, once somebody has asked.
    graph: OnceLock<Option<ItemGraph>>,
}

impl Recommender {
    /// Models with the data set that they were fitted on.
    pub fn new(dataset: Dataset, domains: Vec<DomainModel>) -> Self {
        Self { dataset, domains, graph: OnceLock::new() }
    }

    /// What the data set states about its items: the graph that experts were fitted on. Made when it is first asked for.
    pub fn graph(&self) -> Option<&ItemGraph> {
        self.graph.get_or_init(|| ItemGraph::of(&self.dataset)).as_ref()
    }

    /// The model of a domain.
    ///
    /// # Errors
    /// When the domain was not trained as a target.
    pub fn model(&self, domain: DomainIdx) -> Result<&DomainModel, RecommendError> {
        self.domains.iter().find(|model| model.domain == domain).ok_or_else(|| {
            let trained: Vec<&str> =
                self.domains.iter().map(|m| self.dataset.domains[m.domain.at()].name.as_str()).collect();
            let name = self.dataset.domains.get(domain.at()).map_or("?", |d| d.name.as_str());
            RecommendError::request(
                format!("domain `{name}` was not trained as a target"),
                format!("trained targets: {}", trained.join(", ")),
            )
        })
    }

    /// The domain called `name`.
    ///
    /// # Errors
    /// When there is none; the message lists the known ones.
    pub fn domain(&self, name: &str) -> Result<DomainIdx, RecommendError> {
        self.dataset.domain(name).ok_or_else(|| {
            let known: Vec<&str> = self.dataset.domains.iter().map(|d| d.name.as_str()).collect();
            RecommendError::request(
                format!("no domain `{name}`"),
                format!("known domains: {}", known.join(", ")),
            )
        })
    }

    /// The query of a known user: all their events and attributes, without a time.
    pub fn query_of(&self, user: UserIdx, domain: DomainIdx) -> Query<'_> {
        let (history, profile) = (self.dataset.sequences.of(user), self.dataset.profiles.get(user.at()));
        Query { domain, history, profile, timestamp: None }
    }

    /// A user from the raw id.
    ///
    /// # Errors
    /// When the user is unknown.
    pub fn user(&self, raw_user: &str) -> Result<UserIdx, RecommendError> {
        let user = self.dataset.users.get(raw_user).ok_or_else(|| {
            RecommendError::request(
                format!("no user `{raw_user}`"),
                "for somebody new, give their events: --history \"item,item,…\"",
            )
        })?;
        Ok(UserIdx(user))
    }

    /// All known events of a user, oldest first.
    ///
    /// # Errors
    /// When the user is unknown.
    pub fn history_of(&self, raw_user: &str) -> Result<&[Event], RecommendError> {
        Ok(self.dataset.sequences.of(self.user(raw_user)?))
    }

    /// Ids of a user's attribute values; empty when nothing is known.
    ///
    /// # Errors
    /// When the user is unknown.
    pub fn profile_of(&self, raw_user: &str) -> Result<&[u32], RecommendError> {
        Ok(self.dataset.profiles.get(self.user(raw_user)?.at()))
    }

    /// A history from raw item ids, oldest first; each is looked up in all domains, or only in `DOMAIN` where it is
    /// written `DOMAIN:ID`.
    ///
    /// # Errors
    /// When an item is unknown, or its id stands in several domains.
    pub fn history_from_raw(&self, raw: &[&str]) -> Result<Vec<Event>, RecommendError> {
        raw.iter()
            .map(|id| self.item(id).map(|item| Event { item, value: 1.0, timestamp: 0, kind: 0 }))
            .collect()
    }

    /// An item from its raw id, or `DOMAIN:ID`.
    ///
    /// # Errors
    /// When it is unknown or ambiguous.
    pub fn item(&self, raw: &str) -> Result<ItemIdx, RecommendError> {
        let items = &self.dataset.items;
        let found: Vec<ItemIdx> = self.dataset.domain_indexes().filter_map(|d| items.get(d, raw)).collect();
        match found.as_slice() {
            [item] => return Ok(*item),
            [] => {}
            several => {
                let names: Vec<String> = several
                    .iter()
                    .map(|&item| format!("{}:{raw}", self.dataset.domains[items.domain_of(item).at()].name))
                    .collect();
                let remedy = format!("say which: {}", names.join(" or "));
                return Err(RecommendError::request(
                    format!("item `{raw}` stands in several domains"),
                    remedy,
                ));
            }
        }
        let qualified = raw.split_once(':').and_then(|(name, id)| items.get(self.dataset.domain(name)?, id));
        qualified.ok_or_else(|| {
            RecommendError::request(
                format!("no item `{raw}`"),
                "use the raw id as imported; `segue describe` shows examples",
            )
        })
    }

    /// The best `request.n` items for a query. The one way to a list.
    ///
    /// # Errors
    /// When the domain is not a trained target.
    pub fn recommend(&self, query: &Query<'_>, request: &Request) -> Result<RankedList, RecommendError> {
        let model = self.model(query.domain)?;
        let items = &self.dataset.items;
        let mut scores = vec![0.0; model.n_candidates()];
        model.score(query, items, &mut Scratch::default(), &mut scores);
        let start = items.range(query.domain).start;
        let hidden = hidden(query, request, start, scores.len());
        let mut order: Vec<usize> = (0..scores.len()).filter(|&at| !hidden[at]).collect();
        let best_first = |a: &usize, b: &usize| scores[*b].total_cmp(&scores[*a]).then(a.cmp(b));
        if order.len() > request.n {
            order.select_nth_unstable_by(request.n, best_first);
            order.truncate(request.n);
        }
        order.sort_unstable_by(best_first);
        let shares = self.shares(model, query, &order);
        let ranked = |(place, &at): (usize, &usize)| RankedItem {
            item: ItemIdx((start + at) as u32),
            score: scores[at],
            shares: shares.iter().map(|(id, parts)| (*id, parts[place])).collect(),
        };
        Ok(RankedList { items: order.iter().enumerate().map(ranked).collect() })
    }

    // Each active expert's weighted standardized score of the given candidates.
    fn shares(
        &self,
        model: &DomainModel,
        query: &Query<'_>,
        candidates: &[usize],
    ) -> Vec<(ExpertId, Vec<f32>)> {
        let mut scores = vec![0.0; model.n_candidates()];
        let mut all = Vec::new();
        for at in model.blend.active() {
            let member = model.blend.members[at];
            model.expert_score(at, query, &self.dataset.items, &mut scores);
            let part = |&candidate: &usize| {
                scores[candidate] * if model.cold[candidate] { member.cold } else { member.warm }
            };
            all.push((member.expert, candidates.iter().map(part).collect()));
        }
        all
    }
}

/// Which candidates may not be shown.
pub(crate) fn hidden(query: &Query<'_>, request: &Request, start: usize, n_candidates: usize) -> Vec<bool> {
    let mut hidden = vec![false; n_candidates];
    let mut hide = |item: ItemIdx| {
        if let Some(at) = item.at().checked_sub(start).filter(|&at| at < n_candidates) {
            hidden[at] = true;
        }
    };
    if !request.allow_seen {
        query.history.iter().for_each(|event| hide(event.item));
    }
    request.exclude.iter().for_each(|&item| hide(item));
    hidden
}
