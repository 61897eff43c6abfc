//! Counts what a split lets a model know that it could not have known.

use crate::cases::CaseSet;
use crate::sequences::Sequences;
use crate::split::TrainSet;

/// Leaks of one case set against one training set; both are 0 for a global time split.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct LeakCounts {
    /// Cases whose target is earlier than the latest training event: other users' future is known.
    pub n_cases_before_train_end: u64,
    /// Training events later than the earliest target.
    pub n_train_events_after_first_case: u64,
    /// Cases where the domain's training data has items that were first seen after the target ("not yet born").
    pub n_cases_with_unborn_items: u64,
}

/// Counts leaks; all zero when the source has no timestamps (nothing can be said then).
pub fn count(train: &TrainSet, cases: &CaseSet, n_items: usize, has_timestamps: bool) -> LeakCounts {
    if !has_timestamps || cases.is_empty() || train.sequences.n_events() == 0 {
        return LeakCounts::default();
    }
    let times =
        |sequences: &Sequences| sequences.events().iter().map(|event| event.timestamp).collect::<Vec<_>>();
    let train_times = times(&train.sequences);
    let train_end = train_times.iter().copied().max().unwrap_or(i64::MIN);
    let first_case = cases.cases().iter().map(|case| case.timestamp).min().unwrap_or(i64::MAX);
    let mut born = vec![i64::MAX; n_items];
    for event in train.sequences.events() {
        born[event.item.at()] = born[event.item.at()].min(event.timestamp);
    }
    let last_birth = born.iter().copied().filter(|&time| time != i64::MAX).max().unwrap_or(i64::MIN);
    let count_cases = |limit: i64| cases.cases().iter().filter(|case| case.timestamp < limit).count() as u64;
    LeakCounts {
        n_cases_before_train_end: count_cases(train_end),
        n_train_events_after_first_case: train_times.iter().filter(|&&time| time > first_case).count() as u64,
        n_cases_with_unborn_items: count_cases(last_birth),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::ItemCatalog;
    use crate::ids::ItemIdx;
    use crate::sequences::Event;
    use crate::split::SplitRule;
    use crate::vocabulary::Vocabulary;

    #[test]
    fn leave_one_out_leaks_and_a_global_time_split_does_not() {
        let rows: Vec<Vec<Event>> = (0..4i64)
            .map(|user| {
                (0..5i64)
                    .map(|n| Event {
                        item: ItemIdx((user * 5 + n) as u32),
                        value: 1.0,
                        timestamp: user * 100 + n,
                        kind: 0,
                    })
                    .collect()
            })
            .collect();
        let sequences = Sequences::from_rows(rows);
        let items =
            ItemCatalog::new(vec![(0..20).map(|i| i.to_string()).collect::<Vocabulary>()], Vec::new());
        let loo = SplitRule::LeaveOneOut.cut(&sequences, &items, &[], true).unwrap();
        let counts = count(&loo.train, loo.test.open_for_measurement(), 20, true);
        assert_eq!(counts.n_cases_before_train_end, 3);
        assert_eq!(counts.n_train_events_after_first_case, 9);
        let timed =
            SplitRule::GlobalTime { train: 0.6, valid: 0.2 }.cut(&sequences, &items, &[], true).unwrap();
        assert_eq!(count(&timed.train, timed.test.open_for_measurement(), 20, true), LeakCounts::default());
    }
}
