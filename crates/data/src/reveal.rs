//! A split of which only a part of one domain is known: for measuring what can be done with how little of it.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::catalog::ItemCatalog;
use crate::ids::{DomainIdx, ItemIdx};
use crate::sequences::{Event, Sequences};
use crate::split::{Split, TrainSet, ValidSet};

/// What may be learned from and chosen by. It has no test part: test stays whole, and with whoever measures.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Revealed {
    /// Training events that are known.
    pub train: TrainSet,
    /// The same with the valid events that are known.
    pub train_valid: TrainSet,
    /// Valid cases whose target is known, with histories of known events.
    pub valid: ValidSet,
}

/// Hides what is not known of `target`: events in train, and valid cases with their histories. Of the other domains all is known.
/// `knows(row, item)` says whether the user's event on an item of the target is known.
pub fn reveal(
    split: &Split,
    items: &ItemCatalog,
    target: DomainIdx,
    knows: impl Fn(u32, ItemIdx) -> bool,
) -> Revealed {
    let inside = items.range(target);
    let keeps = |row: u32, event: &Event| !inside.contains(&event.item.at()) || knows(row, event.item);
    let mut valid = split.valid.0.with_events(keeps);
    let positions: Vec<usize> = (0..valid.len())
        .filter(|&at| {
            let case = &valid.cases()[at];
            case.domain != target || knows(case.row, case.target)
        })
        .collect();
    if positions.len() < valid.len() {
        valid = valid.select(&positions);
    }
    Revealed {
        train: with_events(&split.train, keeps),
        train_valid: with_events(&split.train_valid, keeps),
        valid: ValidSet(valid),
    }
}

/// The same rows with the events that `keeps(row, event)` keeps.
pub fn with_events(train: &TrainSet, keeps: impl Fn(u32, &Event) -> bool) -> TrainSet {
    let mut offsets = vec![0];
    let mut events = Vec::new();
    for (row, all) in train.sequences.rows().enumerate() {
        events.extend(all.iter().filter(|event| keeps(row as u32, event)));
        offsets.push(events.len());
    }
    TrainSet { sequences: Sequences::from_parts(offsets, events), profiles: train.profiles.clone() }
}

/// The same rows without events of some domains.
pub fn without_domains(train: &TrainSet, items: &ItemCatalog, domains: &[DomainIdx]) -> TrainSet {
    with_events(train, |_, event| !domains.contains(&items.domain_of(event.item)))
}

/// The rows (users) that have something to reveal, in the order in which it is revealed: a larger share contains every smaller one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevealOrder {
    rows: Vec<u32>,
}

impl RevealOrder {
    /// Rows with an event of `target` in train or valid, in an order drawn by `seed`.
    pub fn new(split: &Split, items: &ItemCatalog, target: DomainIdx, seed: u64) -> Self {
        let inside = items.range(target);
        let has_target = |events: &[Event]| events.iter().any(|event| inside.contains(&event.item.at()));
        let in_train = split.train.sequences.rows().enumerate().filter(|(_, events)| has_target(events));
        let in_valid = split.valid.0.cases().iter().filter(|case| case.domain == target);
        let mut rows: Vec<u32> =
            in_train.map(|(row, _)| row as u32).chain(in_valid.map(|case| case.row)).collect();
        rows.sort_unstable();
        rows.dedup();
        rows.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
        Self { rows }
    }

    /// All rows, in order.
    pub fn rows(&self) -> &[u32] {
        &self.rows
    }

    /// The first `percent` (0 to 100) of the rows; at least one where the share is above 0.
    pub fn first(&self, percent: f64) -> &[u32] {
        let n = (self.rows.len() as f64 * percent / 100.0).ceil() as usize;
        &self.rows[..n.min(self.rows.len())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::split::SplitRule;
    use crate::vocabulary::Vocabulary;

    const TARGET: DomainIdx = DomainIdx(1);

    // Every user has 6 source events (items 0–4) and 6 target events (items 5–9), in turns.
    fn split(n_users: i64) -> (Split, ItemCatalog) {
        let vocabulary = |c: char| (0..5).map(|i| format!("{c}{i}")).collect::<Vocabulary>();
        let items = ItemCatalog::new(vec![vocabulary('s'), vocabulary('t')], Vec::new());
        let event = |user: i64, step: i64| Event {
            item: ItemIdx((step % 2 * 5 + (user + step) % 5) as u32),
            value: 1.0,
            timestamp: step * 1_000 + user,
            kind: 0,
        };
        let row = |user: i64| (0..12).map(|step| event(user, step)).collect::<Vec<_>>();
        let sequences = Sequences::from_rows((0..n_users).map(row));
        let rule = SplitRule::GlobalTime { train: 0.5, valid: 0.25 };
        (rule.cut(&sequences, &items, &[], true).unwrap(), items)
    }

    fn n_target(train: &TrainSet, items: &ItemCatalog) -> usize {
        train.sequences.events().iter().filter(|event| items.domain_of(event.item) == TARGET).count()
    }

    #[test]
    fn shares_are_nested_and_the_smallest_is_not_empty() {
        let (split, items) = split(40);
        let order = RevealOrder::new(&split, &items, TARGET, 3);
        assert_eq!(order.rows().len(), 40);
        assert_eq!([0.0, 1.0, 5.0, 100.0].map(|percent| order.first(percent).len()), [0, 1, 2, 40]);
        assert!(order.first(25.0).starts_with(order.first(5.0)));
        assert_ne!(order, RevealOrder::new(&split, &items, TARGET, 4));
    }

    #[test]
    fn hidden_rows_leave_no_trace_of_the_target_and_all_of_the_sources() {
        let (split, items) = split(40);
        let revealed = reveal(&split, &items, TARGET, |row, _| row < 10);
        let source = |train: &TrainSet| train.sequences.n_events() - n_target(train, &items);
        for (part, whole) in [(&revealed.train, &split.train), (&revealed.train_valid, &split.train_valid)] {
            assert_eq!(part.sequences.n_rows(), 40);
            assert_eq!(source(part), source(whole));
            assert_eq!(n_target(part, &items) * 4, n_target(whole, &items));
        }
        let (valid, whole) = (&revealed.valid.0, &split.valid.0);
        for domain in [DomainIdx(0), TARGET] {
            let expected = whole.of_domain(domain).len() / if domain == TARGET { 4 } else { 1 };
            assert_eq!(valid.of_domain(domain).len(), expected);
        }
        for case in valid.cases() {
            let target_events = valid.history(case).iter().filter(|e| items.domain_of(e.item) == TARGET);
            assert!(case.row < 10 || target_events.count() == 0);
        }
        let first = whole.cases().iter().find(|case| case.row == 0).unwrap();
        let same = valid.cases().iter().find(|case| case.row == 0).unwrap();
        assert_eq!(valid.history(same), whole.history(first));
    }

    #[test]
    fn knowing_all_is_the_split_itself() {
        let (split, items) = split(12);
        let revealed = reveal(&split, &items, TARGET, |_, _| true);
        assert_eq!(revealed.train, split.train);
        assert_eq!(revealed.train_valid, split.train_valid);
        assert_eq!(revealed.valid.0.len(), split.valid.0.len());
        for (revealed_case, case) in revealed.valid.0.cases().iter().zip(split.valid.0.cases()) {
            assert_eq!(revealed_case.target, case.target);
            assert_eq!(revealed.valid.0.history(revealed_case), split.valid.0.history(case));
        }
    }
}
