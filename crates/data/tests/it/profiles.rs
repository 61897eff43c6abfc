//! A table of users becomes attributes that models read, and they come back from disk as they were.

use std::sync::Arc;

use segue_data::import::ImportOptions;
use segue_data::{UserProfiles, store};

use crate::files::{Folder, run};

const N_USERS: usize = 60;

// Two users without a row, one with an unreadable age, one without a gender; a gender and a club of too few.
fn folder() -> (Folder, ImportOptions) {
    let folder = Folder::new();
    let events = (0..N_USERS * 2).map(|at| format!("{}\ti{}\t{}\n", at % N_USERS, at % 7, 1_000 + at));
    folder.file(
        "ml.inter",
        format!("user_id:token\titem_id:token\ttimestamp:float\n{}", events.collect::<String>()),
    );
    let user = |user: usize| {
        let age = if user == 7 { "unknown".to_owned() } else { (18 + user).to_string() };
        let gender = match user {
            8 => "",
            9 => "X",
            _ if user.is_multiple_of(2) => "F",
            _ => "M",
        };
        let club = if user < 4 {
            "chess"
        } else if user < 30 {
            "rowing"
        } else {
            "none"
        };
        format!("{user}\t{age}\t{gender}\t{club}\n")
    };
    let users: String = (0..N_USERS - 2).map(user).collect();
    folder.file(
        "ml.user",
        format!("user_id:token\tage:token\tgender:token\tclub:token\n{users}999\t44\tF\tnone\n"),
    );
    let options = folder.options("");
    (folder, options)
}

fn named(profiles: &UserProfiles, user: u32) -> Vec<(&str, &str)> {
    profiles.get(user as usize).iter().filter_map(|&value| profiles.name(value)).collect()
}

#[test]
fn a_users_table_gives_attributes_and_what_is_missing_bad_or_rare_is_unknown() {
    let (_folder, options) = folder();
    let dataset = run(&options).unwrap().dataset;
    let profiles = &dataset.profiles;
    let names: Vec<&str> = profiles.attributes().iter().map(|attribute| attribute.name.as_str()).collect();
    assert_eq!(names, ["age", "gender", "club"], "and never the user's id");
    assert!(profiles.attributes()[0].is_numeric());
    assert_eq!(profiles.attributes()[1].values, ["F", "M"]);
    assert_eq!(profiles.attributes()[2].values, ["none", "rowing"]);
    let of = |raw: &str| {
        let named = named(profiles, dataset.users.get(raw).unwrap());
        named.into_iter().filter(|(name, _)| *name != "age").map(|(_, value)| value).collect::<Vec<_>>()
    };
    assert_eq!((of("2"), of("7"), of("8")), (vec!["F"], vec!["M", "rowing"], vec!["rowing"]));
    assert_eq!((of("9"), of("30"), of("58")), (vec!["rowing"], vec!["F", "none"], vec![]));
    assert_eq!(of("999"), ["F", "none"], "known without any event");
    assert!(named(profiles, dataset.users.get("7").unwrap()).iter().all(|(name, _)| *name != "age"));
    let youngest = profiles.get(dataset.users.get("0").unwrap() as usize)[0];
    assert_eq!(profiles.find("age", "18"), Ok(youngest));
}

#[test]
fn profiles_come_back_from_disk_and_folders_of_before_get_them_from_their_users() {
    let (folder, options) = folder();
    let dataset = run(&options).unwrap().dataset;
    let dir = folder.path().join("data");
    let head = store::write(&dataset, 0, toml::Table::new(), &dir).unwrap();
    assert_eq!(head.attributes, dataset.profiles.attributes());
    assert_eq!(store::read(&dir).unwrap().0.profiles, dataset.profiles);
    // Written by a program that knew no attributes.
    let path = dir.join("dataset.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let old = text.split("[[attributes]]").next().unwrap();
    assert!(old.len() < text.len());
    std::fs::write(&path, old).unwrap();
    assert_eq!(store::read(&dir).unwrap().0.profiles, dataset.profiles);
    // The stored vocabulary counts, not what the table would give today.
    std::fs::write(&path, text.replace("\"rowing\"", "\"sailing\"")).unwrap();
    assert_eq!(store::read(&dir).unwrap().0.profiles.find("club", "rowing").ok(), None);
    for (from, to) in
        [("\"rowing\"", "\"none\""), ("bounds = [", "bounds = [inf, "), ("\"F\", ", "\"F\", \"M\", ")]
    {
        std::fs::write(&path, text.replace(from, to)).unwrap();
        let message = store::read(&dir).unwrap_err().to_string();
        assert!(message.contains("attribute") && message.contains("hint:"), "{message}");
    }
}

#[test]
fn a_data_set_without_attributes_is_written_as_ever() {
    let (folder, options) = folder();
    std::fs::remove_file(folder.path().join("ml.user")).unwrap();
    let dataset = run(&options).unwrap().dataset;
    assert_eq!(dataset.profiles, Arc::new(UserProfiles::of(&[], N_USERS)));
    let dir = folder.path().join("data");
    store::write(&dataset, 0, toml::Table::new(), &dir).unwrap();
    assert!(!std::fs::read_to_string(dir.join("dataset.toml")).unwrap().contains("attributes"));
}
