//! Where the data of a run came from, and where its people are found again.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Where the data came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataOrigin {
    /// Name of the data set.
    pub name: String,
    /// The folder, as given.
    pub path: String,
    /// The folder from the root, so that a run finds its people from anywhere; empty in runs of before.
    #[serde(default)]
    pub folder: String,
    /// Hash over all its tables, before filters; empty when it was imported in the same command.
    pub sha256: String,
}

impl DataOrigin {
    /// A data set folder.
    pub fn of(name: &str, folder: &Path, sha256: String) -> Self {
        let absolute = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
        Self {
            name: name.to_owned(),
            path: folder.display().to_string(),
            folder: absolute.display().to_string(),
            sha256,
        }
    }

    /// The folder, if it is still there.
    pub fn find(&self) -> Option<PathBuf> {
        let places = [&self.folder, &self.path].map(PathBuf::from);
        places.into_iter().find(|place| place.join("dataset.toml").is_file())
    }
}
