//! Wall time, CPU time and peak memory of this process. The only place that reads the clock for measuring.

use std::time::Instant;

/// What a piece of work cost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Usage {
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
        Self { start: Instant::now(), cpu_s: cpu_seconds() }
    }

    /// What was used since the start.
    pub(super) fn read(&self) -> Usage {
        Usage {
            wall_s: self.start.elapsed().as_secs_f64(),
            cpu_s: cpu_seconds().zip(self.cpu_s).map(|(now, then)| now - then),
            peak_rss_bytes: peak_rss_bytes(),
        }
    }
}

// Fields 14 and 15 of /proc/self/stat are user and system time in ticks of 1/100 s (USER_HZ on Linux).
fn cpu_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let after_name = stat.rsplit_once(')')?.1;
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let ticks: f64 = fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?;
    Some(ticks / 100.0)
}

fn peak_rss_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1024)
}
