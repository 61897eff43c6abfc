//! A run that was interrupted, or killed, goes on to the same bytes as one that was not.

#![cfg(unix)]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::command::{Folder, stderr};
use crate::data;
use crate::determinism::files;

const PATIENCE: Duration = Duration::from_mins(2);
const CONFIG: &str = "[fit]\nexperts = [\"popularity\", \"window\", \"behavior\"]\nbudget = 2\n";

fn train(folder: &Folder, run: &str) -> Command {
    folder.segue(&format!("train data --to {run} --config quick.toml --target films --seed 3"))
}

/// What must not depend on interruptions.
fn outcome(run: &Path) -> (BTreeMap<String, Vec<u8>>, Vec<u8>, Vec<serde_json::Value>) {
    let passes = std::fs::read_to_string(run.join("curves.jsonl")).unwrap();
    let without_times = |line: &str| {
        let mut pass: serde_json::Value = serde_json::from_str(line).unwrap();
        ["seconds", "ended"].iter().for_each(|time| pass[*time] = 0.into());
        pass
    };
    let passes: Vec<_> = passes.lines().map(without_times).collect();
    (files(&run.join("artifact")), std::fs::read(run.join("metrics.json")).unwrap(), passes)
}

fn n_lines(run: &Path) -> usize {
    std::fs::read_to_string(run.join("curves.jsonl")).map_or(0, |text| text.lines().count())
}

/// Starts a command and waits until the run has so many passes; `None` when it was done before.
fn until_pass(mut command: Command, run: &Path, n: usize) -> Option<Child> {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let start = Instant::now();
    while n_lines(run) < n {
        assert!(start.elapsed() < PATIENCE, "no {n} passes");
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success(), "it ended: {status}");
            return None;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Some(child)
}

#[test]
fn ctrl_c_leaves_a_run_that_goes_on_to_the_same_bytes() {
    let folder = Folder::new("resume");
    data::import(&folder);
    std::fs::write(folder.join("quick.toml"), CONFIG).unwrap();
    let output = train(&folder, "whole").output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let whole = outcome(&folder.join("whole"));
    let n_passes = whole.2.len();
    assert!(n_passes > 6, "{n_passes} passes");
    finished_run_is_tidy(&folder.join("whole"));

    let run = folder.join("run");
    let mut command = train(&folder, "run");
    for n in [1, n_passes / 3, 2 * n_passes / 3] {
        let Some(child) = until_pass(command, &run, n.max(n_lines(&run) + 1)) else { break };
        let live = std::fs::read_to_string(run.join("live.html")).unwrap();
        assert!(live.contains("http-equiv=\"refresh\""));
        assert!(folder.fails(1, "train --resume run").contains("another process"));
        let id = child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(130));
        let listed = folder.json("runs list --dir .");
        let state = listed.as_array().unwrap().iter().find(|listed| listed["path"] == "./run").unwrap();
        assert_eq!(state["state"], "interrupted", "{listed}");
        assert!(folder.ok("runs list --dir .").contains("segue train --resume ./run"));
        let refused = folder.fails(1, "recommend run --history b1-0 --domain films");
        assert!(refused.contains("segue train --resume run"), "{refused}");
        command = folder.segue("train --resume run");
    }
    folder.ok("train --resume run");
    assert!(outcome(&run) == whole);
    finished_run_is_tidy(&run);
    assert!(folder.fails(2, "train --resume run").contains("is finished"));
}

#[test]
fn a_killed_run_goes_on_to_the_same_bytes() {
    let folder = Folder::new("killed");
    data::import(&folder);
    std::fs::write(folder.join("quick.toml"), CONFIG).unwrap();
    assert!(train(&folder, "whole").output().unwrap().status.success());
    let whole = outcome(&folder.join("whole"));
    let run = folder.join("run");
    let mut command = train(&folder, "run");
    for n in [2, whole.2.len() / 2] {
        let Some(mut child) = until_pass(command, &run, n.max(n_lines(&run) + 1)) else { break };
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(folder.ok("runs list --dir .").contains("interrupted"));
        command = folder.segue("train --resume run");
    }
    folder.ok("train --resume run");
    assert!(outcome(&run) == whole);
}

fn finished_run_is_tidy(run: &Path) {
    for gone in ["live.html", "checkpoints", ".lock"] {
        assert!(!run.join(gone).exists(), "{gone}");
    }
    let manifest: serde_json::Value =
        serde_json::from_slice(&std::fs::read(run.join("manifest.json")).unwrap()).unwrap();
    assert_eq!(manifest["state"], "finished");
    let report = std::fs::read_to_string(run.join("report.html")).unwrap();
    assert!(report.contains("films: behavior") && report.contains("best pass"));
    assert!(!report.contains("http-equiv=\"refresh\""));
    let events = std::fs::read(run.join("tensorboard/events.out.tfevents.1.segue")).unwrap();
    assert_eq!(&events[..8], &24u64.to_le_bytes());
}
