//! Whom and what to ask about next.

use crate::command::Folder;
use crate::data;

#[test]
fn suggested_users_have_no_event_of_the_target_and_suggested_items_are_of_it() {
    let folder = Folder::new("suggest-labels");
    data::import(&folder);
    // Nobody of the first 40 users watches films.
    let films = std::fs::read_to_string(folder.join("films.csv")).unwrap();
    let kept: Vec<&str> = films.lines().filter(|line| !is_newcomer(user(line))).collect();
    std::fs::write(folder.join("films.csv"), kept.join("\n")).unwrap();
    folder.ok("import books=books.csv films=films.csv --text-col title --to fewer --name shop");
    folder.ok("train fewer --to run --budget 1 --target films --no-refit");

    let found = folder.json("suggest-labels run -n 5");
    assert_eq!((&found["target"], &found["strategy"]), (&"films".into(), &"active".into()));
    assert_eq!(found["n_candidates"], 40);
    let users = found["suggestions"].as_array().unwrap();
    assert_eq!(users.len(), 5);
    for suggestion in users {
        assert!(is_newcomer(suggestion["id"].as_str().unwrap()), "{suggestion}");
        for number in ["uncertainty", "distance"] {
            assert!((0.0..=1.0).contains(&suggestion[number].as_f64().unwrap()), "{suggestion}");
        }
    }
    assert_eq!(folder.json("suggest-labels run -n 5"), found, "the same seed, the same list");
    assert_ne!(
        folder.json("suggest-labels run -n 5 --strategy random")["suggestions"],
        folder.json("suggest-labels run -n 5 --strategy random --seed 1")["suggestions"]
    );
    check_items(&folder);
    check_messages(&folder);
}

fn check_items(folder: &Folder) {
    let found = folder.json("suggest-labels run --what items -n 70");
    assert_eq!(found["strategy"], "popularity-entropy", "the ratings differ");
    let items = found["suggestions"].as_array().unwrap();
    assert_eq!(items.len(), 60, "there are no more");
    let values: Vec<f64> = items.iter().map(|item| item["value"].as_f64().unwrap()).collect();
    assert!(values.is_sorted_by(|a, b| a >= b) && values[0] > values[59], "{values:?}");
    let covering = folder.json("suggest-labels run --what items -n 3 --strategy coverage");
    let titles: Vec<String> = covering["suggestions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["title"].as_str().unwrap().split(' ').nth(1).unwrap().to_owned())
        .collect();
    let mut tastes = titles.clone();
    tastes.sort();
    assert_eq!(tastes, ["castle", "robot", "whale"], "one of each kind: {titles:?}");
    let table = folder.ok("suggest-labels run --what items -n 3 --strategy popularity");
    assert!(table.contains("films: 3 of 60 items to ask about next"), "{table}");
    assert!(table.contains("strategy: popularity – items: those most users have"), "{table}");
}

fn check_messages(folder: &Folder) {
    let message = folder.fails(2, "suggest-labels run --strategy coverage");
    assert!(message.contains("chooses items, not users") && message.contains("--what items"), "{message}");
    let message = folder.fails(2, "suggest-labels run --target flims");
    assert!(message.contains("did you mean `films`?"), "{message}");
}

fn user(line: &str) -> &str {
    line.split(',').next().unwrap()
}

fn is_newcomer(user: &str) -> bool {
    user.strip_prefix('u').and_then(|n| n.parse().ok()).is_some_and(|n: u32| n < 40)
}
