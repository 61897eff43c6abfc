//! A run holds nobody: it stands beside its data set, which may move, go or be asked about at any time.

use crate::command::{Folder, stderr};
use crate::data;

/// 19 steps of a day and 239 users of a minute after the first event.
const NEWEST: i64 = 1_700_000_000 + 19 * 86_400 + 239 * 60;

#[test]
fn a_run_names_its_data_set_and_says_so_when_it_is_not_there() {
    let folder = Folder::new("beside");
    data::import(&folder);
    data::train(&folder, "run", "--target films");
    let list = folder.json("recommend run --user u5 --at end -n 4");
    assert_eq!(list["items"].as_array().unwrap().len(), 4);
    std::fs::rename(folder.join("data"), folder.join("elsewhere")).unwrap();
    for command in [
        "recommend run --user u5",
        "why run --user u5 --item f1-3",
        "suggest-labels run --what items",
        "evaluate run",
    ] {
        let message = folder.fails(1, command);
        assert!(message.contains("stands beside data set `shop`"), "{command}: {message}");
        assert!(message.contains("--data DIR") && message.contains("--history"), "{command}: {message}");
    }
    // Somebody new needs nothing but the model.
    assert_eq!(folder.json("recommend run --history b1-0,b1-1 -n 3")["items"].as_array().unwrap().len(), 3);
    assert_eq!(folder.json("recommend run --user u5 --at end -n 4 --data elsewhere"), list);
    assert_eq!(folder.json("evaluate run --data elsewhere")["reproduced"], true);
    folder.ok("suggest-labels run --what items --data elsewhere");
    // An artifact without its run does not know where people are.
    let message = folder.fails(1, "recommend run/artifact --user u5");
    assert!(message.contains("without its run") && message.contains("hint:"), "{message}");
}

#[test]
fn other_items_are_refused_and_other_people_are_named() {
    let folder = Folder::new("other-data");
    data::import(&folder);
    data::train(&folder, "run", "--target films --single-domain");
    folder.ok("import films=films.csv books=books.csv --text-col title --to swapped --name shop");
    let message = folder.fails(1, "recommend run --user u5 --data swapped");
    assert!(
        message.contains("does not have the items of the model") && message.contains("hint:"),
        "{message}"
    );
    let message = folder.fails(1, "evaluate run --data swapped");
    assert!(message.contains("not the one that the run was trained on"), "{message}");
}

#[test]
fn a_list_is_of_a_time() {
    let folder = Folder::new("time");
    data::import(&folder);
    data::train(&folder, "run", "--target films");
    let end = folder.json("recommend run --user u5 --at end");
    assert_eq!((&end["at"], &end["n_history"]), (&NEWEST.into(), &40.into()));
    let early = folder.json("recommend run --user u5 --at 2023-11-20");
    assert_eq!(early["at"], 1_700_438_400);
    // Six days of a book and a film each.
    assert_eq!(early["n_history"], 12);
    assert_eq!(folder.json("why run --user u5 --item f1-3 --at 1700438400")["at"], 1_700_438_400);
    assert_eq!(folder.json("why-not run --user u5 --item f1-3 --at end")["at"], NEWEST);
    let output = folder.segue("--json recommend run --user u5").output().unwrap();
    assert!(output.status.success());
    assert!(stderr(&output).contains("--at end"), "{}", stderr(&output));
    let now: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(now["at"].as_i64().unwrap() > NEWEST);
    assert_eq!(stderr(&folder.segue("--json recommend run --user u5 --at end").output().unwrap()), "");
    let message = folder.fails(2, "recommend run --user u5 --at soon");
    assert!(message.contains("`soon` is no time") && message.contains("hint:"), "{message}");
}

#[test]
fn lists_before_the_test_split_earn_what_the_run_measured() {
    let folder = Folder::new("served-is-measured");
    data::import(&folder);
    // One test event per user: elsewhere a list per user is another unit than a case. Of films alone, since the list is made without the
    // test event of books, which a case of films may have in its history.
    std::fs::write(folder.join("segue.toml"), "[split]\nrule = \"leave-one-out-per-domain\"\n").unwrap();
    data::train(&folder, "run", "--target films --single-domain");
    folder.ok("recommend run --all-users --before-test --to lists.csv");
    let document = folder.json("evaluate lists.csv --truth run --domain films --measures hit_rate@10");
    let served = document["rows"][0]["value"]["mean"].as_f64().unwrap();
    let figures = folder.json("runs show run")["figures"].clone();
    let systems = figures["domains"][0]["test"]["systems"].as_array().unwrap().clone();
    let blend = systems.iter().find(|system| system["name"] == "blend").unwrap();
    let measured = blend["summary"]["masked"]["metrics"]["hr@10"]["mean"].as_f64().unwrap();
    assert!((served - measured).abs() < 1e-9, "{served} {measured}");
}

#[test]
fn variety_is_asked_for_and_why_not_says_what_it_took_away() {
    let folder = Folder::new("variety");
    data::import(&folder);
    data::train(&folder, "run", "--target films");
    let ids = |more: &str| -> Vec<String> {
        let list = folder.json(&format!("recommend run --user u5 --at end -n 5 {more}"));
        list["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
    };
    let (plain, varied) = (ids(""), ids("--variety 0.9"));
    assert_eq!(ids("--variety 0"), plain);
    assert_eq!(plain[0], varied[0]);
    let away = plain.iter().find(|id| !varied.contains(id)).expect("another list");
    let said = folder.ok(&format!("why-not run --user u5 --at end -n 5 --variety 0.9 --item {away}"));
    assert!(said.contains("dropped by re-ranking"), "{said}");
    let message = folder.fails(2, "recommend run --user u5 --variety 2");
    assert!(message.contains("from 0 (scores alone) to 1 (variety alone)"), "{message}");
}

#[test]
fn a_slip_for_a_day_and_an_edited_config_are_refused() {
    let folder = Folder::new("slips");
    data::import(&folder);
    data::train(&folder, "run", "--target films");
    for at in ["2024", "20240101", "1704067200000", "yesterday"] {
        let message = folder.fails(2, &format!("recommend run --history b2 --at {at}"));
        assert!(message.contains("is no time") && message.contains("2026-03-01"), "{message}");
    }
    folder.fails(2, "recommend run --history b2 --variety 1.5");
    let config = folder.join("run/config.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text.replacen("k_core = 0", "k_core = 8", 1)).unwrap();
    let message = folder.fails(1, "recommend run --user u1 --at end");
    assert!(message.contains("config.toml") && message.contains("SHA-256"), "{message}");
}
