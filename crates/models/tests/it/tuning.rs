//! Adapted encoders: `PyTorch`'s numbers, what is trained and what stays, the way to a file and back, `AdaLoRA`'s budget.
//! Golden values: `tests/golden/tunings.py`.

use std::fs;
use std::path::{Path, PathBuf};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use segue_models::encoder::{
    AdaLoraConfig, EncoderError, EncoderStep, LoraConfig, RankBudget, Target, TextEncoder, TokenBatch, Trace,
    Tuning,
};
use segue_models::encoder::{BatchPass, Head, Purpose};
use segue_nn::Gradients;
use segue_nn::block::Dropping;
use segue_nn::dropout::DropoutKey;
use serde_json::Value;

use crate::tiny_model::{TinyModel, WIDTH};

const NAMES: [&str; 6] = ["frozen", "full", "lora", "adalora", "adapter", "prefix"];
const TEXTS: [&str; 7] =
    ["red fox runs", "blue sea", "", "fox", "red red red blue sea", "unheard words", "sea runs fox"];

fn generator() -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(4)
}

fn open(model: &TinyModel) -> TextEncoder {
    TextEncoder::open(model.write(), None).unwrap_or_else(|error| panic!("{error}"))
}

fn small(name: &str) -> Tuning {
    match Tuning::named(name).expect("the test's own data") {
        Tuning::Lora(_) => Tuning::Lora(LoraConfig { rank: 3, alpha: 6.0, ..LoraConfig::default() }),
        Tuning::AdaLora(_) => Tuning::AdaLora(AdaLoraConfig {
            initial_rank: 3,
            target_rank: 2,
            alpha: 6.0,
            ..AdaLoraConfig::default()
        }),
        Tuning::Adapter { .. } => Tuning::Adapter { width: 4 },
        Tuning::Prefix { .. } => Tuning::Prefix { length: 3 },
        other => other,
    }
}

/// An encoder in whose trained arrays nothing is at its start.
fn stirred(tuning: &Tuning) -> (TinyModel, TextEncoder) {
    let model = TinyModel::new();
    let mut encoder = open(&model);
    encoder.tune(tuning, &mut generator()).expect("the test's own data");
    let mut rng = generator();
    for array in encoder.params.arrays_mut().iter_mut().filter(|array| array.trainable) {
        array.values.iter_mut().for_each(|value| *value += rng.random_range(-0.3..0.3f32));
    }
    encoder.refresh_sha256();
    (model, encoder)
}

fn vectors(encoder: &TextEncoder) -> Vec<f32> {
    encoder.encode(&TEXTS, &|_| {}).expect("the test's own data")
}

fn apart(received: &[f32], expected: &[f32]) -> f64 {
    assert_eq!(received.len(), expected.len());
    let square = |values: &mut dyn Iterator<Item = f64>| values.map(|x| x * x).sum::<f64>().sqrt();
    let difference = received.iter().zip(expected).map(|(a, b)| f64::from(*a) - f64::from(*b));
    square(&mut { difference }) / square(&mut expected.iter().map(|x| f64::from(*x))).max(1e-30)
}

fn rows(tokens: &[Vec<u32>]) -> Vec<&[u32]> {
    tokens.iter().map(Vec::as_slice).collect()
}

fn golden() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/tunings.json");
    serde_json::from_slice(&fs::read(path).expect("the test's own data")).expect("the test's own data")
}

fn floats(value: &Value) -> Vec<f32> {
    value
        .as_array()
        .expect("the test's own data")
        .iter()
        .map(|x| x.as_f64().expect("the test's own data") as f32)
        .collect()
}

fn fill(encoder: &mut TextEncoder, name: &str, values: &[f32]) {
    let id = encoder.params.id(name).unwrap_or_else(|| panic!("no array `{name}`"));
    encoder.params.get_mut(id).copy_from_slice(values);
}

#[test]
fn vectors_and_gradients_equal_pytorch() {
    let golden = golden();
    let texts: Vec<Vec<u32>> = serde_json::from_value(golden["texts"].clone()).expect("the test's own data");
    for name in &NAMES[2..] {
        let mut encoder = open(&TinyModel::new());
        encoder.tune(&small(name), &mut generator()).expect("the test's own data");
        for (array, values) in golden["base"].as_object().expect("the test's own data") {
            fill(&mut encoder, array, &floats(values));
        }
        let case = &golden["cases"][name];
        let arrays = case["arrays"].as_object().expect("the test's own data");
        for (array, numbers) in arrays {
            fill(&mut encoder, array, &floats(&numbers["values"]));
        }
        let mut step = EncoderStep::default();
        let received = step.forward(&encoder, &rows(&texts), DropoutKey::new(0));
        assert!(apart(received, &floats(&case["vectors"])) < 1e-5, "{name}: vectors");
        let mut gradients = encoder.params.gradients();
        step.backward(&encoder, &floats(&golden["r"]), &mut gradients);
        encoder.add_penalty(&mut gradients);
        for (array, numbers) in arrays {
            let received = gradients.get(encoder.params.id(array).expect("the test's own data"));
            let apart = apart(received, &floats(&numbers["gradient"]));
            assert!(apart < 1e-4, "{name}: gradient of {array} is {apart:.1e} away");
        }
        assert_eq!(gradients.arrays().iter().filter(|array| !array.is_empty()).count(), arrays.len());
    }
}

/// The gradients of `Σ r·y` by one pass over all texts.
fn in_one_pass(encoder: &TextEncoder, tokens: &[Vec<u32>], r: &[f32]) -> Gradients {
    let batch = TokenBatch { tokens: tokens.concat(), lengths: tokens.iter().map(Vec::len).collect() };
    let head = Head { pooling: encoder.usage.pooling, normalizes: encoder.usage.normalizes };
    let (mut trace, mut gradients) = (Trace::default(), encoder.params.gradients());
    let (network, params) = (&encoder.network, &encoder.params);
    let pass = BatchPass { params, batch: &batch, head, dropping: Dropping::none() };
    network.forward(pass, Purpose::Training, &mut trace);
    network.backward(pass, &mut trace, r, &mut gradients);
    gradients
}

#[test]
fn a_step_in_lanes_equals_one_pass_at_any_number_of_threads_and_whatever_ran_before() {
    for name in NAMES {
        let (_model, encoder) = stirred(&small(name));
        let tokens = encoder.tokens().of(&TEXTS).expect("the test's own data");
        let r: Vec<f32> = (0..TEXTS.len() * WIDTH).map(|at| (at as f32 * 0.7).sin()).collect();
        let with = |n_threads: usize, used: bool| {
            let pool =
                rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().expect("the test's own data");
            pool.install(|| {
                let mut step = EncoderStep::new(0.0);
                if used {
                    step.forward(&encoder, &rows(&tokens)[..2], DropoutKey::new(1));
                    let mut gradients = encoder.params.gradients();
                    step.backward(&encoder, &r[..2 * WIDTH], &mut gradients);
                }
                let vectors = step.forward(&encoder, &rows(&tokens), DropoutKey::new(0)).to_vec();
                let mut gradients = encoder.params.gradients();
                step.backward(&encoder, &r, &mut gradients);
                (vectors, gradients)
            })
        };
        let (received, gradients) = with(1, false);
        assert!((received.clone(), gradients.clone()) == with(4, true), "{name}");
        assert!(apart(&received, &vectors(&encoder)) < 1e-5, "{name}");
        let expected = in_one_pass(&encoder, &tokens, &r);
        for (received, expected) in gradients.arrays().iter().zip(expected.arrays()) {
            assert!(apart(received, expected) < 1e-4, "{name}");
        }
    }
}

#[test]
fn dropout_follows_its_key_and_the_step_survives_another_tuning() {
    let (_model, mut encoder) = stirred(&small("lora"));
    let tokens = encoder.tokens().of(&TEXTS).expect("the test's own data");
    let mut step = EncoderStep::new(0.3);
    let mut run = |encoder: &TextEncoder, seed| {
        let vectors = step.forward(encoder, &rows(&tokens), DropoutKey::new(seed)).to_vec();
        let mut gradients = encoder.params.gradients();
        step.backward(encoder, &vec![0.5; vectors.len()], &mut gradients);
        (vectors, gradients)
    };
    let first = run(&encoder, 1);
    assert!(first == run(&encoder, 1) && first.0 != run(&encoder, 2).0);
    for name in NAMES {
        encoder.tune(&small(name), &mut generator()).expect("the test's own data");
        run(&encoder, 1);
    }
}

#[test]
fn a_tuning_trains_its_parts_and_starts_where_the_encoder_is() {
    let base = open(&TinyModel::new());
    let before = vectors(&base);
    let n_base = base.params.arrays().len();
    for name in NAMES {
        let mut encoder = open(&TinyModel::new());
        encoder.tune(&small("lora"), &mut generator()).expect("the test's own data");
        encoder.tune(&small(name), &mut generator()).expect("the test's own data");
        assert_eq!(encoder.tuning().name(), name);
        for (at, array) in encoder.params.arrays().iter().enumerate() {
            assert_eq!(array.trainable, at >= n_base || name == "full", "{name}: {}", array.name);
        }
        assert_eq!(encoder.params.arrays().len() > n_base, !["frozen", "full"].contains(&name));
        assert_eq!(vectors(&encoder) == before, name != "prefix", "{name}");
    }
}

#[test]
fn merged_weights_give_the_same_vectors() {
    let all = vec![Target::Query, Target::Key, Target::Value, Target::Output, Target::Up, Target::Down];
    let lora = Tuning::Lora(LoraConfig { rank: 2, alpha: 3.0, targets: all });
    for tuning in [lora, small("lora"), small("adalora"), small("adapter"), small("prefix")] {
        let (model, mut encoder) = stirred(&tuning);
        let before = vectors(&encoder);
        assert!(apart(&before, &vectors(&open(&model))) > 0.01, "the tuning does something");
        encoder.merge();
        assert!(apart(&vectors(&encoder), &before) < 1e-5, "{tuning:?}");
        if encoder.tuning() == &Tuning::Full {
            assert_eq!(encoder.params.arrays().len(), open(&model).params.arrays().len());
            encoder.save_delta(&model.folder.join("merged"), "tiny").expect("the test's own data");
            let mut again = open(&model);
            again.load_delta(&model.folder.join("merged")).expect("the test's own data");
            assert_eq!(vectors(&again), vectors(&encoder), "what was merged can be stored");
        }
    }
}

fn saved(name: &str) -> (TinyModel, TextEncoder, PathBuf) {
    let (model, encoder) = stirred(&small(name));
    let folder = model.folder.join("delta");
    encoder.save_delta(&folder, "tiny").expect("the test's own data");
    (model, encoder, folder)
}

#[test]
fn an_adaptation_comes_back_from_its_folder_whole() {
    for name in NAMES {
        let (model, encoder, folder) = saved(name);
        let mut again = open(&model);
        let base = again.sha256().to_owned();
        again.load_delta(&folder).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(again.params, encoder.params, "{name}");
        assert_eq!(vectors(&again), vectors(&encoder), "{name}");
        assert_eq!(again.sha256(), encoder.sha256(), "{name}");
        assert_eq!(again.sha256() == base, name == "frozen", "{name}");
        assert_eq!(again.base_sha256(), encoder.base_sha256());
        let read = |folder: &Path| {
            let mut files: Vec<_> = fs::read_dir(folder)
                .expect("the test's own data")
                .map(|file| file.expect("the test's own data").path())
                .collect();
            files.sort();
            files.iter().map(|file| fs::read(file).expect("the test's own data")).collect::<Vec<_>>()
        };
        again.save_delta(&model.folder.join("again"), "tiny").expect("the test's own data");
        assert_eq!(read(&model.folder.join("again")), read(&folder), "{name}: the same bytes");
    }
}

#[test]
fn low_rank_folders_have_the_names_of_peft() {
    let names = |folder: &Path| {
        let bytes = fs::read(folder.join("adapter_model.safetensors")).expect("the test's own data");
        let file = safetensors::SafeTensors::deserialize(&bytes).expect("the test's own data");
        file.names().into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let (_model, _, folder) = saved("lora");
    let first = "base_model.model.encoder.layer.0.attention.self.query.lora_A.weight";
    assert!(names(&folder).contains(&first.to_owned()), "{:?}", names(&folder));
    let config: Value =
        serde_json::from_slice(&fs::read(folder.join("adapter_config.json")).expect("the test's own data"))
            .expect("the test's own data");
    assert_eq!((&config["peft_type"], &config["r"]), (&"LORA".into(), &3.into()));
    assert_eq!(config["target_modules"], serde_json::json!(["attention.self.query", "attention.self.value"]));
    let (_model, _, folder) = saved("adalora");
    let last = "base_model.model.encoder.layer.1.attention.self.value.lora_E";
    assert!(names(&folder).contains(&last.to_owned()), "{:?}", names(&folder));
}

fn refusal(model: &TinyModel, folder: &Path) -> EncoderError {
    let mut encoder = open(model);
    let before = vectors(&encoder);
    let error = encoder.load_delta(folder).expect_err("this is refused");
    assert!(error.to_string().contains("hint: "), "{error}");
    assert!(encoder.tuning() == &Tuning::Frozen && vectors(&encoder) == before, "the encoder as it was");
    error
}

#[test]
fn another_encoder_is_refused_by_name() {
    let (_model, _, folder) = saved("lora");
    let mut other = TinyModel::new();
    other.config["layer_norm_eps"] = 1e-6.into();
    other.dtype = safetensors::Dtype::BF16;
    let error = refusal(&other, &folder);
    assert!(matches!(error, EncoderError::OtherBase { .. }), "{error}");
    assert!(error.to_string().contains("`tiny`"), "{error}");
}

#[test]
fn damaged_folders_are_refused_and_never_panic() {
    for name in ["lora", "full", "prefix"] {
        let (model, _, folder) = saved(name);
        let arrays = if name == "lora" { "adapter_model.safetensors" } else { "delta.safetensors" };
        for file in [arrays, "tuning.json"] {
            let path = folder.join(file);
            let whole = fs::read(&path).expect("the test's own data");
            for n in [0, 7, 8, whole.len() / 2, whole.len() - 2] {
                fs::write(&path, &whole[..n]).expect("the test's own data");
                assert!(refusal(&model, &folder).to_string().contains(file), "{name}: {file}: {n} bytes");
            }
            fs::remove_file(&path).expect("the test's own data");
            assert!(refusal(&model, &folder).to_string().contains(file), "{name}: no {file}");
            fs::write(&path, &whole).expect("the test's own data");
        }
    }
}

/// Writes other arrays with a head that fits them: damage that no hash shows.
fn replace_arrays(folder: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let path = folder.join("adapter_model.safetensors");
    let mut bytes = fs::read(&path).expect("the test's own data");
    change(&mut bytes);
    fs::write(&path, &bytes).expect("the test's own data");
    let head = folder.join("tuning.json");
    let mut value: Value =
        serde_json::from_slice(&fs::read(&head).expect("the test's own data")).expect("the test's own data");
    value["arrays_sha256"] = segue_data::hash::of_bytes(&bytes).into();
    fs::write(&head, value.to_string()).expect("the test's own data");
}

#[test]
fn damage_under_a_matching_hash_is_refused_too() {
    let whole_of =
        |bytes: &[u8]| u64::from_le_bytes(bytes[..8].try_into().expect("the test's own data")) as usize + 8;
    let (model, _, folder) = saved("lora");
    let path = folder.join("adapter_model.safetensors");
    let whole = fs::read(&path).expect("the test's own data");
    for at in (0..whole_of(&whole)).step_by(5) {
        fs::write(&path, &whole).expect("the test's own data");
        replace_arrays(&folder, |bytes| bytes[at] ^= 1);
        // Changed white space is no damage.
        let _ = open(&model).load_delta(&folder);
    }
    fs::write(&path, &whole).expect("the test's own data");
    replace_arrays(&folder, |bytes| {
        let n = bytes.len();
        bytes[n - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    });
    assert!(refusal(&model, &folder).to_string().contains("not finite"));
    // Arrays of another rank than the head says.
    fs::write(&path, &whole).expect("the test's own data");
    let head = fs::read_to_string(folder.join("tuning.json")).expect("the test's own data");
    fs::write(folder.join("tuning.json"), head.replace("\"rank\":3", "\"rank\":2"))
        .expect("the test's own data");
    replace_arrays(&folder, |_| {});
    assert!(refusal(&model, &folder).to_string().contains("shape"));
    for rank in ["0", "9", "18446744073709551615"] {
        let head = head.replace("\"rank\":3", &format!("\"rank\":{rank}"));
        fs::write(folder.join("tuning.json"), head).expect("the test's own data");
        assert!(refusal(&model, &folder).to_string().contains("rank"), "{rank}");
    }
}

#[test]
fn settings_that_make_no_sense_are_refused_and_names_lead_to_defaults() {
    let lora =
        |rank, alpha, targets: &[Target]| Tuning::Lora(LoraConfig { rank, alpha, targets: targets.to_vec() });
    let adalora = |change: fn(&mut AdaLoraConfig)| {
        let mut config = AdaLoraConfig { initial_rank: 4, target_rank: 2, ..AdaLoraConfig::default() };
        change(&mut config);
        Tuning::AdaLora(config)
    };
    let cases = [
        (lora(0, 1.0, &[Target::Query]), "rank"),
        (lora(9, 1.0, &[Target::Query]), "rank"),
        (lora(1, f32::NAN, &[Target::Query]), "alpha"),
        (lora(1, 1.0, &[]), "targets"),
        (lora(1, 1.0, &[Target::Up, Target::Up]), "twice"),
        (adalora(|config| config.target_rank = 5), "target_rank"),
        (adalora(|config| config.warmup_share = 0.8), "shares"),
        (adalora(|config| config.sensitivity_decay = 1.0), "decays"),
        (adalora(|config| config.orthogonality = -1.0), "orthogonality"),
        (Tuning::Adapter { width: 0 }, "adapter"),
        (Tuning::Prefix { length: 1 << 40 }, "prefix"),
    ];
    let mut encoder = open(&TinyModel::new());
    for (tuning, word) in cases {
        let error = encoder.tune(&tuning, &mut generator()).expect_err("this is refused").to_string();
        assert!(error.contains(word) && error.contains("hint: "), "{error}");
    }
    for name in NAMES {
        let tuning = Tuning::named(name).expect("the test's own data");
        assert_eq!(tuning.name(), name);
        let text = serde_json::to_string(&tuning).expect("the test's own data");
        assert_eq!(serde_json::from_str::<Tuning>(&text).expect("the test's own data"), tuning, "{text}");
        assert!(text.contains(name), "{text}");
    }
    assert_eq!(Tuning::named("other"), None);
    assert!(serde_json::from_str::<Tuning>(r#"{"lora": {"rnak": 4}}"#).is_err());
    assert_eq!(
        serde_json::from_str::<Tuning>(r#"{"lora": {}}"#).expect("the test's own data"),
        Tuning::named("lora").expect("the test's own data")
    );
}

const N_STEPS: usize = 100;

/// Twelve singular values (four deltas of rank 3) with a budget that falls to eight.
fn budgeted() -> (TinyModel, TextEncoder, RankBudget) {
    let tuning = small("adalora");
    let (model, encoder) = stirred(&tuning);
    let Tuning::AdaLora(config) = &tuning else { panic!("{tuning:?}") };
    let budget = RankBudget::new(&encoder.network, &encoder.params, config, N_STEPS);
    (model, encoder, budget)
}

#[test]
fn the_budget_of_ranks_falls_with_the_third_power_from_all_to_the_target() {
    let (_model, _, budget) = budgeted();
    let all: Vec<usize> = (0..N_STEPS).map(|step| budget.at(step)).collect();
    assert!(all[..10].iter().all(|&n| n == 12) && all[70..].iter().all(|&n| n == 8), "{all:?}");
    assert!(all.windows(2).all(|pair| pair[0] >= pair[1]), "{all:?}");
    // Half of the way: 8 + 4 · .5³.
    assert_eq!((all[11], all[40]), (12, 9));
}

#[test]
fn unimportant_singular_values_go_may_come_back_and_are_settled_in_the_end() {
    let (_model, mut encoder, mut budget) = budgeted();
    let singular: Vec<_> =
        encoder.network.deltas().map(|delta| delta.singular.expect("the test's own data")).collect();
    // Only the gradients of the singular values differ: importance is |w·g|. In turn, one delta or the other matters least.
    let mut run = |steps: std::ops::Range<usize>, least: usize| {
        for step in steps {
            let mut gradients = encoder.params.gradients();
            for (at, &id) in singular.iter().enumerate() {
                encoder.params.get_mut(id).fill(1.0); // as an optimizer would move what was zero
                let size = if at == least { 0.001 } else { 1.0 + 0.1 * (step % 3) as f32 };
                gradients.get_mut(id).expect("the test's own data").fill(size);
            }
            budget.update(&mut encoder.params, &gradients, step);
        }
        budget.ranks(&encoder.params)
    };
    assert_eq!(run(0..10, 1), [3, 3, 3, 3], "warm-up");
    let ranks = run(10..50, 1);
    assert_eq!(
        (ranks[1], ranks.iter().sum::<usize>()),
        (0, 8),
        "the least important delta gives its ranks: {ranks:?}"
    );
    let ranks = run(50..70, 2);
    assert!(ranks[1] > 0 && ranks[2] == 0, "what went comes back: {ranks:?}");
    let settled = run(70..75, 2);
    assert_eq!(settled.iter().sum::<usize>(), 8);
    assert_eq!(run(75..100, 0), settled, "no other choice in the end, whatever matters then");
}
