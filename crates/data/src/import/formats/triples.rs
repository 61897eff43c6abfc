//! Triples alone: tab-separated, no header, in the order head, relation, tail.

use std::path::Path;

use super::super::delimited::Separator;
use super::super::events;
use super::super::look::{self, Expect};
use super::super::options::ImportOptions;
use super::super::report::{Content, Role, TableReport};
use super::super::time::TimeForm;
use super::{Files, ends, fixed, head_of, lacks, plain_name};
use crate::error::DataError;

/// Whether the first file is one of triples.
pub(super) fn claims(files: &Files) -> bool {
    let is_text = |path: &&std::path::PathBuf| {
        [".txt", ".tsv", ".kg", ".triples"].iter().any(|end| ends(path, end)) && !is_negatives(path)
    };
    let mut texts = files.files.iter().filter(is_text).peekable();
    texts.peek().is_some() && texts.all(|path| is_triples(path))
}

/// Whether every line has three words between tabs and the last are neither ratings nor times, or the name says so.
pub(super) fn is_triples(path: &Path) -> bool {
    let head = head_of(path);
    let rows: Vec<Vec<&str>> = head.lines().take(100).map(|line| line.split('\t').collect()).collect();
    if rows.is_empty() || rows.iter().any(|row| row.len() != 3 || row.contains(&"")) {
        return false;
    }
    let is_value = |cell: &str| events::rating(cell).is_some() || TimeForm::of([cell]).is_some();
    let name = plain_name(path);
    let is_header = super::super::roles::is_known(rows[0][0]);
    let said_so = name.starts_with("kg") || ends(path, ".kg") || name.contains("triple");
    !is_header && (said_so || rows.iter().all(|row| !is_value(row[2])))
}

fn is_negatives(path: &Path) -> bool {
    plain_name(path).contains("negative")
}

/// Which files hold triples: all but those of negatives.
pub(super) fn plan(files: &Files, options: &ImportOptions) -> Result<Vec<TableReport>, DataError> {
    let mut tables = Vec::new();
    for path in &files.files {
        if is_triples(path) && !is_negatives(path) {
            tables.push(of_file(path, options)?);
        }
    }
    if tables.is_empty() {
        return Err(lacks(files, "file of triples", "each line is head, relation and tail, between tabs"));
    }
    Ok(tables)
}

/// One file of triples.
pub(super) fn of_file(path: &Path, options: &ImportOptions) -> Result<TableReport, DataError> {
    let expect = Expect { separator: Some(Separator::Char('\t')), has_header: Some(false), encoding: None };
    fixed(look::at(path, options, expect)?, Content::Triples, &[Role::Head, Role::Relation, Role::Tail])
}
