//! Where a training keeps its state, and what ends it before it is done.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use segue_models::ExpertId;
use serde::{Deserialize, Serialize};

/// Where a training keeps its state, and what stops it.
#[derive(Clone, Copy, Debug)]
pub struct Keeping<'a> {
    /// Folder of the checkpoints, created where it is missing; `None`: nothing is kept.
    pub folder: Option<&'a Path>,
    /// Steps between two checkpoints within a pass; 0: one after each pass only.
    pub every_steps: u64,
    /// Once it is set, the training stops before its next step.
    pub stop: &'a AtomicBool,
}

static NEVER: AtomicBool = AtomicBool::new(false);

impl Keeping<'static> {
    /// Keeps nothing and is never stopped.
    pub fn nothing() -> Self {
        Self { folder: None, every_steps: 0, stop: &NEVER }
    }
}

impl Keeping<'_> {
    /// Whether somebody wants the training to stop.
    pub fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Where one training of an expert keeps its state.
    pub(crate) fn folder_of(&self, expert: ExpertId, stage: Stage) -> Option<PathBuf> {
        Some(self.folder?.join(format!("{expert}-{}", stage.name())))
    }
}

/// Whether valid decides how long an expert is trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// On train; valid decides.
    Fit,
    /// On train and valid, as many passes as were found.
    Refit,
}

impl Stage {
    /// The name in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fit => "fit",
            Self::Refit => "refit",
        }
    }
}
