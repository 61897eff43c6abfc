//! The README's commands do what it says: every block marked `sh run` is executed, in order, in one shell.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command::{Folder, stderr, stdout};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

// The blocks between "```sh run" and "```".
fn blocks(markdown: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut open: Option<Vec<&str>> = None;
    for line in markdown.lines() {
        match (&mut open, line.trim_end()) {
            (None, "```sh run") => open = Some(Vec::new()),
            (Some(lines), "```") => {
                found.push(lines.join("\n"));
                open = None;
            }
            (Some(lines), _) => lines.push(line),
            (None, _) => {}
        }
    }
    found
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            std::fs::copy(&path, &target).unwrap();
        }
    }
}

#[test]
fn every_block_marked_for_running_runs() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let blocks = blocks(&readme);
    assert!(blocks.len() > 4, "{blocks:?}");
    let folder = Folder::new("readme");
    copy(&root().join("examples"), &folder.join("examples"));
    let binaries = Path::new(env!("CARGO_BIN_EXE_segue")).parent().unwrap();
    let path = format!("{}:{}", binaries.display(), std::env::var("PATH").unwrap());
    let script = blocks.join("\n");
    let mut command = Command::new("sh");
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("SEGUE_")) {
        command.env_remove(name);
    }
    let output =
        command.args(["-eux", "-c", &script]).env("PATH", path).current_dir(folder.path()).output().unwrap();
    assert!(output.status.success(), "{}\n{}", stdout(&output), stderr(&output));
}

#[test]
fn both_readmes_have_the_same_commands() {
    let read = |name: &str| blocks(&std::fs::read_to_string(root().join(name)).unwrap());
    assert_eq!(read("README.md"), read("README.zh-CN.md"));
}
