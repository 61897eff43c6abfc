//! `OpenKE` folders: `train2id.txt` with triples in the order head, **tail, relation**, and the names of the indexes.

use super::super::lines::{self, Line};
use super::super::report::{Content, SniffReport, TableReport};
use super::super::run::Run;
use super::super::skipped::SkipReason;
use super::super::tally::Tally;
use super::indexed::Names;
use super::{Files, holding, lacks, plain_name};
use crate::error::DataError;

/// Whether the folder has the triples.
pub(super) fn claims(files: &Files) -> bool {
    files.named("train2id.txt").is_some()
}

/// Which files of the folder are read, and as what.
pub(super) fn plan(files: &Files) -> Result<Vec<TableReport>, DataError> {
    let mut tables = Vec::new();
    for (name, content) in [
        ("entity2id.txt", Content::Names),
        ("relation2id.txt", Content::Names),
        ("train2id.txt", Content::Triples),
        ("valid2id.txt", Content::Triples),
        ("test2id.txt", Content::Triples),
    ] {
        if let Some(path) = files.named(name) {
            tables.push(TableReport::of_format(path, content)?);
        }
    }
    if tables.iter().all(|table| table.content != Content::Triples) {
        return Err(lacks(files, "train2id.txt", "name the folder that has it"));
    }
    Ok(tables)
}

/// Reads names and triples; the count in the first line must be right.
pub(super) fn read(run: &mut Run<'_>, report: &SniffReport) -> Result<(), DataError> {
    let (mut entities, mut relations) = (Names::default(), Names::default());
    for table in holding(report, Content::Names) {
        let names = Names::read(run, table)?;
        check_count(table, names.len() as u64)?;
        let is_entities = plain_name(&table.path).to_ascii_lowercase().starts_with("entity");
        *(if is_entities { &mut entities } else { &mut relations }) = names;
    }
    for table in holding(report, Content::Triples) {
        let mut tally = Tally::default();
        let mut n_triples = 0;
        let mut is_first = true;
        let sha256 = lines::each(&table.path, &mut tally, |_, line| {
            let words: Vec<&str> = line.split_ascii_whitespace().collect();
            if std::mem::take(&mut is_first) && words.len() == 1 {
                return Ok(Line::NoRow);
            }
            n_triples += 1;
            // Not head, relation, tail: this is where OpenKE differs from everybody.
            let [head, tail, relation] = words[..] else { return Ok(Line::Bad(SkipReason::ColumnCount)) };
            let is_named = |names: &Names, index: &str| names.len() == 0 || names.has(index);
            if !(is_named(&entities, head) && is_named(&entities, tail) && is_named(&relations, relation)) {
                return Ok(Line::Bad(SkipReason::BadReference));
            }
            run.staging.builder.triple(entities.of(head), relations.of(relation), entities.of(tail));
            Ok(Line::Row)
        })?;
        check_count(table, n_triples)?;
        run.close(table, tally, sha256)?;
    }
    Ok(())
}

// The first line says how many lines follow; fewer mean a truncated file.
fn check_count(table: &TableReport, found: u64) -> Result<(), DataError> {
    let first = table.samples.first().and_then(|row| row.first());
    match first.and_then(|line| line.trim().parse::<u64>().ok()) {
        Some(said) if said != found => Err(DataError::format(
            &table.path,
            Some(1),
            format!("the first line says {said} lines, there are {found}"),
            "copy the file again, or correct the number",
        )),
        _ => Ok(()),
    }
}
