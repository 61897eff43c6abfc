//! Amazon Reviews 2014, 2018, 2023: ratings as CSV, reviews and item descriptions as JSON lines.

use super::super::options::ImportOptions;
use super::super::report::{Content, Layout, Role, TableReport};
use super::{Files, head_of, table};
use crate::error::DataError;

// Of an item description; the rest (images, prices, related items) is no text.
const TEXTS: [&str; 9] = [
    "title",
    "brand",
    "store",
    "categories",
    "category",
    "description",
    "features",
    "feature",
    "main_category",
];

/// Whether the first file has Amazon's item ids: in columns named so, or ten capitals and digits first or second.
pub(super) fn claims(files: &Files) -> bool {
    let Some(first) = files.files.first() else { return false };
    let head = head_of(first);
    let is_asin = |cell: &&str| {
        cell.len() == 10
            && (cell.starts_with("B0") || cell.bytes().take(9).all(|byte| byte.is_ascii_digit()))
            && cell.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
    };
    let line = head.lines().next().unwrap_or_default();
    if line.starts_with('{') {
        return ["\"asin\"", "'asin'", "\"parent_asin\""].iter().any(|key| line.contains(key));
    }
    let cells: Vec<&str> = line.split(',').collect();
    let has_name = cells.iter().any(|cell| ["asin", "parent_asin"].contains(cell));
    has_name || (cells.len() >= 3 && cells.iter().take(2).any(is_asin))
}

/// The files as tables; item descriptions keep their texts only.
pub(super) fn plan(files: &Files, options: &ImportOptions) -> Result<Vec<TableReport>, DataError> {
    let mut tables = table::plan(files, options)?;
    for table in &mut tables {
        if table.content == Content::Items && matches!(table.layout, Layout::JsonLines(_)) {
            let is_no_text = |name: &str| !TEXTS.contains(&name);
            let given = &options.columns.text;
            for column in table.columns.iter_mut().filter(|column| column.role != Role::Item) {
                if is_no_text(&column.name) && !given.contains(&column.name) {
                    column.role = Role::Unused;
                }
            }
        }
    }
    Ok(tables)
}
