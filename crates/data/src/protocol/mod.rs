//! Published evaluation protocols: their files read as they are, giving data and the exact published split.

use std::fs;
use std::path::{Path, PathBuf};

use crate::dataset::Dataset;
use crate::error::DataError;
use crate::hash;
use crate::split::Split;

pub mod abxi;
pub mod minionerec;
pub mod s3rec;

/// One data set under a published protocol.
#[derive(Clone, Debug)]
pub struct ProtocolData {
    /// Items, domains and text.
    pub dataset: Dataset,
    /// As its authors cut it, not by a rule of ours.
    pub split: Split,
    /// SHA-256 over all files read.
    pub sha256: String,
}

/// Reads a small text file whole, remembering its hash.
pub(crate) struct SourceFiles {
    hashes: Vec<String>,
}

impl SourceFiles {
    pub(crate) fn new() -> Self {
        Self { hashes: Vec::new() }
    }

    pub(crate) fn read(&mut self, path: &Path) -> Result<String, DataError> {
        let bytes = fs::read(path).map_err(|e| DataError::io("read", path, e))?;
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        self.hashes.push(format!("{name} {}\n", hash::of_bytes(&bytes)));
        String::from_utf8(bytes).map_err(|e| {
            let line =
                1 + memchr::memchr_iter(b'\n', &e.as_bytes()[..e.utf8_error().valid_up_to()]).count() as u64;
            DataError::format(path, Some(line), "not UTF-8", "convert the file to UTF-8 first")
        })
    }

    pub(crate) fn sha256(&self) -> String {
        hash::of_bytes(self.hashes.concat().as_bytes())
    }
}

/// The files in `dir` whose name ends with `suffix`, sorted.
pub(crate) fn files_ending(dir: &Path, suffix: &str) -> Result<Vec<PathBuf>, DataError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).map_err(|e| DataError::io("read", dir, e))? {
        let path = entry.map_err(|e| DataError::io("read", dir, e))?.path();
        if path.is_file() && path.file_name().is_some_and(|name| name.to_string_lossy().ends_with(suffix)) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// The file stem as text.
pub(crate) fn stem(path: &Path) -> String {
    path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
}
