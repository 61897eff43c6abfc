//! Rows and bad rows of one file, and when there are too many bad ones.

use std::path::Path;

use super::batch::Batch;
use super::skipped::{BadRows, FileSkips, SkipReason};
use crate::error::DataError;

/// Bad rows that are tolerated whatever their share, unless they are half of the file.
const BAD_ROWS_FREE: u64 = 10;

/// Rows and bad rows of one file so far.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) n_rows: u64,
    pub(super) n_lines: u64,
    pub(super) skips: FileSkips,
}

impl Tally {
    /// Takes a row that was counted as good for bad after all.
    pub(super) fn reject(&mut self, path: &Path, line: u64, reason: SkipReason, row: &str) {
        let mut bad = BadRows::default();
        bad.push(0, reason, row.as_bytes());
        self.skips.add(path, line, bad);
    }

    /// Adds a batch, taking its bad rows out.
    pub(super) fn add(&mut self, path: &Path, batch: &mut Batch) {
        self.n_rows += batch.n_rows_read();
        self.skips.add(path, self.n_lines + 1, std::mem::take(&mut batch.bad));
        self.n_lines += u64::from(batch.n_lines);
    }

    /// Refuses a file with more than the allowed share of bad rows.
    pub(super) fn refuse(&self, path: &Path, max_bad_share: f64) -> Result<(), DataError> {
        let n_bad = self.skips.n();
        let by_share = (self.n_rows as f64 * max_bad_share) as u64;
        let free = BAD_ROWS_FREE.min(self.n_rows.saturating_sub(1) / 2);
        if n_bad == 0 || n_bad <= by_share.max(free) {
            return Ok(());
        }
        let Some(first) = self.skips.listed.first() else { return Ok(()) };
        let reason = first.reason.in_words();
        Err(DataError::format(
            path,
            Some(first.line),
            format!(
                "{n_bad} of {} rows cannot be used; the first: {reason}: `{}`",
                self.n_rows, first.excerpt
            ),
            format!("{}; or allow more bad rows with --max-bad-share", self.skips.remedy()),
        ))
    }

    /// A long file that is bad at its beginning need not be read to the end.
    pub(super) fn refuse_early(&self, path: &Path, max_bad_share: f64) -> Result<(), DataError> {
        let is_hopeless = self.n_rows > 100_000 && self.skips.n() * 2 > self.n_rows && max_bad_share < 0.5;
        if is_hopeless { self.refuse(path, max_bad_share) } else { Ok(()) }
    }
}
