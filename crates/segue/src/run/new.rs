//! A run folder under construction. Its `manifest.json` says that it is unfinished until everything else is in place.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use segue_data::hash;
use segue_recommend::{Model, artifact};
use serde::Serialize;

use crate::config::RunConfig;
use crate::failure::{failed, usage};
use crate::origin::DataOrigin;
use crate::run::dir::RunDir;
use crate::run::manifest::RunManifest;
use crate::run::state::{self, LOCK, RunState, UnfinishedManifest};
use crate::tracking::LIVE_PAGE;

const CHECKPOINTS: &str = "checkpoints";

/// A run folder under construction.
pub struct NewRun {
    path: PathBuf,
    manifest: UnfinishedManifest,
    keeps: bool,
    is_finished: bool,
    _lock: File,
}

impl NewRun {
    /// Makes the folder `to`, which must not exist.
    ///
    /// # Errors
    /// When the folder exists or cannot be made.
    pub fn create(to: &Path, data: DataOrigin, config: &RunConfig, command: Vec<String>) -> Result<Self> {
        if to.exists() {
            let problem = format!("`{}` already exists", to.display());
            return Err(usage(problem, "name another folder with --to; a run is never overwritten"));
        }
        let name = to.file_name().context("the run folder needs a name")?.to_string_lossy().into_owned();
        fs::create_dir_all(to).with_context(|| format!("cannot create `{}`", to.display()))?;
        let lock = state::lock(to)?.with_context(|| format!("`{}` is taken", to.display()))?;
        let manifest = UnfinishedManifest::of(name, data, config, command);
        let run = Self { path: to.to_owned(), manifest, keeps: false, is_finished: false, _lock: lock };
        run.put("config.toml", &toml::to_string(config)?)?;
        run.put_json("manifest.json", &run.manifest)?;
        Ok(run)
    }

    /// Goes on with an unfinished run.
    ///
    /// # Errors
    /// When the folder is no unfinished run, or another process has it.
    pub fn resume(path: &Path) -> Result<Self> {
        let dir = RunDir { path: path.to_owned() };
        if !path.join("manifest.json").is_file() {
            let problem = format!("`{}` is not a run: it has no manifest.json", path.display());
            return Err(failed(problem, "`segue runs list` shows the runs there are and their state"));
        }
        if state::read(path)? == RunState::Finished {
            let problem = format!("the run `{}` is finished", path.display());
            return Err(usage(problem, "there is nothing to resume; train another with `segue train DATA`"));
        }
        let Some(lock) = state::lock(path)? else {
            let problem = format!("another process makes the run `{}`", path.display());
            return Err(failed(problem, "wait until it is done, or stop it first"));
        };
        let mut manifest = dir.unfinished_manifest()?;
        if manifest.data.sha256.is_empty() {
            let problem =
                format!("the data of `{}` was imported by the command that made it", path.display());
            return Err(failed(problem, "run that command again, with another folder"));
        }
        manifest.state = RunState::Running;
        let run = Self { path: path.to_owned(), manifest, keeps: true, is_finished: false, _lock: lock };
        run.put_json("manifest.json", &run.manifest)?;
        Ok(run)
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is known of the run before it is finished.
    pub fn manifest(&self) -> &UnfinishedManifest {
        &self.manifest
    }

    /// Where trainings keep their state.
    pub fn checkpoints(&self) -> PathBuf {
        self.path.join(CHECKPOINTS)
    }

    /// Whether a later command can resume it.
    pub fn is_resumable(&self) -> bool {
        !self.manifest.data.sha256.is_empty()
    }

    /// Leaves the folder, marked as interrupted, where it can be resumed.
    pub fn keep(&mut self) {
        self.keeps = self.is_resumable();
    }

    /// Writes a file of the run: aside, synced, then under its name.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn put(&self, file: &str, content: &str) -> Result<()> {
        let (path, aside) = (self.path.join(file), self.path.join(format!(".{file}.partial")));
        fs::write(&aside, content).with_context(|| format!("cannot write `{}`", aside.display()))?;
        File::open(&aside)
            .and_then(|f| f.sync_all())
            .with_context(|| format!("cannot sync `{}`", aside.display()))?;
        fs::rename(&aside, &path).with_context(|| format!("cannot rename to `{}`", path.display()))
    }

    /// Writes a JSON file of the run.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn put_json(&self, file: &str, content: &impl Serialize) -> Result<()> {
        self.put(file, &serde_json::to_string_pretty(content)?)
    }

    /// Writes the model; gives the SHA-256 of its head, which holds the hash of every file.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn put_artifact(&self, model: &Model, seed: u64) -> Result<String> {
        let folder = self.path.join("artifact");
        remove_folder(&folder)?;
        artifact::write(model, seed, &folder)?;
        Ok(hash::of_file(&folder.join("artifact.json"))?)
    }

    /// Makes the run a finished one, and removes what only an unfinished one needs.
    ///
    /// # Errors
    /// When a file cannot be written or removed.
    pub fn publish(mut self, manifest: &RunManifest) -> Result<PathBuf> {
        self.put_json("manifest.json", manifest)?;
        self.is_finished = true;
        for file in [LIVE_PAGE, LOCK] {
            let path = self.path.join(file);
            if path.is_file() {
                fs::remove_file(&path).with_context(|| format!("cannot remove `{}`", path.display()))?;
            }
        }
        remove_folder(&self.checkpoints())?;
        let parent = self.path.parent().filter(|parent| !parent.as_os_str().is_empty());
        for folder in [&*self.path, parent.unwrap_or(Path::new("."))] {
            File::open(folder)
                .and_then(|folder| folder.sync_all())
                .with_context(|| format!("cannot sync `{}`", folder.display()))?;
        }
        Ok(self.path.clone())
    }
}

fn remove_folder(folder: &Path) -> Result<()> {
    if folder.is_dir() {
        fs::remove_dir_all(folder).with_context(|| format!("cannot remove `{}`", folder.display()))?;
    }
    Ok(())
}

impl Drop for NewRun {
    // A run that failed before its first checkpoint is removed; any other can be resumed. What cannot be
    // removed or marked is told by the lock, which ends with this process.
    fn drop(&mut self) {
        if self.is_finished {
            return;
        }
        if self.keeps || (self.is_resumable() && self.checkpoints().is_dir()) {
            self.manifest.state = RunState::Interrupted;
            let _ = self.put_json("manifest.json", &self.manifest);
        } else {
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}
