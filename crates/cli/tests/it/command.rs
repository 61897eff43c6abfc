//! Runs the binary in a folder of its own.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A folder that is removed at the end.
pub(crate) struct Folder {
    path: PathBuf,
}

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("segue-it-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self { path }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The binary with these arguments, in this folder, without settings of the environment.
    pub(crate) fn segue(&self, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_segue"));
        command.current_dir(&self.path).args(split(arguments));
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("SEGUE_")) {
            command.env_remove(name);
        }
        command
    }

    /// Runs it; it must succeed. Gives standard output.
    pub(crate) fn ok(&self, arguments: &str) -> String {
        let output = self.segue(arguments).output().unwrap();
        assert!(output.status.success(), "segue {arguments}\n{}", stderr(&output));
        stdout(&output)
    }

    /// Runs it with `--json`; gives the one document.
    pub(crate) fn json(&self, arguments: &str) -> serde_json::Value {
        let text = self.ok(&format!("--json {arguments}"));
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("segue {arguments}: {e}\n{text}"))
    }

    /// Runs it; it must fail with this exit code. Gives standard error.
    pub(crate) fn fails(&self, code: i32, arguments: &str) -> String {
        let output = self.segue(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "segue {arguments}\n{}", stderr(&output));
        stderr(&output)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

// Words between spaces; 'a b' is one word.
fn split(arguments: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (at, part) in arguments.split('\'').enumerate() {
        if at % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    words
}
