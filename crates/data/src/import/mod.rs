//! From files that people have to a [`Dataset`](crate::Dataset): sniff the layout, read everything, then build.
//!
//! Nothing is written before everything was read; a file that cannot be read in full imports nothing. Rows that
//! cannot be used are counted by reason and listed with their line. Modules in reading order:

mod batch;
mod blocks;
mod bytes;
pub(crate) mod columnar;
mod consumer;
mod delimited;
mod domains;
mod events;
mod formats;
mod jsonl;
mod lines;
mod look;
mod options;
mod provenance;
mod python;
mod reader;
mod records;
mod report;
mod roles;
mod run;
mod skipped;
mod sniff;
mod staging;
mod tally;
mod time;

pub use blocks::LINE_BYTES_MAX;
pub use bytes::Compression;
pub use delimited::{Dialect, Separator};
pub use domains::OTHER;
pub use events::ID_BYTES_MAX;
pub use options::{ColumnRoles, DomainGroup, Encoding, Format, ImportOptions, ImportProgress, Source};
pub use report::{ColumnReport, Confidence, Content, Layout, Role, SniffReport, TableReport};
pub use run::{Imported, import, import_to};
pub use skipped::{LISTED_MAX, SkipReason, SkippedRow};
pub use sniff::{domain_name, sniff};
pub use staging::ReadCounts;
pub use time::TimeForm;
