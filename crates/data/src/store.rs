//! A data set on disk: `dataset.toml` and Parquet tables in one folder, written whole or not at all.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::catalog::{Field, ItemCatalog};
use crate::dataset::{Dataset, Domain};
use crate::error::DataError;
use crate::graph::{KnowledgeGraph, Link, Triple};
use crate::hash;
use crate::ids::{DomainIdx, EntityIdx, ItemIdx, RelationIdx};
use crate::profiles::{Attribute, UserProfiles};
use crate::sequences::{Event, Sequences};
use crate::table::{self, Column, Columns, TableWriter};
use crate::vocabulary::Vocabulary;

/// Version of the folder's layout.
pub const FORMAT_VERSION: u32 = 1;

const ROWS_PER_GROUP: usize = 1 << 20;

/// The head of a data set folder (`dataset.toml`): what is here and where it came from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DatasetHead {
    /// Layout version, [`FORMAT_VERSION`].
    pub format_version: u32,
    /// Name of the data set.
    pub name: String,
    /// Seed of the item renumbering.
    pub seed: u64,
    /// Domain names in index order.
    pub domains: Vec<String>,
    /// Kinds of events in index order.
    pub event_kinds: Vec<String>,
    /// Whether timestamps are real.
    pub has_timestamps: bool,
    /// Number of users.
    pub n_users: usize,
    /// Number of items.
    pub n_items: usize,
    /// Number of events.
    pub n_events: usize,
    /// SHA-256 of each table, by file name.
    pub tables: std::collections::BTreeMap<String, String>,
    /// How the import read the sources: written by the importer, kept as is.
    #[serde(default)]
    pub import: toml::Table,
    /// The attributes of users and their values in the order of their ids; empty where nothing is known about users, and in
    /// folders of before, whose attributes are found again from `users.parquet`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attributes: Vec<Attribute>,
}

impl DatasetHead {
    /// One hash over all tables: the data hash of manifests.
    pub fn data_sha256(&self) -> String {
        let lines: Vec<String> = self.tables.iter().map(|(name, hash)| format!("{name} {hash}\n")).collect();
        hash::of_bytes(lines.concat().as_bytes())
    }
}

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
        tables: std::collections::BTreeMap::new(),
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

/// Reads only the head of a data set folder.
///
/// # Errors
/// When the folder is not a data set or is of another version.
pub fn read_head(dir: &Path) -> Result<DatasetHead, DataError> {
    let path = dir.join("dataset.toml");
    let text = fs::read_to_string(&path).map_err(|e| DataError::io("read", &path, e))?;
    let head: DatasetHead = toml::from_str(&text).map_err(|e| {
        DataError::format(
            &path,
            None,
            e.message().to_owned(),
            "this is not a Segue data set: make one with `segue import`",
        )
    })?;
    if head.format_version != FORMAT_VERSION {
        let problem = format!("layout version {}, this program reads {FORMAT_VERSION}", head.format_version);
        return Err(DataError::format(
            &path,
            None,
            problem,
            "import the sources again with this version of segue",
        ));
    }
    Ok(head)
}

/// Reads a data set folder; table hashes are checked.
///
/// # Errors
/// When a table is missing, changed since it was written, or inconsistent.
pub fn read(dir: &Path) -> Result<(Dataset, DatasetHead), DataError> {
    let head = read_head(dir)?;
    check_tables(dir, &head, |_| true)?;
    let items = read_items(&dir.join("items.parquet"), head.domains.len())?;
    let (users, user_fields) = read_users(&dir.join("users.parquet"))?;
    let (sequences, published_split) =
        read_interactions(&dir.join("interactions.parquet"), users.len(), items.len())?;
    let graph =
        if head.tables.contains_key("triples.parquet") { Some(read_graph(dir, items.len())?) } else { None };
    let profiles = profiles(&head, &user_fields, users.len(), dir)?;
    let dataset = Dataset {
        name: head.name.clone(),
        domains: head.domains.iter().map(|name| Domain { name: name.clone() }).collect(),
        users,
        user_fields,
        profiles: Arc::new(profiles),
        items,
        sequences,
        published_split,
        event_kinds: head.event_kinds.clone(),
        has_timestamps: head.has_timestamps,
        graph,
    };
    Ok((dataset, head))
}

/// Reads the items of a data set folder and nothing else: no user, no event.
///
/// # Errors
/// As [`read`], of the table of items.
pub fn read_catalog(dir: &Path) -> Result<(ItemCatalog, DatasetHead), DataError> {
    let head = read_head(dir)?;
    check_tables(dir, &head, |name| name == "items.parquet")?;
    let items = read_items(&dir.join("items.parquet"), head.domains.len())?;
    Ok((items, head))
}

fn check_tables(dir: &Path, head: &DatasetHead, asked: impl Fn(&str) -> bool) -> Result<(), DataError> {
    for (name, expected) in head.tables.iter().filter(|(name, _)| asked(name)) {
        let path = dir.join(Path::new(name).file_name().unwrap_or_default());
        if hash::of_file(&path)? != *expected {
            let problem = "its SHA-256 is not the one in dataset.toml";
            return Err(DataError::format(&path, None, problem, "import the data set again"));
        }
    }
    Ok(())
}

fn damaged(path: &Path, problem: impl Into<String>) -> DataError {
    DataError::format(path, None, problem, "import the data set again")
}

fn take(columns: &mut Columns, name: &str, path: &Path) -> Result<Column, DataError> {
    match columns.iter().position(|(column, _)| column == name) {
        Some(at) => Ok(columns.remove(at).1),
        None => Err(damaged(path, format!("column `{name}` is missing"))),
    }
}

fn take_text(columns: &mut Columns, name: &str, path: &Path) -> Result<Vec<String>, DataError> {
    match take(columns, name, path)? {
        Column::Text(values) => Ok(values),
        _ => Err(damaged(path, format!("column `{name}` is not text"))),
    }
}

fn take_indexes(columns: &mut Columns, name: &str, limit: usize, path: &Path) -> Result<Vec<u32>, DataError> {
    let Column::I32(values) = take(columns, name, path)? else {
        return Err(damaged(path, format!("column `{name}` is not 32-bit integers")));
    };
    match values.iter().find(|&&value| value < 0 || value as usize >= limit) {
        Some(value) => Err(damaged(path, format!("column `{name}` has {value}, outside 0..{limit}"))),
        None => Ok(values.into_iter().map(|value| value as u32).collect()),
    }
}

fn take_fields(columns: Columns) -> Vec<Field> {
    let field = |(name, column): (String, Column)| match (name.strip_prefix("field:"), column) {
        (Some(name), Column::Text(values)) => Some(Field { name: name.to_owned(), values }),
        _ => None,
    };
    columns.into_iter().filter_map(field).collect()
}

fn read_items(path: &Path, n_domains: usize) -> Result<ItemCatalog, DataError> {
    let mut columns = table::read(path)?;
    let raw = take_text(&mut columns, "raw_id", path)?;
    let domains = take_indexes(&mut columns, "domain", n_domains, path)?;
    if domains.windows(2).any(|pair| pair[0] > pair[1]) {
        return Err(damaged(path, "items are not grouped by domain"));
    }
    let mut per_domain = vec![Vocabulary::new(); n_domains];
    for (id, &domain) in raw.iter().zip(&domains) {
        per_domain[domain as usize].intern(id);
    }
    if per_domain.iter().map(Vocabulary::len).sum::<usize>() != raw.len() {
        return Err(damaged(path, "an item id stands twice in one domain"));
    }
    Ok(ItemCatalog::new(per_domain, take_fields(columns)))
}

fn read_users(path: &Path) -> Result<(Vocabulary, Vec<Field>), DataError> {
    let mut columns = table::read(path)?;
    let raw = take_text(&mut columns, "raw_id", path)?;
    let users: Vocabulary = raw.iter().collect();
    if users.len() != raw.len() {
        return Err(damaged(path, "a user id stands twice"));
    }
    Ok((users, take_fields(columns)))
}

fn profiles(
    head: &DatasetHead,
    fields: &[Field],
    n_users: usize,
    dir: &Path,
) -> Result<UserProfiles, DataError> {
    if head.attributes.is_empty() {
        return Ok(UserProfiles::of(fields, n_users));
    }
    match head.attributes.iter().find_map(Attribute::problem) {
        Some(problem) => Err(damaged(&dir.join("dataset.toml"), problem)),
        None => Ok(UserProfiles::with_attributes(head.attributes.clone(), fields, n_users)),
    }
}

fn read_interactions(path: &Path, n_users: usize, n_items: usize) -> Result<(Sequences, Vec<u8>), DataError> {
    let mut columns = table::read(path)?;
    let users = take_indexes(&mut columns, "user", n_users, path)?;
    let items = take_indexes(&mut columns, "item", n_items, path)?;
    let kinds = take_indexes(&mut columns, "kind", 256, path)?;
    let has_split = columns.iter().any(|(name, _)| name == "split");
    let split = if has_split { take_indexes(&mut columns, "split", 3, path)? } else { Vec::new() };
    let (Column::I64(times), Column::F32(values)) =
        (take(&mut columns, "timestamp", path)?, take(&mut columns, "value", path)?)
    else {
        return Err(damaged(path, "`timestamp` or `value` has another type"));
    };
    if users.windows(2).any(|pair| pair[0] > pair[1]) {
        return Err(damaged(path, "events are not grouped by user"));
    }
    let mut offsets = vec![0; n_users + 1];
    for &user in &users {
        offsets[user as usize + 1] += 1;
    }
    for row in 1..offsets.len() {
        offsets[row] += offsets[row - 1];
    }
    let event = |at: usize| Event {
        item: ItemIdx(items[at]),
        value: values[at],
        timestamp: times[at],
        kind: kinds[at] as u8,
    };
    let events = (0..users.len()).map(event).collect();
    Ok((Sequences::from_parts(offsets, events), split.into_iter().map(|tag| tag as u8).collect()))
}

fn read_graph(dir: &Path, n_items: usize) -> Result<KnowledgeGraph, DataError> {
    let names = |file: &str| -> Result<Vocabulary, DataError> {
        let path = dir.join(file);
        Ok(take_text(&mut table::read(&path)?, "raw_id", &path)?.iter().collect())
    };
    let (entities, relations) = (names("entities.parquet")?, names("relations.parquet")?);
    let path = dir.join("entities.parquet");
    let mut columns = table::read(&path)?;
    let is_labeled = columns.iter().any(|(name, _)| name == "label");
    let labels = if is_labeled { take_text(&mut columns, "label", &path)? } else { Vec::new() };
    let path = dir.join("triples.parquet");
    let mut columns = table::read(&path)?;
    let heads = take_indexes(&mut columns, "head", entities.len(), &path)?;
    let kinds = take_indexes(&mut columns, "relation", relations.len(), &path)?;
    let tails = take_indexes(&mut columns, "tail", entities.len(), &path)?;
    let triple = |at: usize| Triple {
        head: EntityIdx(heads[at]),
        relation: RelationIdx(kinds[at]),
        tail: EntityIdx(tails[at]),
    };
    let triples = (0..heads.len()).map(triple).collect();
    let path = dir.join("links.parquet");
    let mut columns = table::read(&path)?;
    let linked = take_indexes(&mut columns, "item", n_items, &path)?;
    let targets = take_indexes(&mut columns, "entity", entities.len(), &path)?;
    let link = |(&item, &entity): (&u32, &u32)| Link { item: ItemIdx(item), entity: EntityIdx(entity) };
    let links = linked.iter().zip(&targets).map(link).collect();
    Ok(KnowledgeGraph { entities, labels, relations, triples, links })
}

/// The domain indexes of a head, in order.
pub fn domain_indexes(head: &DatasetHead) -> impl Iterator<Item = DomainIdx> + use<> {
    (0..head.domains.len() as u16).map(DomainIdx)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builder::{DatasetBuilder, RawInteraction};

    #[test]
    fn a_data_set_round_trips_and_a_changed_table_is_refused() {
        let mut builder = DatasetBuilder::new("tiny", 3);
        let books = builder.domain("books").unwrap();
        for n in 0..50i64 {
            let (user, item) = (format!("u{}", n % 7), format!("i{}", n % 11));
            let row = RawInteraction {
                user: &user,
                item: &item,
                domain: books,
                timestamp: Some(n * 3),
                value: 0.5,
                kind: 0,
                split: None,
            };
            builder.interaction(&row);
        }
        builder.describe_item(books, "i3", &[("title", "Three")]);
        builder.describe_user("u1", "age", "33");
        builder.triple("e", "r", "f");
        builder.link(books, "i3", "e");
        let (dataset, _) = builder.finish();
        let dir = std::env::temp_dir().join(format!("segue-store-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        write(&dataset, 3, toml::Table::new(), &dir).unwrap();
        let (read_back, _) = read(&dir).unwrap();
        assert_eq!(read_back.sequences, dataset.sequences);
        assert_eq!(read_back.items.fields(), dataset.items.fields());
        assert_eq!(read_back.user_fields, dataset.user_fields);
        assert_eq!(read_back.graph.unwrap().triples, dataset.graph.unwrap().triples);
        assert!(write(&read_back_again(&dir), 3, toml::Table::new(), &dir).is_err(), "never overwrites");
        let path = dir.join("users.parquet");
        let mut bytes = fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&path, bytes).unwrap();
        assert!(read(&dir).unwrap_err().to_string().contains("SHA-256"));
        fs::remove_dir_all(&dir).unwrap();
    }

    fn read_back_again(dir: &Path) -> Dataset {
        read(dir).unwrap().0
    }
}
