//! Reading a data set folder: hashes first, then tables, each index checked against what it points into.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use super::{DatasetHead, FORMAT_VERSION};
use crate::catalog::{Field, ItemCatalog};
use crate::dataset::{Dataset, Domain};
use crate::error::DataError;
use crate::graph::{KnowledgeGraph, Link, Triple};
use crate::hash;
use crate::ids::{EntityIdx, ItemIdx, RelationIdx};
use crate::profiles::{Attribute, UserProfiles};
use crate::sequences::{Event, Sequences};
use crate::table::{self, Column, Columns};
use crate::vocabulary::Vocabulary;

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
