//! `segue benchmark --target`: some domains in place of all, in tables and studies.

use std::fmt::Write;

use crate::command::{Folder, stderr, stdout};

/// Published tables of a domain in which users go from an item to the next one.
fn write(folder: &Folder, domain: &str) {
    let dir = folder.join("pair").join(domain);
    std::fs::create_dir_all(&dir).unwrap();
    let mut items = String::new();
    for item in 0..30 {
        writeln!(items, "{{\"item_id\": {item}, \"title\": \"{domain} {item}\", \"brand\": \"\"}}").unwrap();
    }
    std::fs::write(dir.join("items.jsonl"), items).unwrap();
    let mut train = "user_id\tsequence\n".to_owned();
    let mut asked = "user_id\thistory\ttarget\n".to_owned();
    for user in 0..40usize {
        let events: Vec<String> = (0..6).map(|at| ((user * 7 + at) % 30).to_string()).collect();
        writeln!(train, "u{user}\t{}", events.join(" ")).unwrap();
        writeln!(asked, "u{user}\t{}\t{}", events.join(" "), (user * 7 + 6) % 30).unwrap();
    }
    for (name, text) in [("train", &train), ("train_valid", &train), ("valid", &asked), ("test", &asked)] {
        std::fs::write(dir.join(format!("{name}.tsv")), text).unwrap();
    }
}

#[test]
fn only_the_domains_that_are_named_are_measured() {
    let folder = Folder::new("benchmark-target");
    ["plays", "tales"].into_iter().for_each(|domain| write(&folder, domain));
    let asked =
        "benchmark --protocol minionerec --data pair --experts popularity,window --budget 1 --no-refit";
    let run = |more: &str| folder.segue(&format!("{asked} {more}")).output().unwrap();
    let read = |more: &str| -> serde_json::Value {
        let output = run(more);
        assert!(output.status.success(), "{}", stderr(&output));
        serde_json::from_str(&stdout(&output)).unwrap()
    };
    let table = read("--json --target tales");
    let rows = table["rows"].as_array().unwrap();
    assert!(!rows.is_empty() && rows.iter().all(|row| row["domain"] == "tales"), "{rows:?}");
    let both = read("--json");
    let of_tales: Vec<f64> = ndcg_of_blend(&both, "tales");
    assert_eq!(ndcg_of_blend(&table, "tales"), of_tales, "a domain alone is measured as beside the others");
    assert_eq!(of_tales.len(), ndcg_of_blend(&both, "plays").len());

    let study = read("--json --target tales --study ablate --parts window");
    let targets: Vec<&str> = study["ablations"].as_array().unwrap().iter().map(target_of).collect();
    assert_eq!(targets, ["tales"]);
    assert_eq!(study["data_sha256"], table["data_sha256"]);
    assert_eq!(study["data_sha256"].as_str().map(str::len), Some(64));

    let unknown = run("--target tales,tails");
    assert_eq!(unknown.status.code(), Some(2));
    assert!(stderr(&unknown).contains("did you mean `tales`?"), "{}", stderr(&unknown));
    assert!(stdout(&unknown).is_empty(), "nothing is measured first");
}

fn target_of(ablation: &serde_json::Value) -> &str {
    ablation["target"].as_str().unwrap()
}

fn ndcg_of_blend(report: &serde_json::Value, domain: &str) -> Vec<f64> {
    let rows = report["rows"].as_array().unwrap().iter();
    let of_domain = rows.filter(|row| row["domain"] == domain && row["kind"] == "blend");
    of_domain.map(|row| row["metrics"]["ndcg@10"].as_f64().unwrap()).collect()
}
