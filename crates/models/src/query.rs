//! What an expert is asked, and how it looks at a history.

use segue_data::{DomainIdx, Event, ItemCatalog, ItemIdx};
use serde::{Deserialize, Serialize};

/// A request for scores of all items of one domain.
#[derive(Clone, Copy, Debug)]
pub struct Query<'a> {
    /// The domain whose items are scored.
    pub domain: DomainIdx,
    /// What the user did, oldest first, in all domains.
    pub history: &'a [Event],
    /// Ids of the user's attribute values ([`segue_data::UserProfiles`]); empty when nothing is known.
    pub profile: &'a [u32],
    /// Unix seconds of the request; `None` when unknown.
    pub timestamp: Option<i64>,
}

/// When an event happened, in Unix seconds; `None` when unknown (stored as 0).
pub fn event_time(event: &Event) -> Option<i64> {
    (event.timestamp != 0).then_some(event.timestamp)
}

/// Which domains' events an expert learns from and looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Only the domain that is recommended.
    Target,
    /// Only the other domains.
    Sources,
    /// All domains as one sequence.
    All,
}

impl Scope {
    /// Whether an event on `item` counts when `target` is recommended.
    pub fn keeps(self, item: ItemIdx, target: DomainIdx, items: &ItemCatalog) -> bool {
        let inside = items.range(target).contains(&item.at());
        match self {
            Self::Target => inside,
            Self::Sources => !inside,
            Self::All => true,
        }
    }
}

/// Where a model stands: what it recommends, and whose events it uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The domain that is recommended.
    pub domain: DomainIdx,
    /// Which domains' events count.
    pub scope: Scope,
}

impl Place {
    /// Whether an event on `item` counts.
    pub fn keeps(self, item: ItemIdx, items: &ItemCatalog) -> bool {
        self.scope.keeps(item, self.domain, items)
    }
}

/// How older events of a history fade.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fading {
    /// Weight of an event relative to the next newer one, in (0, 1].
    pub recency: f32,
    /// Days before the request after which an event counts half; 0 = time does not count.
    pub half_life_days: f32,
}

/// Seconds of a day.
pub const DAY_S: f32 = 86_400.0;

/// The history as weighted distinct items: `recency^age · 2^(−days / half_life)`, age 0 for the newest kept event, days before
/// `query.timestamp` (before the newest event when the request has no time). A repeated item counts once, at its newest
/// occurrence. Newest first.
pub fn faded_history(
    query: &Query<'_>,
    fading: Fading,
    keeps: impl Fn(ItemIdx) -> bool,
) -> Vec<(ItemIdx, f32)> {
    let history = query.history;
    let now = query.timestamp.or_else(|| history.last().and_then(event_time)).unwrap_or(0);
    let mut weights: Vec<(ItemIdx, f32)> = Vec::with_capacity(history.len().min(64));
    let mut by_age = 1.0;
    for event in history.iter().rev().filter(|event| keeps(event.item)) {
        // Below this no score can change; long histories stay cheap.
        if by_age < 1e-6 {
            break;
        }
        let by_time = match event_time(event).filter(|_| fading.half_life_days > 0.0) {
            Some(time) => (-((now - time).max(0) as f32) / (DAY_S * fading.half_life_days)).exp2().max(1e-6),
            None => 1.0,
        };
        if !weights.iter().any(|&(item, _)| item == event.item) {
            weights.push((event.item, by_age * by_time));
        }
        by_age *= fading.recency;
    }
    weights
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(item: u32, days: i64) -> Event {
        Event { item: ItemIdx(item), value: 1.0, timestamp: days * 86_400, kind: 0 }
    }

    #[test]
    fn a_repeated_item_counts_once_at_its_newest_place() {
        let history = [event(1, 0), event(2, 0), event(1, 0), event(3, 0)];
        let query = Query { domain: DomainIdx(0), history: &history, profile: &[], timestamp: None };
        let fading = Fading { recency: 0.5, half_life_days: 0.0 };
        let weights = faded_history(&query, fading, |_| true);
        assert_eq!(weights, [(ItemIdx(3), 1.0), (ItemIdx(1), 0.5), (ItemIdx(2), 0.25)]);
        let only_two = faded_history(&query, fading, |item| item.0 == 2);
        assert_eq!(only_two, [(ItemIdx(2), 1.0)]);
    }

    #[test]
    fn time_before_the_request_fades_events_by_its_half_life() {
        let history = [event(1, 10), event(2, 18)];
        let query =
            Query { domain: DomainIdx(0), history: &history, profile: &[], timestamp: Some(20 * 86_400) };
        let weights = faded_history(&query, Fading { recency: 1.0, half_life_days: 2.0 }, |_| true);
        assert_eq!(weights, [(ItemIdx(2), 0.5), (ItemIdx(1), 0.03125)]);
    }
}
