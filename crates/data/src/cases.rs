//! The questions of an evaluation: after this history, which item came next?

use std::ops::Range;
use std::sync::Arc;

use crate::ids::{DomainIdx, ItemIdx};
use crate::profiles::UserProfiles;
use crate::sequences::Event;

/// One question put to a recommender: after these events, what came next?
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    history: Range<usize>,
    /// What the user did next.
    pub target: ItemIdx,
    /// The domain asked for; candidates are its items.
    pub domain: DomainIdx,
    /// Row in the source's sequences (a user), for grouping.
    pub row: u32,
    /// Time of the target event, Unix seconds (0 without timestamps).
    pub timestamp: i64,
    /// Value of the target event: a rating, a weight.
    pub value: f32,
}

/// Cases with their histories.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CaseSet {
    // Shared: selections of cases keep pointing into the same events.
    events: Arc<Vec<Event>>,
    cases: Vec<Case>,
    profiles: Arc<UserProfiles>,
}

impl CaseSet {
    /// An empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a case whose history is stored for it alone.
    pub fn push(&mut self, history: &[Event], target: Event, domain: DomainIdx, row: u32) {
        let start = self.events.len();
        Arc::make_mut(&mut self.events).extend_from_slice(history);
        self.push_range(start..self.events.len(), target, domain, row);
    }

    /// An empty set whose histories will be ranges of these events.
    pub(crate) fn over(events: Arc<Vec<Event>>) -> Self {
        Self { events, ..Self::default() }
    }

    /// Adds a case whose history is a range of the set's events.
    pub(crate) fn push_range(&mut self, history: Range<usize>, target: Event, domain: DomainIdx, row: u32) {
        let Event { item, timestamp, value, .. } = target;
        self.cases.push(Case { history, target: item, domain, row, timestamp, value });
    }

    /// All cases.
    pub fn cases(&self) -> &[Case] {
        &self.cases
    }

    /// Number of cases.
    pub fn len(&self) -> usize {
        self.cases.len()
    }

    /// Whether there are no cases.
    pub fn is_empty(&self) -> bool {
        self.cases.is_empty()
    }

    /// The events before the target, oldest first, of all domains.
    pub fn history(&self, case: &Case) -> &[Event] {
        &self.events[case.history.clone()]
    }

    /// Ids of the attribute values of the case's user; empty when nothing is known.
    pub fn profile(&self, case: &Case) -> &[u32] {
        self.profiles.get(case.row as usize)
    }

    /// The cases of one domain.
    #[must_use]
    pub fn of_domain(&self, domain: DomainIdx) -> Self {
        let cases = self.cases.iter().filter(|case| case.domain == domain).cloned().collect();
        self.with_cases(cases)
    }

    /// The same cases with the events of their histories that `keeps(row, event)` keeps.
    #[must_use]
    pub fn with_events(&self, keeps: impl Fn(u32, &Event) -> bool) -> Self {
        // Histories of a row begin at the same event and grow, so whatever lies before a known place is known.
        let mut row_of: Vec<Option<u32>> = vec![None; self.events.len()];
        for case in &self.cases {
            for at in case.history.clone().rev().take_while(|&at| row_of[at].is_none()).collect::<Vec<_>>() {
                row_of[at] = Some(case.row);
            }
        }
        let mut n_before = Vec::with_capacity(self.events.len() + 1);
        let mut events = Vec::new();
        for (event, row) in self.events.iter().zip(&row_of) {
            n_before.push(events.len());
            events.extend(row.is_some_and(|row| keeps(row, event)).then_some(*event));
        }
        n_before.push(events.len());
        let moved = |case: &Case| Case {
            history: n_before[case.history.start]..n_before[case.history.end],
            ..case.clone()
        };
        Self {
            cases: self.cases.iter().map(moved).collect(),
            events: Arc::new(events),
            profiles: self.profiles.clone(),
        }
    }

    /// The cases at the given positions.
    #[must_use]
    pub fn select(&self, positions: &[usize]) -> Self {
        let cases = positions.iter().map(|&at| self.cases[at].clone()).collect();
        self.with_cases(cases)
    }

    /// Gives every row's user a profile; rows must be the users of `profiles`.
    pub(crate) fn set_profiles(&mut self, profiles: &Arc<UserProfiles>) {
        self.profiles = Arc::clone(profiles);
    }

    fn with_cases(&self, cases: Vec<Case>) -> Self {
        Self { events: Arc::clone(&self.events), cases, profiles: Arc::clone(&self.profiles) }
    }
}
