//! All experts of one domain: each scores every candidate, then their scores are blended.

use segue_data::{DomainIdx, ItemCatalog};
use segue_models::sequence::TaskPrediction;
use segue_models::{Expert, ExpertId, Query};

use crate::blend::{Blend, Member, standardize};

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

/// A query with the weights that it is answered by.
struct Asked<'a> {
    blend: &'a Blend,
    query: &'a Query<'a>,
    items: &'a ItemCatalog,
}

/// What one expert of a blend says of every candidate.
pub(crate) struct ExpertScores {
    /// The expert and its weights.
    member: Member,
    // Standardized, `[n_candidates]`.
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
        self.sum(&Asked { blend: &self.blend, query, items }, scratch, blended);
    }

    /// The same under other weights of the same experts: for comparing blends.
    pub fn score_with(&self, blend: &Blend, query: &Query<'_>, items: &ItemCatalog, blended: &mut [f32]) {
        self.sum(&Asked { blend, query, items }, &mut Scratch::default(), blended);
    }

    fn sum(&self, asked: &Asked<'_>, scratch: &mut Scratch, blended: &mut [f32]) {
        let &Asked { blend, query, items } = asked;
        blended.fill(0.0);
        scratch.scores.resize(self.n_candidates(), 0.0);
        for at in blend.active() {
            self.expert_score(at, query, items, &mut scratch.scores);
            self.add(blend.members[at], &scratch.scores, blended);
        }
        self.add_cold_offset(blend, blended);
    }

    /// Standardized scores of one expert.
    pub fn expert_score(&self, at: usize, query: &Query<'_>, items: &ItemCatalog, scores: &mut [f32]) {
        self.experts[at].score(query, items, scores);
        standardize(scores, self.experts[at].spread());
    }

    /// What every expert with a weight says, one row each: a list shows their parts, so they are kept apart until then.
    pub(crate) fn expert_scores(&self, query: &Query<'_>, items: &ItemCatalog) -> Vec<ExpertScores> {
        let row = |at: usize| {
            let mut scores = vec![0.0; self.n_candidates()];
            self.expert_score(at, query, items, &mut scores);
            ExpertScores { member: self.blend.members[at], scores }
        };
        self.blend.active().map(row).collect()
    }

    /// The sum of what the experts say, by the same additions in the same order as [`score`](Self::score).
    pub(crate) fn blended(&self, said: &[ExpertScores]) -> Vec<f32> {
        let mut blended = vec![0.0; self.n_candidates()];
        for expert in said {
            self.add(expert.member, &expert.scores, &mut blended);
        }
        self.add_cold_offset(&self.blend, &mut blended);
        blended
    }

    /// Each expert's part of the blended score of a candidate.
    pub(crate) fn shares(&self, said: &[ExpertScores], candidate: usize) -> Vec<(ExpertId, f32)> {
        let part = |expert: &ExpertScores| {
            let weight = weight(expert.member, self.cold[candidate]);
            (expert.member.expert, expert.scores[candidate] * weight)
        };
        said.iter().map(part).collect()
    }

    fn add(&self, member: Member, scores: &[f32], blended: &mut [f32]) {
        for ((total, &score), &cold) in blended.iter_mut().zip(scores).zip(&self.cold) {
            *total += score * weight(member, cold);
        }
    }

    fn add_cold_offset(&self, blend: &Blend, blended: &mut [f32]) {
        if blend.cold_offset == 0.0 {
            return;
        }
        for (total, _) in blended.iter_mut().zip(&self.cold).filter(|(_, cold)| **cold) {
            *total += blend.cold_offset;
        }
    }
}

fn weight(member: Member, is_cold: bool) -> f32 {
    if is_cold { member.cold } else { member.warm }
}
