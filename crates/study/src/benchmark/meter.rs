//! What a row cost: wall time, processor time, peak memory.

use std::time::Instant;

use segue::machine;

/// What something cost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Cost {
    /// Seconds on the clock.
    pub(super) wall_s: f64,
    /// Seconds of all threads; `None` where the system does not tell.
    pub(super) cpu_s: Option<f64>,
    /// Highest resident memory of the process so far; `None` where the system does not tell.
    pub(super) peak_rss_bytes: Option<u64>,
}

/// Measures from its start.
pub(super) struct Meter {
    start: Instant,
    cpu_s: Option<f64>,
}

impl Meter {
    /// Starts measuring.
    pub(super) fn start() -> Self {
        Self { start: Instant::now(), cpu_s: machine::cpu_seconds() }
    }

    /// What it cost since the start.
    pub(super) fn read(&self) -> Cost {
        Cost {
            wall_s: self.start.elapsed().as_secs_f64(),
            cpu_s: machine::cpu_seconds().zip(self.cpu_s).map(|(now, then)| now - then),
            peak_rss_bytes: machine::peak_memory_bytes(),
        }
    }
}
