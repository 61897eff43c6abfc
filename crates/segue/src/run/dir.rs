//! A run on disk: `config.toml`, `manifest.json`, `metrics.json`, `curves.jsonl`, `report.html`, `tensorboard/` and
//! `artifact/`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use segue_data::hash;
use segue_recommend::{Model, artifact};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::clock;
use crate::config::RunConfig;
use crate::failure::failed;
use crate::figures::RunFigures;
use crate::run::manifest::RunManifest;
use crate::run::state::{self, RunState, UnfinishedManifest};

/// Where runs go without `--to`.
pub const RUNS: &str = "runs";

/// A folder name for a run of this data with this config: `runs/<time>-<data>-<short hash>`.
///
/// # Errors
/// When the config cannot be written as TOML.
pub fn default_name(data: &str, data_sha256: &str, config: &RunConfig) -> Result<PathBuf> {
    let key = format!("{data_sha256} {}", toml::to_string(config)?);
    let safe: String =
        data.chars().map(|c| if c.is_alphanumeric() || c == '-' { c } else { '_' }).take(40).collect();
    Ok(Path::new(RUNS).join(format!("{}-{safe}-{}", clock::stamp(), &hash::of_bytes(key.as_bytes())[..6])))
}

/// A finished run.
#[derive(Clone, Debug)]
pub struct RunDir {
    /// The folder.
    pub path: PathBuf,
}

impl RunDir {
    /// The finished run in this folder.
    ///
    /// # Errors
    /// When the folder is no run, or one that is not finished.
    pub fn open(path: &Path) -> Result<Self> {
        if path.join("manifest.json").is_file() {
            let state = state::read(path)?;
            if state == RunState::Finished {
                return Ok(Self { path: path.to_owned() });
            }
            let problem = format!("the run `{}` is not finished: {}", path.display(), state.name());
            return Err(failed(problem, format!("resume it with `segue train --resume {}`", path.display())));
        }
        let problem = format!("`{}` is not a run: it has no manifest.json", path.display());
        Err(failed(problem, "make one with `segue train DATA`; `segue runs list` shows those that exist"))
    }

    /// Its manifest.
    ///
    /// # Errors
    /// When the file is missing or damaged.
    pub fn manifest(&self) -> Result<RunManifest> {
        self.json("manifest.json")
    }

    /// The manifest of an unfinished run.
    ///
    /// # Errors
    /// When the file is missing or damaged.
    pub fn unfinished_manifest(&self) -> Result<UnfinishedManifest> {
        self.json("manifest.json")
    }

    /// Its figures.
    ///
    /// # Errors
    /// When the file is missing or damaged.
    pub fn figures(&self) -> Result<RunFigures> {
        self.json("metrics.json")
    }

    /// Its config.
    ///
    /// # Errors
    /// When the file is missing or damaged.
    pub fn config(&self) -> Result<RunConfig> {
        let path = self.path.join("config.toml");
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
        let sealed: Value = self.json("manifest.json")?;
        // An unfinished run has no hash of it yet.
        let is_changed =
            sealed["config_sha256"].as_str().is_some_and(|sha| sha != hash::of_bytes(text.as_bytes()));
        if is_changed {
            return Err(damaged(&path, "its SHA-256 is not the one in manifest.json"));
        }
        toml::from_str(&text).map_err(|e| damaged(&path, e.message()))
    }

    /// The text of its config.
    ///
    /// # Errors
    /// When the file is missing or damaged.
    pub fn config_table(&self) -> Result<toml::Table> {
        Ok(toml::Table::try_from(self.config()?)?)
    }

    /// Its page.
    pub fn report(&self) -> PathBuf {
        self.path.join("report.html")
    }

    fn json<T: DeserializeOwned>(&self, file: &str) -> Result<T> {
        let path = self.path.join(file);
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
        serde_json::from_str(&text).map_err(|e| damaged(&path, &e.to_string()))
    }
}

/// The folder that the user means: the path as given, or a name under `runs/`.
pub fn locate(given: &Path) -> PathBuf {
    let under_runs = Path::new(RUNS).join(given);
    if !given.exists() && under_runs.is_dir() { under_runs } else { given.to_owned() }
}

/// The model of a run folder, or of an artifact folder.
///
/// # Errors
/// When the folder holds no model, or one whose hashes do not fit.
pub fn read_model(path: &Path) -> Result<Model> {
    let artifact_of_run = path.join("artifact");
    if path.join("manifest.json").is_file() {
        RunDir::open(path)?;
    }
    if artifact_of_run.join("artifact.json").is_file() {
        check_seal(&RunDir::open(path)?, &artifact_of_run)?;
        return Ok(artifact::read(&artifact_of_run)?);
    }
    if path.join("artifact.json").is_file() {
        return Ok(artifact::read(path)?);
    }
    let problem = format!("`{}` holds no model", path.display());
    Err(failed(problem, "name a run folder (`segue runs list` shows them) or its artifact folder"))
}

// The head of the artifact holds the hash of every file of the model; the manifest holds the hash of the head.
fn check_seal(run: &RunDir, folder: &Path) -> Result<()> {
    let head = folder.join("artifact.json");
    if hash::of_file(&head)? == run.manifest()?.artifact_sha256 {
        return Ok(());
    }
    Err(damaged(&head, "its SHA-256 is not the one in manifest.json"))
}

fn damaged(path: &Path, problem: &str) -> anyhow::Error {
    failed(
        format!("`{}`: {}", path.display(), problem.trim()),
        "the run is damaged or of another version: train again",
    )
}
