//! One module per layout: which files belong to it, and what their columns say.

mod abxi;
mod amazon;
mod histories;
mod indexed;
mod kgat;
mod llmcdsr;
mod mind;
mod mind_log;
mod minionerec;
mod movielens;
mod openke;
mod recbole;
mod recbole_cases;
mod s3rec;
mod table;
mod triples;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::bytes;
use super::look::Look;
use super::options::{Format, ImportOptions};
use super::report::{ColumnReport, Confidence, Content, Role, SniffReport, TableReport};
use super::roles::Profile;
use super::run::Run;
use super::time::TimeForm;
use crate::error::DataError;

/// What a source consists of: one file, or the files right inside a folder.
pub(super) struct Files {
    pub(super) root: PathBuf,
    /// Regular files, by name.
    pub(super) files: Vec<PathBuf>,
}

impl Files {
    /// The file itself, or the files of the folder.
    pub(super) fn of(path: &Path) -> Result<Self, DataError> {
        let meta = std::fs::metadata(path).map_err(|e| DataError::io("open", path, e))?;
        if !meta.is_dir() {
            return Ok(Self { root: path.to_owned(), files: vec![path.to_owned()] });
        }
        let mut files = Vec::new();
        for entry in std::fs::read_dir(path).map_err(|e| DataError::io("read", path, e))? {
            let file = entry.map_err(|e| DataError::io("read", path, e))?.path();
            let is_hidden = file.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
            if file.is_file() && !is_hidden {
                files.push(file);
            }
        }
        files.sort();
        if files.is_empty() {
            let remedy = "name a file, or a folder with files directly in it";
            return Err(DataError::format(path, None, "there is no file in this folder", remedy));
        }
        Ok(Self { root: path.to_owned(), files })
    }

    /// The file called `name`, apart from case and a `.gz` or `.zst` behind it.
    pub(super) fn named(&self, name: &str) -> Option<&Path> {
        self.files.iter().map(PathBuf::as_path).find(|path| plain_name(path).eq_ignore_ascii_case(name))
    }

    /// The files whose name ends so, apart from `.gz` or `.zst`.
    pub(super) fn ending<'a>(&'a self, end: &'a str) -> impl Iterator<Item = &'a Path> {
        self.files.iter().map(PathBuf::as_path).filter(move |path| ends(path, end))
    }
}

/// Whether the file name ends so, apart from case and `.gz` or `.zst`.
pub(super) fn ends(path: &Path, end: &str) -> bool {
    plain_name(path).to_ascii_lowercase().ends_with(end)
}

/// The file name without `.gz` or `.zst`.
pub(super) fn plain_name(path: &Path) -> String {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let plain =
        name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zst")).or_else(|| name.strip_suffix(".zstd"));
    plain.unwrap_or(&name).to_owned()
}

/// The first format that claims these files; a plain table where none does.
pub(super) fn detect(files: &Files) -> Format {
    for format in Format::ALL {
        let is_it = match format {
            Format::Recbole => recbole::claims(files),
            Format::Movielens => movielens::claims(files),
            Format::Minionerec => minionerec::claims(files),
            Format::Llmcdsr => llmcdsr::claims(files),
            Format::Mind => mind::claims(files),
            Format::Abxi => abxi::claims(files),
            Format::S3rec => s3rec::claims(files),
            Format::Kgat => kgat::claims(files),
            Format::Openke => openke::claims(files),
            Format::Triples => triples::claims(files),
            Format::Amazon => amazon::claims(files),
            Format::Table => true,
        };
        if is_it {
            return format;
        }
    }
    Format::Table
}

/// The tables of these files, read as `format`.
pub(super) fn plan(
    format: Format,
    files: &Files,
    options: &ImportOptions,
) -> Result<Vec<TableReport>, DataError> {
    match format {
        Format::Recbole => recbole::plan(files, options),
        Format::Movielens => movielens::plan(files, options),
        Format::Minionerec => minionerec::plan(files, options),
        Format::Llmcdsr => llmcdsr::plan(files, options),
        Format::Mind => mind::plan(files),
        Format::Abxi => abxi::plan(files),
        Format::S3rec => s3rec::plan(files),
        Format::Kgat => kgat::plan(files),
        Format::Openke => openke::plan(files),
        Format::Triples => triples::plan(files, options),
        Format::Amazon => amazon::plan(files, options),
        Format::Table => table::plan(files, options),
    }
}

/// Reads the files of all sources that are no plain tables.
pub(super) fn read(run: &mut Run<'_>, reports: &[SniffReport]) -> Result<(), DataError> {
    reports
        .iter()
        .filter(|report| report.format != Format::Mind)
        .try_for_each(|report| read_one(run, report))?;
    // The history of a user continues in the next source of the domain: they are read together.
    let mut logs: BTreeMap<&str, Vec<&SniffReport>> = BTreeMap::new();
    for report in reports.iter().filter(|report| report.format == Format::Mind) {
        logs.entry(&report.domain).or_default().push(report);
    }
    logs.values().try_for_each(|reports| mind::read(run, reports))
}

fn read_one(run: &mut Run<'_>, report: &SniffReport) -> Result<(), DataError> {
    match report.format {
        Format::Minionerec => minionerec::read(run, report),
        Format::Llmcdsr => llmcdsr::read(run, report),
        Format::Abxi => abxi::read(run, report),
        Format::S3rec => s3rec::read(run, report),
        Format::Kgat => kgat::read(run, report),
        Format::Openke => openke::read(run, report),
        Format::Recbole => recbole_cases::read(run, report),
        Format::Mind | Format::Movielens | Format::Triples | Format::Amazon | Format::Table => Ok(()),
    }
}

/// The files of a report that hold this, with their positions.
fn holding(report: &SniffReport, content: Content) -> impl Iterator<Item = &TableReport> {
    report.tables.iter().filter(move |table| table.content == content)
}

/// The beginning of a file as text, for a look; empty when it cannot be read.
fn head_of(path: &Path) -> String {
    let sample = bytes::sample(path, 1 << 16);
    let mut head =
        sample.map(|sample| String::from_utf8_lossy(&sample.bytes).into_owned()).unwrap_or_default();
    if let Some(end) = head.rfind('\n') {
        head.truncate(end);
    }
    head
}

/// Error for a folder or file without what the format needs.
fn lacks(files: &Files, what: &str, remedy: &str) -> DataError {
    DataError::format(&files.root, None, format!("there is no {what}"), remedy)
}

/// A table whose columns have fixed roles by position; further columns are not read.
pub(super) fn fixed(look: Look, content: Content, roles: &[Role]) -> Result<TableReport, DataError> {
    if look.names.len() < roles.len() {
        let expected: Vec<String> = roles.iter().map(Role::in_words).collect();
        return Err(DataError::format(
            &look.path,
            Some(1),
            format!("{} columns instead of {} ({})", look.names.len(), roles.len(), expected.join(", ")),
            "this file does not belong to the format: name another with --format",
        ));
    }
    let column = |(at, column): (usize, &Profile<'_>)| {
        let role = roles.get(at).cloned().unwrap_or(Role::Unused);
        let time = if role == Role::Time { TimeForm::of(column.cells.iter().copied()) } else { None };
        let name = column.name.to_owned();
        ColumnReport { name, role, confidence: Confidence::High, time, is_sequence: false }
    };
    let columns = look.profiles().iter().enumerate().map(column).collect();
    Ok(look.into_report(content, columns))
}
