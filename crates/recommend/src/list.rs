//! The stages of a list, in one function: the only way to a list, offline and online.
//!
//! ```text
//! history     histories.rs      what the person did before the time of the request → the query
//! candidates  list.rs           all items of the domain asked for
//! score       domain_model.rs   what every expert with a weight says of every candidate
//! blend       blend.rs          the weighted sum; new items by weights of their own
//! hide        list.rs           items of the history, items that the request excludes
//! order       list.rs           best first, ties by index
//! re-rank     rerank.rs         the best few in another order
//! take        list.rs           the length asked for
//! explain     reasons.rs        what carried each item, found by taking it away
//! ```

use segue_data::{ItemCatalog, ItemIdx};
use segue_models::Query;

use crate::error::RecommendError;
use crate::model::Model;
use crate::request::{RankedItem, RankedList, Request};
use crate::rerank;

impl Model {
    /// The best `request.n` items for a query.
    ///
    /// # Errors
    /// When the domain is not a trained target, or the request does not fit the model.
    pub fn recommend(&self, query: &Query<'_>, request: &Request) -> Result<RankedList, RecommendError> {
        let candidates = self.target(query.domain)?;
        let said = candidates.expert_scores(query, self.catalog().items());
        let scores = candidates.blended(&said);
        let hidden = hidden(query, request, self.catalog().items());
        let ordered = best_first(&scores, &hidden, request.n.max(request.rerank.depth()));
        let mut listed = rerank::reranked(self, query.domain, &scores, ordered, request)?;
        listed.truncate(request.n);
        let mut reasons = if request.explain { self.reasons(query, &listed)? } else { Vec::new() };
        let item = |(place, &candidate): (usize, &usize)| RankedItem {
            item: self.item_at(query.domain, candidate),
            score: scores[candidate],
            shares: candidates.shares(&said, candidate),
            reasons: reasons.get_mut(place).map(std::mem::take).unwrap_or_default(),
        };
        Ok(RankedList { items: listed.iter().enumerate().map(item).collect() })
    }
}

/// Which candidates may not be shown, `[n_candidates]`.
pub(crate) fn hidden(query: &Query<'_>, request: &Request, items: &ItemCatalog) -> Vec<bool> {
    let range = items.range(query.domain);
    let mut hidden = vec![false; range.len()];
    let mut hide = |item: ItemIdx| {
        if range.contains(&item.at()) {
            hidden[item.at() - range.start] = true;
        }
    };
    if !request.allow_seen {
        query.history.iter().for_each(|event| hide(event.item));
    }
    request.exclude.iter().for_each(|&item| hide(item));
    hidden
}

/// The `n` best candidates that may be shown, best first; equal scores in index order.
pub(crate) fn best_first(scores: &[f32], hidden: &[bool], n: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..scores.len()).filter(|&at| !hidden[at]).collect();
    let best_first = |a: &usize, b: &usize| scores[*b].total_cmp(&scores[*a]).then(a.cmp(b));
    if order.len() > n {
        order.select_nth_unstable_by(n, best_first);
        order.truncate(n);
    }
    order.sort_unstable_by(best_first);
    order
}
