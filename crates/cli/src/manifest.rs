//! `manifest.json` of a run: what reproduces it and what it took.

use segue_data::hash;
use serde::{Deserialize, Serialize};

use crate::clock::{self, Stopwatch, Timing};
use crate::config::RunConfig;
use crate::machine;
use crate::run_state::RunState;

/// Version of the run folder's layout.
pub(crate) const FORMAT_VERSION: u32 = 1;

/// The manifest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct RunManifest {
    /// Version of the run folder's layout.
    pub(crate) format_version: u32,
    /// Finished, in this manifest.
    #[serde(default)]
    pub(crate) state: RunState,
    /// Name of the run: its folder.
    pub(crate) name: String,
    /// When it was finished, UTC.
    pub(crate) finished: String,
    /// The command, as given.
    pub(crate) command: Vec<String>,
    /// Seed of the search and the intervals.
    pub(crate) seed: u64,
    /// The data.
    pub(crate) data: DataOrigin,
    /// Hash over the tables of the data in the artifact: after filters.
    pub(crate) artifact_data_sha256: String,
    /// SHA-256 of `config.toml`.
    pub(crate) config_sha256: String,
    /// SHA-256 of `artifact/artifact.json`, which holds the hash of every file of the model.
    pub(crate) artifact_sha256: String,
    /// Versions of this program and its formats.
    pub(crate) versions: Versions,
    /// Threads that worked; figures do not depend on it.
    pub(crate) n_threads: usize,
    /// What each stage took.
    pub(crate) timings: Vec<Timing>,
    /// The most memory the process has held; `None` where the system does not tell.
    pub(crate) peak_memory_bytes: Option<u64>,
}

/// Where the data came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DataOrigin {
    /// Name of the data set.
    pub(crate) name: String,
    /// The folder, as given.
    pub(crate) path: String,
    /// Hash over all its tables, before filters; empty when it was imported in the same command.
    pub(crate) sha256: String,
}

/// Versions of this program and its formats.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Versions {
    /// The program.
    pub(crate) segue: String,
    /// The artifact folder.
    pub(crate) artifact_format: u32,
    /// The data set folder.
    pub(crate) dataset_format: u32,
}

impl Versions {
    /// Of this program.
    pub(crate) fn current() -> Self {
        Self {
            segue: env!("CARGO_PKG_VERSION").to_owned(),
            artifact_format: segue_recommend::artifact::FORMAT_VERSION,
            dataset_format: segue_data::store::FORMAT_VERSION,
        }
    }
}

/// Hashes of a written artifact.
pub(crate) struct ArtifactHashes {
    /// SHA-256 of `artifact.json`.
    pub(crate) head: String,
    /// Hash over the tables of its data set.
    pub(crate) data: String,
}

impl RunManifest {
    /// The manifest of a run that is complete but for this file.
    pub(crate) fn of(
        name: &str,
        data: DataOrigin,
        (config, config_text): (&RunConfig, &str),
        artifact: ArtifactHashes,
        stopwatch: &Stopwatch,
    ) -> Self {
        Self {
            format_version: FORMAT_VERSION,
            state: RunState::Finished,
            name: name.to_owned(),
            finished: clock::now(),
            command: std::env::args().collect(),
            seed: config.seed,
            data,
            config_sha256: hash::of_bytes(config_text.as_bytes()),
            artifact_data_sha256: artifact.data,
            artifact_sha256: artifact.head,
            versions: Versions::current(),
            n_threads: rayon::current_num_threads(),
            timings: stopwatch.timings().to_vec(),
            peak_memory_bytes: machine::peak_memory_bytes(),
        }
    }
}
