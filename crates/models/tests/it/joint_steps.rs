//! The joint model: every loss term against finite differences, what is left out stays out, weights that say what they say.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use segue_models::fusion::FusionConfig;
use segue_models::graph_links::network::NetworkConfig;
use segue_models::sequence::{
    Example, JointConfig, JointLoss, Lessons, LossForm, LossTurns, SequenceConfig, SequenceModel,
    SequenceStep, TaskConfig,
};
use segue_models::{FusionInputs, ItemVectors, Place, Query, Scope, TextSpace, TokenKind};
use segue_nn::Params;
use segue_nn::dropout::DropoutKey;

use crate::transfer_steps::{places, stir};
use crate::world::{TARGET, World, vectors};

fn config(loss: JointLoss) -> JointConfig {
    let sequence = SequenceConfig {
        width: 6,
        n_heads: 2,
        n_layers: 1,
        max_len: 6,
        dropout: 0.0,
        n_negatives: 0,
        ..SequenceConfig::default()
    };
    let fusion = FusionConfig {
        modality_dropout: 0.2,
        id_dropout: 0.3,
        id_bound: 100.0,
        n_key: 3,
        n_aligned: 9,
        ..FusionConfig::default()
    };
    let graph = NetworkConfig {
        n_neighbors: 3,
        users: true,
        n_facts: 20,
        n_negatives: 7,
        init: 0.5,
        ..NetworkConfig::default()
    };
    JointConfig { sequence, fusion, graph, loss }
}

// Every third item has no image.
fn images(world: &World) -> ItemVectors {
    let mut images = vectors(&world.items);
    for (row, values) in images.values.chunks_exact_mut(images.dim).enumerate() {
        values.reverse();
        if row % 3 == 0 {
            values.fill(0.0);
        }
    }
    images
}

// A model in which nothing is at its start.
fn stirred(world: &World, config: &JointConfig) -> SequenceModel {
    let (text, image) = (vectors(&world.items), images(world));
    let space = |vectors| TextSpace::new(vectors, &world.train, &world.items);
    let (text, image) = (space(&text), space(&image));
    let inputs =
        FusionInputs { text: text.as_ref(), image: image.as_ref(), audio: None, graph: Some(&world.graph) };
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let lessons = Lessons { train: &world.train, items: &world.items, inputs };
    let place = Place { domain: TARGET, scope: Scope::All };
    let mut model = SequenceModel::with_fusion(config, lessons, place, &mut rng).expect("it has content");
    stir(&mut model.params, 0.2);
    model
}

// The largest and some other gradients of every array that `checked` names, against finite differences of the loss.
fn check(world: &World, config: &JointConfig, checked: impl Fn(&str) -> bool) -> Params {
    let mut model = stirred(world, config);
    let examples = Example::all_of(&world.train, &model);
    model.count_targets(&examples);
    let batch: Vec<&Example> = examples.iter().take(12).collect();
    let key = DropoutKey::new(9);
    let mut step = SequenceStep::default();
    model.refresh_step(key);
    let mut gradients = model.params.gradients();
    step.losses(&model, &batch, key, &mut gradients);
    let params = model.params.clone();
    let mut n_checked = 0;
    for (id, at, gradient, name) in places(&params, |id| gradients.get(id).to_vec()) {
        if !checked(&name) {
            continue;
        }
        let mut loss_at = |by: f32| {
            let start = model.params.get(id)[at];
            model.params.get_mut(id)[at] = start + by;
            model.refresh_step(key);
            let mut unused = model.params.gradients();
            let loss = step.losses(&model, &batch, key, &mut unused);
            model.params.get_mut(id)[at] = start;
            loss
        };
        // Two step sizes, so that the third derivative cancels (Richardson).
        let mut slope = |by: f32| (loss_at(by) - loss_at(-by)) / f64::from(2.0 * by);
        let expected = (4.0 * slope(5e-3) - slope(1e-2)) / 3.0;
        let close = 3e-3 * expected.abs().max(0.1);
        assert!((f64::from(gradient) - expected).abs() < close, "{name}[{at}]: {gradient} and {expected}");
        n_checked += 1;
    }
    assert!(n_checked > 20, "{n_checked} gradients checked");
    for name in [
        "fused.text.weight",
        "fused.image.weight",
        "fused.attention.key.weight",
        "graph.nodes",
        "graph.relations",
        "items",
    ] {
        let id = params.id(name).unwrap_or_else(|| panic!("no array `{name}`"));
        assert!(gradients.get(id).iter().any(|&d| d != 0.0), "`{name}` gets no gradient");
    }
    params
}

#[test]
fn gradients_of_next_item_links_and_alignment_equal_finite_differences() {
    let world = World::new();
    let loss = JointLoss {
        form: LossForm::Rank,
        behavior: 0.0,
        graph: 0.7,
        fusion: 0.9,
        schedule: LossTurns::Together,
    };
    check(&world, &config(loss), |_| true);
}

#[test]
fn gradients_of_squared_links_and_squared_alignment_equal_finite_differences() {
    let world = World::new();
    // Without users' squared error, whose labels are item vectors that get no gradient from it.
    let loss = JointLoss {
        form: LossForm::Mse,
        behavior: 0.0,
        graph: 0.7,
        fusion: 0.9,
        schedule: LossTurns::Together,
    };
    check(&world, &config(loss), |_| true);
}

#[test]
fn gradients_of_users_squared_error_equal_finite_differences_where_labels_stay() {
    let world = World::new();
    let loss = JointLoss {
        form: LossForm::Mse,
        behavior: 0.8,
        graph: 0.0,
        fusion: 0.0,
        schedule: LossTurns::Together,
    };
    // Whatever is part of an item's vector moves the labels, too.
    check_users(&world, &config(loss));
}

fn check_users(world: &World, config: &JointConfig) {
    let users_only = |name: &str| {
        name.starts_with("blocks")
            || name.starts_with("norm")
            || ["positions", "gaps", "domains", "asked"].contains(&name)
    };
    check(world, config, users_only);
}

#[test]
fn squared_errors_pull_users_towards_what_they_did_next() {
    let world = World::new();
    let loss = JointLoss {
        form: LossForm::Mse,
        behavior: 1.0,
        graph: 0.0,
        fusion: 0.0,
        schedule: LossTurns::Together,
    };
    let mut config = config(loss);
    config.sequence.tasks = TaskConfig { next_item: 1e-6, ..TaskConfig::default() };
    let mut model = stirred(&world, &config);
    let examples = Example::all_of(&world.train, &model);
    model.count_targets(&examples);
    let batch: Vec<&Example> = examples.iter().collect();
    let mut step = SequenceStep::default();
    let key = DropoutKey::new(3);
    let mut losses = Vec::new();
    for _ in 0..60 {
        model.refresh_step(key);
        let mut gradients = model.params.gradients();
        losses.push(step.losses(&model, &batch, key, &mut gradients));
        for id in model.params.ids() {
            let gradient = gradients.get(id).to_vec();
            segue_nn::add_scaled(model.params.get_mut(id), -0.05, &gradient);
        }
    }
    assert!(losses[59] < 0.85 * losses[0], "{losses:?}");
}

#[test]
fn weights_sum_to_one_over_what_is_there_and_a_token_left_out_counts_nothing() {
    let world = World::new();
    let model = stirred(&world, &config(JointLoss::default())).trained();
    let fused = model.input.fused().expect("it is fused");
    let kinds = [TokenKind::Text, TokenKind::Image, TokenKind::Graph, TokenKind::Id];
    assert_eq!(fused.kinds(), kinds);
    for row in 0..model.rows.n_rows() {
        let weights = fused.weights(row);
        assert!((weights.iter().sum::<f32>() - 1.0).abs() < 1e-5, "row {row}: {weights:?}");
        assert_eq!(weights[1] == 0.0, row % 3 == 0, "row {row}: an image weighs where there is one");
    }
    for (at, kind) in kinds.into_iter().enumerate() {
        let without = model.without_token(kind).expect("it has such tokens");
        let fused = without.input.fused().expect("it is fused");
        for row in 0..model.rows.n_rows() {
            let weights = fused.weights(row);
            assert!(weights[at] == 0.0 && (weights.iter().sum::<f32>() - 1.0).abs() < 1e-5, "{weights:?}");
        }
    }
    assert!(model.without_token(TokenKind::Audio).is_none(), "there is no sound to leave out");
}

#[test]
fn the_effect_of_a_token_is_the_score_with_it_minus_the_score_without_it() {
    let world = World::new();
    let model = stirred(&world, &config(JointLoss::default())).trained();
    let n_candidates = model.rows.candidates().len();
    let mut n_against = 0;
    for history in world.histories().iter().filter(|history| !history.is_empty()) {
        let query = Query { domain: TARGET, history, profile: &[], timestamp: Some(1_000_000_000) };
        let user = model.user_vector(&query).expect("there are events");
        let scores_of = |model: &SequenceModel| {
            let mut scores = vec![0.0; n_candidates];
            model.score_vector(&user, &mut scores);
            scores
        };
        let with = scores_of(&model);
        // The same user: the items of the history keep their tokens.
        let without = TokenKind::ALL.map(|kind| model.without_token(kind).map(|model| scores_of(&model)));
        for (candidate, with) in with.iter().enumerate() {
            let effects = model.token_effects(&query, candidate);
            assert!((effects.iter().map(|effect| effect.weight).sum::<f32>() - 1.0).abs() < 1e-5);
            for effect in effects {
                let without = without[effect.token as usize].as_ref().expect("it has such tokens");
                let expected = with - without[candidate];
                assert!(
                    (effect.effect - expected).abs() < 1e-4 * (1.0 + with.abs()),
                    "{effect:?}: {expected}"
                );
                n_against += usize::from(effect.effect < 0.0);
            }
        }
    }
    assert!(n_against > 0, "some tokens speak against an item");
}

#[test]
fn alternating_steps_are_of_the_task_alone_or_of_links_and_alignment_alone() {
    let world = World::new();
    let weighed = |graph: f32, fusion: f32, schedule: LossTurns| {
        config(JointLoss { form: LossForm::Rank, behavior: 0.0, graph, fusion, schedule })
    };
    let step_of = |config: &JointConfig, key: DropoutKey| {
        let mut model = stirred(&world, config);
        let examples = Example::all_of(&world.train, &model);
        model.count_targets(&examples);
        let batch: Vec<&Example> = examples.iter().take(12).collect();
        model.refresh_step(key);
        let mut gradients = model.params.gradients();
        let loss = SequenceStep::default().losses(&model, &batch, key, &mut gradients);
        let moves = |name: &str| {
            let id = model.params.id(name).unwrap_or_else(|| panic!("no array `{name}`"));
            gradients.get(id).iter().any(|&d| d != 0.0)
        };
        (loss, moves("positions"), moves("graph.nodes"))
    };
    let (mut n_task, mut n_sides) = (0, 0);
    for at in 0..12 {
        let key = DropoutKey::new(at);
        let (loss, moves_positions, moves_graph) = step_of(&weighed(0.7, 0.9, LossTurns::Alternating), key);
        assert!(moves_graph, "both ways lead to the graph");
        let task = step_of(&weighed(0.0, 0.0, LossTurns::Together), key).0;
        let both = step_of(&weighed(0.7, 0.9, LossTurns::Together), key).0;
        if moves_positions {
            n_task += 1;
            assert!((loss - task).abs() < 1e-9, "{loss} and {task}");
        } else {
            n_sides += 1;
            assert!((loss - (both - task)).abs() < 1e-4 * both.abs(), "{loss} of {both} without {task}");
        }
    }
    assert!(n_task > 2 && n_sides > 2, "{n_task} steps of the task, {n_sides} of the others");
}
