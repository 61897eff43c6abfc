//! The bar of a domain's fit: where the search is, and pass, loss and metric of what is trained.

use indicatif::ProgressBar;
use segue_train::Progress;

/// Shows where the fit is. The time left is estimated anew where other steps are counted.
pub(crate) fn show(bar: &ProgressBar, progress: &Progress) {
    let total = progress.total as u64;
    if bar.length() != Some(total) {
        bar.set_length(total);
        bar.set_position(progress.done as u64);
        bar.reset_eta();
    }
    bar.set_position(progress.done as u64);
    bar.set_message(progress.step.clone());
}
