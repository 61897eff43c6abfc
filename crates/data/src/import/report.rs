//! What sniffing found out about a source, fit for printing and for reading by it.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::bytes::Compression;
use super::delimited::Dialect;
use super::options::{Encoding, Format};
use super::time::TimeForm;

/// What a column says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Who.
    User,
    /// What.
    Item,
    /// Rating or weight.
    Rating,
    /// When.
    Time,
    /// Domain of the item.
    Domain,
    /// Kind of event.
    EventKind,
    /// Published split: train, valid, test.
    Split,
    /// A text column called so.
    Text(String),
    /// `1` means that the text column `field` has this value.
    Flag {
        /// Name of the text column.
        field: String,
        /// One of its values.
        value: String,
    },
    /// The user's items before, between spaces.
    History,
    /// Items that were shown, each with whether it was chosen.
    Shown,
    /// Subject of a triple.
    Head,
    /// Predicate of a triple.
    Relation,
    /// Object of a triple.
    Tail,
    /// Entity that an item is linked to.
    Entity,
    /// Not read.
    Unused,
}

impl Role {
    /// As reports say it: lower case, without an article.
    pub fn in_words(&self) -> String {
        match self {
            Self::User => "user".to_owned(),
            Self::Item => "item".to_owned(),
            Self::Rating => "rating".to_owned(),
            Self::Time => "time".to_owned(),
            Self::Domain => "domain".to_owned(),
            Self::EventKind => "event kind".to_owned(),
            Self::Split => "split".to_owned(),
            Self::Text(name) => format!("text `{name}`"),
            Self::Flag { field, value } => format!("`{field}` = {value}"),
            Self::History => "history".to_owned(),
            Self::Shown => "shown items".to_owned(),
            Self::Head => "head".to_owned(),
            Self::Relation => "relation".to_owned(),
            Self::Tail => "tail".to_owned(),
            Self::Entity => "entity".to_owned(),
            Self::Unused => "–".to_owned(),
        }
    }
}

/// Where a guess comes from, from the weakest ground to the strongest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Confidence {
    /// Guessed from the values.
    Low,
    /// Guessed from the name.
    Medium,
    /// Fixed by the format.
    High,
    /// Said by the caller.
    Given,
}

/// One column of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ColumnReport {
    /// Name in the header; `column_1`, … without one.
    pub name: String,
    /// What it is taken for.
    pub role: Role,
    /// On what ground.
    pub confidence: Confidence,
    /// How it writes times, for the time column.
    pub time: Option<TimeForm>,
    /// Whether a cell is a list of words between spaces (`token_seq` of `RecBole`).
    pub is_sequence: bool,
}

/// What the rows of a table are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Content {
    /// One item a row.
    Items,
    /// One event a row.
    Events,
    /// One user a row.
    Users,
    /// One fact a row.
    Triples,
    /// One item ↔ entity link a row.
    Links,
    /// One user a line, then their items in time order.
    Lists,
    /// One user a line, then `item|unix_time` in time order.
    TimedLists,
    /// A user and a list of items a row, tagged with the split it belongs to.
    TaggedLists,
    /// A user, the items before, and items that were shown, each chosen or not.
    Impressions,
    /// A user, the items before, and the item to predict.
    Cases,
    /// A JSON object: item → attributes.
    ItemAttributes,
    /// A JSON object: item → [index, domain].
    ItemIndex,
    /// Names of indexes.
    Names,
}

impl Content {
    /// As reports say it: lower case, without an article.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Items => "items",
            Self::Events => "events",
            Self::Users => "users",
            Self::Triples => "triples",
            Self::Links => "links",
            Self::Lists => "items of a user, in time order",
            Self::TimedLists => "items and times of a user",
            Self::TaggedLists => "items of a user, tagged with a split",
            Self::Impressions => "histories and impressions",
            Self::Cases => "history and target",
            Self::ItemAttributes => "attributes of items",
            Self::ItemIndex => "index and domain of items",
            Self::Names => "names",
        }
    }
}

/// What finds the rows and cells of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layout {
    /// Delimited text.
    Text(Dialect),
    /// One JSON object a line.
    JsonLines(Encoding),
    /// Parquet.
    Parquet,
    /// Lines or JSON that only this format has.
    OfFormat,
}

/// One file of a source.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TableReport {
    /// Where the file lies.
    pub path: PathBuf,
    /// What its rows are.
    pub content: Content,
    /// What finds its rows and cells.
    pub layout: Layout,
    /// What it was compressed with, by its first bytes.
    pub compression: Compression,
    /// Size of the stored file.
    pub n_bytes: u64,
    /// Its columns, in file order.
    pub columns: Vec<ColumnReport>,
    /// The first three rows, one text per column.
    pub samples: Vec<Vec<String>>,
    /// Published split of all its events, if the file is one part of a split.
    pub split: Option<u8>,
    /// The text column of an item table whose value is the item's domain.
    pub domain_field: Option<String>,
    /// Whether that column is a list of words between spaces.
    pub domain_is_sequence: bool,
    #[serde(skip)]
    pub(super) header: Option<Vec<u8>>,
}

impl TableReport {
    /// The position of the column with this role.
    pub fn column(&self, role: &Role) -> Option<usize> {
        self.columns.iter().position(|column| column.role == *role)
    }

    /// A file that its format reads by itself.
    pub(super) fn of_format(path: &Path, content: Content) -> Result<Self, crate::DataError> {
        let sample = super::bytes::sample(path, 1 << 12)?;
        let head = String::from_utf8_lossy(&sample.bytes);
        let samples =
            head.lines().take(3).map(|line| vec![super::skipped::excerpt(line.as_bytes())]).collect();
        Ok(Self {
            path: path.to_owned(),
            content,
            layout: Layout::OfFormat,
            compression: sample.compression,
            n_bytes: std::fs::metadata(path).map_or(0, |meta| meta.len()),
            columns: Vec::new(),
            samples,
            split: None,
            domain_field: None,
            domain_is_sequence: false,
            header: None,
        })
    }
}

/// What sniffing found out about one source.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SniffReport {
    /// File or folder, as the caller named it.
    pub path: PathBuf,
    /// The domain that its items belong to, unless a column says otherwise.
    pub domain: String,
    /// What program or data set lays files out like this.
    pub format: Format,
    /// Files that will be read.
    pub tables: Vec<TableReport>,
    /// Files of the folder that will not be read.
    pub unused: Vec<PathBuf>,
}
