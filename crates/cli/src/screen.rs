//! The terminal: the one place that writes to standard output and standard error.

use std::io::{self, IsTerminal, Write};

use anyhow::Result;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

/// What the user wants to see.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Screen {
    /// One JSON document on standard output instead of text.
    pub(crate) json: bool,
    /// No progress bars.
    pub(crate) quiet: bool,
}

/// Columns of a page that nobody measures: a pipe or a file.
const PIPE_WIDTH: u16 = 120;
const WIDTH_MAX: u16 = 140;
const WIDTH_MIN: u16 = 60;

impl Screen {
    /// Writes text for people, a line end after it; nothing with `--json`.
    pub(crate) fn say(self, text: impl AsRef<str>) -> Result<()> {
        if self.json {
            return Ok(());
        }
        Ok(writeln!(io::stdout().lock(), "{}", text.as_ref())?)
    }

    /// Writes a heading for people, in bold where the terminal shows it.
    pub(crate) fn heading(self, text: &str) -> Result<()> {
        if is_colored() {
            self.say(format!("\n\u{1b}[1m{text}\u{1b}[0m"))
        } else {
            self.say(format!("\n{text}"))
        }
    }

    /// Writes the document of the command, with `--json` only.
    pub(crate) fn document(self, document: &impl Serialize) -> Result<()> {
        if !self.json {
            return Ok(());
        }
        let text = serde_json::to_string_pretty(document)?;
        Ok(writeln!(io::stdout().lock(), "{text}")?)
    }

    /// Writes text as it is, whatever the mode: completion scripts, reports asked for on standard output.
    pub(crate) fn raw(text: &str) -> Result<()> {
        Ok(io::stdout().lock().write_all(text.as_bytes())?)
    }

    /// Writes a note beside the output: warnings, errors.
    pub(crate) fn note(text: &str) {
        // Standard error that cannot be written to leaves nowhere to say so.
        let _ = writeln!(io::stderr().lock(), "{text}");
    }

    /// A bar of `total` steps with the time left, on standard error; invisible in pipes and with `--json`.
    pub(crate) fn bar(self, total: usize, what: &str) -> ProgressBar {
        let visible = !self.json && !self.quiet && io::stderr().is_terminal();
        let target = if visible { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(total as u64), target);
        let template = "{prefix:>12} {bar:28} {percent:>3} %  {msg}  {eta} left";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("━╸─"));
        }
        bar.set_prefix(what.to_owned());
        bar
    }

    /// Columns that a table may take.
    pub(crate) fn width() -> u16 {
        let measured = console::Term::stdout().size_checked().map(|(_, columns)| columns);
        let stated = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
        stated.or(measured).unwrap_or(PIPE_WIDTH).clamp(WIDTH_MIN, WIDTH_MAX)
    }
}

fn is_colored() -> bool {
    io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}

/// The command as it was given; what is not UTF-8 is shown with marks.
pub(crate) fn command_line() -> Vec<String> {
    std::env::args_os().map(|argument| argument.to_string_lossy().into_owned()).collect()
}
