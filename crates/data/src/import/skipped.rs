//! Rows that cannot be used: counted by reason, the first ones listed with their line.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;

/// How many bad rows are listed with line and excerpt; all are counted.
pub const LISTED_MAX: usize = 100;

const EXCERPT_CHARS_MAX: usize = 80;

/// Why a row was left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SkipReason {
    /// More or fewer columns than the table has.
    ColumnCount,
    /// Bytes that are not UTF-8.
    NotUtf8,
    /// A NUL byte.
    NulByte,
    /// The user id is empty.
    NoUser,
    /// The item id is empty.
    NoItem,
    /// An id longer than [`super::ID_BYTES_MAX`].
    IdTooLong,
    /// The rating is missing or not a finite number.
    BadRating,
    /// The time is missing, not a time, or beyond 64 bits.
    BadTime,
    /// The split column is none of train, valid, test.
    BadSplit,
    /// A quote is opened and not closed, or followed by more text.
    BadQuote,
    /// The line is longer than [`super::LINE_BYTES_MAX`].
    LineTooLong,
    /// Not a JSON object.
    BadJson,
    /// The header stands again in the middle of the file.
    RepeatedHeader,
    /// A triple or link with an empty part.
    EmptyPart,
    /// An index that names nothing, or not a number where the format has one.
    BadReference,
    /// A history that does not continue the events before.
    BrokenHistory,
    /// A list of entities that is not a JSON list of objects with an id.
    BadEntities,
    /// An item that was shown, marked by something else than `-1` or `-0`.
    BadImpression,
}

impl SkipReason {
    /// In words, to follow "skipped:".
    pub fn in_words(self) -> &'static str {
        match self {
            Self::ColumnCount => "more or fewer columns than the table has",
            Self::NotUtf8 => "not UTF-8",
            Self::NulByte => "a NUL byte",
            Self::NoUser => "no user id",
            Self::NoItem => "no item id",
            Self::IdTooLong => "an id is too long",
            Self::BadRating => "the rating is not a finite number",
            Self::BadTime => "the time is not a time that fits 64 bits",
            Self::BadSplit => "the split is none of train, valid, test",
            Self::BadQuote => "a quote is not closed, or text follows it",
            Self::LineTooLong => "the line is too long",
            Self::BadJson => "not a JSON object",
            Self::RepeatedHeader => "the header again",
            Self::EmptyPart => "a part is empty",
            Self::BadReference => "an index is not a number or names nothing",
            Self::BrokenHistory => "the history does not continue what came before",
            Self::BadEntities => "the entities are not a JSON list of objects with a `WikidataId`",
            Self::BadImpression => "a shown item ends neither in `-1` (clicked) nor in `-0`",
        }
    }

    fn remedy(self) -> &'static str {
        match self {
            Self::ColumnCount => "check the separator (--separator) and that every row has all columns",
            Self::NotUtf8 => "convert the file to UTF-8, or name its encoding (--encoding latin1)",
            Self::NulByte => "the file may be damaged or not text: export it again",
            Self::BadRating => {
                "name the rating column (--rating-col), or leave it out with --rating-col none"
            }
            Self::BadTime => "name the time column (--time-col), or leave it out with --time-col none",
            Self::BadQuote => "close the quotes, or write a quote within a text twice",
            Self::BadJson => "write one JSON object a line",
            Self::BadEntities => "download the file again: a list of entities was cut or changed",
            Self::BadImpression => "write shown items as `N1-1 N2-0`, or `N1 N2` where clicks are not known",
            _ => "check that the columns were taken for what they are (--user-col, --item-col, …)",
        }
    }
}

/// One row that was left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SkippedRow {
    /// Path of the source file it stands in.
    pub file: PathBuf,
    /// One-based line (row for Parquet).
    pub line: u64,
    /// Why.
    pub reason: SkipReason,
    /// The beginning of the row, control characters replaced.
    pub excerpt: String,
}

/// Bad rows of one block: line offsets from the block's first line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct BadRows {
    listed: Vec<(u32, SkipReason, String)>,
    counts: BTreeMap<SkipReason, u64>,
}

impl BadRows {
    pub(super) fn push(&mut self, line: u32, reason: SkipReason, row: &[u8]) {
        *self.counts.entry(reason).or_default() += 1;
        if self.listed.len() < LISTED_MAX {
            self.listed.push((line, reason, excerpt(row)));
        }
    }

    pub(super) fn n(&self) -> u64 {
        self.counts.values().sum()
    }
}

/// Bad rows of one file.
#[derive(Clone, Debug, Default)]
pub(super) struct FileSkips {
    pub(super) listed: Vec<SkippedRow>,
    pub(super) counts: BTreeMap<SkipReason, u64>,
}

impl FileSkips {
    /// Adds a block's bad rows; `first_line` is the one-based line of the block's first line.
    pub(super) fn add(&mut self, file: &Path, first_line: u64, mut bad: BadRows) {
        for (reason, n) in bad.counts {
            *self.counts.entry(reason).or_default() += n;
        }
        bad.listed.sort_by_key(|&(line, ..)| line);
        for (offset, reason, excerpt) in bad.listed {
            if self.listed.len() >= LISTED_MAX {
                break;
            }
            let line = first_line + u64::from(offset);
            self.listed.push(SkippedRow { file: file.to_owned(), line, reason, excerpt });
        }
    }

    pub(super) fn n(&self) -> u64 {
        self.counts.values().sum()
    }

    /// The remedy for the most frequent reason.
    pub(super) fn remedy(&self) -> &'static str {
        let most = self.counts.iter().max_by_key(|&(_, &n)| n);
        most.map_or("", |(reason, _)| reason.remedy())
    }
}

/// The beginning of a row, fit for one line of a terminal.
pub(super) fn excerpt(row: &[u8]) -> String {
    let head = String::from_utf8_lossy(&row[..row.len().min(4 * EXCERPT_CHARS_MAX)]);
    let mut text: String =
        head.chars().take(EXCERPT_CHARS_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if head.chars().nth(EXCERPT_CHARS_MAX).is_some() {
        text.push('…');
    }
    text
}
