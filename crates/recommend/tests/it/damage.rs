//! A damaged or forged model is refused with an error that helps, never read in part and never a panic.

use std::path::Path;

use segue_recommend::artifact;
use serde_json::{Value, json};

use crate::world::{Folder, files, world};

fn refused(dir: &Path, what: &str) -> String {
    match artifact::read(dir) {
        Ok(_) => panic!("{what}: was accepted"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn one_changed_byte_in_any_file_is_refused() {
    let folder = Folder::new("flipped");
    let dir = folder.path().join("model");
    artifact::write(&world().model, 11, &dir).unwrap();
    let names = files(&dir);
    assert!(names.len() >= 6 + 3 + 2, "{names:?}");
    for name in names {
        let path = dir.join(&name);
        let whole = std::fs::read(&path).unwrap();
        let n = whole.len();
        for at in (0..n).step_by(n / 40 + 1).chain([n - 1]) {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            std::fs::write(&path, &changed).unwrap();
            refused(&dir, &format!("{} byte {at} of {n}", name.display()));
        }
        std::fs::write(&path, &whole).unwrap();
    }
    assert!(artifact::read(&dir).is_ok());
}

#[test]
fn a_missing_or_shortened_file_is_refused() {
    let folder = Folder::new("missing");
    let dir = folder.path().join("model");
    artifact::write(&world().model, 11, &dir).unwrap();
    for name in files(&dir) {
        let path = dir.join(&name);
        let whole = std::fs::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        refused(&dir, &format!("{} missing", name.display()));
        for n in [0, whole.len() / 2, whole.len() - 1] {
            std::fs::write(&path, &whole[..n]).unwrap();
            refused(&dir, &format!("{} cut to {n} bytes", name.display()));
        }
        std::fs::write(&path, &whole).unwrap();
    }
    assert!(artifact::read(&dir).is_ok());
}

// The head with one change, and the hash that fits it: what a careless or hostile tool could write.
fn forge(dir: &Path, head: &Value, change: impl Fn(&mut Value)) {
    let mut forged = head.clone();
    change(&mut forged);
    let bytes = serde_json::to_vec_pretty(&forged).expect("JSON");
    std::fs::write(dir.join("artifact.json"), &bytes).expect("the folder is ours");
    let seal = format!("{}  artifact.json\n", segue_data::hash::of_bytes(&bytes));
    std::fs::write(dir.join("artifact.sha256"), seal).expect("the folder is ours");
}

#[test]
fn a_head_whose_parts_do_not_fit_is_refused_even_with_the_right_hash() {
    let folder = Folder::new("forged");
    let dir = folder.path().join("model");
    artifact::write(&world().model, 11, &dir).unwrap();
    let head: Value = serde_json::from_slice(&std::fs::read(dir.join("artifact.json")).unwrap()).unwrap();
    forge(&dir, &head, |_| ());
    assert!(artifact::read(&dir).is_ok(), "unchanged, the head is accepted");
    let set = |path: &'static str, value: Value| {
        move |head: &mut Value| {
            *head.pointer_mut(path).expect("a part of the head") = value.clone();
        }
    };
    let forgeries: Vec<(&str, Value)> = vec![
        ("/format_version", json!(3)),
        ("/catalog_sha256", json!("00")),
        ("/domains/0/domain", json!(7)),
        ("/domains/0/name", json!("songs")),
        ("/domains/0/cold_runs", json!([u32::MAX, u32::MAX, u32::MAX])),
        ("/domains/0/cold_runs", json!([1])),
        ("/domains/0/blend/members", json!([])),
        ("/domains/0/blend/members/0/expert", json!({"kind": "content", "scope": "all"})),
        ("/domains/0/blend/members/0/warm", json!(1e39)),
        ("/domains/0/blend/members/0/cold", json!(-0.5)),
        ("/domains/0/blend/cold_offset", json!(-1e39)),
        ("/domains/0/experts/0/spread", json!(1e39)),
        ("/domains/0/experts/0/file", json!("../../../../etc/hostname")),
        ("/domains/0/experts/0/file", json!("domain-1-linear.safetensors")),
        ("/domains/0/experts/0/config", json!({"popularity": {"half_life_days": 0.0}})),
        ("/files", json!({})),
    ];
    for (path, value) in forgeries {
        forge(&dir, &head, set(path, value.clone()));
        let message = refused(&dir, &format!("{path} = {value}"));
        assert!(message.contains("hint:") || message.contains("cannot"), "{path}: {message}");
    }
}
