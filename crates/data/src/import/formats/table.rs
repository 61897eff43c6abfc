//! Any table with named or guessable columns.

use std::path::Path;

use super::super::delimited::Separator;
use super::super::look::{self, Expect, Look};
use super::super::options::ImportOptions;
use super::super::report::{ColumnReport, Confidence, Content, Layout, Role, TableReport};
use super::super::roles;
use super::{Files, fixed, plain_name, triples};
use crate::error::DataError;

/// Every file of the source as a table; in a folder, files that are no table are left out.
pub(super) fn plan(files: &Files, options: &ImportOptions) -> Result<Vec<TableReport>, DataError> {
    if let [file] = files.files.as_slice() {
        return Ok(vec![of_file(file, options, Expect::default())?]);
    }
    let mut tables = Vec::new();
    for file in files.files.iter().filter(|file| has_table_suffix(file)) {
        tables.push(match plain_name(file).as_str() {
            "kg.txt" => triples::of_file(file, options)?,
            "item_index2entity_id.txt" => links(file, options)?,
            _ => of_file(file, options, Expect::default())?,
        });
    }
    let has_names =
        |table: &TableReport| !matches!(&table.layout, Layout::Text(dialect) if !dialect.has_header);
    // Beside a table with names, one without is more likely something else than interactions.
    if tables.iter().any(|table| table.content == Content::Events && has_names(table)) {
        tables.retain(|table| table.content != Content::Events || has_names(table));
    }
    if tables.is_empty() {
        return Err(DataError::format(
            &files.root,
            None,
            "no file of this folder is a known format",
            "name the files to import, or the layout with --format",
        ));
    }
    for table in &mut tables {
        if table.content == Content::Events {
            table.split = split_of_name(&table.path);
        }
    }
    let n_parts = tables.iter().filter(|table| table.split.is_some()).count();
    let n_events = tables.iter().filter(|table| table.content == Content::Events).count();
    if n_parts != n_events || n_parts < 2 {
        for table in &mut tables {
            table.split = None;
        }
    }
    Ok(tables)
}

// Of KGCN, RippleNet and MKR folders: item and entity, without a header.
fn links(path: &Path, options: &ImportOptions) -> Result<TableReport, DataError> {
    let expect = Expect { separator: Some(Separator::Char('\t')), has_header: Some(false), encoding: None };
    fixed(look::at(path, options, expect)?, Content::Links, &[Role::Item, Role::Entity])
}

fn has_table_suffix(path: &Path) -> bool {
    let name = plain_name(path).to_ascii_lowercase();
    [".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".parquet", ".txt", ".dat"]
        .iter()
        .any(|end| name.ends_with(end))
}

// `train.csv`, `valid.csv`, `test.csv` in one folder are the parts of a published split.
fn split_of_name(path: &Path) -> Option<u8> {
    let name = plain_name(path);
    super::super::events::split_tag(name.split('.').next().unwrap_or_default())
}

/// One file, with roles guessed from names and values, and the caller's on top.
pub(super) fn of_file(
    path: &Path,
    options: &ImportOptions,
    expect: Expect,
) -> Result<TableReport, DataError> {
    let look = look::at(path, options, expect)?;
    let profiles = look.profiles();
    let mut columns = roles::guess(&profiles, look.has_names());
    roles::apply(&options.columns, &profiles, &mut columns);
    let content = classify(&look, &mut columns)?;
    Ok(look.into_report(content, columns))
}

/// Decides what the rows are, and gives the other columns of items and users their text role.
pub(super) fn classify(look: &Look, columns: &mut [ColumnReport]) -> Result<Content, DataError> {
    let has = |columns: &[ColumnReport], role: Role| columns.iter().any(|column| column.role == role);
    if has(columns, Role::User) && has(columns, Role::Item) {
        return Ok(Content::Events);
    }
    if !has(columns, Role::User) && !has(columns, Role::Item) {
        name_the_id(columns);
    }
    let (key, content) = match (has(columns, Role::Item), has(columns, Role::User)) {
        (true, _) => (Role::Item, Content::Items),
        (_, true) => (Role::User, Content::Users),
        _ => {
            let remedy =
                "name them with --user-col and --item-col (a header name, or a position counted from 1)";
            let problem = format!("no user and no item column among: {}", look.names.join(", "));
            return Err(DataError::format(&look.path, Some(1), problem, remedy));
        }
    };
    for column in columns.iter_mut().filter(|column| column.role != key && column.role != Role::Domain) {
        column.role = Role::Text(roles::field_name(&column.name));
        column.time = None;
    }
    roles::keep_fields_apart(columns);
    Ok(content)
}

// A table with a title and an `id` is a table of items.
fn name_the_id(columns: &mut [ColumnReport]) {
    let has_title = columns.iter().any(|column| roles::field_name(&column.name) == "title");
    let id = columns.iter_mut().find(|column| roles::folded(&column.name) == "id");
    if let (true, Some(id)) = (has_title, id) {
        id.role = Role::Item;
        id.confidence = Confidence::Medium;
    }
}
