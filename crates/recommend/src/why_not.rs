//! Why an item is not in a list: the stage that kept it out.

use segue_data::ItemIdx;
use segue_models::Query;
use serde::{Deserialize, Serialize};

use crate::domain_model::Scratch;
use crate::error::RecommendError;
use crate::list::{best_first, hidden};
use crate::model::Model;
use crate::request::Request;

/// The stage that kept an item out of a list, in the order of the stages.
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
    /// Its score was high enough, but another order of the best items gave its place away.
    ReRanked {
        /// Its place by its score.
        rank: usize,
    },
    /// It is in the list.
    InList {
        /// Its place.
        rank: usize,
    },
}

impl Model {
    /// The stage that kept `item` out of the list that `request` gives.
    ///
    /// # Errors
    /// As [`recommend`](Self::recommend).
    pub fn why_not(
        &self,
        query: &Query<'_>,
        request: &Request,
        item: ItemIdx,
    ) -> Result<WhyNot, RecommendError> {
        let items = self.catalog().items();
        if !items.range(query.domain).contains(&item.at()) {
            let domain = self.catalog().domain_name(items.domain_of(item)).to_owned();
            return Ok(WhyNot::OtherDomain { domain });
        }
        if request.exclude.contains(&item) {
            return Ok(WhyNot::Excluded);
        }
        if !request.allow_seen && query.history.iter().any(|event| event.item == item) {
            return Ok(WhyNot::Seen);
        }
        let list = self.recommend(query, &Request { explain: false, ..request.clone() })?;
        if let Some(place) = list.items.iter().position(|listed| listed.item == item) {
            return Ok(WhyNot::InList { rank: place + 1 });
        }
        self.why_behind(query, request, item)
    }

    // For an item that may be shown and is not in the list.
    fn why_behind(
        &self,
        query: &Query<'_>,
        request: &Request,
        item: ItemIdx,
    ) -> Result<WhyNot, RecommendError> {
        let (target, items) = (self.target(query.domain)?, self.catalog().items());
        let candidate = self.candidate(query.domain, item)?;
        let mut scores = vec![0.0; target.n_candidates()];
        target.score(query, items, &mut Scratch::default(), &mut scores);
        let order = best_first(&scores, &hidden(query, request, items), scores.len());
        let rank = 1 + order.iter().position(|&at| at == candidate).unwrap_or(order.len());
        if rank <= request.n {
            return Ok(WhyNot::ReRanked { rank });
        }
        if !self.is_known(query, candidate)? {
            return Ok(WhyNot::Unscored { rank });
        }
        let score = scores[candidate];
        let last_shown = request.n.checked_sub(1).and_then(|last| order.get(last));
        Ok(WhyNot::OutRanked { rank, score, needed: last_shown.map_or(score, |&last| scores[last]) })
    }

    // Whether any active expert gives the candidate a raw score other than "knows nothing".
    fn is_known(&self, query: &Query<'_>, candidate: usize) -> Result<bool, RecommendError> {
        let target = self.target(query.domain)?;
        let mut scores = vec![0.0; target.n_candidates()];
        Ok(target.blend.active().any(|at| {
            target.experts[at].score(query, self.catalog().items(), &mut scores);
            scores[candidate] != 0.0
        }))
    }
}
