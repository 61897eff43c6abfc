//! Train, valid and test, separated by type: code that trains takes a [`TrainSet`] and cannot be given test.

use std::sync::Arc;

use crate::cases::CaseSet;
use crate::catalog::ItemCatalog;
use crate::error::DataError;
use crate::profiles::UserProfiles;
use crate::sequences::{Event, Sequences};

/// The events a model may learn from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TrainSet {
    /// One row per user (or published training sequence), oldest event first.
    pub sequences: Sequences,
    /// What is known about the users of the rows; empty where rows are not users.
    pub profiles: Arc<UserProfiles>,
}

/// Cases for choosing hyper-parameters and blend weights.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ValidSet(pub CaseSet);

/// Cases for the final measurement. They cannot be read by accident: whoever looks at them says
/// [`open_for_measurement`](Self::open_for_measurement), and a search for that name finds every such place.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TestSet(CaseSet);

impl TestSet {
    /// Puts cases away for the measurement.
    pub fn new(cases: CaseSet) -> Self {
        Self(cases)
    }

    /// The cases, to measure what was chosen without them.
    pub fn open_for_measurement(&self) -> &CaseSet {
        &self.0
    }

    /// Whether there is nothing to measure on.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The same cases with the events of their histories that `keeps(row, event)` keeps.
    #[must_use]
    pub fn with_events(&self, keeps: impl Fn(u32, &Event) -> bool) -> Self {
        Self(self.0.with_events(keeps))
    }
}

/// The three parts, and how they were cut.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Split {
    /// What models learn from.
    pub train: TrainSet,
    /// What models may learn from in the refit regime: train and valid.
    pub train_valid: TrainSet,
    /// For choosing.
    pub valid: ValidSet,
    /// For measuring.
    pub test: TestSet,
    /// In words, for reports.
    pub description: String,
}

impl Split {
    /// The same split, in which every row's user has a profile; rows must be the users of `profiles`.
    #[must_use]
    pub fn with_profiles(mut self, profiles: &Arc<UserProfiles>) -> Self {
        for train in [&mut self.train, &mut self.train_valid] {
            train.profiles = Arc::clone(profiles);
        }
        for cases in [&mut self.valid.0, &mut self.test.0] {
            cases.set_profiles(profiles);
        }
        self
    }
}

/// Which events are train, valid and test.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SplitRule {
    /// Two points in time for everybody, at these shares of all events: no training event is later than a test event.
    GlobalTime {
        /// Share of events before the first point (e.g. 0.8).
        train: f64,
        /// Share of events between the points (e.g. 0.1).
        valid: f64,
    },
    /// Each user's last event is test, the one before valid. Leaks the future of other users; always labeled so.
    LeaveOneOut,
    /// The same for each domain of each user.
    LeaveOneOutPerDomain,
    /// The split column of the source.
    Published,
}

impl SplitRule {
    /// Cuts `sequences`; `published` is the split column (0/1/2 per event), needed by [`SplitRule::Published`].
    ///
    /// # Errors
    /// When the rule needs what the data lacks, or a part would be empty.
    pub fn cut(
        self,
        sequences: &Sequences,
        items: &ItemCatalog,
        published: &[u8],
        has_timestamps: bool,
    ) -> Result<Split, DataError> {
        let tags = match self {
            Self::GlobalTime { train, valid } => {
                if !has_timestamps {
                    return Err(DataError::request(
                        "a global time split needs timestamps, and this data set has none",
                        "use split = \"leave-one-out\", or import a source with a time column",
                    ));
                }
                tag_by_time(sequences, train, valid)?
            }
            Self::LeaveOneOut => tag_leave_one_out(sequences),
            Self::LeaveOneOutPerDomain => tag_leave_one_out_per_domain(sequences, items),
            Self::Published => {
                if published.len() != sequences.n_events() {
                    return Err(DataError::request(
                        "this data set has no published split column",
                        "use split = \"global-time\" or \"leave-one-out\"",
                    ));
                }
                published.to_vec()
            }
        };
        let split = from_tags(sequences, items, &tags, self.describe());
        for (part, empty) in [("valid", split.valid.0.is_empty()), ("test", split.test.is_empty())] {
            if empty {
                return Err(DataError::request(
                    format!("the {part} part of the split is empty ({})", split.description),
                    "the data set is too small for this split: import more events or choose another split",
                ));
            }
        }
        Ok(split)
    }

    fn describe(self) -> String {
        match self {
            Self::GlobalTime { train, valid } => {
                format!(
                    "global time, {:.0}/{:.0}/{:.0} % of events",
                    train * 100.0,
                    valid * 100.0,
                    (1.0 - train - valid) * 100.0
                )
            }
            Self::LeaveOneOut => "leave-one-out per user (leaks other users' future)".into(),
            Self::LeaveOneOutPerDomain => {
                "leave-one-out per user and domain (leaks other users' future)".into()
            }
            Self::Published => "published split".into(),
        }
    }
}

const TRAIN: u8 = 0;
const VALID: u8 = 1;
const TEST: u8 = 2;

fn tag_by_time(sequences: &Sequences, train: f64, valid: f64) -> Result<Vec<u8>, DataError> {
    if !(train > 0.0 && valid > 0.0 && train + valid < 1.0) {
        return Err(DataError::request(
            format!(
                "shares of a time split must be positive and leave room for test: train {train}, valid {valid}"
            ),
            "for example train = 0.8 and valid = 0.1",
        ));
    }
    let mut times: Vec<i64> = sequences.events().iter().map(|event| event.timestamp).collect();
    if times.is_empty() {
        return Ok(Vec::new());
    }
    times.sort_unstable();
    let at = |share: f64| times[((times.len() as f64 * share) as usize).min(times.len() - 1)];
    let (first, second) = (at(train), at(train + valid));
    let tag = |event: &Event| match event.timestamp {
        t if t < first => TRAIN,
        t if t < second => VALID,
        _ => TEST,
    };
    Ok(sequences.events().iter().map(tag).collect())
}

fn tag_leave_one_out(sequences: &Sequences) -> Vec<u8> {
    let mut tags = Vec::with_capacity(sequences.n_events());
    for row in sequences.rows() {
        let n = row.len();
        // A user with fewer than three events only trains.
        tags.extend((0..n).map(|at| match n - at {
            1 if n >= 3 => TEST,
            2 if n >= 3 => VALID,
            _ => TRAIN,
        }));
    }
    tags
}

fn tag_leave_one_out_per_domain(sequences: &Sequences, items: &ItemCatalog) -> Vec<u8> {
    let mut tags = vec![TRAIN; sequences.n_events()];
    for pair in sequences.offsets().windows(2) {
        let mut per_domain: Vec<Vec<usize>> = vec![Vec::new(); items.n_domains()];
        for at in pair[0]..pair[1] {
            per_domain[items.domain_of(sequences.events()[at].item).at()].push(at);
        }
        for positions in per_domain.iter().filter(|positions| positions.len() >= 3) {
            tags[positions[positions.len() - 1]] = TEST;
            tags[positions[positions.len() - 2]] = VALID;
        }
    }
    tags
}

fn from_tags(sequences: &Sequences, items: &ItemCatalog, tags: &[u8], description: String) -> Split {
    let keep = |last: u8| {
        let mut offsets = vec![0];
        let mut events = Vec::new();
        for pair in sequences.offsets().windows(2) {
            events.extend((pair[0]..pair[1]).filter(|&at| tags[at] <= last).map(|at| sequences.events()[at]));
            offsets.push(events.len());
        }
        TrainSet { sequences: Sequences::from_parts(offsets, events), ..TrainSet::default() }
    };
    let events = Arc::new(sequences.events().to_vec());
    let cases = |part: u8| {
        let mut set = CaseSet::over(Arc::clone(&events));
        for (row, pair) in sequences.offsets().windows(2).enumerate() {
            for at in (pair[0]..pair[1]).filter(|&at| tags[at] == part) {
                let target = sequences.events()[at];
                set.push_range(pair[0]..at, target, items.domain_of(target.item), row as u32);
            }
        }
        set
    };
    Split {
        train: keep(TRAIN),
        train_valid: keep(VALID),
        valid: ValidSet(cases(VALID)),
        test: TestSet::new(cases(TEST)),
        description,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::ItemIdx;
    use crate::vocabulary::Vocabulary;

    fn event(item: u32, timestamp: i64) -> Event {
        Event { item: ItemIdx(item), value: 1.0, timestamp, kind: 0 }
    }

    fn two_domains() -> (Sequences, ItemCatalog) {
        let vocabulary = |n: usize, c: char| (0..n).map(|i| format!("{c}{i}")).collect::<Vocabulary>();
        let items = ItemCatalog::new(vec![vocabulary(5, 'a'), vocabulary(5, 'b')], Vec::new());
        let rows = vec![
            (0..8).map(|i| event(i, i64::from(i) * 10)).collect::<Vec<_>>(),
            vec![event(1, 5), event(6, 15)],
            (0..6).map(|i| event(9 - i, 40 + i64::from(i))).collect(),
        ];
        (Sequences::from_rows(rows), items)
    }

    #[test]
    fn a_global_time_split_never_trains_on_what_is_later_than_a_test_event() {
        let (sequences, items) = two_domains();
        let rule = SplitRule::GlobalTime { train: 0.6, valid: 0.2 };
        let split = rule.cut(&sequences, &items, &[], true).unwrap();
        let last_train = split.train.sequences.events().iter().map(|e| e.timestamp).max().unwrap();
        let first_valid = split.valid.0.cases().iter().map(|c| c.timestamp).min().unwrap();
        let last_valid = split.valid.0.cases().iter().map(|c| c.timestamp).max().unwrap();
        let first_test = split.test.open_for_measurement().cases().iter().map(|c| c.timestamp).min().unwrap();
        assert!(last_train < first_valid && last_valid < first_test);
        let n =
            split.train.sequences.n_events() + split.valid.0.len() + split.test.open_for_measurement().len();
        assert_eq!(n, sequences.n_events());
    }

    #[test]
    fn leave_one_out_tests_the_last_event_of_every_user_with_three() {
        let (sequences, items) = two_domains();
        let split = SplitRule::LeaveOneOut.cut(&sequences, &items, &[], true).unwrap();
        let targets: Vec<u32> =
            split.test.open_for_measurement().cases().iter().map(|c| c.target.0).collect();
        assert_eq!(targets, [7, 4]);
        let test = split.test.open_for_measurement();
        assert_eq!(test.history(&test.cases()[0]).len(), 7);
        assert_eq!(split.train.sequences.row(0).len(), 6);
        assert_eq!(split.train_valid.sequences.row(0).len(), 7);
        assert_eq!(split.train.sequences.row(1).len(), 2);
    }

    #[test]
    fn leave_one_out_per_domain_tests_each_domain_of_a_user() {
        let (sequences, items) = two_domains();
        let split = SplitRule::LeaveOneOutPerDomain.cut(&sequences, &items, &[], true).unwrap();
        let targets: Vec<u32> =
            split.test.open_for_measurement().cases().iter().map(|c| c.target.0).collect();
        assert_eq!(targets, [4, 7, 5]);
    }

    #[test]
    fn what_the_data_lacks_is_refused_with_a_remedy() {
        let (sequences, items) = two_domains();
        let rule = SplitRule::GlobalTime { train: 0.8, valid: 0.1 };
        let message = rule.cut(&sequences, &items, &[], false).unwrap_err().to_string();
        assert!(message.contains("hint:"), "{message}");
        assert!(SplitRule::Published.cut(&sequences, &items, &[], true).is_err());
    }
}
