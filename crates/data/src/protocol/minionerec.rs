//! `MiniOneRec` tables (Kong et al. 2025): `train.tsv`, `train_valid.tsv` (`user_id sequence`), `valid.tsv`, `test.tsv`
//! (`user_id history target`) and `items.jsonl`. Global time split; the history is the user's last ten items.

use std::path::{Path, PathBuf};

use super::{ProtocolData, SourceFiles, stem};
use crate::builder::DatasetBuilder;
use crate::cases::CaseSet;
use crate::catalog::ItemCatalog;
use crate::error::DataError;
use crate::ids::DomainIdx;
use crate::sequences::{Event, Sequences};
use crate::split::{Split, TestSet, TrainSet, ValidSet};

/// The data folders under `path`: itself when it has `test.tsv`, else its subfolders that have one.
///
/// # Errors
/// When there is none.
pub fn find(path: &Path) -> Result<Vec<PathBuf>, DataError> {
    if path.join("test.tsv").is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let mut found = Vec::new();
    for entry in std::fs::read_dir(path).map_err(|e| DataError::io("read", path, e))? {
        let dir = entry.map_err(|e| DataError::io("read", path, e))?.path();
        if dir.join("test.tsv").is_file() {
            found.push(dir);
        }
    }
    found.sort();
    if found.is_empty() {
        let remedy = "name a folder with train.tsv, valid.tsv, test.tsv and items.jsonl";
        return Err(DataError::format(path, None, "no folder with test.tsv here", remedy));
    }
    Ok(found)
}

/// A line of a file: items in time order, and the one that came next where the line says it.
struct ListedSequence {
    items: Vec<String>,
    target: Option<String>,
}

/// Reads one folder as one domain named after it.
///
/// # Errors
/// When a file is missing or a line does not have the published columns.
pub fn read(dir: &Path, seed: u64) -> Result<ProtocolData, DataError> {
    let mut files = SourceFiles::new();
    let name = dir.canonicalize().map_or_else(|_| stem(dir), |full| stem(&full));
    let mut builder = DatasetBuilder::new(&name, seed);
    let domain = builder.domain(&name)?;
    read_items(&dir.join("items.jsonl"), domain, &mut files, &mut builder)?;
    let train = read_rows(&dir.join("train.tsv"), false, &mut files)?;
    let train_valid = read_rows(&dir.join("train_valid.tsv"), false, &mut files)?;
    let valid = read_rows(&dir.join("valid.tsv"), true, &mut files)?;
    let test = read_rows(&dir.join("test.tsv"), true, &mut files)?;
    for row in train.iter().chain(&train_valid).chain(&valid).chain(&test) {
        for item in row.items.iter().chain(&row.target) {
            builder.item(domain, item);
        }
    }
    let (mut dataset, _) = builder.finish();
    let split = Split {
        train: TrainSet { sequences: sequences(&train, &dataset.items, domain), ..TrainSet::default() },
        train_valid: TrainSet {
            sequences: sequences(&train_valid, &dataset.items, domain),
            ..TrainSet::default()
        },
        valid: ValidSet(cases(&valid, &dataset.items, domain)),
        test: TestSet::new(cases(&test, &dataset.items, domain)),
        description: "published global time split, history = last 10".into(),
    };
    dataset.sequences = split.train_valid.sequences.clone();
    Ok(ProtocolData { dataset, split, sha256: files.sha256() })
}

fn read_items(
    path: &Path,
    domain: DomainIdx,
    files: &mut SourceFiles,
    builder: &mut DatasetBuilder,
) -> Result<(), DataError> {
    for (at, line) in files.read(path)?.lines().enumerate() {
        let broken = |problem: String| {
            let remedy = "each line is {\"item_id\": …, \"title\": …, \"brand\": …, \"description\": …, \"categories\": …}";
            DataError::format(path, Some(at as u64 + 1), problem, remedy)
        };
        let item: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(line).map_err(|e| broken(e.to_string()))?;
        let text = |key: &str| match item.get(key) {
            Some(serde_json::Value::String(text)) => text.clone(),
            Some(serde_json::Value::Null) | None => String::new(),
            Some(other) => other.to_string(),
        };
        if !item.contains_key("item_id") {
            return Err(broken("`item_id` is missing".into()));
        }
        let fields = ["title", "brand", "categories", "description"].map(|key| (key, text(key)));
        let fields: Vec<(&str, &str)> = fields.iter().map(|(key, text)| (*key, text.as_str())).collect();
        builder.describe_item(domain, &text("item_id"), &fields);
    }
    Ok(())
}

fn read_rows(
    path: &Path,
    with_target: bool,
    files: &mut SourceFiles,
) -> Result<Vec<ListedSequence>, DataError> {
    let text = files.read(path)?;
    let n_columns = if with_target { 3 } else { 2 };
    let mut rows = Vec::new();
    for (at, line) in text.lines().enumerate().skip(1) {
        let cells: Vec<&str> = line.split('\t').collect();
        if cells.len() != n_columns {
            let problem = format!("{} columns, expected {n_columns}", cells.len());
            let remedy =
                "columns are user_id, history (items by spaces), target; or user_id, sequence; tab-separated";
            return Err(DataError::format(path, Some(at as u64 + 1), problem, remedy));
        }
        let items = cells[1].split_whitespace().map(str::to_owned).collect();
        rows.push(ListedSequence { items, target: cells.get(2).map(|target| target.trim().to_owned()) });
    }
    Ok(rows)
}

fn events(row: &ListedSequence, items: &ItemCatalog, domain: DomainIdx) -> Vec<Event> {
    row.items.iter().filter_map(|raw| items.get(domain, raw)).map(untimed).collect()
}

fn untimed(item: crate::ItemIdx) -> Event {
    Event { item, value: 1.0, timestamp: 0, kind: 0 }
}

fn sequences(rows: &[ListedSequence], items: &ItemCatalog, domain: DomainIdx) -> Sequences {
    Sequences::from_rows(rows.iter().map(|row| events(row, items, domain)))
}

fn cases(rows: &[ListedSequence], items: &ItemCatalog, domain: DomainIdx) -> CaseSet {
    let mut set = CaseSet::new();
    for (at, row) in rows.iter().enumerate() {
        if let Some(target) = row.target.as_ref().and_then(|raw| items.get(domain, raw)) {
            set.push(&events(row, items, domain), untimed(target), domain, at as u32);
        }
    }
    set
}
