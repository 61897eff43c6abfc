//! The clock, read here only: file names and manifests carry the time, models never do.

use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::machine;

/// Now, as `2026-11-24T04:58:50Z`.
pub fn now() -> String {
    now_rounded().to_string()
}

/// Now, as `20261124-045850`, for names of folders.
pub fn stamp() -> String {
    now_rounded().strftime("%Y%m%d-%H%M%S").to_string()
}

/// Now, in seconds since 1970.
pub fn unix_seconds() -> f64 {
    jiff::Timestamp::now().as_millisecond() as f64 / 1e3
}

/// The day of a Unix time, as `2026-11-24`; the number itself where it is no day.
pub fn day(seconds: i64) -> String {
    match jiff::Timestamp::from_second(seconds) {
        Ok(time) => time.strftime("%Y-%m-%d").to_string(),
        Err(_) => seconds.to_string(),
    }
}

/// The first second of a day written as `2026-11-24`, in UTC; `None` where the text is no day.
pub fn start_of_day(day: &str) -> Option<i64> {
    let day: jiff::civil::Date = day.parse().ok()?;
    Some(jiff::tz::TimeZone::UTC.to_timestamp(day.at(0, 0, 0, 0)).ok()?.as_second())
}

fn now_rounded() -> jiff::Timestamp {
    let now = jiff::Timestamp::now();
    jiff::Timestamp::from_second(now.as_second()).unwrap_or(now)
}

/// What one stage of a run took.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Timing {
    /// The stage.
    pub stage: String,
    /// Seconds on the wall clock.
    pub wall_seconds: f64,
    /// Seconds of all processors; `None` where the system does not tell.
    pub cpu_seconds: Option<f64>,
}

/// Measures stages one after the other.
pub struct Stopwatch {
    timings: Vec<Timing>,
    wall: Instant,
    cpu: Option<f64>,
}

impl Stopwatch {
    /// Starts the first stage.
    pub fn start() -> Self {
        Self { timings: Vec::new(), wall: Instant::now(), cpu: machine::cpu_seconds() }
    }

    /// Ends the running stage under this name and starts the next.
    pub fn lap(&mut self, stage: impl Into<String>) {
        let (wall, cpu) = (Instant::now(), machine::cpu_seconds());
        self.timings.push(Timing {
            stage: stage.into(),
            wall_seconds: wall.duration_since(self.wall).as_secs_f64(),
            cpu_seconds: cpu.zip(self.cpu).map(|(now, before)| now - before),
        });
        (self.wall, self.cpu) = (wall, cpu);
    }

    /// The stages so far.
    pub fn timings(&self) -> &[Timing] {
        &self.timings
    }
}
