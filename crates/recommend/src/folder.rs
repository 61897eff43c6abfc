//! Folders that are written aside and appear only when they are complete.

use std::fs;
use std::path::Path;

use segue_data::DataError;

use crate::error::RecommendError;

/// Lets `write` fill a folder beside `to`, and renames it when it is complete.
pub(crate) fn write_aside(
    to: &Path,
    write: impl FnOnce(&Path) -> Result<(), RecommendError>,
) -> Result<(), RecommendError> {
    if to.exists() {
        return Err(RecommendError::artifact(
            to.display().to_string(),
            "already exists",
            "name another folder",
        ));
    }
    let name = to.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let aside = to.with_file_name(format!(".{name}.partial-{}", std::process::id()));
    let written = write(&aside).and_then(|()| {
        sync(&aside)?;
        fs::rename(&aside, to).map_err(|e| io("rename to", to, e))?;
        sync(to.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")))
    });
    if written.is_err() {
        // Best effort: the error that matters is the first one.
        let _ = fs::remove_dir_all(&aside);
    }
    written
}

/// Writes a file and waits until it is on disk.
pub(crate) fn put(path: &Path, bytes: &[u8]) -> Result<(), RecommendError> {
    fs::write(path, bytes).map_err(|e| io("write", path, e))?;
    sync(path)
}

fn sync(path: &Path) -> Result<(), RecommendError> {
    fs::File::open(path).and_then(|file| file.sync_all()).map_err(|e| io("sync", path, e))
}

/// A file that cannot be read or written.
pub(crate) fn io(action: &'static str, path: &Path, error: std::io::Error) -> RecommendError {
    RecommendError::Data(DataError::io(action, path, error))
}
