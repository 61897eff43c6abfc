//! Files that only one format has: line by line, or as one JSON object.

use std::path::Path;

use super::batch::Batch;
use super::blocks::BlockReader;
use super::bytes::ByteSource;
use super::delimited;
use super::jsonl;
use super::options::Encoding;
use super::skipped::SkipReason;
use super::tally::Tally;
use crate::error::DataError;

const OBJECT_BYTES_MAX: usize = 1 << 30;

/// What a line turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// A row that was used.
    Row,
    /// A header or a count.
    NoRow,
    /// A row that cannot be used.
    Bad(SkipReason),
}

/// Calls `use_line` with number and text of every line that is not blank. Gives the file's SHA-256.
pub(super) fn each(
    path: &Path,
    tally: &mut Tally,
    mut use_line: impl FnMut(u64, &str) -> Result<Line, DataError>,
) -> Result<String, DataError> {
    let mut blocks = BlockReader::new(ByteSource::open(path)?, None);
    while let Some(block) = blocks.next()? {
        let mut batch = Batch::default();
        let first_line = tally.n_lines + 1;
        let is_overlong = block.is_overlong;
        let text = delimited::text_of(block.bytes, Encoding::Utf8, &mut batch);
        for (at, line) in text.lines().enumerate() {
            batch.n_lines += 1;
            if line.trim_ascii().is_empty() {
                continue;
            }
            let line_is = if is_overlong {
                Line::Bad(SkipReason::LineTooLong)
            } else {
                use_line(first_line + at as u64, line)?
            };
            match line_is {
                Line::Row => batch.lines.push(at as u32),
                Line::NoRow => {}
                Line::Bad(reason) => batch.bad.push(at as u32, reason, line.as_bytes()),
            }
        }
        tally.add(path, &mut batch);
    }
    Ok(blocks.source().sha256())
}

/// Calls `use_member` with each key and raw value of the one JSON object in the file. Gives the file's SHA-256.
pub(super) fn object(
    path: &Path,
    tally: &mut Tally,
    mut use_member: impl FnMut(&str, &str),
) -> Result<String, DataError> {
    let mut source = ByteSource::open(path)?;
    let mut bytes = Vec::new();
    source.read_into(&mut bytes, OBJECT_BYTES_MAX)?;
    let text = std::str::from_utf8(&bytes)
        .map_err(|_| DataError::format(path, None, "not UTF-8", "convert the file to UTF-8"))?;
    let is_object = jsonl::each_member(text.trim_start_matches('\u{feff}'), |key, value| {
        tally.n_rows += 1;
        use_member(key, value);
    });
    if !is_object {
        let remedy = "copy or download the file again, or take it out of the folder";
        return Err(DataError::format(path, None, "this is not one JSON object", remedy));
    }
    Ok(source.sha256())
}
