//! A data set on disk: `dataset.toml` and Parquet tables in one folder, written whole or not at all. The head names every
//! table with its hash, so a table that was changed or half copied is found before anything is learned from it.

mod read;
mod write;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::hash;
use crate::profiles::Attribute;

pub use read::{read, read_catalog, read_head};
pub use write::{refuse_existing, write};

/// Version of the folder's layout.
pub const FORMAT_VERSION: u32 = 1;

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
    pub tables: BTreeMap<String, String>,
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

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::builder::{DatasetBuilder, RawInteraction};
    use crate::dataset::Dataset;

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
