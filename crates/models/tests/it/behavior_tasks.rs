//! Further tasks of the sequence model: gradients equal finite differences, values come back on their own scale, and a model
//! that is read from a file says the same.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use segue_data::{Event, Sequences, TrainSet};
use segue_models::sequence::{
    Example, SequenceConfig, SequenceModel, SequenceStep, TaskConfig, shown_against,
};
use segue_models::{Expert, ExpertConfig, ExpertId, ExpertKind, Place, Query, Scope};
use segue_nn::adamw::{AdamW, AdamWConfig};
use segue_nn::dropout::DropoutKey;

use crate::world::{TARGET, World};

fn config(learned_weights: bool) -> SequenceConfig {
    let tasks = TaskConfig {
        rating: 0.7,
        click: 0.4,
        contrast: 0.3,
        click_negatives: 2,
        learned_weights,
        ..TaskConfig::default()
    };
    SequenceConfig {
        width: 6,
        n_heads: 2,
        n_layers: 1,
        max_len: 6,
        dropout: 0.2,
        n_negatives: 0,
        tasks,
        ..SequenceConfig::default()
    }
}

// Odd items are liked, even ones are not.
fn rated(train: &TrainSet) -> TrainSet {
    let rated = |event: &Event| Event { value: if event.item.0 % 2 == 1 { 5.0 } else { 2.0 }, ..*event };
    let rows: Vec<Vec<Event>> = train.sequences.rows().map(|row| row.iter().map(rated).collect()).collect();
    TrainSet { sequences: Sequences::from_rows(rows), profiles: train.profiles.clone() }
}

fn model_of(world: &World, train: &TrainSet, config: &SequenceConfig) -> SequenceModel {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let mut model =
        SequenceModel::new(config, &world.items, Place { domain: TARGET, scope: Scope::All }, &mut rng)
            .expect("settings are sound");
    model.learn_rating_biases(train);
    model
}

#[test]
fn gradients_of_all_tasks_equal_finite_differences_with_fixed_and_learned_weights() {
    let world = World::new();
    let train = rated(&world.train);
    for learned in [false, true] {
        let mut model = model_of(&world, &train, &config(learned));
        for (at, array) in model.params.arrays_mut().iter_mut().enumerate() {
            for (place, value) in array.values.iter_mut().enumerate() {
                *value += 0.2 * ((at * 31 + place * 17) as f32).sin();
            }
        }
        let examples = Example::all_of(&train, &model);
        model.count_targets(&examples);
        let batch: Vec<&Example> = examples.iter().take(9).collect();
        let key = DropoutKey::new(9);
        let mut step = SequenceStep::default();
        model.refresh_step(key);
        let mut gradients = model.params.gradients();
        step.losses(&model, &batch, key, &mut gradients);
        for (id, array) in model.params.ids().zip(model.params.arrays().to_vec()) {
            let gradient = gradients.get(id).to_vec();
            let largest =
                (0..gradient.len()).max_by(|&a, &b| gradient[a].abs().total_cmp(&gradient[b].abs()));
            for at in largest.into_iter().chain([0, gradient.len() / 3, gradient.len() - 1]) {
                let mut loss_at = |by: f32| {
                    model.params.get_mut(id)[at] = array.values[at] + by;
                    model.refresh_step(key);
                    let loss = step.losses(&model, &batch, key, &mut model.params.gradients());
                    model.params.get_mut(id)[at] = array.values[at];
                    loss
                };
                let expected = (loss_at(3e-3) - loss_at(-3e-3)) / 6e-3;
                let close = 3e-3 * expected.abs().max(0.1);
                let name = &array.name;
                assert!(
                    (f64::from(gradient[at]) - expected).abs() < close,
                    "{name}[{at}], learned {learned}: {} and {expected}",
                    gradient[at]
                );
            }
        }
        let has_gradient =
            |name: &str| gradients.get(model.params.id(name).expect(name)).iter().any(|&d| d != 0.0);
        assert!(has_gradient("tasks.rating") && has_gradient("tasks.click"));
        assert_eq!(model.params.id("tasks.log_variances").is_some(), learned);
    }
}

fn trained(world: &World, train: &TrainSet) -> SequenceModel {
    let tasks = TaskConfig { rating: 1.0, click: 1.0, ..TaskConfig::default() };
    let config = SequenceConfig { dropout: 0.0, tasks, ..config(false) };
    let mut model = model_of(world, train, &config);
    let examples = Example::all_of(train, &model);
    model.count_targets(&examples);
    let batch: Vec<&Example> = examples.iter().collect();
    let mut step = SequenceStep::default();
    let mut optimizer = AdamW::new(AdamWConfig::default(), &model.params);
    for at in 0..150 {
        let key = DropoutKey::new(at);
        model.refresh_step(key);
        let mut gradients = model.params.gradients();
        step.losses(&model, &batch, key, &mut gradients);
        optimizer.step(&mut model.params, &gradients, 0.02, 1.0);
    }
    model.trained()
}

#[test]
fn ratings_come_back_on_their_scale_what_is_chosen_is_likely_and_a_file_keeps_both() {
    let world = World::new();
    let train = rated(&world.train);
    let model = trained(&world, &train);
    let range = world.items.range(TARGET);
    let history: Vec<Event> = train.sequences.rows().next().expect("a user").to_vec();
    let query = Query { history: &history, timestamp: None, domain: TARGET, profile: &[] };
    let candidates: Vec<usize> = (0..range.len()).collect();
    let said = model.predict(&query, &candidates);
    for (candidate, prediction) in said.iter().enumerate().take(range.len() - 4) {
        let expected = if (range.start + candidate) % 2 == 1 { 5.0 } else { 2.0 };
        let rating = prediction.rating.expect("ratings are a task");
        let click = prediction.click.expect("choices are a task");
        assert!((0.0..=1.0).contains(&click));
        // What nobody has rated is known by its tags alone.
        let is_known =
            train.sequences.events().iter().any(|event| event.item.at() == range.start + candidate);
        assert!(!is_known || (rating - expected).abs() < 1.2, "{candidate}: {rating}, not {expected}");
    }
    let id = ExpertId { kind: ExpertKind::Behavior, scope: Scope::All };
    let expert = Expert::of_sequence(id, TARGET, ExpertConfig::Behavior(model.config.clone()), model.clone());
    let ExpertConfig::Behavior(config) = expert.config().clone() else { panic!("another kind") };
    let loaded = Expert::load(id, ExpertConfig::Behavior(config), &world.items, TARGET, &mut expert.save())
        .expect("its own arrays");
    assert_eq!(loaded.predict(&query, &candidates), said);
    let nobody = Query { history: &[], ..query };
    assert!(model.predict(&nobody, &[0])[0].rating.is_none());
}

#[test]
fn values_that_are_all_the_same_are_no_ratings() {
    let world = World::new();
    let model = model_of(&world, &world.train, &config(false));
    assert!(!model.predicts_ratings() && model.predicts_clicks());
    assert!(model_of(&world, &rated(&world.train), &config(false)).predicts_ratings());
}

#[test]
fn others_are_never_the_chosen_one_and_all_of_them_come_up() {
    let mut seen = [0; 5];
    for seed in 0..200 {
        let shown = shown_against(3, 5, 2, seed);
        assert_eq!((shown[0], shown.len()), (3, 3));
        shown[1..].iter().for_each(|&other| seen[other] += 1);
    }
    assert_eq!(seen[3], 0);
    assert!([0, 1, 2, 4].iter().all(|&other| seen[other] > 60), "{seen:?}");
}
