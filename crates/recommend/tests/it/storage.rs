//! A model on disk: whole or not there, and the same model when it comes back.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use segue_recommend::{Recommender, Request, WhyNot, artifact};

use crate::world::{Folder, N_BOOKS, book, files, histories, query, recommender};

/// Everything that a model answers, as bytes.
fn answers(recommender: &Recommender) -> Vec<u8> {
    let mut all = Vec::new();
    for history in histories(recommender) {
        for allow_seen in [false, true] {
            let request = Request { n: 12, allow_seen, ..Request::default() };
            let list = recommender.recommend(&query(&history), &request).expect("a trained target");
            let reasons = recommender.explain(&query(&history), list.items[0].item).expect("a book");
            let why_not = |number| recommender.why_not(&query(&history), &request, book(recommender, number));
            let stages: Vec<WhyNot> = (0..N_BOOKS).map(|n| why_not(n).expect("a book")).collect();
            serde_json::to_writer(&mut all, &(list, reasons, stages)).expect("all of it is data");
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
    let model = recommender();
    let dir = folder.path().join("model");
    artifact::write(&model, 11, &dir).unwrap();
    let back = artifact::read(&dir).unwrap();
    assert!(answers(&model) == answers(&back));
    let again = folder.path().join("again");
    artifact::write(&back, 11, &again).unwrap();
    assert!(bytes_of(&dir) == bytes_of(&again), "written, read and written again, the files are equal");
}

#[test]
fn an_existing_folder_is_never_written_over() {
    let folder = Folder::new("existing");
    let dir = folder.path().join("model");
    artifact::write(&recommender(), 11, &dir).unwrap();
    let before = bytes_of(&dir);
    let message = artifact::write(&recommender(), 12, &dir).unwrap_err().to_string();
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
    assert!(artifact::write(&recommender(), 11, &dir).is_err());
    assert!(!dir.exists() && !aside.exists());
    artifact::write(&recommender(), 11, &dir).unwrap();
    assert!(artifact::read(&dir).is_ok());
}

#[test]
fn a_model_that_can_be_seen_is_whole() {
    let folder = Folder::new("watched");
    let model = recommender();
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
            let done = artifact::write(&model, 11, &dir);
            written.store(true, Ordering::SeqCst);
            done.unwrap();
        });
    }
}
