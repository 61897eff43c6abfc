//! Paths and weights of modalities, and the studies that ask what graph and fusion are worth, from the command line.

use std::fmt::Write;

use crate::command::Folder;

const TASTES: [&str; 4] = ["whale", "robot", "castle", "garden"];

// Films whose genre is a field that tells the taste of 160 users; titles are numbers and words without meaning.
fn cinema(name: &str, config: &str) -> Folder {
    let folder = Folder::new(name);
    let mut table = "user_id,item_id,timestamp,title,genre\n".to_owned();
    for step in 0..8u64 {
        for user in 0..160u64 {
            let draw = (user * 7_919 + step * 104_729) % 1_009;
            let taste = if draw % 6 == 0 { draw % 4 } else { user % 4 };
            let (item, time) = (taste * 12 + draw % 12, 1_700_000_000 + step * 86_400 + user * 60);
            let (title, genre) = (format!("Number {}", item * 7 % 48), TASTES[taste as usize]);
            writeln!(table, "u{user},f{item},{time},{title},{genre}").unwrap();
        }
    }
    std::fs::write(folder.join("films.csv"), table).unwrap();
    std::fs::write(folder.join("segue.toml"), config).unwrap();
    folder.ok("import films=films.csv --text-col title --text-col genre --to data");
    folder
}

const SMALL_JOINT: &str = "[joint]\nwidth = 16\n[behavior]\nn_layers = 1\n";

fn reasons_of<'a>(item: &'a serde_json::Value, kind: &str) -> Vec<&'a serde_json::Value> {
    let reasons = item["reasons"].as_array().unwrap();
    reasons.iter().filter(|reason| reason["kind"] == kind).collect()
}

#[test]
fn lists_and_why_name_the_path_over_the_graph_and_what_is_lost_without_it() {
    let folder = cinema("paths", "[fit]\nexperts = [\"graph\"]\n");
    folder.ok("train data --to run --budget 1");
    let list = folder.json("recommend run --user u1 -n 5 --at end");
    // Below zero is what the graph says nothing of.
    let reached = |item: &&serde_json::Value| item["score"].as_f64().unwrap() > 0.0;
    let reached: Vec<_> = list["items"].as_array().unwrap().iter().filter(reached).collect();
    assert!(reached.len() >= 3, "{list}");
    for item in reached {
        let paths = reasons_of(item, "path");
        assert!(!paths.is_empty(), "{item}");
        for path in paths {
            let steps = path["steps"].as_array().unwrap();
            assert_eq!(steps.len(), 2, "{path}");
            let relations: Vec<&str> = steps.iter().map(|step| step["relation"].as_str().unwrap()).collect();
            assert_eq!(relations, ["field:genre"; 2]);
            assert_eq!((&steps[0]["to"], steps[0]["to"].as_str()), (&steps[1]["from"], Some("robot")));
            assert_eq!(steps[1]["to"], item["title"]);
            assert!(
                (0.0..=1.0).contains(&path["effect"].as_f64().unwrap()) && path["effect"] != 0.0,
                "{path}"
            );
        }
        let why = item["why"].as_str().unwrap();
        assert!(why.contains("genre: robot, like Number"), "{why}");
    }
    let first = list["items"][0]["id"].as_str().unwrap();
    let why = folder.ok(&format!("why run --user u1 --at end --item {first}"));
    assert!(why.contains("path over the graph") && why.contains("–genre→ robot ←genre–"), "{why}");
    let page = std::fs::read_to_string(folder.join("run/report.html")).unwrap();
    assert!(page.contains("genre: ") && page.contains(", like Number"));
}

#[test]
fn lists_and_why_name_the_weights_of_modalities() {
    let config = format!("[fit]\nexperts = [\"joint\"]\n{SMALL_JOINT}");
    let folder = cinema("modalities", &config);
    folder.ok("train data --to run --budget 1 --no-refit");
    let list = folder.json("recommend run --user u1 -n 5 --at end");
    for item in list["items"].as_array().unwrap() {
        let found = reasons_of(item, "modalities");
        assert_eq!(found.len(), 1, "{item}");
        let tokens = found[0]["tokens"].as_array().unwrap();
        let names: Vec<&str> = tokens.iter().map(|token| token["token"].as_str().unwrap()).collect();
        assert!(["text", "graph", "id"].iter().all(|name| names.contains(name)), "{names:?}");
        let weights: Vec<f64> = tokens.iter().map(|token| token["weight"].as_f64().unwrap()).collect();
        assert!((weights.iter().sum::<f64>() - 1.0).abs() < 1e-5, "{weights:?}");
        let (why, largest) =
            (item["why"].as_str().unwrap(), format!("{} {:.0} %", names[0], weights[0] * 100.0));
        assert!(why.contains(&format!("weighs {largest}")), "{why}: {largest}");
    }
    let first = list["items"][0]["id"].as_str().unwrap();
    let why = folder.ok(&format!("why run --user u1 --at end --item {first}"));
    assert!(why.contains("what joint knows of the item") && why.contains("its place in the graph"), "{why}");
}

#[test]
fn a_graph_that_tells_the_taste_adds_over_none_and_over_a_random_one() {
    let folder = cinema("graphs", "[fit]\nexperts = [\"popularity\", \"graph\"]\n");
    let tables =
        folder.json("ablate data --budget 1 --graph true,random,none --modality graph --out page.html");
    let table = &tables[0];
    assert!(table["parts"].as_array().unwrap().is_empty(), "parts were not asked for");
    let versions = table["graph"]["versions"].as_array().unwrap();
    let names: Vec<&str> = versions.iter().map(|row| row["graph"].as_str().unwrap()).collect();
    assert_eq!(names, ["true", "random", "none"]);
    assert_eq!(versions[0]["test"], table["test"], "the recipe is the one with the true graph");
    assert_eq!(versions[2]["readers"].as_array().unwrap().len(), 0, "nobody reads a graph that is not there");
    for difference in table["graph"]["differences"].as_array().unwrap() {
        let mean = |version: &serde_json::Value| {
            let row = versions.iter().find(|row| row["graph"] == *version).unwrap();
            row["test"]["mean"].as_f64().unwrap()
        };
        let gap = mean(&difference["ours"]) - mean(&difference["theirs"]);
        let measured = &difference["on_test"]["difference"];
        assert!((gap - measured["mean"].as_f64().unwrap()).abs() < 1e-9, "{difference}");
        let verdict = difference["verdict"].as_str().unwrap();
        if difference["ours"] == "true" {
            assert!(measured["lo"].as_f64().unwrap() > 0.0 && verdict.contains(" adds +"), "{difference}");
        }
    }
    let left_out = &table["modalities"][0];
    assert_eq!(left_out["on_test"], table["graph"]["differences"][0]["on_test"], "true − none, again");
    assert!(left_out["verdict"].as_str().unwrap().starts_with("In films, the graph adds +"), "{left_out}");
    let page = std::fs::read_to_string(folder.join("page.html")).unwrap();
    assert!(page.contains("true − random") && page.contains("modality that is left out"));

    let text = folder.ok("ablate data --budget 1 --graph true,none");
    assert!(text.contains("true − none") && !text.contains("random −"), "{text}");
    let error = folder.fails(2, "ablate data --budget 1 --modality image");
    assert!(error.contains("segue encode") && error.contains("graph"), "{error}");
    assert!(folder.fails(2, "ablate data --graph half").contains("possible values: true, random, none"));
    assert!(folder.fails(2, "ablate data --modality smell").contains("modalities: text, image"));
}

#[test]
fn fusion_is_compared_with_a_late_blend_and_its_weights_are_checked() {
    let folder = cinema("fusion", SMALL_JOINT);
    let tables = folder.json("ablate data --fusion --no-refit --out page.html");
    let table = &tables[0];
    assert_eq!(table["tokens"], serde_json::json!(["text", "graph", "id"]));
    let models = table["models"].as_array().unwrap();
    let names: Vec<&str> = models.iter().map(|row| row["name"].as_str().unwrap()).collect();
    let blends = ["late blend of these", "blend of 2 fused"];
    assert_eq!(names, [&["fused: text + graph + id", "text + id", "graph + id"][..], &blends].concat());
    let mean = |at: usize| models[at]["test"]["mean"].as_f64().unwrap();
    let over_late = table["over_late"]["on_test"]["difference"]["mean"].as_f64().unwrap();
    assert!((mean(0) - mean(3) - over_late).abs() < 1e-9);
    let alike = table["alike_over_late"]["on_test"]["difference"]["mean"].as_f64().unwrap();
    assert!((mean(4) - mean(3) - alike).abs() < 1e-9);
    let weights: f64 =
        table["late_weights"].as_array().unwrap().iter().map(|pair| pair[1].as_f64().unwrap()).sum();
    assert!((weights - 1.0).abs() < 1e-5);
    assert_eq!((&table["weights"]["passes"], &table["weights"]["n_items"]), (&true.into(), &42.into()));
    let faithful = table["faithful"].as_array().unwrap();
    assert_eq!(faithful.len(), 2);
    for row in faithful {
        assert_eq!(row["share"]["mean"].as_f64().unwrap() >= 0.9, row["passes"].as_bool().unwrap());
    }
    let missing = table["missing"].as_array().unwrap();
    assert_eq!(missing.len(), 3, "without any of the three, two are left to fuse");
    let trained_without = |token: &str| {
        let row = missing.iter().find(|row| row["token"] == token).unwrap();
        row["gain"]["baseline"].as_f64().unwrap()
    };
    assert!(
        (trained_without("graph") - mean(1)).abs() < 1e-9,
        "text and id are what is left without the graph"
    );
    assert!((trained_without("text") - mean(2)).abs() < 1e-9);
    assert_eq!(table["verdicts"].as_array().unwrap().len(), 3 + 1 + 2 + 3);
    assert!(std::fs::read_to_string(folder.join("page.html")).unwrap().contains("Fusion and its weights"));
    std::fs::write(folder.join("segue.toml"), "[joint]\ntokens = [\"graph\", \"id\"]\n").unwrap();
    let error = folder.fails(2, "ablate data --fusion");
    assert!(error.contains("two of text, image, audio and graph"), "{error}");
}
