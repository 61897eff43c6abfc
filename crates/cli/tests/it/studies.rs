//! The transfer matrix and the ablation, from the command line.

use crate::command::Folder;
use crate::data;

fn shop(name: &str) -> Folder {
    let folder = Folder::new(name);
    data::import(&folder);
    std::fs::write(folder.join("segue.toml"), "[fit]\nexperts = [\"popularity\", \"window\", \"content\"]\n")
        .unwrap();
    folder
}

#[test]
fn every_target_has_its_ways_and_a_choice_that_never_hides_the_target_alone() {
    let folder = shop("transfer");
    let targets = folder.json("transfer data --budget 1 --out matrix.html");
    let targets = targets.as_array().unwrap();
    assert_eq!(targets.len(), 2);
    for target in targets {
        let ways = target["ways"].as_array().unwrap();
        assert_eq!((ways[0]["way"]["sources"].as_str(), ways.len()), (Some("none"), 2));
        let helps = ways[1]["helps"].as_bool().unwrap();
        assert_eq!(ways[1]["gain"]["lo"].as_f64().unwrap() > 0.0, helps);
        let best = target["choices"].as_array().unwrap().last().unwrap();
        assert_eq!(best["chosen"].is_string(), helps);
        if !helps {
            assert_eq!(best["on_test"]["difference"]["mean"], 0.0);
        }
        let gap =
            best["on_test"]["baseline"].as_f64().unwrap() - target["alone_on_test"]["mean"].as_f64().unwrap();
        assert!(gap.abs() < 1e-9);
    }
    let page = std::fs::read_to_string(folder.join("matrix.html")).unwrap();
    assert!(page.contains("Which domain helps which"));
    let table = folder.ok("transfer data --budget 1 --target films");
    assert!(table.contains("books → films") && table.contains("Negative transfer"), "{table}");
    assert!(folder.fails(2, "transfer data --tunings half").contains("no tuning"));
}

#[test]
fn every_part_is_switched_off_once_and_unknown_parts_are_refused_with_the_known_ones() {
    let folder = shop("ablate");
    let tables = folder.json("ablate data --budget 1 --target films --out parts.html");
    let parts = tables[0]["parts"].as_array().unwrap();
    let names: Vec<&str> = parts.iter().filter_map(|part| part["part"].as_str()).collect();
    assert_eq!(names, ["popularity", "window", "content", "sources"]);
    for part in parts {
        let test = &part["on_test"];
        // Even a part of weight 0 may matter: without it the blend is chosen anew.
        let number = |key: &str| test[key].as_f64().unwrap();
        let gap = number("candidate") - number("baseline") - test["difference"]["mean"].as_f64().unwrap();
        assert!(gap.abs() < 1e-9, "{part}");
        assert!((number("candidate") - tables[0]["test"]["mean"].as_f64().unwrap()).abs() < 1e-9);
    }
    assert!(std::fs::read_to_string(folder.join("parts.html")).unwrap().contains("What each part adds"));
    let one = folder.ok("ablate data --budget 1 --target films --parts sources");
    assert!(one.contains("Verdicts") && !one.contains("`window`"), "{one}");
    let error = folder.fails(1, "ablate data --budget 1 --target films --parts graph");
    assert!(error.contains("popularity, window, content, sources"), "{error}");
}
