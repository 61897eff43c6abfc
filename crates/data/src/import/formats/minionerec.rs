//! `MiniOneRec` tables: training sequences, and valid and test rows of history (at most ten) and target.

use std::collections::HashMap;

use foldhash::fast::FixedState;

use super::super::lines;
use super::super::look::Expect;
use super::super::options::ImportOptions;
use super::super::report::{Content, SniffReport, TableReport};
use super::super::run::Run;
use super::super::skipped::SkipReason;
use super::super::tally::Tally;
use super::{Files, lacks, plain_name, table};
use crate::error::DataError;
use crate::import::events::check_id;

const TRAIN: u8 = 0;
const VALID: u8 = 1;
const TEST: u8 = 2;

// In the order in which they continue each other.
const FILES: [(&str, Content, u8); 4] = [
    ("train.tsv", Content::TaggedLists, TRAIN),
    ("valid.tsv", Content::Cases, VALID),
    ("train_valid.tsv", Content::TaggedLists, TRAIN),
    ("test.tsv", Content::Cases, TEST),
];

/// Whether the folder has the tables.
pub(super) fn claims(files: &Files) -> bool {
    let has = |name| files.named(name).is_some();
    has("valid.tsv") && has("test.tsv") && (has("train_valid.tsv") || has("items.jsonl"))
}

/// The tables of the folder.
pub(super) fn plan(files: &Files, options: &ImportOptions) -> Result<Vec<TableReport>, DataError> {
    let mut tables = Vec::new();
    for (name, content, split) in FILES {
        if let Some(path) = files.named(name) {
            tables.push(TableReport { split: Some(split), ..TableReport::of_format(path, content)? });
        }
    }
    if tables.is_empty() {
        return Err(lacks(files, "train.tsv, valid.tsv or test.tsv", "name the folder that has them"));
    }
    if let Some(path) = files.named("items.jsonl") {
        tables.push(table::of_file(path, options, Expect::default())?);
    }
    Ok(tables)
}

#[derive(Default)]
struct Histories {
    users: Vec<String>,
    at: HashMap<String, usize, FixedState>,
    // Items with the split of each, per user.
    events: Vec<Vec<(String, u8)>>,
}

/// Puts the pieces together: every event once, in the order that the histories reveal.
pub(super) fn read(run: &mut Run<'_>, report: &SniffReport) -> Result<(), DataError> {
    let mut histories = Histories::default();
    for (name, content, split) in FILES {
        let is_it = |table: &&TableReport| plain_name(&table.path).eq_ignore_ascii_case(name);
        let Some(table) = report.tables.iter().find(is_it) else { continue };
        let mut tally = Tally::default();
        let mut is_first = true;
        let sha256 = lines::each(&table.path, &mut tally, |line| {
            let is_header = std::mem::take(&mut is_first) && line.starts_with("user_id\t");
            Ok(if is_header { None } else { histories.take(line, content, split).err() })
        })?;
        run.close(table, tally, sha256)?;
    }
    let mut placement = run.take_placement(&report.domain);
    for (user, events) in histories.users.iter().zip(&histories.events) {
        for (item, split) in events {
            run.staging.plain_event((user, item), None, Some(*split), &mut placement)?;
        }
    }
    run.give_back(placement);
    Ok(())
}

impl Histories {
    fn take(&mut self, line: &str, content: Content, split: u8) -> Result<(), SkipReason> {
        let cells: Vec<&str> = line.split('\t').collect();
        let (user, history, target) = match (content, cells.as_slice()) {
            (Content::Cases, [user, history, target]) => (*user, *history, Some(*target)),
            (Content::TaggedLists, [user, sequence]) => (*user, *sequence, None),
            _ => return Err(SkipReason::ColumnCount),
        };
        check_id(user, SkipReason::NoUser)?;
        let history: Vec<&str> = history.split_ascii_whitespace().collect();
        for item in history.iter().copied().chain(target) {
            check_id(item, SkipReason::NoItem)?;
        }
        let at = self.user(user);
        let events = &mut self.events[at];
        match target {
            Some(target) => {
                continue_by_suffix(events, &history)?;
                events.push((target.to_owned(), split));
            }
            None => continue_by_prefix(events, &history)?,
        }
        Ok(())
    }

    fn user(&mut self, raw: &str) -> usize {
        if let Some(&at) = self.at.get(raw) {
            return at;
        }
        self.users.push(raw.to_owned());
        self.events.push(Vec::new());
        self.at.insert(raw.to_owned(), self.users.len() - 1);
        self.users.len() - 1
    }
}

// A whole sequence begins with the events known so far; the rest are training events.
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
        histories.take("u\ta b", Content::TaggedLists, TRAIN).unwrap();
        histories.take("u\ta b\tc", Content::Cases, VALID).unwrap();
        histories.take("u\tb c\td", Content::Cases, VALID).unwrap();
        histories.take("u\ta b c d", Content::TaggedLists, TRAIN).unwrap();
        histories.take("u\tc d\te", Content::Cases, TEST).unwrap();
        let broken = histories.take("u\ta\tf", Content::Cases, TEST);
        assert_eq!(broken, Err(SkipReason::BrokenHistory));
        let events: Vec<(&str, u8)> =
            histories.events[0].iter().map(|(item, tag)| (item.as_str(), *tag)).collect();
        assert_eq!(events, [("a", 0), ("b", 0), ("c", 1), ("d", 1), ("e", 2)]);
    }
}
