//! What a row cost: wall time, processor time, peak memory.

use std::time::Instant;

use segue::machine;

/// What a piece of work cost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Usage {
    /// Seconds on the clock.
    pub wall_s: f64,
    /// Seconds of all threads; `None` where the system does not tell.
    pub cpu_s: Option<f64>,
    /// Highest resident memory of the process so far; `None` where the system does not tell.
    pub peak_rss_bytes: Option<u64>,
}

/// Measures from its start.
pub struct Meter {
    start: Instant,
    cpu_s: Option<f64>,
}

impl Meter {
    /// Starts measuring.
    pub fn start() -> Self {
        Self { start: Instant::now(), cpu_s: machine::cpu_seconds() }
    }

    /// What was used since the start.
    pub fn read(&self) -> Usage {
        Usage {
            wall_s: self.start.elapsed().as_secs_f64(),
            cpu_s: machine::cpu_seconds().zip(self.cpu_s).map(|(now, then)| now - then),
            peak_rss_bytes: machine::peak_memory_bytes(),
        }
    }
}
