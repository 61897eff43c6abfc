//! `segue benchmark --study tunings`: every tuning in a process of its own, one table, one verdict.

use std::fmt::Write;

use crate::command::{Folder, stderr, stdout};
use crate::tiny_model::TinyModel;

const WORDS: [&str; 5] = ["red", "fox", "runs", "blue", "sea"];

/// Published tables in the folder `name`, in which users stay with a word that all their titles begin with.
fn write(folder: &Folder, name: &str) {
    let dir = folder.join(name);
    std::fs::create_dir_all(&dir).unwrap();
    let title = |item: usize| (0..4).map(|at| WORDS[item / 5usize.pow(at) % 5]).collect::<Vec<_>>().join(" ");
    let mut items = String::new();
    for item in 0..200 {
        writeln!(items, "{{\"item_id\": {item}, \"title\": \"{}\", \"brand\": \"\"}}", title(item)).unwrap();
    }
    std::fs::write(dir.join("items.jsonl"), items).unwrap();
    let mut train = "user_id\tsequence\n".to_owned();
    let asked = "user_id\thistory\ttarget\n".to_owned();
    let (mut valid, mut test) = (asked.clone(), asked);
    let mut draw = 7u64;
    for user in 0..80usize {
        let mut next = || {
            draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (draw >> 33) as usize % 40 * 5 + user % 5
        };
        let events: Vec<String> = (0..8).map(|_| next().to_string()).collect();
        writeln!(train, "u{user}\t{}", events.join(" ")).unwrap();
        writeln!(valid, "u{user}\t{}\t{}", events.join(" "), next()).unwrap();
        writeln!(test, "u{user}\t{}\t{}", events.join(" "), next()).unwrap();
    }
    for (name, text) in [("train", &train), ("train_valid", &train), ("valid", &valid), ("test", &test)] {
        std::fs::write(dir.join(format!("{name}.tsv")), text).unwrap();
    }
}

#[test]
fn every_tuning_has_its_row_and_is_judged_beside_full_and_frozen() {
    let (folder, model) = (Folder::new("tunings"), TinyModel::new());
    write(&folder, "tales");
    let model = model.write().display().to_string();
    let asked = "benchmark --protocol minionerec --data tales --study tunings --steps 4 --passes 1";
    let run = |more: &str| {
        let mut command = folder.segue(&format!("{asked} --encoder {model} {more}"));
        command.env("SEGUE_HOME", folder.join("home")).output().unwrap()
    };
    let output = run("--json --tunings frozen,full,lora,prefix");
    assert!(output.status.success(), "{}", stderr(&output));
    let tables: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!((tables[0]["target"].as_str(), tables[0]["n_test_cases"].as_u64()), (Some("tales"), Some(80)));
    let rows = tables[0]["rows"].as_array().unwrap();
    let names: Vec<&str> = rows.iter().filter_map(|row| row["tuning"].as_str()).collect();
    assert_eq!(names, ["frozen", "full", "lora", "prefix"]);
    let number = |at: usize, key: &str| rows[at][key].as_f64().unwrap();
    assert_eq!((number(0, "n_trained"), number(0, "n_steps")), (0.0, 0.0));
    assert_eq!(number(1, "n_trained"), number(1, "n_values"), "full trains all there is");
    for at in [2, 3] {
        assert!(number(at, "n_trained") > 0.0 && number(at, "n_trained") < number(1, "n_trained"));
        assert_eq!(number(at, "n_steps"), 4.0);
        let test = |at: usize| rows[at]["test"]["mean"].as_f64().unwrap();
        assert!((number(at, "of_full") - test(at) / test(1)).abs() < 1e-9);
        for (key, other) in [("minus_full", 1), ("minus_frozen", 0)] {
            let gap = rows[at][key]["mean"].as_f64().unwrap() - (test(at) - test(other));
            assert!(gap.abs() < 1e-9, "{key} of {}", names[at]);
        }
        assert!(rows[at].get("cases").is_none(), "single cases are for the comparison only");
        let missed = tables[0]["missed"].as_array().unwrap().iter().any(|name| name == names[at]);
        assert_eq!(missed, number(at, "of_full") < 0.99 || test(at) <= test(0));
    }
    let table = stdout(&run("--tunings frozen,lora"));
    assert!(table.contains("not compared with full") && table.contains("above frozen ("), "{table}");
    let unknown = run("--tunings lorra");
    assert!(stderr(&unknown).contains("did you mean `lora`?"), "{}", stderr(&unknown));
}

#[test]
fn domains_of_several_data_sets_may_be_named_together() {
    let (folder, model) = (Folder::new("tunings-targets"), TinyModel::new());
    ["pair/plays", "pair/songs", "pair/tales"].into_iter().for_each(|name| write(&folder, name));
    let model = model.write().display().to_string();
    let asked =
        "benchmark --protocol minionerec --data pair --study tunings --tunings frozen --target plays,tales";
    let mut command = folder.segue(&format!("{asked} --json --encoder {model}"));
    let output = command.env("SEGUE_HOME", folder.join("home")).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let tables: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    let targets: Vec<_> = tables.as_array().unwrap().iter().map(|table| &table["target"]).collect();
    assert_eq!(targets, ["plays", "tales"]);
}
