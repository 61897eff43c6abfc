//! From files to explained lists and back to figures.

use std::path::Path;

use crate::command::Folder;
use crate::data;

#[test]
fn import_train_recommend_explain_evaluate_and_compare() {
    let folder = Folder::new("end-to-end");
    let imported = data::import(&folder);
    assert_eq!(imported["n_skipped"], 0);
    assert_eq!(imported["facts"]["n_users"], 240);
    let described = folder.json("describe data");
    assert_eq!(described["domains"][1]["name"], "films");

    let trained = data::train(&folder, "run", "--target films");
    check_figures(&trained["figures"]);
    for file in ["config.toml", "manifest.json", "metrics.json", "report.html", "artifact/artifact.json"] {
        assert!(folder.join("run").join(file).is_file(), "{file}");
    }
    check_manifest(&trained["manifest"]);
    check_lists(&folder);

    let measured = folder.json("evaluate run --report again.html");
    assert_eq!(measured["reproduced"], true);
    assert_eq!(measured["figures"], trained["figures"]);
    assert!(folder.join("again.html").is_file());

    data::train(&folder, "other", "--target films --single-domain --no-refit --seed 1");
    check_runs(&folder);
}

fn check_figures(figures: &serde_json::Value) {
    assert_eq!(figures["regime"], "train_valid");
    assert_eq!(figures["leaks"]["n_cases_before_train_end"], 0);
    let domain = &figures["domains"][0];
    assert_eq!((&domain["domain"], &domain["n_candidates"]), (&"films".into(), &60.into()));
    let systems = domain["test"]["systems"].as_array().unwrap();
    let names: Vec<&str> = systems.iter().map(|system| system["name"].as_str().unwrap()).collect();
    assert!(names.contains(&"window@sources") && names.contains(&"blend"), "{names:?}");
    let ndcg = |name: &str| {
        let system = systems.iter().find(|system| system["name"] == name).unwrap();
        system["summary"]["masked"]["metrics"]["ndcg@10"]["mean"].as_f64().unwrap()
    };
    assert!(ndcg("blend") > ndcg("popularity"), "{} {}", ndcg("blend"), ndcg("popularity"));
    let pairs = domain["test"]["comparisons"].as_array().unwrap();
    assert!(
        pairs
            .iter()
            .any(|pair| pair["cases"] == "cold_users" && pair["baseline"] == "blend, this domain only")
    );
    assert!(!systems[0]["summary"]["unmasked"]["metrics"].as_object().unwrap().is_empty());
}

fn check_manifest(manifest: &serde_json::Value) {
    for key in ["config_sha256", "artifact_sha256"] {
        assert_eq!(manifest[key].as_str().unwrap().len(), 64, "{key}");
    }
    assert_eq!(manifest["data"]["sha256"].as_str().unwrap().len(), 64);
    assert!(Path::new(manifest["data"]["folder"].as_str().unwrap()).is_absolute());
    assert_eq!(manifest["data"]["path"], "data");
    assert!(manifest["timings"].as_array().unwrap().iter().any(|timing| timing["stage"] == "films: test"));
    if cfg!(target_os = "linux") {
        assert!(manifest["peak_memory_bytes"].as_u64().unwrap() > 1 << 20);
    }
}

fn check_lists(folder: &Folder) {
    // Somebody who only read books of one taste gets films of that taste.
    let list = folder.json("recommend run --history b1-0,b1-1,books:b1-2 -n 5");
    let items = list["items"].as_array().unwrap();
    assert_eq!(items.len(), 5);
    for item in items {
        let parts: f64 =
            item["shares"].as_array().unwrap().iter().map(|share| share["part"].as_f64().unwrap()).sum();
        assert!((parts - item["score"].as_f64().unwrap()).abs() < 1e-3, "{item}");
        assert!(!item["why"].as_str().unwrap().is_empty());
    }
    let first = items[0]["id"].as_str().unwrap().to_owned();
    assert!(items.iter().all(|item| item["id"].as_str().unwrap().starts_with("f1-")), "{list}");

    let without = folder.json(&format!("recommend run --history b1-0,b1-1,b1-2 -n 5 --exclude {first}"));
    assert!(without["items"].as_array().unwrap().iter().all(|item| item["id"] != *first));
    let why_not = format!("why-not run --history b1-0,b1-1,b1-2 --item {first}");
    assert_eq!(folder.json(&why_not)["stage"], "in_list");
    assert_eq!(folder.json(&format!("{why_not} --exclude {first}"))["stage"], "excluded");
    assert_eq!(folder.json(&format!("why-not run --history b1-0,{first} --item {first}"))["stage"], "seen");
    assert_eq!(folder.json("why-not run --history b1-0 --item b1-1 --domain films")["stage"], "other_domain");
    check_effects(folder, &first);
}

// A reason is exact: taking the event away changes the score by its effect.
fn check_effects(folder: &Folder, item: &str) {
    let score = |history: &str| {
        let why = folder.json(&format!("why run --history {history} --item {item}"));
        (why["item"]["score"].as_f64().unwrap(), why["item"]["reasons"].clone())
    };
    let (full, reasons) = score("b1-0,b1-1,b1-2");
    let strongest = &reasons[0];
    assert_eq!(strongest["kind"], "event");
    let rest: Vec<&str> = ["b1-0", "b1-1", "b1-2"].into_iter().filter(|id| strongest["id"] != *id).collect();
    let (reduced, _) = score(&rest.join(","));
    assert!((full - reduced - strongest["effect"].as_f64().unwrap()).abs() < 1e-4);
}

fn check_runs(folder: &Folder) {
    let runs = folder.json("runs list --dir .");
    assert_eq!(runs.as_array().unwrap().len(), 2);
    assert_eq!(folder.json("runs show run")["manifest"]["name"], "run");
    let same = folder.json("runs diff run run");
    assert_eq!((&same["same_artifact"], same["settings"].as_array().unwrap().len()), (&true.into(), 0));
    let diff = folder.json("runs diff run other");
    assert_eq!((&diff["same_data"], &diff["same_artifact"]), (&true.into(), &false.into()));
    let settings: Vec<&str> =
        diff["settings"].as_array().unwrap().iter().map(|change| change["name"].as_str().unwrap()).collect();
    assert_eq!(settings, ["fit.refit", "fit.use_sources", "seed"]);
    assert!(folder.ok("runs diff run other").contains("fit.use_sources"));
}
