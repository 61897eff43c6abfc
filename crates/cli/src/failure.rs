//! How a command fails: the message (cause, place, remedy) and the exit code.

use std::io;

use segue::failure::{is_stopped, is_usage};

/// Exit code when a check or an input failed.
pub(crate) const FAILED: u8 = 1;
/// Exit code when the command line or the config is wrong.
pub(crate) const WRONG_USAGE: u8 = 2;
/// Exit code when Ctrl-C ended the command: 128 and the number of the signal, as shells say it.
pub(crate) const INTERRUPTED: u8 = 130;

/// The exit code of an error.
pub(crate) fn exit_code(error: &anyhow::Error) -> u8 {
    if is_stopped(error) {
        return INTERRUPTED;
    }
    if is_usage(error) { WRONG_USAGE } else { FAILED }
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

/// The error as the one JSON document of the command.
pub(crate) fn document(error: &anyhow::Error) -> serde_json::Value {
    let causes: Vec<String> = error.chain().map(ToString::to_string).collect();
    serde_json::json!({ "error": causes.join(": "), "exit_code": exit_code(error) })
}
