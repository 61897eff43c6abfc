//! Who hears how the work goes: the one way in which progress and notes leave the library.

use std::sync::atomic::{AtomicUsize, Ordering};

use segue_train::{Progress, Session};

/// Hears of progress and of what people should know. A terminal, a notebook and a log each are one.
pub trait Observer: Sync {
    /// A line for people: what was left out, what was found.
    fn note(&self, text: &str);

    /// A warning: something was left out or may be wrong, and the work goes on.
    fn warn(&self, text: &str);

    /// Where the task called `task` stands.
    fn progress(&self, task: &str, step: &Progress);

    /// The task called `task` has ended, well or not.
    fn ended(&self, task: &str);
}

/// Hears nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Observer for Silent {
    fn note(&self, _text: &str) {}

    fn warn(&self, _text: &str) {}

    fn progress(&self, _task: &str, _step: &Progress) {}

    fn ended(&self, _task: &str) {}
}

/// A piece of work that counts its steps; the observer hears when it ends, however it ends.
pub struct Task<'a> {
    observer: &'a dyn Observer,
    name: String,
    done: AtomicUsize,
    total: usize,
}

impl<'a> Task<'a> {
    /// Begins a task of `total` steps.
    pub fn start(observer: &'a dyn Observer, name: impl Into<String>, total: usize) -> Self {
        let task = Self { observer, name: name.into(), done: AtomicUsize::new(0), total };
        task.step(0, String::new);
        task
    }

    /// `n` more steps are done; `step` says what was done last.
    pub fn step(&self, n: usize, step: impl FnOnce() -> String) {
        let done = self.done.fetch_add(n, Ordering::Relaxed) + n;
        self.observer.progress(&self.name, &Progress { step: step(), done, total: self.total, pass: None });
    }
}

impl Task<'_> {
    /// `done` steps are done, whatever was counted before: work that is resumed begins in the middle.
    pub fn stand_at(&self, done: usize) {
        self.done.store(done, Ordering::Relaxed);
        self.step(0, String::new);
    }
}

impl Drop for Task<'_> {
    fn drop(&mut self) {
        self.observer.ended(&self.name);
    }
}

/// Does a fit whose progress the observer hears under the name `task`.
///
/// # Errors
/// Those of the fit.
pub fn watched<T, E>(
    observer: &dyn Observer,
    task: &str,
    fit: impl FnOnce(Session<'_>) -> Result<T, E>,
) -> Result<T, E> {
    let watch = |progress: &Progress| observer.progress(task, progress);
    let fitted = fit(Session::watched_by(&watch));
    observer.ended(task);
    fitted
}
