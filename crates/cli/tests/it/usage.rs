//! Help, wrong usage, exit codes, messages.

use crate::command::{Folder, stdout};
use crate::data;

#[test]
fn help_names_every_command_and_the_exit_codes() {
    let folder = Folder::new("help");
    let help = folder.ok("--help");
    for command in [
        "demo",
        "import",
        "describe",
        "encode",
        "pretrain",
        "adapt",
        "train",
        "evaluate",
        "few-shot",
        "transfer",
        "ablate",
        "suggest-labels",
        "graph",
        "recommend",
        "why",
        "why-not",
        "benchmark",
        "runs",
        "config",
        "completions",
    ] {
        assert!(help.lines().any(|line| line.trim_start().starts_with(command)), "{command}\n{help}");
        assert!(folder.ok(&format!("{command} --help")).contains("Usage: segue"), "{command}");
    }
    assert!(
        help.contains("0 done · 1 a check or an input failed · 2 the command line or the config is wrong")
    );
    assert!(folder.ok("--version").starts_with("segue "));
    for shell in ["bash", "zsh", "fish"] {
        assert!(folder.ok(&format!("completions {shell}")).contains("why-not"), "{shell}");
    }
}

#[test]
fn wrong_usage_ends_with_2_and_a_failed_input_with_1() {
    let folder = Folder::new("codes");
    folder.fails(2, "");
    folder.fails(2, "recomend");
    folder.fails(2, "train");
    folder.fails(2, "train data --split sideways");
    folder.fails(2, "recommend run");
    folder.fails(2, "recommend run --user a --all-users --to x.csv");
    folder.fails(2, "--threads 0 runs list");
    folder.fails(1, "train data");
    folder.fails(1, "recommend run --user a");
    folder.fails(1, "evaluate run --truth lists.csv");
    folder.fails(2, "evaluate lists.csv");
    folder.fails(1, "import nothing.csv --to data");
    folder.fails(1, "runs show nothing");
}

#[test]
fn messages_say_cause_place_and_remedy() {
    let folder = Folder::new("messages");
    data::import(&folder);
    let message = folder.fails(2, "train data --target flims --to run");
    assert!(message.contains("data set `shop` has no domain `flims`"), "{message}");
    assert!(message.contains("hint: did you mean `films`?"), "{message}");
    assert!(!folder.join("run").exists());
    data::train(&folder, "run", "--single-domain --no-refit");
    let message = folder.fails(2, "train data --to run");
    assert!(message.contains("`run` already exists") && message.contains("hint:"), "{message}");
    let message = folder.fails(2, "recommend run --user u1");
    assert!(message.contains("--domain: books or films"), "{message}");
    let message = folder.fails(1, "recommend run --user nobody --domain films");
    assert!(message.contains("no user `nobody`") && message.contains("hint:"), "{message}");
    let message = folder.fails(1, "why run --user u1 --item ../../etc/passwd");
    assert!(message.contains("no item `../../etc/passwd`"), "{message}");
    let message = folder.fails(2, "recommend run --all-users --domain films --to lists.xlsx");
    assert!(message.contains(".parquet, .csv or .jsonl"), "{message}");
}

#[test]
fn with_json_an_error_is_the_one_document() {
    let folder = Folder::new("json-error");
    let output = folder.segue("--json runs show nothing").output().unwrap();
    let document: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(document["exit_code"], 1);
    assert!(document["error"].as_str().unwrap().contains("`nothing` is not a run"));
}

#[test]
fn a_run_whose_model_was_changed_is_refused() {
    let folder = Folder::new("changed");
    data::import(&folder);
    data::train(&folder, "run", "--target films --single-domain");
    folder.ok("recommend run --user u1");
    let head = folder.join("run/artifact/artifact.json");
    let text = std::fs::read_to_string(&head).unwrap();
    std::fs::write(&head, text.replace("\"films\"", "\"songs\"")).unwrap();
    let message = folder.fails(1, "recommend run --user u1");
    assert!(message.contains("artifact.json") && message.contains("hint:"), "{message}");
}
