//! Reads (user, item, value) lines from the files that recommenders and evaluation tools write.
//!
//! | format | by extension | a line |
//! |---|---|---|
//! | CSV, TSV | `.csv`, `.tsv` | `user,item,score`, with or without a header that names the columns in any order |
//! | JSON lines | `.jsonl`, `.ndjson` | `{"user": "u1", "item": "i1", "score": 0.5}`; ids may be numbers |
//! | plain text | any other | fields between spaces: `user item score`, or the `trec_eval` forms with 6 (run) or 4 (qrels) |
//!
//! Nothing is skipped but empty lines: a line that cannot be understood is an error with file, line and remedy.

mod line_parser;

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use self::line_parser::LineParser;
use crate::error::{Error, Result};

/// How the lines of a file are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextFormat {
    /// Fields between commas, quoted where needed.
    Csv,
    /// Fields between tabs.
    Tsv,
    /// One JSON object per line.
    JsonLines,
    /// Fields between spaces.
    Plain,
}

impl TextFormat {
    /// The format that the extension of `path` stands for.
    pub fn of_path(path: &Path) -> Self {
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or("");
        match extension.to_ascii_lowercase().as_str() {
            "csv" => Self::Csv,
            "tsv" => Self::Tsv,
            "jsonl" | "ndjson" => Self::JsonLines,
            _ => Self::Plain,
        }
    }
}

/// What the third field means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value {
    /// A score; required.
    Score,
    /// A relevance; 1 where the file has none.
    Relevance,
}

impl Value {
    /// Names of the column; the first is the one used in messages.
    pub(crate) fn names(self) -> &'static [&'static str] {
        match self {
            Self::Score => &["score", "prediction"],
            Self::Relevance => &["relevance", "rel", "rating", "label"],
        }
    }
}

/// Opens `path` and passes every triple to `sink`; see [`parse`].
pub(crate) fn read(path: &Path, value: Value, sink: impl FnMut(&str, &str, f64) -> bool) -> Result<()> {
    let file = File::open(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
    parse(BufReader::new(file), path, TextFormat::of_path(path), value, sink)
}

/// Passes every triple to `sink`, which answers whether it is new; `path` only names the place in errors.
pub(crate) fn parse(
    input: impl BufRead,
    path: &Path,
    format: TextFormat,
    value: Value,
    mut sink: impl FnMut(&str, &str, f64) -> bool,
) -> Result<()> {
    let mut parser = LineParser::new(format, value);
    for (index, line) in input.lines().enumerate() {
        let line = line.map_err(|source| Error::Read { path: path.to_owned(), source })?;
        let line = if index == 0 { line.trim_start_matches('\u{feff}') } else { &line };
        parser.line(line, &mut sink).map_err(|problem| Error::Line {
            path: path.to_owned(),
            line: index + 1,
            problem: problem.what,
            hint: problem.hint,
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    type Triple = (String, String, f64);

    fn parsed(text: &str, format: TextFormat, value: Value) -> Result<Vec<Triple>> {
        let mut triples = Vec::new();
        parse(text.as_bytes(), Path::new("file"), format, value, |user, item, value| {
            let fresh = !triples.iter().any(|(u, i, _): &Triple| u == user && i == item);
            triples.push((user.to_owned(), item.to_owned(), value));
            fresh
        })?;
        Ok(triples)
    }

    fn two() -> Vec<Triple> {
        vec![("u1".into(), "a".into(), 0.5), ("u1".into(), "b".into(), -2.0)]
    }

    #[test]
    fn one_run_reads_the_same_from_every_format() {
        let forms = [
            (TextFormat::Csv, "u1,a,0.5\nu1,b,-2\n"),
            (TextFormat::Csv, "\u{feff}score,rank,Item_ID,user\r\n0.5,1,a,u1\r\n\r\n-2,2,\"b\",u1\r\n"),
            (TextFormat::Tsv, "user\titem\tscore\nu1\ta\t0.5\nu1\tb\t-2"),
            (TextFormat::Plain, "u1 a 0.5\n u1  b -2e0"),
            (TextFormat::Plain, "u1 Q0 a 1 0.5 tag\nu1 Q0 b 2 -2 tag\n"),
            (
                TextFormat::JsonLines,
                "{\"user\":\"u1\",\"item\":\"a\",\"score\":0.5}\n{\"score\":-2,\"item_id\":\"b\",\"user\":\"u1\"}",
            ),
        ];
        for (format, text) in forms {
            assert_eq!(parsed(text, format, Value::Score).unwrap(), two(), "{text}");
        }
    }

    #[test]
    fn judgments_may_leave_the_relevance_out() {
        for (format, text) in [
            (TextFormat::Csv, "user,item\n7,9"),
            (TextFormat::Plain, "7 9"),
            (TextFormat::Plain, "7 0 9 1"),
            (TextFormat::JsonLines, "{\"user\":7,\"item\":9}"),
        ] {
            let expected = vec![("7".to_owned(), "9".to_owned(), 1.0)];
            assert_eq!(parsed(text, format, Value::Relevance).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn quoted_commas_belong_to_the_field() {
        let triples = parsed("u1,\"a, \"\"b\"\"\",1", TextFormat::Csv, Value::Score).unwrap();
        assert_eq!(triples[0].1, "a, \"b\"");
    }

    #[test]
    fn bad_lines_are_errors_with_file_line_and_remedy() {
        let bad = [
            (TextFormat::Csv, "u1,a,1\nu1,b", "line 2: field 3"),
            (TextFormat::Csv, "u1,a,1\nu1,b,x", "line 2: the score is `x`"),
            (TextFormat::Csv, "u1,a,nan", "line 1: the score is `nan`"),
            (TextFormat::Csv, "u1,a,1\nu1,a,2", "line 2: item `a` of user `u1` was already given"),
            (TextFormat::Csv, "user,item\nu1,a", "line 1: the header names no score"),
            (TextFormat::Csv, "u1,\"a,1", "line 1: a quote"),
            (TextFormat::Csv, "u1,,1", "line 1: field 2"),
            (TextFormat::Plain, "u1,a,1", "line 1: 1 fields"),
            (TextFormat::JsonLines, "[1]", "line 1: not a JSON object"),
            (TextFormat::JsonLines, "{\"user\":1,\"item\":2}", "line 1: `score` is missing"),
            (TextFormat::JsonLines, "{\"user\":1,\"score\":2}", "line 1: `item` is missing"),
        ];
        for (format, text, expected) in bad {
            let error = parsed(text, format, Value::Score).unwrap_err().to_string();
            assert!(
                error.contains("`file`") && error.contains(expected) && error.contains("hint:"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = read(Path::new("/nowhere/run.csv"), Value::Score, |_, _, _| true).unwrap_err();
        assert!(error.to_string().contains("/nowhere/run.csv"));
    }
}
