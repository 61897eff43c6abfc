//! From a path to a report of what would be imported.

use std::path::Path;

use super::formats::{self, Files, plain_name};
use super::options::{ImportOptions, Source};
use super::report::{Content, Role, SniffReport, TableReport};
use super::roles;
use crate::error::DataError;

/// Finds out what `source` holds, reading only the beginning of its files.
///
/// # Errors
/// When a file cannot be read or is none of the known formats.
pub fn sniff(source: &Source, options: &ImportOptions) -> Result<SniffReport, DataError> {
    let files = Files::of(&source.path)?;
    let format = options.format.unwrap_or_else(|| formats::detect(&files));
    let mut tables = formats::plan(format, &files, options)?;
    if let Some(column) = &options.domain_by {
        for table in &mut tables {
            cut_by(column, table);
        }
    }
    for table in &mut tables {
        if table.content == Content::Items && table.column(&Role::Domain).is_some() {
            table.domain_field = Some("domain".to_owned());
        }
    }
    let is_read = |file: &Path| tables.iter().any(|table| table.path == file);
    let unused = files.files.iter().filter(|file| !is_read(file)).cloned().collect();
    let domain = source.domain.clone().unwrap_or_else(|| domain_name(&source.path));
    Ok(SniffReport { path: source.path.clone(), domain, format, tables, unused })
}

// Marks the column whose value is the domain.
fn cut_by(column: &str, table: &mut TableReport) {
    let at = roles::find(column, &table.columns).or_else(|| genre_column(column, table));
    match (table.content, at) {
        (Content::Events, Some(at)) if table.columns[at].role == Role::Unused => {
            table.columns[at].role = Role::Domain;
        }
        (Content::Items, Some(at)) => {
            let field = match &table.columns[at].role {
                Role::Text(field) | Role::Flag { field, .. } => field.clone(),
                _ => return,
            };
            table.domain_field = Some(field);
            table.domain_is_sequence = table.columns[at].is_sequence;
        }
        _ => {}
    }
}

// `genre`, `genres` and `class` mean the same; a flag column has its field's name, too.
fn genre_column(column: &str, table: &TableReport) -> Option<usize> {
    const GENRE: [&str; 3] = ["genre", "genres", "class"];
    let wanted = roles::folded(column);
    let is_same = |name: &str| {
        let name = roles::folded(name);
        name == wanted || (GENRE.contains(&name.as_str()) && GENRE.contains(&wanted.as_str()))
    };
    table.columns.iter().position(|column| match &column.role {
        Role::Text(field) | Role::Flag { field, .. } => is_same(&column.name) || is_same(field),
        _ => is_same(column.name.as_str()),
    })
}

/// The name of a domain when none was given: the file name without its ends and the usual decorations.
pub fn domain_name(path: &Path) -> String {
    let name = plain_name(path);
    let mut stem = name.as_str();
    for end in [".csv", ".tsv", ".txt", ".jsonl", ".ndjson", ".json", ".parquet", ".dat", ".inter", ".data"] {
        stem = stem.strip_suffix(end).unwrap_or(stem);
    }
    for decoration in ["ratings_", "reviews_", "meta_"] {
        stem = stem.strip_prefix(decoration).unwrap_or(stem);
    }
    for decoration in ["_5", "_preprocessed", ".train", ".valid", ".test"] {
        stem = stem.strip_suffix(decoration).unwrap_or(stem);
    }
    if stem.is_empty() { "all".to_owned() } else { stem.to_owned() }
}
