//! `RecBole` sequential files: `.inter` rows of user, history (`item_id_list:token_seq`) and the item that followed.

use std::path::Path;

use super::super::lines::{self, Line};
use super::super::report::{Content, Role, SniffReport, TableReport};
use super::super::run::Run;
use super::super::skipped::SkipReason;
use super::super::tally::Tally;
use super::histories::Histories;
use super::{ends, holding};
use crate::error::DataError;

struct Case {
    line: u64,
    user: String,
    history: String,
    item: String,
}

/// The split that a file name tells: `name.train.inter`, `name.valid.inter`, `name.test.inter`.
pub(super) fn split_of(path: &Path) -> Option<u8> {
    let parts = [(".train.inter", 0), (".valid.inter", 1), (".test.inter", 2)];
    parts.iter().find(|(end, _)| ends(path, end)).map(|&(_, split)| split)
}

/// Reads the parts in the order of time, every event once.
pub(super) fn read(run: &mut Run<'_>, report: &SniffReport) -> Result<(), DataError> {
    let mut histories = Histories::default();
    let mut parts: Vec<&TableReport> = holding(report, Content::Cases).collect();
    parts.sort_by_key(|table| table.split);
    for table in &parts {
        let mut tally = Tally::default();
        let (mut cases, sha256) = cases_of(table, &mut tally)?;
        put_in_order(&mut cases);
        for case in &cases {
            let split = table.split.unwrap_or(0);
            if let Err(reason) = histories.case(&case.user, &case.history, &case.item, split) {
                let row = format!("{} | {} | {}", case.user, case.history, case.item);
                tally.reject(&table.path, case.line, reason, &row);
            }
        }
        run.close(table, tally, sha256)?;
    }
    if parts.is_empty() { Ok(()) } else { histories.stage(run, &report.domain) }
}

fn cases_of(table: &TableReport, tally: &mut Tally) -> Result<(Vec<Case>, String), DataError> {
    let at = |role: &Role| table.column(role).unwrap_or(usize::MAX);
    let (user, history, item) = (at(&Role::User), at(&Role::History), at(&Role::Item));
    let mut cases = Vec::new();
    let sha256 = lines::each(&table.path, tally, |line, text| {
        let cells: Vec<&str> = text.split('\t').collect();
        // The first line is the header.
        if line == 1 {
            return Ok(Line::NoRow);
        }
        if cells.len() != table.columns.len() {
            return Ok(Line::Bad(SkipReason::ColumnCount));
        }
        let cell = |at: usize| cells.get(at).map_or_else(String::new, |cell| (*cell).to_owned());
        cases.push(Case { line, user: cell(user), history: cell(history), item: cell(item) });
        Ok(Line::Row)
    })?;
    Ok((cases, sha256))
}

// A user's cases often stand with the longest history first; histories that were cut to the same length keep the
// order of the file, read from its short end.
fn put_in_order(cases: &mut [Case]) {
    let length = |case: &Case| case.history.split_ascii_whitespace().count();
    let is_descending =
        cases.windows(2).any(|pair| pair[0].user == pair[1].user && length(&pair[0]) > length(&pair[1]));
    if is_descending {
        cases.reverse();
    }
    cases.sort_by_key(length);
}
