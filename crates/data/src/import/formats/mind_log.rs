//! Impressions of MIND, joined so that every event of a user stands once: clicks at their time, and what only a history tells
//! just before the impression that tells it.

use std::collections::HashMap;

use foldhash::fast::FixedState;

use super::super::domains::Placement;
use super::super::run::Run;
use super::super::staging::FormatEvent;
use crate::error::DataError;
use crate::vocabulary::Vocabulary;

/// One row of `behaviors.tsv`.
#[derive(Default)]
pub(super) struct Impression<'a> {
    pub(super) user: &'a str,
    /// Unix seconds.
    pub(super) time: i64,
    /// Items that the user had clicked before, oldest first.
    pub(super) history: Vec<&'a str>,
    /// Items that were shown and clicked.
    pub(super) clicks: Vec<&'a str>,
    /// Items that were shown and not clicked.
    pub(super) n_not_clicked: u64,
    /// Items that were shown, without a word on clicks.
    pub(super) n_not_known: u64,
}

/// All impressions, by user in order of first appearance.
#[derive(Default)]
pub(super) struct MindLog {
    users: Vocabulary,
    items: Vocabulary,
    per_user: Vec<UserLog>,
    n_not_clicked: u64,
    n_not_known: u64,
}

#[derive(Default)]
struct UserLog {
    /// Distinct histories: in one part of MIND all impressions of a user have the same.
    histories: Vec<Vec<u32>>,
    impressions: Vec<LoggedImpression>,
}

struct LoggedImpression {
    time: i64,
    history: usize,
    clicks: Vec<u32>,
}

/// An event of a user.
#[derive(Debug, PartialEq, Eq)]
struct LoggedEvent {
    item: u32,
    time: i64,
    is_click: bool,
}

impl MindLog {
    /// Adds a row.
    pub(super) fn add(&mut self, impression: &Impression<'_>) {
        let user = self.users.intern(impression.user) as usize;
        if user == self.per_user.len() {
            self.per_user.push(UserLog::default());
        }
        let mut indexes = |ids: &[&str]| -> Vec<u32> { ids.iter().map(|id| self.items.intern(id)).collect() };
        let (history, clicks) = (indexes(&impression.history), indexes(&impression.clicks));
        self.per_user[user].add(impression.time, history, clicks);
        self.n_not_clicked += impression.n_not_clicked;
        self.n_not_known += impression.n_not_known;
    }

    /// Puts all events into the builder and counts what is none.
    pub(super) fn stage(self, run: &mut Run<'_>, placement: &mut Placement) -> Result<(), DataError> {
        let staging = &mut run.staging;
        let (click, earlier) =
            (staging.builder.event_kind("click")?, staging.builder.event_kind("earlier click")?);
        let mut is_described = Vec::with_capacity(self.items.len());
        for item in self.items.iter() {
            let domain = placement.domain_of(item, &mut staging.builder)?;
            is_described.push(staging.builder.has_item(domain, item));
        }
        for (user, log) in self.users.iter().zip(self.per_user) {
            for event in log.events() {
                let item = self.items.raw(event.item).unwrap_or_default();
                let kind = if event.is_click { click } else { earlier };
                staging.counts.n_undated += u64::from(!event.is_click);
                staging.counts.n_undescribed += u64::from(!is_described[event.item as usize]);
                let event = FormatEvent { timestamp: Some(event.time), kind, ..FormatEvent::new(user, item) };
                staging.add_event(event, placement)?;
            }
        }
        staging.counts.n_not_chosen += self.n_not_clicked;
        staging.counts.n_not_known_chosen += self.n_not_known;
        Ok(())
    }
}

impl UserLog {
    fn add(&mut self, time: i64, history: Vec<u32>, clicks: Vec<u32>) {
        let known = self.histories.iter().position(|known| *known == history);
        let history = known.unwrap_or_else(|| {
            self.histories.push(history);
            self.histories.len() - 1
        });
        self.impressions.push(LoggedImpression { time, history, clicks });
    }

    // Events in order. A history has no times. An item in it was read before its impression, so that is the latest time it can have;
    // a model that is given it no earlier than that knows nothing too early. Items that an earlier history or click has are not
    // counted again, as often as they are there.
    fn events(mut self) -> Vec<LoggedEvent> {
        self.impressions.sort_by_key(|impression| impression.time);
        let mut events = Vec::new();
        let mut n_known: HashMap<u32, usize, FixedState> = HashMap::default();
        let mut is_done = vec![false; self.histories.len()];
        for impression in self.impressions {
            if !std::mem::replace(&mut is_done[impression.history], true) {
                let mut left = n_known.clone();
                for &item in &self.histories[impression.history] {
                    let n_left = left.entry(item).or_default();
                    if *n_left > 0 {
                        *n_left -= 1;
                        continue;
                    }
                    *n_known.entry(item).or_default() += 1;
                    events.push(LoggedEvent {
                        item,
                        time: impression.time.saturating_sub(1),
                        is_click: false,
                    });
                }
            }
            for item in impression.clicks {
                *n_known.entry(item).or_default() += 1;
                events.push(LoggedEvent { item, time: impression.time, is_click: true });
            }
        }
        events
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(rows: &[(i64, &[u32], &[u32])]) -> Vec<(u32, i64, bool)> {
        let mut log = UserLog::default();
        for &(time, history, clicks) in rows {
            log.add(time, history.to_vec(), clicks.to_vec());
        }
        log.events().into_iter().map(|event| (event.item, event.time, event.is_click)).collect()
    }

    #[test]
    fn a_history_that_is_told_again_stands_once_and_before_its_first_impression() {
        let rows: [(i64, &[u32], &[u32]); 3] =
            [(90, &[1, 2, 1], &[4]), (50, &[1, 2, 1], &[3, 5]), (60, &[], &[])];
        let expected =
            [(1, 49, false), (2, 49, false), (1, 49, false), (3, 50, true), (5, 50, true), (4, 90, true)];
        assert_eq!(events(&rows), expected);
    }

    #[test]
    fn a_later_history_adds_only_what_neither_history_nor_clicks_had() {
        // As in the second part of MIND: the history has the clicks of the first part, and what it left out.
        let later: (i64, &[u32], &[u32]) = (99, &[1, 2, 3, 7, 3], &[8]);
        let expected =
            [(1, 9, false), (2, 9, false), (3, 10, true), (7, 98, false), (3, 98, false), (8, 99, true)];
        assert_eq!(events(&[(10, &[1, 2], &[3]), later]), expected);
        assert_eq!(events(&[later, (10, &[1, 2], &[3])]), expected);
    }
}
