//! What a caller asks of an import, and the words of a format.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// One path to read, with the domain that its items belong to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// A file or a folder.
    pub path: PathBuf,
    /// Name of the domain; taken from the file name when absent.
    pub domain: Option<String>,
}

/// The layouts that the importer knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// `RecBole` atomic files: `.inter .user .item .kg .link`.
    Recbole,
    /// `MovieLens` 100K, 1M, 10M, 20M and later.
    Movielens,
    /// Amazon Reviews 2014, 2018 or 2023: ratings CSV, review and meta JSON lines.
    Amazon,
    /// S3-Rec text: one user a line, items in time order.
    S3rec,
    /// ABXI text: one user a line, `item|unix_time` in time order, and a JSON map of items.
    Abxi,
    /// `MiniOneRec` tables with published histories and targets.
    Minionerec,
    /// LLMCDSR tables: items, sequences of two domains.
    Llmcdsr,
    /// KGAT folder: `train.txt`, `test.txt`, `kg_final.txt`.
    Kgat,
    /// `OpenKE` folder: triples in the order head, tail, relation.
    Openke,
    /// Triples only, tab-separated, in the order head, relation, tail.
    Triples,
    /// MIND folder: `news.tsv` with Wikidata entities, `behaviors.tsv` with histories and impressions.
    Mind,
    /// Any table with a user and an item column.
    Table,
}

impl Format {
    /// Every format, in the order in which they are tried.
    pub const ALL: [Self; 12] = [
        Self::Recbole,
        Self::Movielens,
        Self::Minionerec,
        Self::Llmcdsr,
        Self::Mind,
        Self::Kgat,
        Self::Openke,
        Self::Abxi,
        Self::S3rec,
        Self::Triples,
        Self::Amazon,
        Self::Table,
    ];

    /// The name used on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Recbole => "recbole",
            Self::Movielens => "movielens",
            Self::Amazon => "amazon",
            Self::S3rec => "s3rec",
            Self::Abxi => "abxi",
            Self::Minionerec => "minionerec",
            Self::Llmcdsr => "llmcdsr",
            Self::Kgat => "kgat",
            Self::Openke => "openke",
            Self::Triples => "triples",
            Self::Mind => "mind",
            Self::Table => "table",
        }
    }
}

/// How bytes become text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Encoding {
    /// UTF-8; a line that is not is a bad row.
    #[default]
    Utf8,
    /// ISO 8859-1, one byte a character.
    Latin1,
    /// UTF-8, and Latin-1 for lines that are not (`MovieLens` titles).
    Utf8OrLatin1,
}

/// Columns named by the caller instead of guessed: a name of the header, or a one-based position.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ColumnRoles {
    /// Who.
    pub user: Option<String>,
    /// What.
    pub item: Option<String>,
    /// Rating or weight.
    pub rating: Option<String>,
    /// When.
    pub time: Option<String>,
    /// Domain of the row.
    pub domain: Option<String>,
    /// Kind of event (view, buy, …).
    pub event: Option<String>,
    /// Text about the item.
    pub text: Vec<String>,
}

/// A domain made of several values of the column given as `domain_by`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DomainGroup {
    /// Name of the domain.
    pub name: String,
    /// Values that belong to it, compared without case.
    pub values: Vec<String>,
}

/// Everything an import needs to know. [`ImportOptions::new`] gives the defaults.
#[derive(Clone, Debug, PartialEq)]
pub struct ImportOptions {
    /// What to read, in order.
    pub sources: Vec<Source>,
    /// The layout of all sources; sniffed when absent.
    pub format: Option<Format>,
    /// Columns named by the caller.
    pub columns: ColumnRoles,
    /// Equal raw user ids in two domains are different people (their ids become `domain/id`).
    pub disjoint_users: bool,
    /// A column (of the item table or of the events) whose value cuts the sources into domains.
    pub domain_by: Option<String>,
    /// Groups of its values; without groups the first value of each item is its domain.
    pub domain_groups: Vec<DomainGroup>,
    /// Events with a lower rating are left out (and counted).
    pub min_rating: Option<f32>,
    /// Name of the data set.
    pub name: String,
    /// Seed of the item renumbering.
    pub seed: u64,
    /// A file is refused when a larger share of its rows is bad. Ten bad rows are always tolerated, unless they
    /// are half of the file or more.
    pub max_bad_share: f64,
    /// The separator of text tables: `,`, `;`, `|`, `::`, a tab (`\t` or `tab`) or `space`; sniffed when absent.
    pub separator: Option<String>,
    /// Encoding of text; sniffed when absent.
    pub encoding: Option<Encoding>,
    /// Link items without a link to the entities of their names, where the confidence is at least this (in (0, 1]).
    pub link_by_name: Option<f64>,
}

impl ImportOptions {
    /// Default options for these sources: everything sniffed, 1 % of bad rows tolerated, seed 0.
    pub fn new(name: impl Into<String>, sources: Vec<Source>) -> Self {
        Self {
            sources,
            format: None,
            columns: ColumnRoles::default(),
            disjoint_users: false,
            domain_by: None,
            domain_groups: Vec::new(),
            min_rating: None,
            name: name.into(),
            seed: 0,
            max_bad_share: 0.01,
            separator: None,
            encoding: None,
            link_by_name: None,
        }
    }
}

/// What was read so far, for a progress bar.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ImportProgress {
    /// Bytes read of all source files (as stored, before decompression).
    pub bytes_done: u64,
    /// Bytes of all source files.
    pub bytes_total: u64,
    /// Rows read.
    pub rows: u64,
}
