//! A model on disk: whole or not there, the same model when it comes back, and about nobody.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use segue_data::table::{self, Column};
use segue_data::{Field, UserProfiles};
use segue_models::Query;
use segue_recommend::{Request, WhyNot, artifact};
use serde_json::json;

use crate::world::{Folder, N_BOOKS, N_USERS, World, book, dataset, files, histories, query, target, world};

/// Everything that a model answers, as bytes.
fn answers(world: &World) -> Vec<u8> {
    let mut all = Vec::new();
    for history in histories(world) {
        for allow_seen in [false, true] {
            let request = Request { n: 12, allow_seen, explain: true, ..Request::default() };
            let list = world.model.recommend(&query(&history), &request).expect("a trained target");
            let why_not = |number| world.model.why_not(&query(&history), &request, book(world, number));
            let stages: Vec<WhyNot> = (0..N_BOOKS).map(|n| why_not(n).expect("a book")).collect();
            serde_json::to_writer(&mut all, &(list, stages)).expect("all of it is data");
        }
    }
    all
}

fn bytes_of(dir: &Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    files(dir)
        .into_iter()
        .map(|name| (name.clone(), std::fs::read(dir.join(name)).expect("a file")))
        .collect()
}

#[test]
fn a_model_read_back_gives_the_same_answers_to_the_byte() {
    let folder = Folder::new("round-trip");
    let world = world();
    let dir = folder.path().join("model");
    artifact::write(&world.model, 11, &dir).unwrap();
    let model = artifact::read(&dir).unwrap();
    assert_eq!(model.catalog().newest(), world.model.catalog().newest());
    assert!(model.catalog().newest().is_some());
    let back = World { dataset: world.dataset.clone(), model };
    assert!(answers(&world) == answers(&back));
    let again = folder.path().join("again");
    artifact::write(&back.model, 11, &again).unwrap();
    assert!(bytes_of(&dir) == bytes_of(&again), "written, read and written again, the files are equal");
}

#[test]
fn no_byte_of_a_model_tells_who_was_there() {
    const CANARY: &str = "canary-7f3a19";
    let mut dataset = dataset();
    // A user's id, and a value that is this user's alone beside one that many have.
    dataset.users = (0..N_USERS).map(|n| if n == 3 { CANARY.to_owned() } else { format!("u{n}") }).collect();
    let value = |user: u32| if user == 3 { format!("town of {CANARY}") } else { format!("town{}", user % 2) };
    dataset.user_fields = vec![Field { name: "town".into(), values: (0..N_USERS).map(value).collect() }];
    dataset.profiles = UserProfiles::of(&dataset.user_fields, N_USERS as usize).into();
    let target = target(&dataset);
    let world = World::of(dataset, target);
    let folder = Folder::new("canary");
    let dir = folder.path().join("model");
    artifact::write(&world.model, 11, &dir).unwrap();
    let holds = |bytes: &[u8]| bytes.windows(CANARY.len()).any(|window| window == CANARY.as_bytes());
    let mut n_tables = 0;
    for (name, bytes) in bytes_of(&dir) {
        assert!(!holds(&bytes), "{}", name.display());
        if name.extension().is_none_or(|extension| extension != "parquet") {
            continue;
        }
        // Tables are compressed: what they say is looked at, too.
        for (column, values) in table::read(&dir.join(&name)).unwrap() {
            if let Column::Text(values) = values {
                assert!(!values.iter().any(|value| holds(value.as_bytes())), "{} {column}", name.display());
            }
        }
        n_tables += 1;
    }
    assert!(n_tables >= 3, "{n_tables}");
    let rows = |table: &str| table::read(&dir.join("catalog").join(table)).unwrap()[0].1.len();
    assert_eq!((rows("users.parquet"), rows("interactions.parquet")), (0, 0));
    assert!(rows("items.parquet") > 0);
    let back = artifact::read(&dir).unwrap();
    assert_eq!(back.catalog().attributes().name(0), Some(("town", "town0")), "names of values are kept");
}

#[test]
fn a_model_of_the_old_layout_asks_for_another_training() {
    let folder = Folder::new("old");
    let dir = folder.path().join("model");
    std::fs::create_dir_all(&dir).unwrap();
    let head = serde_json::to_vec(&json!({"format_version": 1, "data_sha256": "00", "domains": []})).unwrap();
    std::fs::write(dir.join("artifact.json"), &head).unwrap();
    let seal = format!("{}  artifact.json\n", segue_data::hash::of_bytes(&head));
    std::fs::write(dir.join("artifact.sha256"), seal).unwrap();
    let message = artifact::read(&dir).unwrap_err().to_string();
    assert!(message.contains("older version") && message.contains("train again"), "{message}");
}

#[test]
fn a_model_answers_a_raw_history_without_any_people() {
    let folder = Folder::new("alone");
    let dir = folder.path().join("model");
    artifact::write(&world().model, 11, &dir).unwrap();
    let model = artifact::read(&dir).unwrap();
    let history = model.catalog().history(&["films:3", "books:5"]).unwrap();
    let list = model.recommend(&Query { timestamp: None, ..query(&history) }, &Request::default()).unwrap();
    assert_eq!(list.items.len(), 10);
}

#[test]
fn a_model_can_be_shared_by_threads() {
    fn can_be_shared<T: Send + Sync + 'static>(_: &T) {}
    let world = world();
    can_be_shared(&world.model);
}

#[test]
fn an_existing_folder_is_never_written_over() {
    let folder = Folder::new("existing");
    let dir = folder.path().join("model");
    artifact::write(&world().model, 11, &dir).unwrap();
    let before = bytes_of(&dir);
    let message = artifact::write(&world().model, 12, &dir).unwrap_err().to_string();
    assert!(message.contains("already exists"), "{message}");
    assert!(before == bytes_of(&dir));
}

#[test]
fn a_write_that_fails_leaves_nothing_behind() {
    let folder = Folder::new("failing");
    let dir = folder.path().join("model");
    let aside = folder.path().join(format!(".model.partial-{}", std::process::id()));
    // A folder stands where the last expert's file belongs: everything before it is written, then the write fails.
    std::fs::create_dir_all(aside.join("domain-1-window@sources.safetensors")).unwrap();
    assert!(artifact::write(&world().model, 11, &dir).is_err());
    assert!(!dir.exists() && !aside.exists());
    artifact::write(&world().model, 11, &dir).unwrap();
    assert!(artifact::read(&dir).is_ok());
}

#[test]
fn a_model_that_can_be_seen_is_whole() {
    let folder = Folder::new("watched");
    let world = world();
    for round in 0..4 {
        let dir = folder.path().join(format!("model-{round}"));
        let written = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                // Looks until the folder is there, however early.
                while !dir.exists() && !written.load(Ordering::SeqCst) {
                    std::thread::yield_now();
                }
                let read = artifact::read(&dir);
                assert!(read.is_ok(), "round {round}: {:?}", read.err().map(|error| error.to_string()));
            });
            let done = artifact::write(&world.model, 11, &dir);
            written.store(true, Ordering::SeqCst);
            done.unwrap();
        });
    }
}
