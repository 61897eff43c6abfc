//! Writes down each pass as it ends, wherever somebody may look.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use anyhow::{Context, Result};
use segue_report::Report;
use segue_train::{Progress, Stage};

use super::curve_log::{self, CurveLog, Record};
use super::curves::curves_of;
use super::event_file::{EventFile, Scalar};
use crate::clock;
use crate::figures::{HEADLINE, RunFigures};

/// The page of a run while it is trained.
pub const LIVE_PAGE: &str = "live.html";
/// Seconds between two looks of a browser at the page.
const REFRESH_SECONDS: u32 = 3;
const EVENT_FILE: &str = "tensorboard/events.out.tfevents.1.segue";

/// The records of a run that is made.
pub struct Recorder {
    page: PathBuf,
    title: String,
    state: Mutex<State>,
}

struct State {
    records: Vec<Record>,
    log: CurveLog,
    events: EventFile,
    step_began: f64,
    failure: Option<anyhow::Error>,
}

impl Recorder {
    /// Goes on with the records in the run folder, or starts them.
    ///
    /// # Errors
    /// When a file cannot be read or written.
    pub fn open(folder: &Path, title: String) -> Result<Self> {
        let records = curve_log::read(folder)?;
        let now = clock::unix_seconds();
        let began = records.first().map_or(now, |record| record.ended - record.seconds);
        let mut events = EventFile::create(&folder.join(EVENT_FILE), began)?;
        for scalar in records.iter().flat_map(scalars_of) {
            events.add(&scalar)?;
        }
        let log = CurveLog::start(folder, &records)?;
        let state = Mutex::new(State { records, log, events, step_began: now, failure: None });
        let recorder = Self { page: folder.join(LIVE_PAGE), title, state };
        recorder.show("starts")?;
        Ok(recorder)
    }

    /// Takes note of a step. What cannot be written is told by [`finish`](Self::finish): training goes on.
    pub fn see(&self, domain: &str, progress: &Progress) {
        let now = clock::unix_seconds();
        let noted = self.with_state(|state| {
            let seconds = now - std::mem::replace(&mut state.step_began, now);
            let seconds = (seconds * 1e3).round() / 1e3;
            let Some(pass) = &progress.pass else { return Ok(()) };
            let record = Record::of(domain, pass, seconds, now);
            // A program that was killed before the checkpoint makes the same pass once more.
            if state.records.iter().any(|known| known.key() == record.key()) {
                return Ok(());
            }
            state.log.add(&record)?;
            for scalar in scalars_of(&record) {
                state.events.add(&scalar)?;
            }
            state.records.push(record);
            Ok(())
        });
        let noted = noted.and_then(|()| self.show(&format!("{domain}: {}", progress.step)));
        if let Err(error) = noted {
            self.lock().failure.get_or_insert(error);
        }
    }

    /// All passes, and the test figures for `TensorBoard`.
    ///
    /// # Errors
    /// The first thing that could not be written.
    pub fn finish(&self, figures: &RunFigures) -> Result<Vec<Record>> {
        let mut state = self.lock();
        if let Some(error) = state.failure.take() {
            return Err(error);
        }
        let wall_time = clock::unix_seconds();
        for domain in &figures.domains {
            for system in &domain.test.systems {
                let Some(value) = system.summary.masked.mean(HEADLINE) else { continue };
                let tag = format!("test {HEADLINE}/{}/{}", domain.domain, system.name);
                state.events.add(&Scalar { tag, step: 0, value: value as f32, wall_time })?;
            }
        }
        Ok(state.records.clone())
    }

    // The page so far; who reads it sees the old one or the new one.
    fn show(&self, step: &str) -> Result<()> {
        let page = Report {
            title: self.title.clone(),
            subtitle: step.to_owned(),
            generated: Some(format!("{}, while it is trained", clock::now())),
            curves: curves_of(&self.lock().records),
            refresh_seconds: Some(REFRESH_SECONDS),
            ..Report::default()
        };
        let aside = self.page.with_extension("html.partial");
        fs::write(&aside, segue_report::render(&page))
            .and_then(|()| fs::rename(&aside, &self.page))
            .with_context(|| format!("cannot write `{}`", self.page.display()))
    }

    fn with_state(&self, change: impl FnOnce(&mut State) -> Result<()>) -> Result<()> {
        change(&mut self.lock())
    }

    // A thread that panicked while it held the lock left lines, each of them whole.
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

fn scalars_of(record: &Record) -> Vec<Scalar> {
    let fitted_again = if record.stage == Stage::Refit { " (fitted again)" } else { "" };
    let scalar = |name: &str, value: f64| Scalar {
        tag: format!("{name}/{}/{}{fitted_again}", record.domain, record.expert),
        step: record.pass as u64,
        value: value as f32,
        wall_time: record.ended,
    };
    let metric = record.metric.map(|metric| scalar("valid ndcg@10", metric));
    [scalar("loss", record.loss), scalar("seconds", record.seconds)].into_iter().chain(metric).collect()
}
