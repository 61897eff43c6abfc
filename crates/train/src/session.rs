//! Who watches a fit.

use segue_models::ExpertId;

use crate::error::TrainError;
pub use crate::keeping::{Keeping, Stage};
use crate::learn::Epoch;

/// A step of the work, for whoever shows progress.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    /// What is being done, in words.
    pub step: String,
    /// Steps done of the work that `step` names; it begins anew with every training.
    pub done: usize,
    /// Steps in all.
    pub total: usize,
    /// The pass that has just ended; `None` where the step is another.
    pub pass: Option<Pass>,
}

/// A pass of an expert that is trained by gradient steps.
#[derive(Clone, Debug, PartialEq)]
pub struct Pass {
    /// The expert.
    pub expert: ExpertId,
    /// Which of its trainings.
    pub stage: Stage,
    /// What the pass gave.
    pub epoch: Epoch,
    /// Most passes that this training can take.
    pub n_max: usize,
}

/// Observes progress; for display and records only.
pub type Observer<'a> = &'a (dyn Fn(&Progress) + Sync);

/// Who watches the fit of a domain, and where it keeps its checkpoints.
#[derive(Clone, Copy)]
pub struct Session<'a> {
    /// Sees each step.
    pub observer: Observer<'a>,
    /// Where trainings keep their state, one folder per training inside its own; what stops the fit.
    pub keeping: Keeping<'a>,
}

impl<'a> Session<'a> {
    /// A fit that keeps nothing and is never stopped.
    pub fn watched_by(observer: Observer<'a>) -> Self {
        Self { observer, keeping: Keeping::nothing() }
    }

    /// A fit that nobody watches, that keeps nothing and is never stopped.
    pub fn unwatched() -> Session<'static> {
        Session::watched_by(&|_| ())
    }

    /// Shows a step that is no pass.
    pub(crate) fn show(&self, step: String, done: usize, total: usize) {
        (self.observer)(&Progress { step, done, total, pass: None });
    }

    /// Shows a pass.
    pub(crate) fn show_pass(&self, expert: ExpertId, stage: Stage, n_max: usize, epoch: &Epoch) {
        let metric = epoch.metric.map_or_else(String::new, |metric| format!(", NDCG@10 {metric:.4}"));
        let step = format!("{expert}: pass {}, loss {:.3}{metric}", epoch.epoch, epoch.loss);
        let pass = Some(Pass { expert, stage, epoch: *epoch, n_max });
        (self.observer)(&Progress { step, done: epoch.epoch, total: n_max, pass });
    }

    /// An error where somebody wants the fit to stop.
    pub(crate) fn check_stop(&self) -> Result<(), TrainError> {
        if self.keeping.is_stopped() { Err(TrainError::Stopped) } else { Ok(()) }
    }
}
