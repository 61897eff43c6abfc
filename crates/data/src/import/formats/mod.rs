//! One module per layout: which files belong to it, and what their columns say.

pub(super) mod movielens;
pub(super) mod recbole;
pub(super) mod table;

use std::path::{Path, PathBuf};

use super::look::Look;
use super::options::{Format, ImportOptions};
use super::report::{ColumnReport, Confidence, Content, Role, TableReport};
use super::roles::Profile;
use super::time::TimeForm;
use crate::error::DataError;

/// The files of one source.
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
        self.files.iter().map(PathBuf::as_path).filter(move |path| plain_name(path).ends_with(end))
    }
}

/// The file name without `.gz` or `.zst`.
pub(super) fn plain_name(path: &Path) -> String {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let plain =
        name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zst")).or_else(|| name.strip_suffix(".zstd"));
    plain.unwrap_or(&name).to_owned()
}

/// The layout of these files.
pub(super) fn detect(files: &Files) -> Format {
    for format in Format::ALL {
        let is_it = match format {
            Format::Recbole => recbole::claims(files),
            Format::Movielens => movielens::claims(files),
            Format::Table => true,
            _ => false,
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
        _ => table::plan(files, options),
    }
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
