//! A first look at a file: what kind of table it is, its columns and first rows.

use std::path::{Path, PathBuf};

use memchr::memchr;

use super::blocks::Block;
use super::bytes::{self, Compression, Sample};
use super::delimited::{DelimitedParser, Dialect, Separator};
use super::jsonl::{self, JsonParser};
use super::options::{Encoding, ImportOptions};
use super::report::{ColumnReport, Content, Layout, TableReport};
use super::roles::{self, Profile};
use super::time::TimeForm;
use super::{columnar, events, python};
use crate::error::DataError;

const SAMPLE_BYTES: usize = 1 << 18;
const SAMPLE_ROWS: usize = 1_000;
const SHOWN_ROWS: usize = 3;

/// What a format already knows about the text of a table.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Expect {
    pub(super) separator: Option<Separator>,
    pub(super) has_header: Option<bool>,
    pub(super) encoding: Option<Encoding>,
}

/// A table as it looks at first sight.
pub(super) struct Look {
    pub(super) path: PathBuf,
    pub(super) layout: Layout,
    pub(super) compression: Compression,
    pub(super) names: Vec<String>,
    pub(super) rows: Vec<Vec<String>>,
    header: Option<Vec<u8>>,
}

impl Look {
    /// Whether the columns have real names.
    pub(super) fn has_names(&self) -> bool {
        !matches!(&self.layout, Layout::Text(dialect) if !dialect.has_header)
    }

    /// The columns with their first cells.
    pub(super) fn profiles(&self) -> Vec<Profile<'_>> {
        self.names
            .iter()
            .enumerate()
            .map(|(at, name)| Profile { name, cells: self.rows.iter().map(|row| row[at].as_str()).collect() })
            .collect()
    }

    /// The report of this table with the given roles.
    pub(super) fn into_report(self, content: Content, columns: Vec<ColumnReport>) -> TableReport {
        TableReport {
            n_bytes: std::fs::metadata(&self.path).map_or(0, |meta| meta.len()),
            path: self.path,
            content,
            layout: self.layout,
            compression: self.compression,
            columns,
            samples: self.rows.into_iter().take(SHOWN_ROWS).collect(),
            split: None,
            domain_field: None,
            domain_is_sequence: false,
            header: self.header,
        }
    }
}

/// Looks at a file.
///
/// # Errors
/// When it cannot be read, is not text or Parquet, or has no rows.
pub(super) fn at(path: &Path, options: &ImportOptions, expect: Expect) -> Result<Look, DataError> {
    let sample = bytes::sample(path, SAMPLE_BYTES)?;
    refuse_binary(path, &sample.bytes)?;
    if sample.bytes.starts_with(b"PAR1") {
        let (names, rows) = columnar::look(path, SAMPLE_ROWS)?;
        let compression = sample.compression;
        let path = path.to_owned();
        return Ok(Look { path, layout: Layout::Parquet, compression, names, rows, header: None });
    }
    let encoding = options.encoding.or(expect.encoding).unwrap_or_default();
    let bytes = whole_lines(path, &sample)?;
    match bytes.trim_ascii_start().first() {
        Some(b'{') if expect.separator.is_none() => json_look(path, &sample, bytes, encoding),
        Some(b'[') if expect.separator.is_none() => Err(DataError::format(
            path,
            Some(1),
            "this is one JSON array, not one JSON object a line",
            "turn it into JSON lines, for example with `jq -c '.[]'`",
        )),
        None => Err(DataError::format(path, None, "the file has no rows", "export or download it again")),
        Some(_) => text_look(path, &sample, bytes, options, Expect { encoding: Some(encoding), ..expect }),
    }
}

fn refuse_binary(path: &Path, bytes: &[u8]) -> Result<(), DataError> {
    let kinds: [(&[u8], &str, &str); 9] = [
        (b"\xff\xfe", "UTF-16 text", "convert it, for example with `iconv -f UTF-16 -t UTF-8`"),
        (b"\xfe\xff", "UTF-16 text", "convert it, for example with `iconv -f UTF-16 -t UTF-8`"),
        (b"PK\x03\x04", "a ZIP archive", "unzip it and import the files"),
        (b"BZh", "bzip2", "decompress it with `bunzip2`"),
        (b"\xfd7zXZ", "xz", "decompress it with `unxz`"),
        (b"7z\xbc\xaf", "a 7-Zip archive", "unpack it and import the files"),
        (b"%PDF", "a PDF", "export the data as CSV"),
        (b"SQLite format 3", "an SQLite database", "export a table as CSV"),
        (b"\x89PNG", "an image", "name a table of interactions"),
    ];
    if let Some((_, kind, remedy)) = kinds.iter().find(|(magic, ..)| bytes.starts_with(magic)) {
        return Err(DataError::format(path, None, format!("this is {kind}"), *remedy));
    }
    let head = &bytes[..bytes.len().min(1 << 12)];
    let n_nul = memchr::memchr_iter(0, head).count();
    if n_nul * 10 > head.len() && !bytes.starts_with(b"PAR1") {
        let problem = "binary data, or UTF-16 text without a byte order mark";
        let remedy = "convert it to UTF-8 text, for example with `iconv -f UTF-16LE -t UTF-8`";
        return Err(DataError::format(path, None, problem, remedy));
    }
    Ok(())
}

fn whole_lines<'a>(path: &Path, sample: &'a Sample) -> Result<&'a [u8], DataError> {
    let bytes = sample.bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&sample.bytes);
    if bytes.contains(&b'\r') && memchr(b'\n', bytes).is_none() {
        return Err(DataError::format(
            path,
            Some(1),
            "lines end with a lone carriage return",
            "convert the line ends, for example with `tr '\\r' '\\n'`",
        ));
    }
    match memchr::memrchr(b'\n', bytes) {
        Some(end) if !sample.is_whole => Ok(&bytes[..=end]),
        _ => Ok(bytes),
    }
}

fn json_look(path: &Path, sample: &Sample, bytes: &[u8], encoding: Encoding) -> Result<Look, DataError> {
    let text = String::from_utf8_lossy(bytes);
    let mut names: Vec<String> = Vec::new();
    for line in text.lines().take(SAMPLE_ROWS) {
        let Some(object) = python::as_json(line) else { continue };
        jsonl::each_member(&object, |key, _| {
            if !names.iter().any(|name| name == key) {
                names.push(key.to_owned());
            }
        });
    }
    if names.is_empty() {
        return Err(DataError::format(
            path,
            Some(1),
            "begins like JSON, but none of its first lines is a JSON object",
            "write one whole JSON object a line",
        ));
    }
    let batch = JsonParser::new(names.clone(), encoding).parse(block_of(bytes));
    let rows = rows_of(&batch);
    let layout = Layout::JsonLines(encoding);
    Ok(Look { path: path.to_owned(), layout, compression: sample.compression, names, rows, header: None })
}

fn block_of(bytes: &[u8]) -> Block {
    let mut bytes = bytes.to_vec();
    if bytes.last() != Some(&b'\n') {
        bytes.push(b'\n');
    }
    Block { bytes, is_first: true, is_overlong: false }
}

fn rows_of(batch: &super::batch::Batch) -> Vec<Vec<String>> {
    let row = |row| (0..batch.n_columns).map(|column| batch.cell(row, column).to_owned()).collect();
    (0..batch.n_rows().min(SAMPLE_ROWS)).map(row).collect()
}

fn text_look(
    path: &Path,
    sample: &Sample,
    bytes: &[u8],
    options: &ImportOptions,
    expect: Expect,
) -> Result<Look, DataError> {
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).take(SAMPLE_ROWS).collect();
    let given = options.separator.as_deref();
    let separator = match given.map(|text| (text, Separator::parse(text))) {
        Some((text, None)) => {
            return Err(DataError::request(
                format!("`{text}` cannot separate columns"),
                "use one ASCII character, `tab`, `::` or `space`",
            ));
        }
        Some((_, separator)) => separator,
        None => expect.separator,
    };
    let Some(separator) = separator.or_else(|| best_separator(&lines)) else {
        return Err(no_separator(path, &lines));
    };
    let has_quotes = separator != Separator::Char('\t') || lines.iter().any(|line| line.starts_with('"'));
    let n_columns = column_count(&lines, separator);
    let mut dialect = Dialect {
        separator,
        has_quotes: has_quotes && matches!(separator, Separator::Char(_)) && expect.separator.is_none(),
        has_header: false,
        encoding: expect.encoding.unwrap_or_default(),
        n_columns,
    };
    let first = first_record(&dialect, lines.first().copied().unwrap_or_default());
    let rows = parsed(&dialect, bytes);
    dialect.has_header = expect.has_header.unwrap_or_else(|| is_header(&first, &rows));
    let (names, header) = if dialect.has_header {
        dialect.n_columns = first.len();
        (first, lines.first().map(|line| line.as_bytes().to_vec()))
    } else {
        ((1..=n_columns).map(|at| format!("column_{at}")).collect(), None)
    };
    if separator != Separator::Whitespace && names.len() < 2 {
        return Err(one_column(path, separator, &lines));
    }
    let rows = parsed(&dialect, bytes);
    refuse_repeated(path, &names)?;
    let compression = sample.compression;
    Ok(Look { path: path.to_owned(), layout: Layout::Text(dialect), compression, names, rows, header })
}

fn parsed(dialect: &Dialect, bytes: &[u8]) -> Vec<Vec<String>> {
    let parser = DelimitedParser::new(dialect.clone(), (0..dialect.n_columns).collect(), None);
    rows_of(&parser.parse(block_of(bytes)))
}

fn first_record(dialect: &Dialect, line: &str) -> Vec<String> {
    let n_columns = column_count(&[line], dialect.separator);
    let alone = Dialect { n_columns, has_header: false, ..dialect.clone() };
    parsed(&alone, line.as_bytes()).pop().unwrap_or_default()
}

const SEPARATORS: [Separator; 6] = [
    Separator::Char('\t'),
    Separator::DoubleColon,
    Separator::Char(','),
    Separator::Char(';'),
    Separator::Char('|'),
    Separator::Whitespace,
];

// The first separator that gives at least nine in ten lines the same number (above one) of columns, else the best.
fn best_separator(lines: &[&str]) -> Option<Separator> {
    let share = |separator: Separator| -> f64 {
        let n = column_count(lines, separator);
        if n < 2 {
            return 0.0;
        }
        let agree = lines.iter().filter(|line| count(line, separator) == n).count();
        agree as f64 / lines.len() as f64
    };
    let shares = SEPARATORS.map(|separator| (separator, share(separator)));
    let good = shares.iter().find(|(_, share)| *share >= 0.9);
    let best = || shares.iter().max_by(|a, b| a.1.total_cmp(&b.1)).filter(|(_, share)| *share >= 0.3);
    good.or_else(best).map(|&(separator, _)| separator)
}

// The most frequent number of columns (the larger one when two are equally frequent).
fn column_count(lines: &[&str], separator: Separator) -> usize {
    let mut counts = std::collections::BTreeMap::new();
    for line in lines {
        *counts.entry(count(line, separator)).or_insert(0) += 1;
    }
    counts.into_iter().max_by_key(|&(n, times)| (times, n)).map_or(0, |(n, _)| n)
}

fn count(line: &str, separator: Separator) -> usize {
    match separator {
        Separator::DoubleColon => line.split("::").count(),
        Separator::Whitespace => line.split_ascii_whitespace().count(),
        Separator::Char(c) => {
            let mut in_quotes = false;
            let mut before = c;
            let mut n = 1;
            for now in line.chars() {
                if now == '"' && (in_quotes || before == c) {
                    in_quotes = !in_quotes;
                }
                n += usize::from(now == c && !in_quotes);
                before = now;
            }
            n
        }
    }
}

// A header is a first row of names that are known, or of words above at least one column of numbers.
fn is_header(first: &[String], rows: &[Vec<String>]) -> bool {
    let is_number = |cell: &str| events::rating(cell).is_some() || TimeForm::of([cell]).is_some();
    if first.iter().any(|cell| cell.is_empty() || is_number(cell)) {
        return false;
    }
    if first.iter().any(|name| roles::is_known(name)) {
        return true;
    }
    let rest: Vec<&Vec<String>> = rows.iter().skip(1).filter(|row| row.len() == first.len()).collect();
    !rest.is_empty() && (0..first.len()).any(|at| rest.iter().all(|row| is_number(&row[at])))
}

fn refuse_repeated(path: &Path, names: &[String]) -> Result<(), DataError> {
    let repeated = names.iter().enumerate().find(|(at, name)| names[..*at].contains(name));
    match repeated {
        None => Ok(()),
        Some((at, name)) => Err(DataError::format(
            path,
            Some(1),
            format!("column {} is called `{name}` like an earlier one", at + 1),
            "give every column its own name in the header",
        )),
    }
}

fn no_separator(path: &Path, lines: &[&str]) -> DataError {
    let first = super::skipped::excerpt(lines.first().copied().unwrap_or_default().as_bytes());
    DataError::format(
        path,
        Some(1),
        format!("no separator gives the lines the same number of columns; the first is `{first}`"),
        "name it with --separator, or the layout with --format",
    )
}

fn one_column(path: &Path, separator: Separator, lines: &[&str]) -> DataError {
    let remedy = match best_separator(lines) {
        Some(better) if better != separator => {
            format!("it seems to be {}: leave --separator out", better.in_words())
        }
        _ => "at least two columns are needed: a user and an item".to_owned(),
    };
    let problem = format!("one column only when cut at {}", separator.in_words());
    DataError::format(path, Some(1), problem, remedy)
}
