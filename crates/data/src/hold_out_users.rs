//! Users who are new to a domain, made from users who are not: all their events in it are taken out of everything that is learned from or
//! looked back at; the test cases that ask what they do there stay.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::cases::CaseSet;
use crate::catalog::ItemCatalog;
use crate::ids::DomainIdx;
use crate::reveal::reveal;
use crate::split::Split;

/// Hides all events of `percent` (0 to 100) of the users from `target`, drawn by `seed` among those who have a test case there and an event
/// elsewhere before it. Their valid cases in `target` are gone. Returns the split and the rows (users), ascending.
pub fn hold_out_users(
    split: &Split,
    items: &ItemCatalog,
    target: DomainIdx,
    percent: f64,
    seed: u64,
) -> (Split, Vec<u32>) {
    let inside = items.range(target);
    // Whoever is asked about is part of the question; what they answered is not looked at.
    let mut rows = rows_asked_from_elsewhere(split.test.open_for_measurement(), items, target);
    rows.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    rows.truncate((rows.len() as f64 * percent / 100.0).round() as usize);
    rows.sort_unstable();
    let is_held = |row: u32| rows.binary_search(&row).is_ok();
    let revealed = reveal(split, items, target, |row, _| !is_held(row));
    let split = Split {
        train: revealed.train,
        train_valid: revealed.train_valid,
        valid: revealed.valid,
        test: split.test.with_events(|row, event| !(is_held(row) && inside.contains(&event.item.at()))),
        description: format!("{}; {percent} % of the users new to the domain", split.description),
    };
    (split, rows)
}

fn rows_asked_from_elsewhere(test: &CaseSet, items: &ItemCatalog, target: DomainIdx) -> Vec<u32> {
    let is_elsewhere = |event: &crate::sequences::Event| items.domain_of(event.item) != target;
    let asked = test.cases().iter().filter(|case| case.domain == target);
    let mut rows: Vec<u32> =
        asked.filter(|case| test.history(case).iter().any(is_elsewhere)).map(|case| case.row).collect();
    rows.sort_unstable();
    rows.dedup();
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::ItemIdx;
    use crate::sequences::{Event, Sequences};
    use crate::split::{SplitRule, TrainSet};
    use crate::vocabulary::Vocabulary;

    const TARGET: DomainIdx = DomainIdx(1);

    // 60 users, in turns an item of the source and of the target; the first ten have the target only.
    fn split() -> (Split, ItemCatalog) {
        let vocabulary = || (0..20).map(|i| i.to_string()).collect::<Vocabulary>();
        let items = ItemCatalog::new(vec![vocabulary(), vocabulary()], Vec::new());
        let event = |user: u32, step: u32| {
            let domain = if user < 10 { 1 } else { step % 2 };
            let item = ItemIdx(domain * 20 + (user * 7 + step * 3) % 20);
            Event { item, value: 1.0, timestamp: i64::from(step), kind: 0 }
        };
        let rows = (0..60).map(|user| (0..10).map(|step| event(user, step)).collect::<Vec<_>>());
        let rule = SplitRule::LeaveOneOutPerDomain;
        (rule.cut(&Sequences::from_rows(rows), &items, &[], true).unwrap(), items)
    }

    #[test]
    fn held_out_users_are_asked_about_the_target_and_known_elsewhere_only() {
        let (whole, items) = split();
        let (split, rows) = hold_out_users(&whole, &items, TARGET, 20.0, 3);
        assert_eq!(rows.len(), 10, "a fifth of the 50 who have events elsewhere");
        assert!(rows.iter().all(|&row| row >= 10));
        let inside = |event: &&Event| items.domain_of(event.item) == TARGET;
        let n_inside =
            |train: &TrainSet, row: u32| train.sequences.row(row as usize).iter().filter(inside).count();
        let n_all = |train: &TrainSet, row: u32| train.sequences.row(row as usize).len();
        for row in 0..60 {
            for (part, all) in [(&split.train, &whole.train), (&split.train_valid, &whole.train_valid)] {
                let hidden = if rows.contains(&row) { n_inside(all, row) } else { 0 };
                assert_eq!(n_inside(part, row), n_inside(all, row) - hidden);
                assert_eq!(n_all(part, row), n_all(all, row) - hidden);
            }
        }
        assert_eq!(
            split.test.open_for_measurement().len(),
            whole.test.open_for_measurement().len(),
            "all are asked"
        );
        for (case, old) in
            split.test.open_for_measurement().cases().iter().zip(whole.test.open_for_measurement().cases())
        {
            assert_eq!((case.target, case.row), (old.target, old.row));
            let (history, before) = (
                split.test.open_for_measurement().history(case),
                whole.test.open_for_measurement().history(old),
            );
            if rows.contains(&case.row) {
                let kept: Vec<Event> = before.iter().filter(|event| !inside(event)).copied().collect();
                assert_eq!(history, kept);
                assert!(!kept.is_empty() || case.domain != TARGET);
            } else {
                assert_eq!(history, before);
            }
        }
        let valid = split.valid.0.cases();
        assert!(!valid.iter().any(|case| case.domain == TARGET && rows.contains(&case.row)));
        assert_ne!(rows, hold_out_users(&whole, &items, TARGET, 20.0, 4).1);
    }
}
