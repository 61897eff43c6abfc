//! The config through the binary: refusals, precedence, what a run keeps.

use crate::command::{Folder, stderr, stdout};

fn value(
    folder: &Folder,
    arguments: &str,
    environment: &[(&str, &str)],
    key: &str,
) -> (serde_json::Value, String) {
    let mut command = folder.segue(&format!("--json config {arguments}"));
    command.envs(environment.iter().copied());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let settings: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    let setting = settings.as_array().unwrap().iter().find(|setting| setting["key"] == key).unwrap().clone();
    (setting["value"].clone(), setting["set_by"].as_str().unwrap().to_owned())
}

#[test]
fn the_environment_beats_the_file_and_the_file_beats_the_default() {
    let folder = Folder::new("precedence");
    assert_eq!(value(&folder, "", &[], "fit.budget"), (24.into(), "default".into()));
    std::fs::write(folder.join("segue.toml"), "[fit]\nbudget = 7\n").unwrap();
    assert_eq!(value(&folder, "", &[], "fit.budget"), (7.into(), "segue.toml line 2".into()));
    let environment = [("SEGUE_FIT_BUDGET", "9")];
    assert_eq!(value(&folder, "", &environment, "fit.budget"), (9.into(), "SEGUE_FIT_BUDGET".into()));
    std::fs::write(folder.join("other.toml"), "[fit]\nbudget = 8\n").unwrap();
    assert_eq!(value(&folder, "--config other.toml", &[], "fit.budget").0, 8);
}

#[test]
fn an_unknown_key_is_refused_with_its_place_and_a_suggestion() {
    let folder = Folder::new("unknown-key");
    std::fs::write(folder.join("segue.toml"), "seed = 3\n\n[fit]\nbugdet = 7\n").unwrap();
    let message = folder.fails(2, "train data");
    assert!(message.contains("unknown key `fit.bugdet` (segue.toml line 4)"), "{message}");
    assert!(message.contains("did you mean `fit.budget`?"), "{message}");
}

#[test]
fn a_value_out_of_range_is_refused_before_any_work() {
    let folder = Folder::new("range");
    std::fs::write(folder.join("segue.toml"), "[split]\ntrain = 0.95\n").unwrap();
    let message = folder.fails(2, "train data");
    assert!(message.contains("`split.train` 0.95 and `split.valid` 0.1 leave no room for test"), "{message}");
}

#[test]
fn the_config_that_is_shown_can_be_read_back() {
    let folder = Folder::new("round-trip");
    let text = folder.ok("config --toml");
    std::fs::write(folder.join("segue.toml"), &text).unwrap();
    assert_eq!(folder.ok("config --toml"), text);
}
