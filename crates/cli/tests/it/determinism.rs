//! The same seed gives the same model, byte by byte, at any number of threads.

use std::collections::BTreeMap;
use std::path::Path;

use crate::command::{Folder, stderr};
use crate::data;

#[test]
fn one_two_and_four_threads_give_the_same_artifact_bytes() {
    let folder = Folder::new("threads");
    data::import(&folder);
    let train = |threads: &str| {
        let to = format!("run-{threads}");
        let mut command = folder.segue(&format!("train data --to {to} --budget 3 --target films --seed 5"));
        let output = command.env("RAYON_NUM_THREADS", threads).output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        let run = folder.join(&to);
        (files(&run.join("artifact")), std::fs::read(run.join("metrics.json")).unwrap())
    };
    let one = train("1");
    assert!(one.0.len() > 5, "{:?}", one.0.keys());
    for threads in ["2", "4"] {
        let other = train(threads);
        for (name, bytes) in &one.0 {
            assert!(other.0.get(name) == Some(bytes), "{name} differs at {threads} threads");
        }
        assert!(other == one, "at {threads} threads");
    }
}

pub(crate) fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            found.extend(files(&path).into_iter().map(|(inner, bytes)| (format!("{name}/{inner}"), bytes)));
        } else {
            found.insert(name, std::fs::read(&path).unwrap());
        }
    }
    found
}
