//! The stage that puts the best items into another order: for variety today; rules, quotas and fairness will stand here.

use segue_data::DomainIdx;
use segue_models::{Expert, ExpertKind};

use crate::error::RecommendError;
use crate::model::Model;
use crate::request::{Request, Rerank};

/// The candidates, which come best first, in the order that the request asks for.
pub(crate) fn reranked(
    model: &Model,
    domain: DomainIdx,
    scores: &[f32],
    mut ordered: Vec<usize>,
    request: &Request,
) -> Result<Vec<usize>, RecommendError> {
    let (trade_off, depth) = match request.rerank {
        Rerank::None => return Ok(ordered),
        Rerank::Mmr { trade_off, depth } => (trade_off, depth),
    };
    if !(0.0..=1.0).contains(&trade_off) {
        return Err(RecommendError::request(
            format!("a trade-off of {trade_off} between score and variety"),
            "give a number from 0 (variety alone) to 1 (scores alone)",
        ));
    }
    let reader = content_reader(model, domain)?;
    let behind = ordered.split_off(depth.min(ordered.len()));
    let items: Vec<_> = ordered.iter().map(|&candidate| model.item_at(domain, candidate)).collect();
    let relevance: Vec<f32> = ordered.iter().map(|&candidate| scores[candidate]).collect();
    let likeness = |a: usize, b: usize| reader.content_similarity(items[a], items[b]).unwrap_or(0.0);
    let places = mmr(&relevance, trade_off, request.n, likeness);
    Ok(places.into_iter().map(|place| ordered[place]).chain(behind).collect())
}

// The expert that compares items: by the meaning of their texts, else by their words, pictures or sounds. It may be one without weight:
// what items are like does not depend on whether it helps to predict.
fn content_reader(model: &Model, domain: DomainIdx) -> Result<&Expert, RecommendError> {
    let experts = &model.target(domain)?.experts;
    let kinds = [ExpertKind::Encoder, ExpertKind::Content, ExpertKind::Image, ExpertKind::Audio];
    let first = kinds.iter().find_map(|kind| experts.iter().find(|expert| expert.id.kind == *kind));
    first.ok_or_else(|| {
        let name = model.catalog().domain_name(domain);
        RecommendError::request(
            format!("the model of `{name}` cannot compare items: none of its experts reads their content"),
            "ask without variety, or train with the expert `content` on items with texts",
        )
    })
}

/// Maximal marginal relevance (Carbonell & Goldstein, SIGIR 1998): the next place goes to the item with the largest
/// `λ·rel(i) − (1 − λ)·max_{j above} sim(i, j)`.
///
/// There both parts are cosines; a blended score has no such scale, so `rel` is the score brought to [0, 1] over the items considered:
/// 1 is the best of them, 0 the last. Equal values stay in the order of the scores, hence λ = 1 changes nothing. Takes falling scores,
/// gives the first `n` places, then the items that were not chosen as they stood.
fn mmr(scores: &[f32], trade_off: f32, n: usize, similarity: impl Fn(usize, usize) -> f32) -> Vec<usize> {
    let (best, last) = (scores.first().copied().unwrap_or(0.0), scores.last().copied().unwrap_or(0.0));
    let range = if best > last { best - last } else { 1.0 };
    let mut open: Vec<usize> = (0..scores.len()).collect();
    let mut most_alike = vec![0.0f32; scores.len()];
    let mut chosen: Vec<usize> = Vec::with_capacity(scores.len());
    while chosen.len() < n && !open.is_empty() {
        let value =
            |item: usize| trade_off * ((scores[item] - last) / range) - (1.0 - trade_off) * most_alike[item];
        let mut best = 0;
        for place in 1..open.len() {
            if value(open[place]) > value(open[best]) {
                best = place;
            }
        }
        let item = open.remove(best);
        for &other in &open {
            let alike = similarity(item, other);
            // The first choice sets the value, which may be below zero.
            most_alike[other] = if chosen.is_empty() { alike } else { most_alike[other].max(alike) };
        }
        chosen.push(item);
    }
    chosen.extend(open);
    chosen
}

#[cfg(test)]
mod tests {
    use super::mmr;

    // Items 0 and 1 are the same film twice, 2 is its sequel, 3 is of another kind, 4 is like nothing.
    const SIMILARITY: [[f32; 5]; 5] = [
        [1.0, 1.0, 0.8, 0.1, 0.0],
        [1.0, 1.0, 0.8, 0.1, 0.0],
        [0.8, 0.8, 1.0, 0.2, 0.0],
        [0.1, 0.1, 0.2, 1.0, 0.0],
        [0.0, 0.0, 0.0, 0.0, 1.0],
    ];
    const SCORES: [f32; 5] = [6.0, 5.5, 5.0, 4.0, 2.0];

    fn places(trade_off: f32, n: usize) -> Vec<usize> {
        mmr(&SCORES, trade_off, n, |a, b| SIMILARITY[a][b])
    }

    #[test]
    fn a_worked_example() {
        // rel = [1, .875, .75, .5, 0], λ = 1/2.
        // 1st: 0. Then, each less what it shares with 0: 1: .4375 − .5, 2: .375 − .4, 3: .25 − .05, 4: 0 − 0 → 3.
        // 3rd: 1: −.0625, 2: −.025 (max(.8, .2)), 4: 0 → 4. 4th: 2: −.025 before 1: −.0625.
        assert_eq!(places(0.5, 5), [0, 3, 4, 2, 1]);
        assert_eq!(places(0.5, 2), [0, 3, 1, 2, 4], "what was not chosen stays as it stood");
    }

    #[test]
    fn by_scores_alone_the_order_stays_and_by_variety_alone_scores_only_break_ties() {
        assert_eq!(places(1.0, 5), [0, 1, 2, 3, 4]);
        // After 0 the least alike is 4, then 3 (.1), then 2 (.8).
        assert_eq!(places(0.0, 5), [0, 4, 3, 2, 1]);
        assert_eq!(mmr(&[], 0.5, 3, |_, _| 1.0), [0; 0]);
        assert_eq!(mmr(&[2.0, 2.0], 1.0, 2, |_, _| 1.0), [0, 1], "equal scores");
    }

    #[test]
    fn items_that_are_opposites_of_the_first_may_stand_before_strangers() {
        let opposite = |a: usize, b: usize| if a + b == 2 { -0.5 } else { 0.0 };
        assert_eq!(mmr(&[1.0, 1.0, 1.0], 0.5, 3, opposite), [0, 2, 1]);
    }
}
