//! What can go wrong with data, with the place and the remedy.

use std::path::PathBuf;

/// Errors of the data crate. Every variant carries where it happened and what would help.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// The file system refused.
    #[error("cannot {action} `{}`: {source}", path.display())]
    Io {
        /// What was being done: `open`, `read`, `write`.
        action: &'static str,
        /// File or folder, as it was named.
        path: PathBuf,
        /// What the system answered.
        source: std::io::Error,
    },
    /// The content is not what the format promises; the whole file is refused.
    #[error("`{}`{}: {problem}\n  hint: {remedy}", path.display(), line.map(|n| format!(" line {n}")).unwrap_or_default())]
    Format {
        /// Path of the file, as it was named.
        path: PathBuf,
        /// One-based line, where known.
        line: Option<u64>,
        /// What is wrong, with the value.
        problem: String,
        /// What the user can do.
        remedy: String,
    },
    /// A request does not fit the data (unknown domain, empty split, …).
    #[error("{problem}\n  hint: {remedy}")]
    Request {
        /// What is wrong, with the value.
        problem: String,
        /// What the user can do.
        remedy: String,
    },
}

impl DataError {
    /// An I/O error at `path` while doing `action`.
    pub fn io(action: &'static str, path: impl Into<PathBuf>, source: std::io::Error) -> Self {
        Self::Io { action, path: path.into(), source }
    }

    /// A format error in `path`.
    pub fn format(
        path: impl Into<PathBuf>,
        line: Option<u64>,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self::Format { path: path.into(), line, problem: problem.into(), remedy: remedy.into() }
    }

    /// A request that does not fit.
    pub fn request(problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Request { problem: problem.into(), remedy: remedy.into() }
    }
}
