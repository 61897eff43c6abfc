//! Tables that give indexes their names: `entity_list.txt` of KGAT, `entity2id.txt` of `OpenKE`.

use std::collections::HashMap;

use foldhash::fast::FixedState;

use super::super::lines::{self, Line};
use super::super::report::TableReport;
use super::super::run::Run;
use super::super::skipped::SkipReason;
use super::super::tally::Tally;
use crate::error::DataError;

/// Index → name.
#[derive(Default)]
pub(super) struct Names(HashMap<String, String, FixedState>);

impl Names {
    /// Reads lines of a name and an index (further words are left out); the first line is a header or a count.
    pub(super) fn read(run: &mut Run<'_>, table: &TableReport) -> Result<Self, DataError> {
        let mut names = Self::default();
        let mut tally = Tally::default();
        let mut is_first = true;
        let sha256 = lines::each(&table.path, &mut tally, |_, line| {
            let is_head = std::mem::take(&mut is_first);
            Ok(match pair(line) {
                Some((name, index)) => {
                    names.0.insert(index.to_owned(), name.to_owned());
                    Line::Row
                }
                None if is_head => Line::NoRow,
                None => Line::Bad(SkipReason::BadReference),
            })
        })?;
        run.close(table, tally, sha256)?;
        Ok(names)
    }

    /// The name of an index, or the index itself when it has none.
    pub(super) fn of<'a>(&'a self, index: &'a str) -> &'a str {
        self.0.get(index).map_or(index, String::as_str)
    }

    /// Whether the index has a name.
    pub(super) fn has(&self, index: &str) -> bool {
        self.0.contains_key(index)
    }

    /// Number of names.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

// `name index …`, between a tab or spaces; the index is a whole number.
fn pair(line: &str) -> Option<(&str, &str)> {
    let (name, rest) = line.split_once('\t').or_else(|| line.split_once(' '))?;
    let index = rest.split_ascii_whitespace().next()?;
    (!name.is_empty() && index.bytes().all(|byte| byte.is_ascii_digit())).then_some((name, index))
}
