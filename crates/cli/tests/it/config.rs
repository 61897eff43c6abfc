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

#[test]
fn settings_that_cannot_be_meant_end_with_code_2_and_the_range() {
    let folder = Folder::new("impossible");
    for (setting, range) in [
        (
            "[behavior]\nlearning_rate = -1",
            "`behavior.learning_rate` (segue.toml line 2): behavior: learning_rate -1 is outside (0, 100]",
        ),
        ("[transfer]\ndropout = 1.5", "[0, 1)"),
        ("[joint]\ndropout = nan", "NaN is outside [0, 1)"),
        ("[behavior]\nmax_len = 0", "[1, 65535]"),
        ("[behavior]\nn_layers = 1000000", "[1, 64]"),
        ("[transfer]\nwidth = 1000000", "[1, 8192]"),
        ("[loss]\nclick_negatives = 100000000", "[1, 10000000]"),
        ("[report]\nresamples = 10000000", "[1, 1000000]"),
        ("[report]\ncutoffs = [10, 1000000]", "[1, 10000]"),
    ] {
        std::fs::write(folder.join("segue.toml"), format!("{setting}\n")).unwrap();
        let message = folder.fails(2, "train data");
        assert!(message.contains(range), "{message}");
    }
    std::fs::remove_file(folder.join("segue.toml")).unwrap();
    let message = folder.fails(2, "train data --min-value nan");
    assert!(message.contains("`data.min_value` (flag): min_value NaN is outside"), "{message}");
}

#[test]
fn numbers_of_other_trainings_that_cannot_be_meant_end_with_code_2_and_the_range() {
    let folder = Folder::new("impossible-flags");
    for (arguments, range) in [
        ("adapt data --model m --to out --rate nan", "--rate NaN is outside (0, 100]"),
        ("adapt data --model m --to out --rate 0", "(0, 100]"),
        ("adapt data --model m --to out --rate=-1", "(0, 100]"),
        ("adapt data --model m --to out --steps 0", "steps 0 is outside [1, 1000000000]"),
        ("adapt data --model m --to out --passes 0", "[1, 100000]"),
        ("adapt data --model m --to out --next-item nan", "[0, 1000000]"),
        ("adapt data --model m --to out --next-item 0", "all weights of the loss are 0"),
        ("pretrain data --model m --out out --rate inf", "(0, 100]"),
        ("pretrain data --model m --out out --steps 0", "[1, 1000000000]"),
        ("pretrain data --model m --out out --mlm=-1", "[0, 1000000]"),
        ("graph train data --out out --dim 1048576", "dim 1048576 is outside [1, 8192]"),
        ("graph train data --out out --dim 0", "[1, 8192]"),
        ("graph train data --out out --rate nan", "(0, 100]"),
        ("graph train data --out out --batch 0", "[1, 1000000]"),
        ("graph train data --out out --epochs 0", "[1, 100000]"),
        ("graph train data --out out --dropout 1.5", "[0, 1)"),
        ("graph train data --out out --members 0", "[1, 64]"),
    ] {
        let message = folder.fails(2, arguments);
        assert!(message.contains(range), "{arguments}: {message}");
    }
}

#[test]
fn a_slip_in_the_name_of_a_variable_is_warned_of() {
    let folder = Folder::new("variable-slip");
    let mut command = folder.segue("config");
    command.env("SEGUE_FIT_BUDGT", "3").env("SEGUE_HOME", "home").env("SEGUE_THREADS", "1");
    let output = command.output().unwrap();
    assert!(output.status.success());
    let message = stderr(&output);
    assert_eq!(message.matches("warning").count(), 1, "{message}");
    assert!(message.contains("`SEGUE_FIT_BUDGT`") && message.contains("did you mean `SEGUE_FIT_BUDGET`?"));
}

#[test]
fn a_program_reads_a_setting_per_line_and_names_stay_whole() {
    let folder = Folder::new("lines");
    let text = folder.ok("config");
    let line =
        "behavior.profile_tokens\tfalse\tdefault\tSEGUE_BEHAVIOR_PROFILE_TOKENS\twhether behavior reads";
    assert!(text.lines().any(|found| found.starts_with(line)), "{text}");
    assert!(text.lines().all(|found| found.split('\t').count() == 5 && !found.contains("  ")), "{text}");
}
