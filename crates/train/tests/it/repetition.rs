//! Repeating a run repeats its result; other item numbers change nothing that counts.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use segue_recommend::{Catalog, Model, artifact};
use segue_train::judge::mean;
use segue_train::{DomainFit, FitPlan};

use crate::story::{Stage, Story, alone, plan};

#[test]
fn renumbering_items_leaves_every_expert_where_it_was() {
    let stages = [0, 1].map(|numbering| Story { numbering, newcomers: true, ..Story::default() }.stage());
    assert_ne!(stages[0].dataset.sequences, stages[1].dataset.sequences);
    let models = [0, 1].map(|at: usize| stages[at].unsearched());
    for at in 0..models[0].experts.len() {
        let [here, there] =
            [0, 1].map(|n: usize| mean(&stages[n].ndcg(&stages[n].test(), &alone(&models[n], at))));
        assert!((here - there).abs() < 1e-6, "{}: {here} and {there}", models[0].experts[at].id);
    }
}

#[test]
fn renumbering_items_leaves_the_fitted_blend_where_it_was() {
    let stages = [0, 1].map(|numbering| Story { numbering, ..Story::default() }.stage());
    let models = [0, 1].map(|at: usize| stages[at].fit(&plan()).model);
    for part in ["valid", "test"] {
        let [here, there] = [0, 1].map(|at: usize| {
            let stage: &Stage = &stages[at];
            let judge = if part == "valid" { stage.valid() } else { stage.test() };
            assert!(judge.n_cases() >= 1_500);
            mean(&stage.ndcg(&judge, &models[at]))
        });
        // Search and blend end in another of several near ends; half a standard error of the mean is about 4e-3 here.
        assert!((here - there).abs() < 4e-3, "{part}: {here} and {there}");
    }
}

fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(dir).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.insert(path.clone(), std::fs::read(&path).expect("a file"));
        }
    }
    found
}

// The artifact's files by name.
fn artifact_of(stage: &Stage, fit: &DomainFit, name: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let dir =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("repetition-{name}-{}", std::process::id()));
    let model = Model::new(Catalog::of(&stage.dataset), vec![fit.model.clone()]);
    artifact::write(&model, 0, &dir).expect("a new folder");
    let files = files(&dir);
    std::fs::remove_dir_all(&dir).expect("the folder is ours");
    files
        .into_iter()
        .map(|(path, bytes)| (path.strip_prefix(&dir).expect("inside").to_owned(), bytes))
        .collect()
}

#[test]
fn one_two_and_four_threads_give_the_same_trials_weights_and_files() {
    let stage = Story { n_users: 300, newcomers: true, ..Story::default() }.stage();
    let plan = FitPlan { search_cases: 200, ..plan() };
    let run = |n_threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().unwrap();
        pool.install(|| {
            let fit = stage.fit(&plan);
            let files = artifact_of(&stage, &fit, &n_threads.to_string());
            (fit, files)
        })
    };
    let (one, files_of_one) = run(1);
    assert!(files_of_one.len() >= one.model.experts.len() + 4, "experts, head and tables");
    for n_threads in [2, 4] {
        let (many, files_of_many) = run(n_threads);
        assert_eq!(one.trials, many.trials, "{n_threads} threads");
        assert_eq!(one.fitted, many.fitted, "{n_threads} threads");
        assert_eq!(one.aside, many.aside);
        for ((name, a), (other, b)) in files_of_one.iter().zip(&files_of_many) {
            assert_eq!(name, other);
            assert!(a == b, "{} differs at {n_threads} threads", name.display());
        }
        assert_eq!(files_of_one.len(), files_of_many.len());
    }
}
