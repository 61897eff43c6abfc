//! What is known about users in front of their events: read where it is known, never needed, and with right gradients.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use segue_data::{Event, Sequences, TrainSet};
use segue_models::sequence::{Example, NO_TARGET, SequenceConfig, SequenceModel, SequenceStep};
use segue_models::{Expert, ExpertConfig, ExpertId, ExpertKind, Place, Scope, Tensors};
use segue_nn::dropout::DropoutKey;

use crate::world::{N_BOOKS, Subject, TARGET, World};

const MAX_LEN: usize = 6;

fn config() -> SequenceConfig {
    SequenceConfig {
        width: 8,
        n_heads: 2,
        n_layers: 1,
        max_len: MAX_LEN,
        profile_tokens: true,
        dropout: 0.0,
        profile_dropout: 0.0,
        ..SequenceConfig::default()
    }
}

fn model(world: &World, config: &SequenceConfig, scope: Scope) -> SequenceModel {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let mut model = SequenceModel::new(config, &world.items, Place { domain: TARGET, scope }, &mut rng)
        .expect("fitting settings");
    model.read_profiles(world.train.profiles.n_values(), &mut rng);
    model
}

fn expert(world: &World, config: SequenceConfig) -> Expert {
    let id = ExpertId { kind: ExpertKind::Behavior, scope: Scope::All };
    let subject = Subject { id, config: ExpertConfig::Behavior(config), name: "profiles".into() };
    world.fit(&subject).expect("there are sequences")
}

#[test]
fn somebody_without_events_gets_scores_from_what_is_known() {
    let world = World::new();
    let expert = expert(&world, config());
    let n_values = world.train.profiles.n_values() as u32;
    assert_eq!(expert.n_profile_values(), n_values as usize);
    let red = world.scores_for(&expert, &[], &[0]);
    assert!(red.iter().any(|&score| score != 0.0) && red.iter().all(|score| score.is_finite()));
    assert_ne!(red, world.scores_for(&expert, &[], &[1]));
    assert_eq!(world.scores_for(&expert, &[], &[]), [0.0; N_BOOKS]);
    assert_eq!(world.scores_for(&expert, &[], &[n_values, u32::MAX]), [0.0; N_BOOKS], "ids without a vector");
    let history = &world.histories()[0];
    assert_ne!(world.scores_for(&expert, history, &[0]), world.scores(&expert, history));
}

#[test]
fn a_model_that_does_not_read_profiles_is_the_same_with_and_without_them() {
    let world = World::new();
    let off = SequenceConfig { profile_tokens: false, ..config() };
    let with = expert(&world, off.clone());
    let mut bare = World::new();
    bare.train = TrainSet { sequences: world.train.sequences.clone(), ..TrainSet::default() };
    assert!(with == expert(&bare, off), "profiles in the data change nothing");
    let history = &world.histories()[0];
    assert_eq!(world.scores_for(&with, history, &[0]), world.scores(&with, history));
    // Asked for, but nothing is known about anybody: the settings say so afterwards.
    let ExpertConfig::Behavior(found) = expert(&bare, config()).config().clone() else {
        panic!("other settings")
    };
    assert!(!found.profile_tokens);
}

#[test]
fn settings_and_arrays_of_before_profiles_are_read_as_ever() {
    let world = World::new();
    let old = SequenceConfig { profile_tokens: false, ..config() };
    let mut json = serde_json::to_value(&old).unwrap();
    for name in ["profile_tokens", "profile_dropout"] {
        assert!(json.as_object_mut().unwrap().remove(name).is_some());
    }
    let read: SequenceConfig = serde_json::from_value(json).unwrap();
    assert!(!read.profile_tokens);
    let fitted = expert(&world, old);
    let bytes = fitted.save().to_bytes().unwrap();
    let mut tensors = Tensors::from_bytes(&bytes).unwrap();
    let back =
        Expert::load(fitted.id, ExpertConfig::Behavior(read), &world.items, TARGET, &mut tensors).unwrap();
    assert_eq!(back.n_profile_values(), 0);
    let history = &world.histories()[0];
    assert_eq!(world.scores(&back, history), world.scores(&fitted, history));
}

#[test]
fn the_last_known_value_predicts_the_first_event_and_tags_of_later_stretches_predict_nothing() {
    let world = World::new();
    let model = model(&world, &config(), Scope::All);
    let one = vec![world.train.sequences.row(0)[0]];
    let short: Vec<Event> = world.train.sequences.row(1)[..3].to_vec();
    let long = world.train.sequences.row(2).to_vec();
    let unknown = long.clone();
    let rows = vec![one, short, long.clone(), Vec::new(), Vec::new(), unknown];
    let train = TrainSet { sequences: Sequences::from_rows(rows), profiles: world.train.profiles.clone() };
    let examples = Example::all_of(&train, &model);
    let row = |event: &Event| model.rows.row(event).unwrap() as u32;
    let n = train.profiles.get(0).len();
    assert!(n >= 2 && train.profiles.get(5).is_empty());
    assert_eq!((examples[0].tokens.len(), examples[0].next[n - 1]), (n, row(&train.sequences.row(0)[0])));
    let next: Vec<u32> = train.sequences.row(1).iter().map(row).collect();
    assert_eq!(examples[1].next[..n - 1], vec![NO_TARGET; n - 1]);
    assert_eq!(examples[1].next[n - 1..], next);
    // The newest stretch of a long sequence has its profile, and no loss on it.
    assert!(long.len() > MAX_LEN + 1);
    let n_front = examples[2].next.len() - MAX_LEN;
    assert!(n_front >= n && examples[2].next[..n_front].iter().all(|&next| next == NO_TARGET));
    let with_first = |example: &&Example| example.next[n - 1] == row(&long[0]);
    assert_eq!(examples[2..].iter().filter(with_first).count(), 1, "the first event is learned once");
    let of_unknown = examples.last().unwrap();
    assert!(
        of_unknown
            .tokens
            .iter()
            .all(|token| (token.item as usize) < model.rows.n_rows() + model.words.n_words())
    );
}

#[test]
fn gradients_of_a_step_agree_with_finite_differences_in_every_array() {
    let world = World::new();
    let config = SequenceConfig { init: 0.3, n_negatives: 0, source_weight: 0.5, ..config() };
    let mut model = model(&world, &config, Scope::All);
    let examples = Example::all_of(&world.train, &model);
    model.count_targets(&examples);
    let batch: Vec<&Example> = examples.iter().step_by(7).collect();
    let first = model.rows.n_rows() + model.words.n_words();
    let is_known = |example: &&&Example| example.tokens[0].item as usize >= first;
    let n_known = batch.iter().filter(is_known).count();
    assert!(0 < n_known && n_known < batch.len(), "with and without a profile: {n_known}");
    let mut step = SequenceStep::default();
    let mut loss = |model: &SequenceModel| {
        let mut gradients = model.params.gradients();
        let loss = step.losses(model, &batch, DropoutKey::new(0), &mut gradients);
        (loss, gradients)
    };
    let (_, gradients) = loss(&model);
    let mut n_compared = 0;
    for id in model.params.ids().collect::<Vec<_>>() {
        let name =
            model.params.arrays()[model.params.ids().position(|other| other == id).unwrap()].name.clone();
        let analytic = gradients.get(id).to_vec();
        // All events are of one kind, which has no vector.
        assert_eq!(analytic.iter().any(|&g| g != 0.0), name != "kinds", "{name}");
        for at in (0..analytic.len()).step_by(1 + analytic.len() / 16) {
            let before = model.params.get(id)[at];
            let mut moved = |by: f32| {
                model.params.get_mut(id)[at] = before + by;
                model.refresh();
                loss(&model).0
            };
            let numeric = (moved(4e-3) - moved(-4e-3)) / 8e-3;
            moved(0.0);
            let scale = 4e-4 + 0.02 * numeric.abs().max(f64::from(analytic[at]).abs());
            let difference = (numeric - f64::from(analytic[at])).abs();
            assert!(difference < scale, "{name}[{at}]: {}, by differences {numeric}", analytic[at]);
            n_compared += 1;
        }
    }
    assert!(n_compared > 150, "{n_compared}");
}

#[test]
fn values_are_left_out_in_training_by_the_key_alone() {
    let world = World::new();
    let model = model(&world, &SequenceConfig { profile_dropout: 0.5, ..config() }, Scope::All);
    let mut model = model;
    let examples = Example::all_of(&world.train, &model);
    model.count_targets(&examples);
    let batch: Vec<&Example> = examples.iter().collect();
    let mut step = SequenceStep::default();
    let mut loss =
        |key: u64| step.losses(&model, &batch, DropoutKey::new(key), &mut model.params.gradients());
    let first = loss(1);
    assert_eq!(first, loss(1));
    assert_ne!(first, loss(2), "another step leaves out other values; nothing else is drawn here");
}
