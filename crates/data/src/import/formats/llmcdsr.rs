//! LLMCDSR tables: `items.tsv` with a domain column, `sequences.tsv` of user, split and items in time order.

use super::super::lines::{self, Line};
use super::super::look::Expect;
use super::super::options::ImportOptions;
use super::super::report::{Content, SniffReport, TableReport};
use super::super::run::Run;
use super::super::skipped::SkipReason;
use super::super::staging::FormatEvent;
use super::super::tally::Tally;
use super::{Files, holding, lacks, s3rec, table};
use crate::error::DataError;

/// Whether the folder has the tables.
pub(super) fn claims(files: &Files) -> bool {
    files.named("items.tsv").is_some() && files.named("sequences.tsv").is_some()
}

/// The items and the sequences.
pub(super) fn plan(files: &Files, options: &ImportOptions) -> Result<Vec<TableReport>, DataError> {
    let (Some(items), Some(sequences)) = (files.named("items.tsv"), files.named("sequences.tsv")) else {
        return Err(lacks(files, "items.tsv with a sequences.tsv", "name the folder that has both"));
    };
    Ok(vec![
        table::of_file(items, options, Expect::default())?,
        TableReport::of_format(sequences, Content::TaggedLists)?,
    ])
}

/// Reads the sequences; the last item of a valid or test line is its target.
pub(super) fn read(run: &mut Run<'_>, report: &SniffReport) -> Result<(), DataError> {
    let mut placement = run.take_placement(&report.domain);
    for table in holding(report, Content::TaggedLists) {
        let mut tally = Tally::default();
        let mut is_first = true;
        let sha256 = lines::each(&table.path, &mut tally, |_, line| {
            if std::mem::take(&mut is_first) && line.starts_with("user_id\t") {
                return Ok(Line::NoRow);
            }
            let [user, part, items] = line.split('\t').collect::<Vec<_>>()[..] else {
                return Ok(Line::Bad(SkipReason::ColumnCount));
            };
            let Some(tag) = tag_of(part) else { return Ok(Line::Bad(SkipReason::BadSplit)) };
            let items: Vec<&str> = items.split_ascii_whitespace().collect();
            if let Some(reason) = s3rec::problem_of(user, &items) {
                return Ok(Line::Bad(reason));
            }
            for (at, item) in items.iter().enumerate() {
                let split = if at + 1 == items.len() { tag } else { 0 };
                let event = FormatEvent { split: Some(split), ..FormatEvent::new(user, item) };
                run.staging.add_event(event, &mut placement)?;
            }
            Ok(Line::Row)
        })?;
        run.close(table, tally, sha256)?;
    }
    run.give_back(placement);
    Ok(())
}

// `train_A`, `train_B`, `train_overlap`, `valid`, `test`.
fn tag_of(part: &str) -> Option<u8> {
    match part.trim_ascii() {
        "valid" => Some(1),
        "test" => Some(2),
        part if part.starts_with("train") => Some(0),
        _ => None,
    }
}
