//! Pretraining on texts: which tokens are hidden, `PyTorch`'s loss and gradients, finite differences, the head's way to a file and back.
//! Golden values: `tests/golden/masked_language.py`.

use std::fs;
use std::path::Path;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use segue_models::encoder::{
    Described, EncoderStep, HeadedEncoder, HiddenTokens, Masker, MlmHead, MlmWeights, PretrainConfig,
    Pretraining, TextEncoder, TokenGradients, TokenPlace, Tuning,
};
use segue_nn::Gradients;
use segue_nn::dropout::DropoutKey;
use serde_json::Value;

use crate::tiny_model::{TinyModel, WIDTH};

const MASK: u32 = 9;

fn open() -> (TinyModel, TextEncoder) {
    let model = TinyModel::with_mask();
    let encoder = TextEncoder::open(model.write(), None).unwrap_or_else(|error| panic!("{error}"));
    (model, encoder)
}

fn tuned(name: &str) -> TextEncoder {
    let mut encoder = open().1;
    let tuning = match Tuning::named(name).expect(name) {
        Tuning::Lora(config) => Tuning::Lora(segue_models::encoder::LoraConfig { rank: 3, ..config }),
        other => other,
    };
    encoder.tune(&tuning, &mut ChaCha8Rng::seed_from_u64(1)).expect("it fits");
    encoder
}

/// A head that is nowhere at its start.
fn head_of(encoder: &TextEncoder, seed: u64) -> MlmWeights {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut weights = MlmWeights::starting(&encoder.network.shape, [[4u32, 5, 6].as_slice()].into_iter());
    let MlmWeights { dense_weight, dense_bias, norm_gain, norm_bias, bias } = &mut weights;
    for values in [dense_weight, dense_bias, norm_gain, norm_bias, bias] {
        values.iter_mut().for_each(|x| *x += rng.random_range(-0.3..0.3f32));
    }
    weights
}

#[test]
fn tokens_are_hidden_in_the_shares_of_bert_and_special_ones_never() {
    let (_model, encoder) = open();
    let masker = Masker::new(encoder.tokens(), 0.15).unwrap();
    let text: Vec<u32> =
        [2].into_iter().chain((0..2000).map(|at| 4 + at % 5)).chain([1, 3, 0, MASK]).collect();
    let (mut n, mut n_mask, mut n_other, mut n_kept) = (0, 0, 0, 0);
    for key in (0..50).map(|at| DropoutKey::new(5).of(at)) {
        let masked = masker.mask(&text, key);
        assert_eq!(masked, masker.mask(&text, key), "a function of the key");
        n += masked.places.len();
        for (&place, &target) in masked.places.iter().zip(&masked.targets) {
            assert!(target == text[place] && (4..9).contains(&target));
            match masked.tokens[place] {
                MASK => n_mask += 1,
                token if token == target => n_kept += 1,
                token => n_other += usize::from((4..9).contains(&token)),
            }
        }
        let differ = |at: &usize| masked.tokens[*at] != text[*at];
        assert!((0..text.len()).filter(differ).all(|at| masked.places.contains(&at)));
    }
    let share = |part: usize, all: usize| part as f64 / all as f64;
    assert!((share(n, 100_000) - 0.15).abs() < 0.005, "{n}");
    // A replaced token is the same one as before in one of five cases.
    let expected = [(n_mask, 0.8), (n_other, 0.08), (n_kept, 0.12)];
    assert!(expected.iter().all(|&(part, of)| (share(part, n) - of).abs() < 0.012), "{n} {expected:?}");
    assert_eq!(n_mask + n_other + n_kept, n, "what replaces a token is no special one");
    let without = TextEncoder::open(TinyModel::new().write(), None).unwrap();
    let refusal = Masker::new(without.tokens(), 0.15).unwrap_err().to_string();
    assert!(refusal.contains("[MASK]") && refusal.contains("hint"), "{refusal}");
}

/// Loss and gradients of hidden tokens in texts that were masked elsewhere.
fn run(
    encoder: &TextEncoder,
    head: &mut MlmHead,
    texts: &[Vec<u32>],
    places: &[TokenPlace],
    targets: &[u32],
) -> (f64, Gradients) {
    let mut step = EncoderStep::default();
    let tokens: Vec<&[u32]> = texts.iter().map(Vec::as_slice).collect();
    let n = step.forward(encoder, &tokens, DropoutKey::new(0)).len();
    let mut gradients = encoder.params.gradients();
    let states = step.states(places);
    let hidden = HiddenTokens { states: &states, targets };
    let (loss, d_states) = head.loss(&encoder.params, hidden, 1.0, &mut gradients);
    let d_tokens = TokenGradients { places, states: &d_states };
    step.backward_with_states(encoder, &vec![0.0; n], d_tokens, &mut gradients);
    let figures = head.figures(&encoder.params, hidden);
    assert!((figures.loss - loss).abs() < 1e-5, "two ways to one loss: {} and {loss}", figures.loss);
    (loss, gradients)
}

fn floats(value: &Value) -> Vec<f32> {
    value.as_array().expect("a list").iter().map(|x| x.as_f64().expect("a number") as f32).collect()
}

fn apart(received: &[f32], expected: &[f32]) -> f64 {
    assert_eq!(received.len(), expected.len());
    let norm =
        |values: &mut dyn Iterator<Item = f32>| values.map(|x| f64::from(x).powi(2)).sum::<f64>().sqrt();
    let difference = &mut received.iter().zip(expected).map(|(a, b)| a - b);
    norm(difference) / norm(&mut expected.iter().copied()).max(1e-30)
}

#[test]
fn loss_and_gradients_equal_pytorch_and_reach_the_words_only_where_they_are_trained() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/masked_language.json");
    let golden: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let (mut texts, mut places, mut targets) = (Vec::new(), Vec::new(), Vec::new());
    for text in golden["texts"].as_array().unwrap() {
        let hidden: Vec<(usize, u32)> = serde_json::from_value(text["hidden"].clone()).unwrap();
        places.extend(hidden.iter().map(|&(place, _)| (texts.len(), place)));
        targets.extend(hidden.iter().map(|&(_, token)| token));
        texts.push(serde_json::from_value::<Vec<u32>>(text["tokens"].clone()).unwrap());
    }
    for tuning in ["full", "frozen", "lora"] {
        let mut encoder = tuned(tuning);
        let weights = head_of(&encoder, 1);
        let mut head = MlmHead::add(&mut encoder, &weights);
        let arrays = golden["arrays"].as_object().unwrap();
        for (name, array) in arrays {
            let id = encoder.params.id(name).unwrap_or_else(|| panic!("no array `{name}`"));
            encoder.params.get_mut(id).copy_from_slice(&floats(&array["values"]));
        }
        let (loss, gradients) = run(&encoder, &mut head, &texts, &places, &targets);
        let expected = golden["loss"].as_f64().unwrap();
        assert!((loss - expected).abs() < 1e-4 * expected, "{tuning}: {loss} instead of {expected}");
        let mut n = 0;
        for (name, array) in arrays {
            let received = gradients.get(encoder.params.id(name).unwrap());
            if tuning != "full" && !name.starts_with("cls.") {
                assert!(received.is_empty(), "{tuning}: {name} is frozen");
                continue;
            }
            let apart = apart(received, &floats(&array["gradient"]));
            assert!(apart < 1e-4, "{tuning}: gradient of {name} is {apart:.1e} away");
            n += 1;
        }
        assert_eq!(n, if tuning == "full" { arrays.len() } else { 5 });
    }
}

const TEXTS: [&str; 6] =
    ["red fox runs", "blue sea runs", "sea", "fox red blue", "red red red blue sea", "sea runs fox"];

fn pretraining(encoder: &TextEncoder, config: &PretrainConfig) -> Pretraining {
    let texts = encoder.tokens().of(&TEXTS).expect("the test's own texts");
    let described = |(at, text): (usize, Vec<u32>)| {
        let description = if at % 3 == 0 { Vec::new() } else { vec![2, 4 + at as u32 % 5, 8, 3] };
        Described { text, description }
    };
    let texts = texts.into_iter().enumerate().map(described).collect();
    Pretraining::new(config, texts, encoder.tokens()).expect("terms are sound")
}

#[test]
fn every_term_has_the_gradient_of_its_loss() {
    let only = |mlm: f32, simcse: f32, description: f32| PretrainConfig {
        mlm,
        simcse,
        description,
        masked_share: 0.5,
        temperature: 0.5,
        dropout: 0.2,
    };
    let configs = [only(1.0, 0.0, 0.0), only(0.0, 1.0, 0.0), only(0.0, 0.0, 1.0), only(0.7, 0.4, 0.3)];
    for (config, tuning) in configs.iter().flat_map(|config| ["full", "lora"].map(|tuning| (config, tuning)))
    {
        let mut encoder = tuned(tuning);
        let weights = head_of(&encoder, 2);
        let mut head = MlmHead::add(&mut encoder, &weights);
        let mut rng = ChaCha8Rng::seed_from_u64(8);
        for array in encoder.params.arrays_mut().iter_mut().filter(|array| array.trainable) {
            array.values.iter_mut().for_each(|x| *x += rng.random_range(-0.2..0.2f32));
        }
        let mut pretraining = pretraining(&encoder, config);
        let batch = [0, 1, 2, 3, 4, 5];
        let mut loss = |encoder: &TextEncoder, gradients: &mut Gradients| {
            let headed = HeadedEncoder { encoder, head: &mut head };
            pretraining.losses(headed, &batch, DropoutKey::new(3), gradients)
        };
        let mut gradients = encoder.params.gradients();
        let value = loss(&encoder, &mut gradients);
        assert!(value > 0.1, "{config:?}: {value}");
        let mut sum = 0.0;
        for id in encoder.params.ids().filter(|&id| encoder.params.is_trainable(id)).collect::<Vec<_>>() {
            let direction: Vec<f32> =
                encoder.params.get(id).iter().map(|_| rng.random_range(-1.0..1.0f32)).collect();
            let mut moved = |by: f32| {
                let mut moved = encoder.clone();
                segue_nn::add_scaled(moved.params.get_mut(id), by, &direction);
                loss(&moved, &mut encoder.params.gradients())
            };
            let expected = (moved(4e-3) - moved(-4e-3)) / 8e-3;
            let received: f64 = gradients.get(id).iter().zip(&direction).map(|(g, d)| f64::from(g * d)).sum();
            let tolerance = 4e-3 + 0.02 * expected.abs();
            assert!(
                (received - expected).abs() < tolerance,
                "{tuning} {config:?} {id:?}: {received} instead of {expected}"
            );
            sum += expected.abs();
        }
        assert!(sum > 0.1, "{tuning} {config:?}: the loss depends on nothing");
    }
}

#[test]
fn a_step_is_equal_at_any_number_of_threads() {
    let mut encoder = tuned("full");
    let weights = head_of(&encoder, 2);
    let mut head = MlmHead::add(&mut encoder, &weights);
    let mut run = |n_threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().unwrap();
        pool.install(|| {
            let mut pretraining = pretraining(&encoder, &PretrainConfig::default());
            let mut gradients = encoder.params.gradients();
            let key = DropoutKey::new(1);
            let headed = HeadedEncoder { encoder: &encoder, head: &mut head };
            let loss = pretraining.losses(headed, &[5, 0, 3, 1], key, &mut gradients);
            let headed = HeadedEncoder { encoder: &encoder, head: &mut head };
            (loss, gradients, pretraining.figures(headed, &[0, 1, 2, 3, 4, 5], key))
        })
    };
    let one = run(1);
    assert!(one == run(2) && one == run(5));
    assert!(one.2.n > 0 && one.2.loss > 0.0 && (0.0..=1.0).contains(&one.2.accuracy));
}

#[test]
fn a_head_comes_back_from_its_file_and_leaves_the_encoder_as_it_was() {
    let (model, mut encoder) = open();
    encoder.tune(&Tuning::Frozen, &mut ChaCha8Rng::seed_from_u64(1)).unwrap();
    let before = encoder.params.clone();
    let weights = head_of(&encoder, 3);
    let shape = encoder.network.shape;
    assert_eq!(MlmWeights::read(&model.folder, &shape).unwrap(), None, "a model without a head");
    let head = MlmHead::add(&mut encoder, &weights);
    assert_eq!(encoder.params.n_trainable(), WIDTH * WIDTH + 3 * WIDTH + 10);
    assert!(head.remove(&mut encoder) == weights && encoder.params == before);
    weights.save(&model.folder).unwrap();
    assert_eq!(MlmWeights::read(&model.folder, &shape).unwrap(), Some(weights));
    let wider = segue_models::encoder::Shape { width: 2 * WIDTH, ..shape };
    let refusal = MlmWeights::read(&model.folder, &wider).unwrap_err().to_string();
    assert!(refusal.contains("cls.predictions") && refusal.contains("hint"), "{refusal}");
}
