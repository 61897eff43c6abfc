//! Adapting an encoder repeats exactly, goes on from a checkpoint to the same bytes, never gives back what is worse on valid, and says
//! when there is too little to learn from.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use segue_data::builder::{DatasetBuilder, RawInteraction};
use segue_data::split::SplitRule;
use segue_data::{Dataset, DomainIdx, Split};
use segue_models::ItemVectors;
use segue_models::encoder::{AdaLoraConfig, TextEncoder, Tuning};
use segue_models::item_vectors::{TextFields, item_texts};
use segue_train::encoder_fit::{AdaptMaterial, AdaptPlan, Adapted, adapt_encoder};
use segue_train::learn::Epoch;
use segue_train::{Judge, Keeping, MaskRule, Objective, TrainError};

use crate::folder::Folder;
use crate::tiny_model::TinyModel;

const WORDS: [&str; 5] = ["red", "fox", "runs", "blue", "sea"];
const N_ITEMS: usize = 60;

// Users stay with the items whose title begins with their word.
fn world(n_users: usize) -> (Dataset, Split) {
    let mut rng = ChaCha8Rng::seed_from_u64(6);
    let mut builder = DatasetBuilder::new("foxes", 0);
    let domain = builder.domain("tales").expect("one domain");
    for item in 0..N_ITEMS {
        let rest = [item % 5, item / 5 % 5, (item / 25 + 3) % 5].map(|at| WORDS[at]).join(" ");
        builder.describe_item(domain, &item.to_string(), &[("title", &rest)]);
    }
    for user in 0..n_users {
        for step in 0..7 {
            let item = rng.random_range(0..N_ITEMS / 5) * 5 + user % 5;
            builder.interaction(&RawInteraction {
                user: &user.to_string(),
                item: &item.to_string(),
                domain,
                timestamp: Some(1_000_000 + step * 60),
                value: 1.0,
                kind: 0,
                split: None,
            });
        }
    }
    let dataset = builder.finish().0;
    let split =
        SplitRule::LeaveOneOut.cut(&dataset.sequences, &dataset.items, &[], true).expect("long enough");
    (dataset, split)
}

type World = (Dataset, Split);

fn adapted(world: &World, name: &str) -> (String, Result<Adapted, TrainError>) {
    adapted_with(world, name, true, Keeping::nothing(), |_| ())
}

fn adapted_with(
    (dataset, split): &World,
    name: &str,
    asks_valid: bool,
    keeping: Keeping<'_>,
    observe: impl FnMut(&Epoch),
) -> (String, Result<Adapted, TrainError>) {
    let model = TinyModel::new();
    let encoder = TextEncoder::open(model.write(), None).expect("the test's own model");
    let texts = item_texts(&dataset.items, TextFields::Short);
    let values = encoder.encode(&texts, &|_| ()).expect("the test's own texts");
    let (base, dim) = (encoder.sha256().to_owned(), encoder.dim());
    let vectors = ItemVectors { dim, values, model: "tiny".into(), model_sha256: base.clone() };
    let judge = Judge::new(&split.valid.0, &dataset.items, DomainIdx(0), MaskRule::Seen, None)
        .expect("there are cases");
    let material = AdaptMaterial {
        train: &split.train,
        items: &dataset.items,
        vectors: &vectors,
        domains: &[DomainIdx(0)],
        valid: asks_valid.then_some(&judge),
        objective: Objective::Masked,
    };
    let plan = AdaptPlan { tuning: small(name), steps_per_pass: 10, max_passes: 3, ..AdaptPlan::default() };
    (base, adapt_encoder(encoder, &plan, material, keeping, observe))
}

pub(crate) fn small(name: &str) -> Tuning {
    match Tuning::named(name).expect("a tuning") {
        Tuning::AdaLora(config) => {
            Tuning::AdaLora(AdaLoraConfig { initial_rank: 3, target_rank: 2, ..config })
        }
        Tuning::Adapter { .. } => Tuning::Adapter { width: 4 },
        other => other,
    }
}

#[test]
fn what_comes_back_is_not_worse_on_valid_whatever_is_tuned() {
    let world = world(80);
    let mut n_better = 0;
    for name in ["full", "lora", "adalora", "adapter", "prefix"] {
        let (base, adapted) = adapted(&world, name);
        let adapted = adapted.unwrap_or_else(|error| panic!("{name}: {error}"));
        let before = adapted.before.expect("there is valid");
        let best = adapted.curve.iter().filter_map(|pass| pass.metric).fold(f64::MIN, f64::max);
        assert_eq!(adapted.encoder.sha256() == base, best <= before, "{name}: {before} and {best}");
        assert!(adapted.n_trained > 0 && adapted.n_lessons > 200, "{name}");
        n_better += usize::from(best > before);
    }
    assert!(n_better >= 2, "only {n_better} of five learned anything of a plain taste");
}

#[test]
fn it_repeats_at_any_number_of_threads() {
    let world = world(70);
    let run = |n_threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().unwrap();
        let adapted = pool.install(|| adapted(&world, "adalora").1).expect("enough lessons");
        (adapted.encoder.sha256().to_owned(), adapted.curve)
    };
    let one = run(1);
    assert!(one == run(2) && one == run(4));
}

#[test]
fn the_frozen_encoder_comes_back_as_it_was_and_too_little_is_refused() {
    let (base, frozen) = adapted(&world(70), "frozen");
    let frozen = frozen.expect("nothing to train");
    assert_eq!((frozen.encoder.sha256(), frozen.n_trained, frozen.curve.len()), (base.as_str(), 0, 0));
    let refusal = adapted(&world(8), "lora").1.err().expect("too few lessons").to_string();
    assert!(refusal.contains("lessons") && refusal.contains("hint"), "{refusal}");
}

fn outcome(adapted: &Adapted) -> (Vec<u32>, Vec<Epoch>) {
    let arrays = adapted.encoder.params.arrays();
    (
        arrays.iter().flat_map(|array| array.values.iter().map(|x| x.to_bits())).collect(),
        adapted.curve.clone(),
    )
}

// Killed in pass after pass: what is left is the checkpoint of a step in the midst of it.
fn killed_in(pass: usize, every_steps: u64, folder: &Path, subject: (&World, &str, bool)) {
    let (world, name, asks_valid) = subject;
    let stop = AtomicBool::new(false);
    let keeping = Keeping { folder: Some(folder), every_steps, stop: &stop };
    let dies = |epoch: &Epoch| assert!(epoch.epoch < pass, "killed, as the test wants it");
    let run = || adapted_with(world, name, asks_valid, keeping, dies).1.map(|_| ());
    let _ = catch_unwind(AssertUnwindSafe(run));
}

#[test]
fn killed_anywhere_or_stopped_after_any_pass_it_goes_on_to_the_same_bytes() {
    let world = world(70);
    for (name, asks_valid) in [("lora", true), ("adalora", true), ("lora", false), ("adalora", false)] {
        let (base, whole) = adapted_with(&world, name, asks_valid, Keeping::nothing(), |_| ());
        let whole = whole.expect("enough lessons");
        assert!(asks_valid || whole.encoder.sha256() != base, "{name}: something was trained");
        let whole = outcome(&whole);
        let stop = AtomicBool::new(false);
        let folder = Folder::new(&format!("adapt-{name}-{asks_valid}"));
        let keeping = Keeping { folder: Some(&folder.0), every_steps: 7, stop: &stop };
        for pass in 1..=3 {
            killed_in(pass, [7, 3, 8][pass - 1], &folder.0, (&world, name, asks_valid));
        }
        let (_, resumed) = adapted_with(&world, name, asks_valid, keeping, |_| ());
        assert!(outcome(&resumed.expect("it goes on")) == whole, "{name}, valid {asks_valid}: after kills");
        let folder = Folder::new(&format!("adapt-stop-{name}-{asks_valid}"));
        let keeping = Keeping { folder: Some(&folder.0), ..keeping };
        for pass in 1..=2 {
            let stops = |epoch: &Epoch| stop.store(epoch.epoch == pass, Ordering::Relaxed);
            let (_, stopped) = adapted_with(&world, name, asks_valid, keeping, stops);
            assert!(matches!(stopped, Err(TrainError::Stopped)), "{name} in pass {pass}");
            stop.store(false, Ordering::Relaxed);
        }
        let (_, resumed) = adapted_with(&world, name, asks_valid, keeping, |_| ());
        assert!(outcome(&resumed.expect("it goes on")) == whole, "{name}, valid {asks_valid}: after stops");
    }
}
