//! Items that nobody has touched, made from items that somebody has: their events are taken out of everything that is learned from or
//! looked back at; the cases that ask for them stay.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::catalog::ItemCatalog;
use crate::reveal::with_events;
use crate::split::{Split, ValidSet};

/// Holds `percent` (0 to 100) of each domain's items out of training and of all histories, drawn by `seed`. Returns the split and which
/// items are held out, by item.
pub fn hold_out_items(split: &Split, items: &ItemCatalog, percent: f64, seed: u64) -> (Split, Vec<bool>) {
    let mut held = vec![false; items.len()];
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    for domain in 0..items.n_domains() {
        let mut order: Vec<usize> = items.range(crate::ids::DomainIdx(domain as _)).collect();
        order.shuffle(&mut rng);
        let n = (order.len() as f64 * percent / 100.0).round() as usize;
        order.iter().take(n).for_each(|&item| held[item] = true);
    }
    let keeps = |_: u32, event: &crate::sequences::Event| !held[event.item.at()];
    let split = Split {
        train: with_events(&split.train, keeps),
        train_valid: with_events(&split.train_valid, keeps),
        valid: ValidSet(split.valid.0.with_events(keeps)),
        test: split.test.with_events(keeps),
        description: format!("{}; {percent} % of the items held out", split.description),
    };
    (split, held)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{DomainIdx, ItemIdx};
    use crate::sequences::{Event, Sequences};
    use crate::split::SplitRule;
    use crate::vocabulary::Vocabulary;

    #[test]
    fn held_out_items_are_asked_for_and_nowhere_else() {
        let vocabulary = (0..40).map(|i| i.to_string()).collect::<Vocabulary>();
        let items = ItemCatalog::new(vec![vocabulary], Vec::new());
        let event = |user: u32, step: u32| Event {
            item: ItemIdx((user * 7 + step * 3) % 40),
            value: 1.0,
            timestamp: i64::from(step),
            kind: 0,
        };
        let rows = (0..60).map(|user| (0..8).map(|step| event(user, step)).collect::<Vec<_>>());
        let whole = SplitRule::LeaveOneOut.cut(&Sequences::from_rows(rows), &items, &[], true).unwrap();
        let (split, held) = hold_out_items(&whole, &items, 10.0, 3);
        assert_eq!(held.iter().filter(|held| **held).count(), 4);
        let is_held = |event: &Event| held[event.item.at()];
        for train in [&split.train, &split.train_valid] {
            assert!(!train.sequences.events().iter().any(is_held));
        }
        assert_eq!(split.train.sequences.n_rows(), 60);
        let (cases, before) = (split.test.open_for_measurement(), whole.test.open_for_measurement());
        assert_eq!(cases.len(), before.len());
        assert!(cases.cases().iter().any(|case| held[case.target.at()]), "some cases ask for them");
        for (case, old) in cases.cases().iter().zip(before.cases()) {
            assert_eq!((case.target, case.domain), (old.target, DomainIdx(0)));
            let kept: Vec<Event> =
                before.history(old).iter().filter(|event| !is_held(event)).copied().collect();
            assert_eq!(cases.history(case), kept);
        }
        assert_ne!(held, hold_out_items(&whole, &items, 10.0, 4).1);
    }
}
