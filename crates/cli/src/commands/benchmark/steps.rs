//! A progress line for fitting one domain; silent when standard error is not a terminal.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use segue_train::Progress;

use crate::fit_bar;

/// Shows the steps of one domain.
pub(super) struct Steps {
    bar: ProgressBar,
}

impl Steps {
    /// A bar headed by `title`.
    pub(super) fn new(title: &str) -> Self {
        let bar = ProgressBar::with_draw_target(Some(1), ProgressDrawTarget::stderr());
        if let Ok(style) =
            ProgressStyle::with_template("{prefix} {bar:24} {pos}/{len} {msg} ({elapsed}, about {eta} left)")
        {
            bar.set_style(style);
        }
        bar.set_prefix(title.to_owned());
        Self { bar }
    }

    /// Shows where the fit is.
    pub(super) fn show(&self, progress: &Progress) {
        fit_bar::show(&self.bar, progress);
    }

    /// Shows what is being done now.
    pub(super) fn note(&self, text: &str) {
        self.bar.set_message(text.to_owned());
    }

    /// Clears the bar.
    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
