//! Histories and targets that overlap (`1 2 → 3`, `1 2 3 → 4`), joined so that every event stands once.

use std::collections::HashMap;

use foldhash::fast::FixedState;

use super::super::run::Run;
use super::super::skipped::SkipReason;
use super::super::staging::FormatEvent;
use crate::error::DataError;
use crate::import::events::check_id;

const TRAIN: u8 = 0;

/// Events per user with the split of each, in the order that the histories reveal.
#[derive(Default)]
pub(super) struct Histories {
    users: Vec<String>,
    at: HashMap<String, usize, FixedState>,
    events: Vec<Vec<(String, u8)>>,
}

impl Histories {
    /// Adds a row of user, history (the end of what came before) and the item that followed.
    pub(super) fn case(
        &mut self,
        user: &str,
        history: &str,
        target: &str,
        split: u8,
    ) -> Result<(), SkipReason> {
        check_id(target, SkipReason::NoItem)?;
        let history = items_of(history)?;
        let events = self.events_of(user)?;
        continue_by_suffix(events, &history)?;
        events.push((target.to_owned(), split));
        Ok(())
    }

    /// Adds a whole sequence: it begins with the events known so far, and the rest are training events.
    pub(super) fn sequence(&mut self, user: &str, sequence: &str) -> Result<(), SkipReason> {
        let sequence = items_of(sequence)?;
        continue_by_prefix(self.events_of(user)?, &sequence)
    }

    /// Puts all events into the builder.
    pub(super) fn stage(&self, run: &mut Run<'_>, label: &str) -> Result<(), DataError> {
        let mut placement = run.take_placement(label);
        for (user, events) in self.users.iter().zip(&self.events) {
            for (item, split) in events {
                let event = FormatEvent { split: Some(*split), ..FormatEvent::new(user, item) };
                run.staging.add_event(event, &mut placement)?;
            }
        }
        run.give_back(placement);
        Ok(())
    }

    fn events_of(&mut self, user: &str) -> Result<&mut Vec<(String, u8)>, SkipReason> {
        check_id(user, SkipReason::NoUser)?;
        if !self.at.contains_key(user) {
            self.at.insert(user.to_owned(), self.users.len());
            self.users.push(user.to_owned());
            self.events.push(Vec::new());
        }
        Ok(&mut self.events[self.at[user]])
    }
}

fn items_of(words: &str) -> Result<Vec<&str>, SkipReason> {
    let items: Vec<&str> = words.split_ascii_whitespace().collect();
    items.iter().try_for_each(|item| check_id(item, SkipReason::NoItem))?;
    Ok(items)
}

fn continue_by_prefix(events: &mut Vec<(String, u8)>, sequence: &[&str]) -> Result<(), SkipReason> {
    let agrees = events.iter().zip(sequence).all(|((known, _), item)| known == item);
    if !agrees || sequence.len() < events.len() {
        return Err(SkipReason::BrokenHistory);
    }
    events.extend(sequence[events.len()..].iter().map(|&item| (item.to_owned(), TRAIN)));
    Ok(())
}

// A history is the end of the events known so far, or all that is known of a new user.
fn continue_by_suffix(events: &mut Vec<(String, u8)>, history: &[&str]) -> Result<(), SkipReason> {
    if events.is_empty() {
        events.extend(history.iter().map(|&item| (item.to_owned(), TRAIN)));
    }
    let from = events.len().checked_sub(history.len()).ok_or(SkipReason::BrokenHistory)?;
    let agrees = events[from..].iter().zip(history).all(|((known, _), item)| known == item);
    if agrees { Ok(()) } else { Err(SkipReason::BrokenHistory) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_overlap_give_every_event_once() {
        let mut histories = Histories::default();
        histories.sequence("u", "a b").unwrap();
        histories.case("u", "a b", "c", 1).unwrap();
        histories.case("u", "b c", "d", 1).unwrap();
        histories.sequence("u", "a b c d").unwrap();
        histories.case("u", "c d", "e", 2).unwrap();
        assert_eq!(histories.case("u", "a", "f", 2), Err(SkipReason::BrokenHistory));
        assert_eq!(histories.sequence("u", "a c"), Err(SkipReason::BrokenHistory));
        let events: Vec<(&str, u8)> =
            histories.events[0].iter().map(|(item, tag)| (item.as_str(), *tag)).collect();
        assert_eq!(events, [("a", 0), ("b", 0), ("c", 1), ("d", 1), ("e", 2)]);
    }
}
