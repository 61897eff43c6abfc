//! How far a run is, as its `manifest.json` says; the rest of an unfinished run's manifest.

use std::fs::{self, File, TryLockError};
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::clock;
use crate::config::RunConfig;
use crate::origin::DataOrigin;
use crate::run::manifest::{FORMAT_VERSION, Versions};

/// Locked by the process that makes the run, for as long as it lives.
pub const LOCK: &str = ".lock";

/// How far a run is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// It is whole.
    #[default]
    Finished,
    /// A process makes it.
    Running,
    /// It was stopped and can be resumed.
    Interrupted,
}

impl RunState {
    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Finished => "finished",
            Self::Running => "running",
            Self::Interrupted => "interrupted",
        }
    }
}

/// The manifest of a run that is not finished.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UnfinishedManifest {
    /// Version of the run folder's layout.
    pub format_version: u32,
    /// Running or interrupted.
    pub state: RunState,
    /// Name of the run: its folder.
    pub name: String,
    /// When it was started, UTC.
    pub started: String,
    /// The command, as given.
    pub command: Vec<String>,
    /// Seed of the search and the intervals.
    pub seed: u64,
    /// The data.
    pub data: DataOrigin,
    /// Versions of this program and its formats.
    pub versions: Versions,
}

impl UnfinishedManifest {
    /// Of a run that starts now.
    pub fn of(name: String, data: DataOrigin, config: &RunConfig, command: Vec<String>) -> Self {
        Self {
            format_version: FORMAT_VERSION,
            state: RunState::Running,
            name,
            started: clock::now(),
            command,
            seed: config.seed(),
            data,
            versions: Versions::current(),
        }
    }
}

/// The state of the run in `folder`. One that says it is running was killed when nobody holds its lock.
///
/// # Errors
/// When the manifest is missing or damaged.
pub fn read(folder: &Path) -> Result<RunState> {
    #[derive(Deserialize)]
    struct Head {
        #[serde(default)]
        state: RunState,
    }
    let path = folder.join("manifest.json");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
    let head: Head = serde_json::from_str(&text).with_context(|| format!("`{}`", path.display()))?;
    let killed = head.state == RunState::Running && !is_locked(folder);
    Ok(if killed { RunState::Interrupted } else { head.state })
}

/// Takes the lock of a run folder; `None` when another process has it.
///
/// # Errors
/// When the lock file cannot be opened.
pub fn lock(folder: &Path) -> Result<Option<File>> {
    let path = folder.join(LOCK);
    let file = File::create(&path).with_context(|| format!("cannot create `{}`", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("cannot lock `{}`", path.display()))
        }
    }
}

fn is_locked(folder: &Path) -> bool {
    let file = File::open(folder.join(LOCK));
    file.is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
}
