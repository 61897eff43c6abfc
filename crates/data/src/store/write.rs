//! Writing a data set folder: aside, table by table, and under its name only when all is on disk.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::{DatasetHead, FORMAT_VERSION};
use crate::catalog::ItemCatalog;
use crate::dataset::Dataset;
use crate::error::DataError;
use crate::graph::KnowledgeGraph;
use crate::hash;
use crate::ids::ItemIdx;
use crate::table::{self, Column, Columns, TableWriter};
use crate::vocabulary::Vocabulary;

/// Events that are gathered and encoded at one time.
const ROWS_PER_GROUP: usize = 1 << 20;

/// Writes `dataset` to the folder `to`, which must not exist. The folder appears only when complete.
///
/// # Errors
/// When `to` exists or writing fails; nothing is left behind then.
pub fn write(dataset: &Dataset, seed: u64, import: toml::Table, to: &Path) -> Result<DatasetHead, DataError> {
    refuse_existing(to)?;
    let aside = aside_of(to);
    let written =
        write_into(dataset, seed, import, &aside).and_then(|head| publish(&aside, to).map(|()| head));
    if written.is_err() {
        // Best effort: the error that matters is the first one.
        let _ = fs::remove_dir_all(&aside);
    }
    written
}

/// Refuses to write where something is.
///
/// # Errors
/// When `to` exists.
pub fn refuse_existing(to: &Path) -> Result<(), DataError> {
    if !to.exists() {
        return Ok(());
    }
    Err(DataError::request(
        format!("`{}` already exists", to.display()),
        "name another folder with --to, or remove this one first",
    ))
}

fn aside_of(to: &Path) -> PathBuf {
    let name = to.file_name().map_or_else(|| "dataset".into(), |name| name.to_string_lossy().into_owned());
    to.with_file_name(format!(".{name}.partial-{}", std::process::id()))
}

fn publish(aside: &Path, to: &Path) -> Result<(), DataError> {
    sync_dir(aside)?;
    fs::rename(aside, to).map_err(|e| DataError::io("rename to", to, e))?;
    match to.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => sync_dir(parent),
        _ => sync_dir(Path::new(".")),
    }
}

fn sync_dir(dir: &Path) -> Result<(), DataError> {
    fs::File::open(dir).and_then(|file| file.sync_all()).map_err(|e| DataError::io("sync", dir, e))
}

fn write_into(
    dataset: &Dataset,
    seed: u64,
    import: toml::Table,
    dir: &Path,
) -> Result<DatasetHead, DataError> {
    fs::create_dir_all(dir).map_err(|e| DataError::io("create", dir, e))?;
    write_interactions(dataset, &dir.join("interactions.parquet"))?;
    table::write(&dir.join("items.parquet"), &item_columns(&dataset.items))?;
    table::write(&dir.join("users.parquet"), &user_columns(dataset))?;
    if let Some(graph) = &dataset.graph {
        write_graph(graph, dir)?;
    }
    let mut head = DatasetHead {
        format_version: FORMAT_VERSION,
        name: dataset.name.clone(),
        seed,
        domains: dataset.domains.iter().map(|domain| domain.name.clone()).collect(),
        event_kinds: dataset.event_kinds.clone(),
        has_timestamps: dataset.has_timestamps,
        n_users: dataset.users.len(),
        n_items: dataset.items.len(),
        n_events: dataset.sequences.n_events(),
        tables: BTreeMap::new(),
        import,
        attributes: dataset.profiles.attributes().to_vec(),
    };
    for entry in fs::read_dir(dir).map_err(|e| DataError::io("read", dir, e))? {
        let path = entry.map_err(|e| DataError::io("read", dir, e))?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        head.tables.insert(name, hash::of_file(&path)?);
    }
    let path = dir.join("dataset.toml");
    let text = toml::to_string(&head)
        .map_err(|e| DataError::format(&path, None, e.to_string(), "report this as a bug"))?;
    fs::write(&path, text).map_err(|e| DataError::io("write", &path, e))?;
    fs::File::open(&path).and_then(|file| file.sync_all()).map_err(|e| DataError::io("sync", &path, e))?;
    Ok(head)
}

fn write_interactions(dataset: &Dataset, path: &Path) -> Result<(), DataError> {
    let sequences = &dataset.sequences;
    let group = |from: usize, to: usize, users: Vec<i32>| -> Columns {
        let events = &sequences.events()[from..to];
        let mut columns = vec![
            ("user".into(), Column::I32(users)),
            ("item".into(), Column::I32(events.iter().map(|e| e.item.0 as i32).collect())),
            ("timestamp".into(), Column::I64(events.iter().map(|e| e.timestamp).collect())),
            ("value".into(), Column::F32(events.iter().map(|e| e.value).collect())),
            ("kind".into(), Column::I32(events.iter().map(|e| i32::from(e.kind)).collect())),
        ];
        if !dataset.published_split.is_empty() {
            let split = dataset.published_split[from..to].iter().map(|&tag| i32::from(tag)).collect();
            columns.push(("split".into(), Column::I32(split)));
        }
        columns
    };
    let mut writer = TableWriter::create(path, &group(0, 0, Vec::new()))?;
    let mut user = 0;
    let mut next = |from: usize| {
        let to = (from + ROWS_PER_GROUP).min(sequences.n_events());
        let mut users = Vec::with_capacity(to - from);
        for at in from..to {
            while sequences.offsets()[user + 1] <= at {
                user += 1;
            }
            users.push(user as i32);
        }
        group(from, to, users)
    };
    // The next group is gathered while this one is encoded.
    let mut current = next(0);
    for from in (0..sequences.n_events()).step_by(ROWS_PER_GROUP) {
        let after = (from + ROWS_PER_GROUP).min(sequences.n_events());
        let (written, gathered) = rayon::join(|| writer.write(&current), || next(after));
        written?;
        current = gathered;
    }
    writer.finish()
}

fn item_columns(items: &ItemCatalog) -> Columns {
    let all = (0..items.len() as u32).map(ItemIdx);
    let mut columns = vec![
        ("raw_id".into(), Column::Text(all.clone().map(|item| items.raw(item).to_owned()).collect())),
        ("domain".into(), Column::I32(all.map(|item| i32::from(items.domain_of(item).0)).collect())),
    ];
    for field in items.fields() {
        columns.push((format!("field:{}", field.name), Column::Text(field.values.clone())));
    }
    columns
}

fn user_columns(dataset: &Dataset) -> Columns {
    let raw = dataset.users.iter().map(str::to_owned).collect();
    let mut columns = vec![("raw_id".into(), Column::Text(raw))];
    for field in &dataset.user_fields {
        columns.push((format!("field:{}", field.name), Column::Text(field.values.clone())));
    }
    columns
}

fn write_graph(graph: &KnowledgeGraph, dir: &Path) -> Result<(), DataError> {
    let names = |vocabulary: &Vocabulary| -> Columns {
        vec![("raw_id".into(), Column::Text(vocabulary.iter().map(str::to_owned).collect()))]
    };
    let mut entities = names(&graph.entities);
    if !graph.labels.is_empty() {
        entities.push(("label".into(), Column::Text(graph.labels.clone())));
    }
    table::write(&dir.join("entities.parquet"), &entities)?;
    table::write(&dir.join("relations.parquet"), &names(&graph.relations))?;
    let triples: Columns = vec![
        ("head".into(), Column::I32(graph.triples.iter().map(|t| t.head.0 as i32).collect())),
        ("relation".into(), Column::I32(graph.triples.iter().map(|t| t.relation.0 as i32).collect())),
        ("tail".into(), Column::I32(graph.triples.iter().map(|t| t.tail.0 as i32).collect())),
    ];
    table::write(&dir.join("triples.parquet"), &triples)?;
    let links: Columns = vec![
        ("item".into(), Column::I32(graph.links.iter().map(|l| l.item.0 as i32).collect())),
        ("entity".into(), Column::I32(graph.links.iter().map(|l| l.entity.0 as i32).collect())),
    ];
    table::write(&dir.join("links.parquet"), &links)
}
