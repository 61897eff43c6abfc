//! `manifest.json` of a run: what reproduces it and what it took.

use anyhow::Result;
use segue_data::hash;
use serde::{Deserialize, Serialize};

use crate::clock::{self, Stopwatch, Timing};
use crate::config::RunConfig;
use crate::machine;
use crate::origin::DataOrigin;
use crate::run::state::{RunState, UnfinishedManifest};

/// Version of the run folder's layout.
pub const FORMAT_VERSION: u32 = 1;

/// The manifest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunManifest {
    /// Version of the run folder's layout.
    pub format_version: u32,
    /// Finished, in this manifest.
    #[serde(default)]
    pub state: RunState,
    /// Name of the run: its folder.
    pub name: String,
    /// When it was finished, UTC.
    pub finished: String,
    /// The command, as given.
    pub command: Vec<String>,
    /// Seed of the search and the intervals.
    pub seed: u64,
    /// The data.
    pub data: DataOrigin,
    /// SHA-256 of `config.toml`.
    pub config_sha256: String,
    /// SHA-256 of `artifact/artifact.json`, which holds the hash of every file of the model.
    pub artifact_sha256: String,
    /// Versions of this program and its formats.
    pub versions: Versions,
    /// Threads that worked; figures do not depend on it.
    pub n_threads: usize,
    /// What each stage took.
    pub timings: Vec<Timing>,
    /// The most memory the process has held; `None` where the system does not tell.
    pub peak_memory_bytes: Option<u64>,
}

/// Versions of this program and its formats.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Versions {
    /// The program.
    pub segue: String,
    /// The artifact folder.
    pub artifact_format: u32,
    /// The data set folder.
    pub dataset_format: u32,
}

impl Versions {
    /// Of this program.
    pub fn current() -> Self {
        Self {
            segue: env!("CARGO_PKG_VERSION").to_owned(),
            artifact_format: segue_recommend::artifact::FORMAT_VERSION,
            dataset_format: segue_data::store::FORMAT_VERSION,
        }
    }
}

impl RunManifest {
    /// The manifest of a run that is complete but for this file.
    ///
    /// # Errors
    /// When the config cannot be written as TOML.
    pub fn of(
        begun: &UnfinishedManifest,
        config: &RunConfig,
        artifact_sha256: String,
        stopwatch: &Stopwatch,
    ) -> Result<Self> {
        let config_text = toml::to_string(config)?;
        Ok(Self {
            format_version: FORMAT_VERSION,
            state: RunState::Finished,
            name: begun.name.clone(),
            finished: clock::now(),
            command: begun.command.clone(),
            seed: config.seed(),
            data: begun.data.clone(),
            config_sha256: hash::of_bytes(config_text.as_bytes()),
            artifact_sha256,
            versions: Versions::current(),
            n_threads: rayon::current_num_threads(),
            timings: stopwatch.timings().to_vec(),
            peak_memory_bytes: machine::peak_memory_bytes(),
        })
    }
}
