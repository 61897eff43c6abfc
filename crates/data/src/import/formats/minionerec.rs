//! `MiniOneRec` tables: training sequences, and valid and test rows of history (at most ten) and target.

use super::super::lines::{self, Line};
use super::super::look::Expect;
use super::super::options::ImportOptions;
use super::super::report::{Content, SniffReport, TableReport};
use super::super::run::Run;
use super::super::skipped::SkipReason;
use super::super::tally::Tally;
use super::histories::Histories;
use super::{Files, lacks, plain_name, table};
use crate::error::DataError;

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

/// Which files of the folder are read, and as what.
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

/// Puts the pieces together: every event once, in the order that the histories reveal.
pub(super) fn read(run: &mut Run<'_>, report: &SniffReport) -> Result<(), DataError> {
    let mut histories = Histories::default();
    for (name, content, split) in FILES {
        let is_it = |table: &&TableReport| plain_name(&table.path).eq_ignore_ascii_case(name);
        let Some(table) = report.tables.iter().find(is_it) else { continue };
        let mut tally = Tally::default();
        let mut is_first = true;
        let sha256 = lines::each(&table.path, &mut tally, |_, line| {
            let is_header = std::mem::take(&mut is_first) && line.starts_with("user_id\t");
            if is_header {
                return Ok(Line::NoRow);
            }
            Ok(take(&mut histories, line, content, split).map_or_else(Line::Bad, |()| Line::Row))
        })?;
        run.close(table, tally, sha256)?;
    }
    histories.stage(run, &report.domain)
}

fn take(histories: &mut Histories, line: &str, content: Content, split: u8) -> Result<(), SkipReason> {
    match (content, &line.split('\t').collect::<Vec<_>>()[..]) {
        (Content::Cases, [user, history, target]) => histories.case(user, history, target, split),
        (Content::TaggedLists, [user, sequence]) => histories.sequence(user, sequence),
        _ => Err(SkipReason::ColumnCount),
    }
}
