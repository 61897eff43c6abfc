//! Ctrl-C: the first asks the work to stop where it can be gone on with, the second ends the program at once.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};
use segue_train::TrainError;

use crate::failure;
use crate::screen::Screen;

static STOP: AtomicBool = AtomicBool::new(false);

/// From now on the first Ctrl-C sets the flag that this gives.
pub(crate) fn listen() -> Result<&'static AtomicBool> {
    let on_interrupt = || {
        if STOP.swap(true, Ordering::Relaxed) {
            std::process::exit(failure::INTERRUPTED.into());
        }
        Screen::note("\nstopping at the next step; once more ends at once");
    };
    ctrlc::set_handler(on_interrupt).context("cannot listen to Ctrl-C")?;
    Ok(&STOP)
}

/// Goes on unless the flag is set.
pub(crate) fn go_on(stop: &AtomicBool) -> Result<()> {
    if stop.load(Ordering::Relaxed) { Err(TrainError::Stopped.into()) } else { Ok(()) }
}

/// Whether the work ended because it was asked to.
pub(crate) fn is_stopped(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| matches!(cause.downcast_ref::<TrainError>(), Some(TrainError::Stopped)))
}
