//! Pretraining on texts: held-out words get easier, what comes back is never worse there, a stop changes no byte, and requests that
//! cannot be met are refused.

use std::cell::Cell;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use segue_data::builder::DatasetBuilder;
use segue_data::{DomainIdx, ItemCatalog};
use segue_models::encoder::{MlmWeights, PretrainConfig, TextEncoder};
use segue_train::encoder_pretrain::{
    PretrainMaterial, PretrainPlan, PretrainProgress, Pretrained, pretrain_encoder,
};
use segue_train::learn::Epoch;
use segue_train::{Keeping, TrainError};

use crate::encoder_fit::small;
use crate::folder::Folder;
use crate::tiny_model::TinyModel;

const WORDS: [&str; 5] = ["red", "fox", "runs", "blue", "sea"];
const DOMAINS: [DomainIdx; 1] = [DomainIdx(0)];

// A word tells the two behind it, so that hidden words can be found from the others.
fn items(n: usize) -> ItemCatalog {
    let mut builder = DatasetBuilder::new("foxes", 0);
    let domain = builder.domain("tales").expect("one domain");
    for item in 0..n {
        let word = |at: usize| WORDS[at % 5];
        let triples = [item, item / 5, item / 25].map(|at| [word(at), word(at + 1), word(at + 3)].join(" "));
        let (title, description) = (triples.join(" "), if item % 2 == 0 { triples[0].as_str() } else { "" });
        let fields = [("title", title.as_str()), ("description", description)];
        builder.describe_item(domain, &item.to_string(), &fields);
    }
    builder.finish().0.items
}

fn plan(name: &str) -> PretrainPlan {
    PretrainPlan {
        tuning: small(name),
        steps_per_pass: 6,
        max_passes: 3,
        batch_size: 16,
        held_out: 0.2,
        learning_rate: 5e-3,
        loss: PretrainConfig { masked_share: 0.3, ..PretrainConfig::default() },
        ..PretrainPlan::default()
    }
}

fn pretrained(
    items: &ItemCatalog,
    plan: &PretrainPlan,
    keeping: Keeping<'_>,
    observer: &dyn Fn(PretrainProgress),
) -> Result<Pretrained, TrainError> {
    let model = TinyModel::with_mask();
    let encoder = TextEncoder::open(model.write(), None).expect("the test's own model");
    let material = PretrainMaterial { items, domains: &DOMAINS, head: None, observer };
    pretrain_encoder(encoder, plan, material, keeping)
}

type Outcome = (Vec<u32>, Option<MlmWeights>, Vec<Epoch>, String);

fn outcome(pretrained: &Pretrained) -> Outcome {
    let arrays = pretrained.encoder.params.arrays();
    let bits = arrays.iter().flat_map(|array| array.values.iter().map(|x| x.to_bits())).collect();
    let figures = format!("{:?} {:?}", pretrained.before, pretrained.after);
    (bits, pretrained.head.clone(), pretrained.curve.clone(), figures)
}

#[test]
fn held_out_words_get_easier_whatever_is_tuned() {
    let items = items(120);
    for name in ["full", "lora", "adalora", "adapter", "prefix"] {
        let plan = PretrainPlan { steps_per_pass: 40, max_passes: 3, ..plan(name) };
        let done = pretrained(&items, &plan, Keeping::nothing(), &|_| ()).unwrap();
        let (before, after) = (done.before.unwrap(), done.after.unwrap());
        assert!(after.loss < before.loss - 0.02, "{name}: {before:?} {after:?}");
        let best = done.curve.iter().filter_map(|pass| pass.metric).fold(f64::MIN, f64::max);
        assert!((best + after.loss).abs() < 1e-12, "{name}: the best pass comes back");
        assert_eq!((done.counts.n_texts, done.counts.n_held_out, before.n), (96, 24, after.n), "{name}");
        assert!(done.counts.n_described > 30 && done.counts.n_trained > 0, "{name}");
        assert!(done.encoder.params.arrays().iter().all(|array| !array.name.starts_with("cls.")), "{name}");
    }
}

#[test]
fn stopped_after_any_step_it_goes_on_to_the_same_bytes() {
    let items = items(120);
    for name in ["lora", "adalora", "full"] {
        let whole = pretrained(&items, &plan(name), Keeping::nothing(), &|_| ()).unwrap();
        let whole = outcome(&whole);
        for first in [1, 5, 6, 7, 16, 17] {
            let folder = Folder::new(&format!("pretrain-{name}-{first}"));
            let (n_stops, resumed) = stopped_again_and_again(&items, name, first, &folder.0);
            assert!(outcome(&resumed) == whole, "{name}, stopped {n_stops} times, first after {first}");
            assert!(n_stops > 0, "{name}");
        }
    }
}

// Stops after the first `n` steps of every process, one more each time.
fn stopped_again_and_again(items: &ItemCatalog, name: &str, n: usize, folder: &Path) -> (usize, Pretrained) {
    let mut n_stops = 0;
    loop {
        let (stop, n_steps) = (AtomicBool::new(false), Cell::new(0));
        let observer = |progress: PretrainProgress| {
            n_steps.set(n_steps.get() + usize::from(matches!(progress, PretrainProgress::Step(_))));
            stop.store(n_steps.get() >= n + n_stops, Ordering::Relaxed);
        };
        let keeping = Keeping { folder: Some(folder), every_steps: 4, stop: &stop };
        match pretrained(items, &plan(name), keeping, &observer) {
            Err(TrainError::Stopped) => n_stops += 1,
            other => return (n_stops, other.expect("nothing else ends it")),
        }
    }
}

#[test]
fn it_repeats_at_any_number_of_threads_and_another_seed_is_another_training() {
    let items = items(80);
    let run = |n_threads: usize, seed: u64| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().unwrap();
        let plan = PretrainPlan { seed, ..plan("adalora") };
        pool.install(|| outcome(&pretrained(&items, &plan, Keeping::nothing(), &|_| ()).unwrap()))
    };
    let one = run(1, 0);
    assert!(one == run(3, 0) && one.2 != run(1, 1).2);
}

#[test]
fn a_training_that_makes_words_harder_is_not_given_back() {
    let items = items(80);
    let plan = PretrainPlan { learning_rate: 20.0, max_passes: 1, ..plan("full") };
    let done = pretrained(&items, &plan, Keeping::nothing(), &|_| ()).unwrap();
    assert!(done.curve[0].metric.unwrap() < -done.before.unwrap().loss, "{:?} {:?}", done.curve, done.before);
    let model = TinyModel::with_mask();
    let start = TextEncoder::open(model.write(), None).unwrap();
    assert_eq!((done.encoder.sha256(), done.after), (start.sha256(), done.before));
}

#[test]
fn terms_and_texts_that_cannot_be_learned_from_are_refused_and_contrasts_go_without_masks() {
    let refusal = |items: &ItemCatalog, change: fn(&mut PretrainConfig)| {
        let mut plan = plan("lora");
        change(&mut plan.loss);
        let refused = pretrained(items, &plan, Keeping::nothing(), &|_| ()).err();
        let text = refused.expect("this is refused").to_string();
        assert!(text.contains("hint"), "{text}");
        text
    };
    assert!(refusal(&items(20), |_| ()).contains("20 distinct item texts"));
    assert!(refusal(&items(80), |loss| loss.simcse = -1.0).contains("`simcse` is -1"));
    let none = |loss: &mut PretrainConfig| (loss.mlm, loss.simcse, loss.description) = (0.0, 0.0, 0.0);
    assert!(refusal(&items(80), none).contains("no term"));
    let mut plan = plan("lora");
    plan.loss.mlm = 0.0;
    let done = pretrained(&items(80), &plan, Keeping::nothing(), &|_| ()).unwrap();
    assert_eq!((done.before, done.after, done.head.is_none(), done.curve.len()), (None, None, true, 3));
    assert!(done.curve[2].loss < done.curve[0].loss, "{:?}", done.curve);
}
