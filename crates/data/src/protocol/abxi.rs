//! ABXI text (Bian et al., WWW 2025): `PREFIX_50_preprocessed.txt` with `user item|unix_time …` a line over two domains, and
//! `PREFIX_map_item_50.json` with raw id → [item, domain 0/1]. Leave-one-out on the merged sequence.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::{ProtocolData, SourceFiles, files_ending};
use crate::builder::{DatasetBuilder, RawInteraction};
use crate::error::DataError;
use crate::ids::DomainIdx;
use crate::split::SplitRule;

/// How events with equal timestamps are ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TieOrder {
    /// As published (sorted by raw id: an artifact that models can exploit).
    Published,
    /// Shuffled within each user by a seed.
    Shuffled(u64),
}

/// The sequence files under `path`: itself when it is a file, else every `*_preprocessed.txt`.
///
/// # Errors
/// When there is none.
pub fn find(path: &Path) -> Result<Vec<PathBuf>, DataError> {
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let found = files_ending(path, "_preprocessed.txt")?;
    if found.is_empty() {
        let remedy = "name a file or folder with PREFIX_50_preprocessed.txt and PREFIX_map_item_50.json";
        return Err(DataError::format(path, None, "no *_preprocessed.txt here", remedy));
    }
    Ok(found)
}

/// Reads one pair of domains; `titles` is an optional TSV with columns `asin` and `title` to join.
///
/// # Errors
/// When a file is missing, or an event names an item that the map does not have.
pub fn read(
    path: &Path,
    titles: Option<&Path>,
    order: TieOrder,
    seed: u64,
) -> Result<ProtocolData, DataError> {
    let mut files = SourceFiles::new();
    let prefix = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let prefix = prefix.split('_').next().unwrap_or_default().to_owned();
    let text = files.read(path)?;
    let items = read_map(path, &prefix, &mut files)?;
    let mut builder = DatasetBuilder::new(&prefix, seed);
    let domains = domain_names(&prefix).map(|name| builder.domain(name));
    let [first, second] = domains;
    let domains = [first?, second?];
    if let Some(titles) = titles {
        read_titles(titles, &items, domains, &mut files, &mut builder)?;
    }
    let source = Sequences { path, items: &items, domains, order };
    for (at, line) in text.lines().enumerate() {
        read_user(&source, at, line, &mut builder)?;
    }
    let (dataset, _) = builder.finish();
    let split = SplitRule::LeaveOneOut.cut(&dataset.sequences, &dataset.items, &[], true)?;
    Ok(ProtocolData { dataset, split, sha256: files.sha256() })
}

struct MappedItem {
    raw: String,
    domain: usize,
}

/// Names of the published pairs; others are called by their number.
fn domain_names(prefix: &str) -> [&'static str; 2] {
    match prefix {
        "afk" => ["food", "kitchen"],
        "abe" => ["beauty", "electronics"],
        "amb" => ["movie", "book"],
        _ => ["domain-0", "domain-1"],
    }
}

fn read_map(
    path: &Path,
    prefix: &str,
    files: &mut SourceFiles,
) -> Result<HashMap<u64, MappedItem>, DataError> {
    let dir = path.parent().unwrap_or(Path::new("."));
    let map = files_ending(dir, ".json")?.into_iter().find(|file| {
        file.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&format!("{prefix}_map_item")))
    });
    let Some(map) = map else {
        let problem = format!("no {prefix}_map_item_*.json beside it");
        return Err(DataError::format(
            path,
            None,
            problem,
            "the map gives each item its domain: put it into the same folder",
        ));
    };
    let parsed: HashMap<String, (u64, usize)> = serde_json::from_str(&files.read(&map)?).map_err(|e| {
        DataError::format(
            &map,
            Some(e.line() as u64),
            e.to_string(),
            "expected {\"raw id\": [item, domain], …}",
        )
    })?;
    let mut items = HashMap::with_capacity(parsed.len());
    for (raw, (item, domain)) in parsed {
        if domain > 1 {
            return Err(DataError::format(
                &map,
                None,
                format!("item `{raw}` has domain {domain}"),
                "domains are 0 and 1",
            ));
        }
        items.insert(item, MappedItem { raw, domain });
    }
    Ok(items)
}

/// What reading one line needs to know.
struct Sequences<'a> {
    path: &'a Path,
    items: &'a HashMap<u64, MappedItem>,
    domains: [DomainIdx; 2],
    order: TieOrder,
}

fn read_user(
    source: &Sequences<'_>,
    at: usize,
    line: &str,
    builder: &mut DatasetBuilder,
) -> Result<(), DataError> {
    let Sequences { path, items, domains, order } = *source;
    let broken = |problem: String| {
        DataError::format(
            path,
            Some(at as u64 + 1),
            problem,
            "each line is `user item|unix_time item|unix_time …`",
        )
    };
    let mut words = line.split_whitespace();
    let Some(user) = words.next() else { return Ok(()) };
    let mut events = Vec::new();
    for word in words {
        let (item, time) = word.split_once('|').ok_or_else(|| broken(format!("`{word}` has no `|`")))?;
        let item: u64 = item.parse().map_err(|_| broken(format!("`{item}` is not an item number")))?;
        let time: i64 = time.parse().map_err(|_| broken(format!("`{time}` is not a Unix time")))?;
        let mapped = items.get(&item).ok_or_else(|| broken(format!("item {item} is not in the map")))?;
        events.push((time, mapped));
    }
    if let TieOrder::Shuffled(seed) = order {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(at as u64);
        events.shuffle(&mut rng);
        events.sort_by_key(|&(time, _)| time);
    }
    for (time, item) in events {
        builder.interaction(&RawInteraction {
            user,
            item: &item.raw,
            domain: domains[item.domain],
            timestamp: Some(time),
            value: 1.0,
            kind: 0,
            split: None,
        });
    }
    Ok(())
}

fn read_titles(
    path: &Path,
    items: &HashMap<u64, MappedItem>,
    domains: [DomainIdx; 2],
    files: &mut SourceFiles,
    builder: &mut DatasetBuilder,
) -> Result<(), DataError> {
    let text = files.read(path)?;
    let header: Vec<&str> = text.lines().next().unwrap_or_default().split('\t').collect();
    let column = |name: &str| {
        header.iter().position(|&cell| cell == name).ok_or_else(|| {
            DataError::format(
                path,
                Some(1),
                format!("no column `{name}`"),
                "titles are a TSV with columns asin and title",
            )
        })
    };
    let (asin, title) = (column("asin")?, column("title")?);
    let domain_of: HashMap<&str, usize> =
        items.values().map(|item| (item.raw.as_str(), item.domain)).collect();
    for line in text.lines().skip(1) {
        let cells: Vec<&str> = line.split('\t').collect();
        if let (Some(raw), Some(title)) = (cells.get(asin), cells.get(title))
            && let Some(&domain) = domain_of.get(raw)
        {
            builder.describe_item(domains[domain], raw, &[("title", title)]);
        }
    }
    Ok(())
}
