//! Pseudo-labels: what is hidden says nothing, a repetition repeats, and valid decides whether they stay.

use segue::{Problem, Recipe};
use segue_data::reveal::with_events;
use segue_data::{CaseSet, Event, ItemIdx, RevealOrder, Sequences, Split, TestSet, TrainSet};
use segue_models::ExpertKind::{Popularity, Window};
use segue_recommend::DomainModel;
use segue_study::few_shot::{FewShot, revealed_split};
use segue_train::judge::mean;
use segue_train::pseudo_labels::{
    LABELS_PER_USER, PseudoEvidence, PseudoLabel, try_pseudo_labels, with_labels,
};
use segue_train::{FitPlan, Judge, MaskRule, Material, Session, fit_domain};

use crate::story::{Source, Stage, Story, TARGET, plan};
use crate::studied;

/// Rows whose events in the target are known, ascending.
fn known_rows(stage: &Stage, percent: f64) -> Vec<u32> {
    let order = RevealOrder::new(&stage.split, &stage.dataset.items, TARGET, 0);
    let mut known = order.first(percent).to_vec();
    known.sort_unstable();
    known
}

/// A stage on which a share of the users has events of the target in train; of the others only valid asks for one.
struct Hidden {
    stage: Stage,
    train: TrainSet,
    valid: CaseSet,
}

impl Hidden {
    fn of(story: Story, percent: f64) -> Self {
        let stage = story.stage();
        let (items, known) = (&stage.dataset.items, known_rows(&stage, percent));
        let keeps = |row: u32, event: &Event| {
            items.domain_of(event.item) != TARGET || known.binary_search(&row).is_ok()
        };
        let train = with_events(&stage.split.train, keeps);
        let valid = stage.split.valid.0.with_events(keeps);
        Self { stage, train, valid }
    }

    /// The blend without labels, with labels where they were kept, and what valid said.
    fn tried(&self, plan: &FitPlan) -> (DomainModel, Option<DomainModel>, PseudoEvidence) {
        let items = &self.stage.dataset.items;
        let judge = Judge::new(&self.valid, items, TARGET, MaskRule::Seen, None).expect("there are cases");
        let material = Material::new(&self.train, items, None);
        let model = fit_domain(plan, material, &judge, Session::unwatched()).expect("it fits").model;
        let (with, evidence) =
            try_pseudo_labels(&model, plan, material, &judge, Session::unwatched()).expect("it fits");
        (model, with, evidence)
    }
}

#[test]
fn labels_are_kept_where_taste_is_shared_and_gain_on_test_too() {
    let hidden = Hidden::of(Story { n_users: 3_000, ..Story::default() }, 10.0);
    let plan = FitPlan { experts: vec![Window], budget: 1, ..plan() };
    let (without, with, evidence) = hidden.tried(&plan);
    let with = with.unwrap_or_else(|| panic!("{evidence:?}"));
    let kept = evidence.trials.iter().find(|trial| Some(trial.threshold) == evidence.kept);
    let kept = kept.expect("the threshold is one that was tried");
    assert!(kept.gain.lo > 0.0, "{kept:?}");
    assert!(evidence.trials.iter().all(|trial| trial.gain.mean <= kept.gain.mean), "the best is kept");
    assert!(kept.n_labels <= kept.n_users * LABELS_PER_USER && kept.n_users <= evidence.n_users);
    let test = hidden.stage.test();
    let on_test = [&without, &with].map(|model| mean(&hidden.stage.ndcg(&test, model)));
    assert!(on_test[1] > on_test[0] + 0.01, "{on_test:?}");
    assert_eq!(with.blend, without.blend, "the weights stay");
}

#[test]
fn labels_are_refused_where_the_source_knows_nothing_of_the_user() {
    for seed in 1..=3 {
        let story = Story { n_users: 1_500, source: Source::Shuffled, seed, ..Story::default() };
        let plan = FitPlan { experts: vec![Popularity, Window], budget: 1, ..plan() };
        let (_, with, evidence) = Hidden::of(story, 10.0).tried(&plan);
        assert!(!evidence.trials.is_empty(), "seed {seed}: some were tried");
        assert!(with.is_none() && evidence.kept.is_none(), "seed {seed}: {evidence:?}");
    }
}

#[test]
fn what_is_popular_is_what_people_did() {
    let hidden = Hidden::of(Story { n_users: 3_000, seed: 3, ..Story::default() }, 50.0);
    let plan = FitPlan { experts: vec![Popularity, Window], budget: 1, ..plan() };
    let (without, with, evidence) = hidden.tried(&plan);
    let with = with.unwrap_or_else(|| panic!("{evidence:?}"));
    for (before, after) in without.experts.iter().zip(&with.experts) {
        assert_eq!(before.id, after.id);
        assert_eq!(before == after, before.id.kind == Popularity, "{}", before.id);
    }
    assert_eq!(with.cold, without.cold, "an item that only guesses have is still new");
}

#[test]
fn it_repeats_at_any_number_of_threads() {
    let hidden = Hidden::of(Story { n_users: 1_000, ..Story::default() }, 10.0);
    let plan = FitPlan { experts: vec![Window], budget: 1, ..plan() };
    let run = |n_threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().expect("threads");
        pool.install(|| hidden.tried(&plan))
    };
    let one = run(1);
    assert!(!one.2.trials.is_empty());
    assert!(one == run(2) && one == run(4));
}

// The same users with other events in the target where these are hidden, and without any test case.
fn with_other_secrets(stage: &Stage, known: &[u32]) -> Split {
    let inside = stage.dataset.items.range(TARGET);
    let told = |row: usize, event: &Event| {
        let is_secret = known.binary_search(&(row as u32)).is_err() && inside.contains(&event.item.at());
        let mirrored = || ItemIdx((inside.start + inside.end - 1) as u32 - event.item.0);
        Event { item: if is_secret { mirrored() } else { event.item }, ..*event }
    };
    let changed = |train: &TrainSet| {
        let rows = train.sequences.rows().enumerate();
        let rows = rows.map(|(row, events)| events.iter().map(|event| told(row, event)).collect::<Vec<_>>());
        TrainSet { sequences: Sequences::from_rows(rows), profiles: train.profiles.clone() }
    };
    let split = &stage.split;
    let (train, train_valid) = (changed(&split.train), changed(&split.train_valid));
    Split { train, train_valid, test: TestSet::default(), ..split.clone() }
}

#[test]
fn neither_test_nor_what_is_hidden_is_in_any_label() {
    let stage = Story { n_users: 1_000, ..Story::default() }.stage();
    let known = known_rows(&stage, 20.0);
    let plan = FitPlan { experts: vec![Window], budget: 1, ..plan() };
    let recipe = Recipe { refit: true, ..studied::recipe(plan) };
    let outcome = |split: &Split| {
        let whole = Problem { split, ..studied::problem(&stage) };
        let revealed = revealed_split(&whole, &known);
        let shot = FewShot { problem: whole.with_split(&revealed), recipe: &recipe };
        let fit = shot.fit_transfer(Session::unwatched()).expect("it fits");
        let tried = shot.add_pseudo_labels(&fit, Session::unwatched()).expect("it fits");
        let tried = tried.expect("there are valid cases");
        (tried.with.map(|with| with.model), tried.evidence)
    };
    let other = with_other_secrets(&stage, &known);
    assert_ne!(other.train, stage.split.train);
    let ours = outcome(&stage.split);
    assert!(!ours.1.trials.is_empty());
    assert!(ours == outcome(&other));
}

#[test]
fn labels_are_the_last_events_of_their_rows() {
    let stage = Story { n_users: 50, ..Story::default() }.stage();
    let train = &stage.split.train;
    let label = |row, item| PseudoLabel { row, item: ItemIdx(item), confidence: 0.5 };
    let labeled = with_labels(train, &[label(3, 100), label(3, 101), label(7, 102)]);
    for (row, (before, after)) in train.sequences.rows().zip(labeled.sequences.rows()).enumerate() {
        let added: Vec<u32> = after[before.len()..].iter().map(|event| event.item.0).collect();
        let expected: &[u32] = match row {
            3 => &[100, 101],
            7 => &[102],
            _ => &[],
        };
        assert_eq!((&after[..before.len()], added.as_slice()), (before, expected));
        let last = before.last().map(|event| event.timestamp);
        assert!(after[before.len()..].iter().all(|event| Some(event.timestamp) == last));
    }
}
