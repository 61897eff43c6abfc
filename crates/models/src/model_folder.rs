//! Model folders and vector files on disk: the only module of this crate that opens paths. All other code is given bytes, or a path
//! that it hands on to here; a test of the house rules holds it to that.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use safetensors::View;

/// An open file, read here and there: a large model is never in memory twice.
pub(crate) type OpenFile = File;

/// Opens a file to be read in parts.
pub(crate) fn open(path: &Path) -> io::Result<OpenFile> {
    File::open(path)
}

/// The bytes of a file.
pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    fs::read(path)
}

/// The length of a file: what claims to be small is measured before it is read.
pub(crate) fn n_bytes(path: &Path) -> io::Result<u64> {
    Ok(fs::metadata(path)?.len())
}

/// Whether there is such a file.
pub(crate) fn has(path: &Path) -> bool {
    path.is_file()
}

/// Writes a file, in a folder that is created where it is missing, and waits until it is on disk.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Writes a safetensors file of named arrays, in a folder that is created where it is missing.
pub(crate) fn write_arrays<'a, V: View>(
    path: &Path,
    arrays: impl IntoIterator<Item = (&'a str, V)>,
) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    // Other programs look for it before they read.
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    safetensors::serialize_to_file(arrays, Some(metadata), path).map_err(io::Error::other)
}
