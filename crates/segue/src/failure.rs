//! How work fails: what is wrong (with the value and the place) and what would help; whose fault it is.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Result;
use segue_train::TrainError;

/// The caller asks for something that cannot be meant: a wrong argument, a config that contradicts itself.
#[derive(Debug)]
pub struct Usage {
    problem: String,
    remedy: String,
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n  hint: {}", self.problem, self.remedy)
    }
}

impl std::error::Error for Usage {}

/// A usage error: what is wrong (with the value and the place) and what would help.
pub fn usage(problem: impl Into<String>, remedy: impl Into<String>) -> anyhow::Error {
    Usage { problem: problem.into(), remedy: remedy.into() }.into()
}

/// A failed check or input: what is wrong and what would help.
pub fn failed(problem: impl fmt::Display, remedy: impl fmt::Display) -> anyhow::Error {
    anyhow::anyhow!("{problem}\n  hint: {remedy}")
}

/// Whether the caller asked for something that cannot be meant.
pub fn is_usage(error: &anyhow::Error) -> bool {
    error.chain().any(<dyn std::error::Error>::is::<Usage>)
}

/// An error once somebody has set the flag that stops the work.
///
/// # Errors
/// When the flag is set.
pub fn check_stop(stop: &AtomicBool) -> Result<()> {
    if stop.load(Ordering::Relaxed) { Err(TrainError::Stopped.into()) } else { Ok(()) }
}

/// Whether the work ended because it was asked to.
pub fn is_stopped(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| matches!(cause.downcast_ref::<TrainError>(), Some(TrainError::Stopped)))
}

/// The entry of `names` that `given` was probably meant to be.
pub fn closest<'a>(given: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let similarity = |name: &&str| strsim::jaro_winkler(&given.to_lowercase(), &name.to_lowercase());
    names
        .into_iter()
        .map(|name| (similarity(&name), name))
        .filter(|(similarity, _)| *similarity > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}
