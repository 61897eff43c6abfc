//! How a command fails: the message (cause, place, remedy) and the exit code.

use std::fmt;
use std::io;

use crate::interrupt;

/// Exit code when a check or an input failed.
pub(crate) const FAILED: u8 = 1;
/// Exit code when the command line or the config is wrong.
pub(crate) const WRONG_USAGE: u8 = 2;
/// Exit code when Ctrl-C ended the command: 128 and the number of the signal, as shells say it.
pub(crate) const INTERRUPTED: u8 = 130;

/// The command line or the config asks for something that cannot be meant.
#[derive(Debug)]
pub(crate) struct Usage {
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
pub(crate) fn usage(problem: impl Into<String>, remedy: impl Into<String>) -> anyhow::Error {
    Usage { problem: problem.into(), remedy: remedy.into() }.into()
}

/// A failed check or input: what is wrong and what would help.
pub(crate) fn failed(problem: impl fmt::Display, remedy: impl fmt::Display) -> anyhow::Error {
    anyhow::anyhow!("{problem}\n  hint: {remedy}")
}

/// The exit code of an error.
pub(crate) fn exit_code(error: &anyhow::Error) -> u8 {
    if interrupt::is_stopped(error) {
        return INTERRUPTED;
    }
    if error.chain().any(<dyn std::error::Error>::is::<Usage>) { WRONG_USAGE } else { FAILED }
}

/// Whether the reader of our output went away (`segue … | head`): nothing is wrong then.
pub(crate) fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let closed = |e: &io::Error| e.kind() == io::ErrorKind::BrokenPipe;
    error.chain().any(|cause| cause.downcast_ref::<io::Error>().is_some_and(closed))
}

/// The message: what was being done, then its causes.
pub(crate) fn message(error: &anyhow::Error) -> String {
    let causes = error.chain().skip(1).map(|cause| format!("\n  cause: {cause}"));
    format!("error: {error}{}", causes.collect::<String>())
}

/// The entry of `names` that `given` was probably meant to be.
pub(crate) fn closest<'a>(given: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let similarity = |name: &&str| strsim::jaro_winkler(&given.to_lowercase(), &name.to_lowercase());
    names
        .into_iter()
        .map(|name| (similarity(&name), name))
        .filter(|(similarity, _)| *similarity > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

/// The error as the one JSON document of the command.
pub(crate) fn document(error: &anyhow::Error) -> serde_json::Value {
    let causes: Vec<String> = error.chain().map(ToString::to_string).collect();
    serde_json::json!({ "error": causes.join(": "), "exit_code": exit_code(error) })
}
