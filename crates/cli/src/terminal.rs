//! The terminal as an observer: notes as lines, tasks as bars.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use indicatif::ProgressBar;
use segue::Observer;
use segue_train::Progress;

use crate::screen::Screen;

/// Shows notes and progress as the user asked for.
pub(crate) struct Terminal {
    screen: Screen,
    /// A bar for each task that has not ended.
    bars: Mutex<BTreeMap<String, ProgressBar>>,
}

impl Terminal {
    /// Shows on this screen.
    pub(crate) fn new(screen: Screen) -> Self {
        Self { screen, bars: Mutex::new(BTreeMap::new()) }
    }
}

impl Observer for Terminal {
    fn note(&self, text: &str) {
        // Output that cannot be written is told by the next thing that is printed.
        let _ = self.screen.say(text);
    }

    fn warn(&self, text: &str) {
        Screen::note(text);
    }

    fn progress(&self, task: &str, step: &Progress) {
        let mut bars = self.bars.lock().unwrap_or_else(PoisonError::into_inner);
        let bar = bars.entry(task.to_owned()).or_insert_with(|| self.screen.bar(step.total, task));
        // The time left is estimated anew where other steps are counted.
        if bar.length() != Some(step.total as u64) {
            bar.set_length(step.total as u64);
            bar.set_position(step.done as u64);
            bar.reset_eta();
        }
        bar.set_position(step.done as u64);
        bar.set_message(step.step.clone());
    }

    fn ended(&self, task: &str) {
        let mut bars = self.bars.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bar) = bars.remove(task) {
            bar.finish_and_clear();
        }
    }
}
