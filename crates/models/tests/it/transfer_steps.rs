//! Item vectors from text and the encoder behind them: gradients equal finite differences, and what is left out stays out.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use segue_models::encoder::{Adaptation, AdaptationConfig, ItemTokens, Lesson, TextEncoder, Tuning};
use segue_models::sequence::{
    Example, SequenceConfig, SequenceModel, SequenceStep, TextInputConfig, TransferConfig,
};
use segue_models::whitening::Spectrum;
use segue_models::{Place, Scope, TextSpace};
use segue_nn::dropout::DropoutKey;
use segue_nn::{ParamId, Params};

use crate::tiny_model::TinyModel;
use crate::world::{TARGET, World, vectors};

fn config() -> TransferConfig {
    let sequence = SequenceConfig {
        width: 6,
        n_heads: 2,
        n_layers: 1,
        max_len: 6,
        dropout: 0.0,
        n_negatives: 0,
        ..SequenceConfig::default()
    };
    let text =
        TextInputConfig { id_dropout: 0.5, domain_rank: 2, id_bound: 100.0, ..TextInputConfig::default() };
    TransferConfig { sequence, text, ..TransferConfig::default() }
}

// A model in which nothing is at its start.
fn stirred(world: &World, config: &TransferConfig) -> SequenceModel {
    let vectors = vectors(&world.items);
    let space = TextSpace::new(&vectors, &world.train, &world.items).expect("every item has a vector");
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let mut model = SequenceModel::with_text(
        config,
        &world.items,
        &space,
        Place { domain: TARGET, scope: Scope::All },
        &mut rng,
    )
    .expect("it has text");
    stir(&mut model.params, 0.2);
    model
}

pub(crate) fn stir(params: &mut Params, by: f32) {
    for (at, array) in params.arrays_mut().iter_mut().enumerate().filter(|(_, array)| array.trainable) {
        for (place, value) in array.values.iter_mut().enumerate() {
            *value += by * ((at * 31 + place * 17) as f32).sin();
        }
    }
}

// Some values of each trained array, the largest gradients among them.
pub(crate) fn places(
    params: &Params,
    gradient_of: impl Fn(ParamId) -> Vec<f32>,
) -> Vec<(ParamId, usize, f32, String)> {
    let mut places = Vec::new();
    for (id, array) in params.ids().zip(params.arrays()).filter(|(_, array)| array.trainable) {
        let gradient = gradient_of(id);
        let largest = (0..gradient.len()).max_by(|&a, &b| gradient[a].abs().total_cmp(&gradient[b].abs()));
        let others = [0, gradient.len() / 3, gradient.len() - 1];
        for at in largest.into_iter().chain(others) {
            places.push((id, at, gradient[at], array.name.clone()));
        }
    }
    places
}

#[test]
fn gradients_of_the_transfer_step_equal_finite_differences() {
    let world = World::new();
    let mut model = stirred(&world, &config());
    let examples = Example::all_of(&world.train, &model);
    model.count_targets(&examples);
    let batch: Vec<&Example> = examples.iter().take(12).collect();
    let key = DropoutKey::new(9);
    let mut step = SequenceStep::default();
    model.refresh_step(key);
    let mut gradients = model.params.gradients();
    step.losses(&model, &batch, key, &mut gradients);
    let names = ["adaptor.weight", "domains.0.down.weight", "domains.1.up.weight", "items", "words"];
    for name in names {
        let id = model.params.id(name).unwrap_or_else(|| panic!("no array `{name}`"));
        assert!(gradients.get(id).iter().any(|&d| d != 0.0), "`{name}` gets no gradient");
    }
    for (id, at, gradient, name) in places(&model.params.clone(), |id| gradients.get(id).to_vec()) {
        let mut loss_at = |by: f32| {
            let start = model.params.get(id)[at];
            model.params.get_mut(id)[at] = start + by;
            model.refresh_step(key);
            let mut unused = model.params.gradients();
            let loss = step.losses(&model, &batch, key, &mut unused);
            model.params.get_mut(id)[at] = start;
            loss
        };
        let expected = (loss_at(1e-2) - loss_at(-1e-2)) / 2e-2;
        let close = 2e-3 * expected.abs().max(0.1);
        assert!((f64::from(gradient) - expected).abs() < close, "{name}[{at}]: {gradient} and {expected}");
    }
}

#[test]
fn own_vectors_stay_within_their_bound_and_no_bound_means_none() {
    let world = World::new();
    for bound in [0.0, 0.25] {
        let mut config = config();
        config.text.id_bound = bound;
        let mut model = stirred(&world, &config);
        model.refresh_step(DropoutKey::new(1));
        let own = model.params.get(model.net.items);
        let longest = own.chunks_exact(6).map(|row| row.iter().map(|x| x * x).sum::<f32>().sqrt());
        let longest = longest.fold(0.0, f32::max);
        assert!(longest <= bound + 1e-6, "{longest} above {bound}");
        assert_eq!(longest > 0.0, bound > 0.0);
    }
}

const TEXTS: [&str; 6] = ["red fox runs", "blue sea", "fox", "red red blue sea", "sea runs fox", "runs runs"];

fn adaptation(encoder: &TextEncoder, config: &AdaptationConfig) -> Adaptation {
    let texts = encoder.tokens().of(&TEXTS).expect("the test's own texts");
    let descriptions = encoder
        .tokens()
        .of(&["sea", "fox fox", "blue", "red", "runs sea", "fox red"])
        .expect("the test's own texts");
    let memory = encoder.encode(&TEXTS, &|_| ()).expect("the test's own texts");
    let spectrum = Spectrum::fit(&memory, encoder.dim(), 0..TEXTS.len()).expect("six texts");
    Adaptation::new(config, ItemTokens { texts, descriptions }, memory, &spectrum, vec![0..4, 4..6])
}

fn lessons() -> Vec<Lesson> {
    let lesson = |history: &[u32], target: u32| Lesson { history: history.to_vec(), target };
    vec![lesson(&[0, 1], 2), lesson(&[3], 1), lesson(&[2, 0, 1], 3), lesson(&[4], 5)]
}

#[test]
fn gradients_of_an_adaptation_equal_finite_differences_through_all_terms() {
    let model = TinyModel::new();
    let mut encoder = TextEncoder::open(model.write(), None).expect("the test's own model");
    encoder.tune(&Tuning::Full, &mut ChaCha8Rng::seed_from_u64(2)).expect("it fits");
    let config = AdaptationConfig {
        n_live: 9,
        n_negatives: 3,
        temperature: 0.5,
        dropout: 0.2,
        duplicate_cosine: 2.0,
        simcse: 0.7,
        description: 0.4,
        ..AdaptationConfig::default()
    };
    let (lessons, key) = (lessons(), DropoutKey::new(3));
    let batch: Vec<&Lesson> = lessons.iter().collect();
    // Negatives from memory are constants, so every evaluation starts from the same memory.
    let loss_of = |encoder: &TextEncoder, gradients: &mut segue_nn::Gradients| {
        adaptation_of(&config).losses(encoder, &batch, key, gradients)
    };
    let mut gradients = encoder.params.gradients();
    loss_of(&encoder, &mut gradients);
    let mut n_seen = 0;
    for (id, at, gradient, name) in places(&encoder.params.clone(), |id| gradients.get(id).to_vec()) {
        let mut loss_at = |by: f32| {
            let start = encoder.params.get(id)[at];
            encoder.params.get_mut(id)[at] = start + by;
            let mut unused = encoder.params.gradients();
            let loss = loss_of(&encoder, &mut unused);
            encoder.params.get_mut(id)[at] = start;
            loss
        };
        let expected = (loss_at(3e-3) - loss_at(-3e-3)) / 6e-3;
        n_seen += usize::from(expected.abs() > 1e-3);
        let close = 1e-2 * expected.abs().max(0.2);
        assert!((f64::from(gradient) - expected).abs() < close, "{name}[{at}]: {gradient} and {expected}");
    }
    assert!(n_seen > 20, "{n_seen} gradients that are not 0");
}

// The same memory each time: that of the model before anything was moved.
fn adaptation_of(config: &AdaptationConfig) -> Adaptation {
    let model = TinyModel::new();
    let encoder = TextEncoder::open(model.write(), None).expect("the test's own model");
    adaptation(&encoder, config)
}

#[test]
fn an_adaptation_remembers_what_it_read_and_learns_its_lessons() {
    let model = TinyModel::new();
    let mut encoder = TextEncoder::open(model.write(), None).expect("the test's own model");
    encoder.tune(&Tuning::Full, &mut ChaCha8Rng::seed_from_u64(2)).expect("it fits");
    let config = AdaptationConfig {
        n_negatives: 3,
        dropout: 0.0,
        duplicate_cosine: 2.0,
        ..AdaptationConfig::default()
    };
    let mut adaptation = adaptation(&encoder, &config);
    let (lessons, before) = (lessons(), adaptation.memory.clone());
    let batch: Vec<&Lesson> = lessons.iter().collect();
    let config = segue_nn::adamw::AdamWConfig::default();
    let mut optimizer = segue_nn::adamw::AdamW::new(config, &encoder.params);
    let mut losses = Vec::new();
    for at in 0..40 {
        let mut gradients = encoder.params.gradients();
        losses.push(adaptation.losses(&encoder, &batch, DropoutKey::new(at), &mut gradients));
        optimizer.step(&mut encoder.params, &gradients, 3e-3, 1.0);
    }
    assert!(losses[39] < 0.5 * losses[0], "{losses:?}");
    assert_ne!(adaptation.memory, before);
}

#[test]
fn without_tags_a_long_history_has_no_interests_in_front() {
    let world = World::new();
    let mut config = config();
    config.text.tags = false;
    config.sequence.max_len = 2;
    let model = stirred(&world, &config);
    let examples = Example::all_of(&world.train, &model);
    assert!(examples.iter().any(|example| example.tokens.len() == 2));
    assert!(examples.iter().all(|example| example.tokens.len() <= 2));
}
