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
    /// Unix seconds of the request; 0 when unknown.
    pub timestamp: i64,
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

/// The history as weighted distinct items: `recency^age`, age 0 for the newest kept event; a repeated item counts
/// once, at its newest occurrence. Newest first.
pub fn recency_weights(
    history: &[Event],
    recency: f32,
    keeps: impl Fn(ItemIdx) -> bool,
) -> Vec<(ItemIdx, f32)> {
    let mut weights: Vec<(ItemIdx, f32)> = Vec::with_capacity(history.len().min(64));
    let mut weight = 1.0;
    for event in history.iter().rev().filter(|event| keeps(event.item)) {
        // Below this no score can change; long histories stay cheap.
        if weight < 1e-6 {
            break;
        }
        if !weights.iter().any(|&(item, _)| item == event.item) {
            weights.push((event.item, weight));
        }
        weight *= recency;
    }
    weights
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_item_counts_once_at_its_newest_place() {
        let event = |item| Event { item: ItemIdx(item), value: 1.0, timestamp: 0, kind: 0 };
        let history = [event(1), event(2), event(1), event(3)];
        let weights = recency_weights(&history, 0.5, |_| true);
        assert_eq!(weights, [(ItemIdx(3), 1.0), (ItemIdx(1), 0.5), (ItemIdx(2), 0.25)]);
        let only_two = recency_weights(&history, 0.5, |item| item.0 == 2);
        assert_eq!(only_two, [(ItemIdx(2), 1.0)]);
    }
}
