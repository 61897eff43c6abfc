//! Cells of the wanted columns of a block of rows: what every reader gives and every consumer takes.

use super::skipped::{BadRows, SkipReason};

/// Separates the elements of a list (JSON array) within one cell.
pub(super) const LIST_SEPARATOR: char = '\u{1f}';

/// A piece of [`Batch::text`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: u32,
    pub(super) len: u32,
}

impl Span {
    pub(super) const EMPTY: Self = Self { start: 0, len: 0 };
}

/// Rows × wanted columns; a missing cell is empty.
#[derive(Clone, Debug, Default)]
pub(super) struct Batch {
    pub(super) text: String,
    pub(super) n_columns: usize,
    // Row-major, `[n_rows, n_columns]`.
    pub(super) spans: Vec<Span>,
    // Offset of each row's first line from the block's first line, `[n_rows]`.
    pub(super) lines: Vec<u32>,
    pub(super) n_lines: u32,
    pub(super) bad: BadRows,
    // Rows that are in `lines` and in `bad`.
    n_rejected: u64,
}

/// One row of a batch.
#[derive(Clone, Copy)]
pub(super) struct BatchRow<'a> {
    pub(super) batch: &'a Batch,
    pub(super) row: usize,
}

impl<'a> BatchRow<'a> {
    pub(super) fn cell(self, column: usize) -> &'a str {
        self.batch.cell(self.row, column)
    }
}

impl Batch {
    /// In place of the line of a row that was rejected after parsing.
    pub(super) const REJECTED: u32 = u32::MAX;

    pub(super) fn n_rows(&self) -> usize {
        self.lines.len()
    }

    pub(super) fn new(n_columns: usize) -> Self {
        Self { n_columns, ..Self::default() }
    }

    /// Rows of the block, good or bad.
    pub(super) fn n_rows_read(&self) -> u64 {
        self.lines.len() as u64 + self.bad.n() - self.n_rejected
    }

    pub(super) fn cell(&self, row: usize, column: usize) -> &str {
        let span = self.spans[row * self.n_columns + column];
        &self.text[span.start as usize..(span.start + span.len) as usize]
    }

    /// The cells of a row in one line.
    pub(super) fn excerpt(&self, row: usize) -> String {
        let cells: Vec<&str> = (0..self.n_columns).map(|column| self.cell(row, column)).collect();
        cells.join(" | ")
    }

    /// Marks a row as bad, with its cells as excerpt.
    pub(super) fn reject(&mut self, row: usize, reason: SkipReason) {
        let excerpt = self.excerpt(row);
        self.bad.push(self.lines[row], reason, excerpt.as_bytes());
        self.n_rejected += 1;
    }
}
