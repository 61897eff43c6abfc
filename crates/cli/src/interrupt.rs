//! Ctrl-C: the first asks the work to stop where it can be resumed, the second ends the program at once.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};

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
