//! `curves.jsonl`: one line per pass, on disk before the checkpoint that counts the pass.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use segue_train::{Pass, Stage};
use serde::{Deserialize, Serialize};

/// Name of the file in a run folder.
const FILE: &str = "curves.jsonl";

/// One pass of one training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The target.
    pub domain: String,
    /// The expert.
    pub expert: String,
    /// On train, or again on train and valid.
    pub stage: Stage,
    /// From 1.
    pub pass: usize,
    /// Mean loss.
    pub loss: f64,
    /// NDCG@10 on valid; `None` in a refit.
    pub metric: Option<f64>,
    /// Seconds since the step before it ended, or since the training was resumed.
    pub seconds: f64,
    /// When it ended, seconds since 1970.
    pub ended: f64,
}

impl Record {
    /// A pass that has just ended, after so many seconds, at that time (seconds since 1970).
    pub fn of(domain: &str, pass: &Pass, seconds: f64, ended: f64) -> Self {
        Self {
            domain: domain.to_owned(),
            expert: pass.expert.to_string(),
            stage: pass.stage,
            pass: pass.epoch.epoch,
            loss: pass.epoch.loss,
            metric: pass.epoch.metric,
            seconds,
            ended,
        }
    }

    /// Which pass of which training.
    pub fn key(&self) -> (&str, &str, Stage, usize) {
        (&self.domain, &self.expert, self.stage, self.pass)
    }
}

/// The passes of the run in `folder`, in the order they were made; none where there is no file.
pub fn read(folder: &Path) -> Result<Vec<Record>> {
    let path = folder.join(FILE);
    if !path.is_file() {
        return Ok(Vec::new());
    }
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
    // A line that was cut when the program was killed belongs to a pass that will be made again.
    Ok(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
}

/// The file, open for the next line.
pub(crate) struct CurveLog {
    path: PathBuf,
    file: File,
}

impl CurveLog {
    /// Starts the file in `folder` with these passes.
    pub(crate) fn start(folder: &Path, records: &[Record]) -> Result<Self> {
        let path = folder.join(FILE);
        let mut text = String::new();
        for record in records {
            text.push_str(&serde_json::to_string(record)?);
            text.push('\n');
        }
        fs::write(&path, text).with_context(|| format!("cannot write `{}`", path.display()))?;
        let file = OpenOptions::new().append(true).open(&path);
        let file = file.with_context(|| format!("cannot open `{}`", path.display()))?;
        Ok(Self { path, file })
    }

    /// Adds a pass.
    pub(crate) fn add(&mut self, record: &Record) -> Result<()> {
        let line = format!("{}\n", serde_json::to_string(record)?);
        let written = self.file.write_all(line.as_bytes()).and_then(|()| self.file.sync_data());
        written.with_context(|| format!("cannot write `{}`", self.path.display()))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A pass of the behavior expert.
    pub(in crate::tracking) fn record(stage: Stage, pass: usize, loss: f64, metric: Option<f64>) -> Record {
        let (domain, expert) = ("films".to_owned(), "behavior".to_owned());
        Record { domain, expert, stage, pass, loss, metric, seconds: 1.5, ended: 1_700_000_000.25 }
    }

    #[test]
    fn lines_come_back_and_a_cut_one_is_left_out() {
        let folder = std::env::temp_dir().join(format!("segue-curve-log-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let (first, second) = (record(Stage::Fit, 1, 2.0, Some(0.1)), record(Stage::Refit, 1, 1.0, None));
        let mut log = CurveLog::start(&folder, std::slice::from_ref(&first)).unwrap();
        log.add(&second).unwrap();
        log.file.write_all(b"{\"domain\":\"fil").unwrap();
        assert_eq!(read(&folder).unwrap(), [first.clone(), second]);
        CurveLog::start(&folder, std::slice::from_ref(&first)).unwrap();
        assert_eq!(read(&folder).unwrap(), [first]);
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(read(&folder).unwrap(), []);
    }
}
