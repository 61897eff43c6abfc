//! Delimited text (CSV, TSV, `::`, spaces): a block of lines → cells of the wanted columns.

use memchr::{memchr, memchr_iter, memchr2_iter, memrchr};
use serde::Serialize;

use super::batch::{Batch, Span};
use super::blocks::{Block, LINE_BYTES_MAX};
use super::options::Encoding;
use super::records::{self, RecordEnd};
use super::skipped::SkipReason;

/// What stands between two cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Separator {
    /// One ASCII character.
    Char(char),
    /// `::`.
    DoubleColon,
    /// Any number of spaces and tabs.
    Whitespace,
}

impl Separator {
    /// Reads what a user writes: `,`, `tab`, `\t`, `::`, `space`.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "tab" | "\\t" | "\t" => Some(Self::Char('\t')),
            "comma" => Some(Self::Char(',')),
            "::" => Some(Self::DoubleColon),
            "space" | "whitespace" | " " => Some(Self::Whitespace),
            _ => {
                let mut chars = text.chars();
                match (chars.next(), chars.next()) {
                    (Some(c), None)
                        if c.is_ascii() && !c.is_ascii_alphanumeric() && !"\"\r\n".contains(c) =>
                    {
                        Some(Self::Char(c))
                    }
                    _ => None,
                }
            }
        }
    }

    /// As a person would call it: `tab`, `comma`.
    pub fn in_words(self) -> String {
        match self {
            Self::Char('\t') => "tab".to_owned(),
            Self::Char(',') => "comma".to_owned(),
            Self::Char(c) => format!("`{c}`"),
            Self::DoubleColon => "`::`".to_owned(),
            Self::Whitespace => "spaces".to_owned(),
        }
    }
}

/// How a table is written as text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Dialect {
    /// Between cells.
    pub separator: Separator,
    /// Whether cells may stand in double quotes.
    pub has_quotes: bool,
    /// Whether the first record names the columns.
    pub has_header: bool,
    /// Bytes to text.
    pub encoding: Encoding,
    /// Columns of every row.
    pub n_columns: usize,
}

impl Dialect {
    /// The separator as a byte, when cells may be quoted.
    pub(super) fn quoted(&self) -> Option<u8> {
        match self.separator {
            Separator::Char(c) if self.has_quotes => Some(c as u8),
            _ => None,
        }
    }
}

/// Parses blocks of one file.
pub(super) struct DelimitedParser {
    dialect: Dialect,
    // Positions of the wanted columns, ascending.
    wanted: Vec<usize>,
    // The header line, to notice it when it comes again.
    header: Option<Vec<u8>>,
}

impl DelimitedParser {
    pub(super) fn new(dialect: Dialect, wanted: Vec<usize>, header: Option<Vec<u8>>) -> Self {
        debug_assert!(wanted.windows(2).all(|pair| pair[0] < pair[1]), "{wanted:?}");
        Self { dialect, wanted, header }
    }

    /// Finds the cells of a block; lines that cannot be cut into cells are in the batch as bad ones.
    pub(super) fn parse(&self, block: Block) -> Batch {
        let mut rows = Rows::new(block, self);
        if rows.is_overlong {
            let text = std::mem::take(&mut rows.batch.text);
            rows.batch.bad.push(0, SkipReason::LineTooLong, text.as_bytes());
            rows.batch.n_lines = 1;
            return rows.batch;
        }
        let text = std::mem::take(&mut rows.batch.text);
        match self.dialect.separator {
            Separator::Char(c) if self.dialect.has_quotes && memchr(b'"', text.as_bytes()).is_some() => {
                rows.quoted(&text, c as u8);
            }
            Separator::Char(c) => rows.plain(text.as_bytes(), c as u8),
            Separator::DoubleColon => rows.by_line(&text, |line| line.split("::")),
            Separator::Whitespace => rows.by_line(&text, str::split_ascii_whitespace),
        }
        rows.finish(text)
    }
}

// Rows of one block while they are collected.
struct Rows<'a> {
    parser: &'a DelimitedParser,
    batch: Batch,
    // Unescaped cells; moved behind the block's text at the end.
    side: String,
    block_len: usize,
    is_first: bool,
    is_overlong: bool,
    line: u32,
}

impl<'a> Rows<'a> {
    fn new(block: Block, parser: &'a DelimitedParser) -> Self {
        let mut batch = Batch::new(parser.wanted.len());
        let (is_first, is_overlong) = (block.is_first, block.is_overlong);
        batch.text = text_of(block.bytes, parser.dialect.encoding, &mut batch);
        let block_len = batch.text.len();
        Self { parser, batch, side: String::new(), block_len, is_first, is_overlong, line: 0 }
    }

    fn finish(mut self, text: String) -> Batch {
        self.batch.n_lines = self.line;
        self.batch.text = text;
        self.batch.text.push_str(&self.side);
        self.batch
    }

    // The fast path: no quotes in the block.
    fn plain(&mut self, bytes: &[u8], separator: u8) {
        let parser = self.parser;
        let (mut column, mut next_wanted, mut cell, mut row) = (0, 0, 0, 0);
        for at in memchr2_iter(separator, b'\n', bytes) {
            let is_wanted = parser.wanted.get(next_wanted) == Some(&column);
            if bytes[at] == separator {
                if is_wanted {
                    self.batch.spans.push(Span { start: cell as u32, len: (at - cell) as u32 });
                    next_wanted += 1;
                }
                column += 1;
                cell = at + 1;
                continue;
            }
            let end = if at > cell && bytes[at - 1] == b'\r' { at - 1 } else { at };
            if is_wanted {
                self.batch.spans.push(Span { start: cell as u32, len: (end - cell) as u32 });
            }
            self.end_row(&bytes[row..end.max(row)], column + 1, 1);
            (column, next_wanted, cell, row) = (0, 0, at + 1, at + 1);
        }
    }

    // Closes the row whose spans were pushed: keeps it, skips a blank or header line, or rejects it.
    fn end_row(&mut self, row: &[u8], n_columns: usize, n_lines: u32) {
        let line = self.line;
        self.line += n_lines;
        let kept = self.batch.lines.len() * self.batch.n_columns;
        let is_header = self.is_first && line == 0 && self.parser.dialect.has_header;
        let problem = if row.is_empty() || is_header {
            self.batch.spans.truncate(kept);
            return;
        } else if row.len() > LINE_BYTES_MAX {
            SkipReason::LineTooLong
        } else if self.parser.header.as_deref() == Some(row) {
            SkipReason::RepeatedHeader
        } else if n_columns != self.parser.dialect.n_columns {
            SkipReason::ColumnCount
        } else {
            self.batch.lines.push(line);
            return;
        };
        self.batch.spans.truncate(kept);
        self.batch.bad.push(line, problem, row);
    }

    fn by_line<'t, I: Iterator<Item = &'t str>>(&mut self, text: &'t str, cells: impl Fn(&'t str) -> I) {
        let base = text.as_ptr() as usize;
        for line in text.lines() {
            let mut n_columns = 0;
            let mut next_wanted = 0;
            for cell in cells(line) {
                if self.parser.wanted.get(next_wanted) == Some(&n_columns) {
                    let start = (cell.as_ptr() as usize - base) as u32;
                    self.batch.spans.push(Span { start, len: cell.len() as u32 });
                    next_wanted += 1;
                }
                n_columns += 1;
            }
            self.end_row(line.as_bytes(), n_columns, 1);
        }
    }

    fn quoted(&mut self, text: &str, separator: u8) {
        let bytes = text.as_bytes();
        let mut start = 0;
        while start < bytes.len() {
            let line_end = memchr(b'\n', &bytes[start..]).map_or(bytes.len(), |at| start + at);
            let has_quote = memchr(b'"', &bytes[start..line_end]).is_some();
            let end = if has_quote {
                records::record_end(bytes, start, separator)
            } else {
                RecordEnd::At(line_end)
            };
            if let RecordEnd::At(end) = end {
                self.quoted_record(&text[start..end], start, separator);
                start = end + 1;
            } else {
                self.batch.bad.push(self.line, SkipReason::BadQuote, &bytes[start..line_end]);
                self.line += 1;
                start = line_end + 1;
            }
        }
    }

    fn quoted_record(&mut self, record: &str, offset: usize, separator: u8) {
        let record = record.strip_suffix('\r').unwrap_or(record);
        let bytes = record.as_bytes();
        let n_lines = 1 + memchr_iter(b'\n', bytes).count() as u32;
        let (mut at, mut n_columns, mut next_wanted) = (0, 0, 0);
        loop {
            let is_wanted = self.parser.wanted.get(next_wanted) == Some(&n_columns);
            let quoted = if bytes.get(at) == Some(&b'"') { records::quoted_end(bytes, at) } else { None };
            let from = quoted.unwrap_or(at);
            let end = memchr(separator, &bytes[from..]).map_or(bytes.len(), |offset| from + offset);
            if quoted.is_some() && from != end {
                let kept = self.batch.lines.len() * self.batch.n_columns;
                self.batch.spans.truncate(kept);
                self.batch.bad.push(self.line, SkipReason::BadQuote, bytes);
                self.line += n_lines;
                return;
            }
            if is_wanted {
                let span = match quoted {
                    Some(after) => self.unquoted(&record[at + 1..after - 1], offset + at + 1),
                    None => Span { start: (offset + at) as u32, len: (end - at) as u32 },
                };
                self.batch.spans.push(span);
                next_wanted += 1;
            }
            n_columns += 1;
            if end == bytes.len() {
                break;
            }
            at = end + 1;
        }
        self.end_row(bytes, n_columns, n_lines);
    }

    // A quoted cell: as it stands, or with doubled quotes resolved behind the block.
    fn unquoted(&mut self, cell: &str, start: usize) -> Span {
        if !cell.contains('"') {
            return Span { start: start as u32, len: cell.len() as u32 };
        }
        let at = self.block_len + self.side.len();
        let text = cell.replace("\"\"", "\"");
        self.side.push_str(&text);
        Span { start: at as u32, len: text.len() as u32 }
    }
}

/// Decodes a block; lines that cannot be decoded become blank and are noted as bad.
pub(super) fn text_of(bytes: Vec<u8>, encoding: Encoding, batch: &mut Batch) -> String {
    let has_nul = memchr(0, &bytes).is_some();
    if encoding == Encoding::Latin1 && !bytes.is_ascii() {
        let text: String = bytes.iter().map(|&byte| char::from(byte)).collect();
        return if has_nul { by_line(text.as_bytes(), encoding, batch) } else { text };
    }
    match String::from_utf8(bytes) {
        Ok(text) if !has_nul => text,
        Ok(text) => by_line(text.as_bytes(), encoding, batch),
        Err(error) => by_line(&error.into_bytes(), encoding, batch),
    }
}

fn by_line(bytes: &[u8], encoding: Encoding, batch: &mut Batch) -> String {
    let mut text = String::with_capacity(bytes.len());
    let end = memrchr(b'\n', bytes).unwrap_or(bytes.len());
    for (at, line) in bytes[..end].split(|&byte| byte == b'\n').enumerate() {
        if memchr(0, line).is_some() {
            batch.bad.push(at as u32, SkipReason::NulByte, line);
        } else {
            match std::str::from_utf8(line) {
                Ok(line) => text.push_str(line),
                Err(_) if encoding == Encoding::Utf8OrLatin1 => {
                    text.extend(line.iter().map(|&byte| char::from(byte)));
                }
                Err(_) => batch.bad.push(at as u32, SkipReason::NotUtf8, line),
            }
        }
        text.push('\n');
    }
    text
}
