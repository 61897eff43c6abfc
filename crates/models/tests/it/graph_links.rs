//! Models of a graph: scores are those of the definitions, gradients those of the losses, bytes the same at any thread count.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use segue_data::{EntityIdx, Facts, Question, RelationIdx, Triple};
use segue_models::Tensors;
use segue_models::graph_links::{
    Batch, GraphConfig, GraphModel, GraphSize, GraphStep, Lesson, ScoreFunction,
};
use segue_nn::Gradients;
use segue_nn::dropout::DropoutKey;

const N_ENTITIES: usize = 9;
const N_RELATIONS: usize = 2;
const SIZE: GraphSize = GraphSize { n_entities: N_ENTITIES, n_relations: N_RELATIONS };

fn config(function: ScoreFunction) -> GraphConfig {
    GraphConfig { function, dim: 4, n3: 0.0, relation_weight: 0.0, dropout: 0.0 }
}

// Vectors of ordinary length, unlike those of a model that has just been made.
fn model(config: GraphConfig) -> GraphModel {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let mut model = GraphModel::new(config, SIZE, &mut rng).expect("settings are sound");
    for array in model.params.arrays_mut() {
        let sum: f32 = array.values.iter().map(|x| x * x).sum();
        let deviation = (sum / array.values.len() as f32).sqrt();
        array.values.iter_mut().for_each(|x| *x *= 0.7 / deviation);
    }
    model
}

fn facts() -> Vec<Triple> {
    let fact = |(head, relation, tail): (u32, u32, u32)| Triple {
        head: EntityIdx(head),
        relation: RelationIdx(relation),
        tail: EntityIdx(tail),
    };
    [(0, 0, 1), (0, 0, 2), (0, 1, 3), (1, 0, 1), (4, 1, 5), (6, 0, 2), (6, 1, 8), (7, 1, 0), (0, 0, 8)]
        .map(fact)
        .to_vec()
}

fn lessons(most: usize) -> Vec<Lesson> {
    Lesson::all_of(&Facts::of(facts()), most)
}

fn loss(model: &GraphModel, lessons: &[Lesson], gradients: &mut Gradients) -> f64 {
    let lessons: Vec<&Lesson> = lessons.iter().collect();
    let batch = Batch { lessons: &lessons, scale: 0.5 };
    GraphStep::default().losses(model, batch, DropoutKey::new(3), gradients)
}

fn row<'a>(model: &'a GraphModel, name: &str, at: usize) -> &'a [f32] {
    let array = model.params.arrays().iter().find(|array| array.name == name).expect(name);
    &array.values[at * array.shape[1]..][..array.shape[1]]
}

// The published formula, number by number.
fn defined_score(model: &GraphModel, head: usize, relation: usize, tail: usize) -> f64 {
    let (h, r, t) =
        (row(model, "entities", head), row(model, "relations", relation), row(model, "entities", tail));
    let dim = model.config.dim;
    let real = |x: &[f32], k: usize| f64::from(x[k]);
    let imaginary = |x: &[f32], k: usize| f64::from(x[dim + k]);
    let term = |k: usize| match model.config.function {
        ScoreFunction::DistMult => real(h, k) * real(r, k) * real(t, k),
        ScoreFunction::TransE => -(real(h, k) + real(r, k) - real(t, k)).abs(),
        ScoreFunction::ComplEx => {
            let (x, y) = (
                real(h, k) * real(r, k) - imaginary(h, k) * imaginary(r, k),
                real(h, k) * imaginary(r, k) + imaginary(h, k) * real(r, k),
            );
            x * real(t, k) + y * imaginary(t, k)
        }
        ScoreFunction::RotatE => {
            let (sin, cos) = real(r, k).sin_cos();
            let x = real(h, k) * cos - imaginary(h, k) * sin - real(t, k);
            let y = real(h, k) * sin + imaginary(h, k) * cos - imaginary(t, k);
            -x.hypot(y)
        }
    };
    (0..dim).map(term).sum()
}

fn log_sum(scores: &[f64]) -> f64 {
    scores.iter().map(|score| score.exp()).sum::<f64>().ln()
}

#[test]
fn scores_are_those_of_the_definitions_in_both_directions() {
    for function in ScoreFunction::ALL {
        let model = model(config(function));
        let questions = [(3, 1, false), (8, 0, true)].map(|(anchor, relation, inverse)| Question {
            anchor: EntityIdx(anchor),
            relation: RelationIdx(relation),
            inverse,
        });
        let mut scores = vec![0.0; 2 * N_ENTITIES];
        model.score(&questions, &mut scores);
        for tail in 0..N_ENTITIES {
            let expected = [defined_score(&model, 3, 1, tail), defined_score(&model, 8, N_RELATIONS, tail)];
            let received = [scores[tail], scores[N_ENTITIES + tail]].map(f64::from);
            let close = expected.iter().zip(received).all(|(a, b)| (a - b).abs() < 1e-5);
            assert!(close, "{}: {received:?} instead of {expected:?}", function.name());
        }
    }
}

#[test]
fn models_put_together_score_by_their_mean() {
    for function in ScoreFunction::ALL {
        let members = [1, 2, 3].map(|seed| {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            GraphModel::new(config(function), SIZE, &mut rng).unwrap()
        });
        let together = GraphModel::together(&members).unwrap();
        assert_eq!(together.config.dim, 3 * members[0].config.dim);
        for inverse in [false, true] {
            let question = Question { anchor: EntityIdx(3), relation: RelationIdx(1), inverse };
            let scores = |model: &GraphModel| {
                let mut scores = vec![0.0; N_ENTITIES];
                model.score(&[question], &mut scores);
                scores
            };
            let (joined, alone) = (scores(&together), members.each_ref().map(scores));
            for entity in 0..N_ENTITIES {
                let mean = alone.iter().map(|scores| scores[entity]).sum::<f32>() / 3.0;
                let apart = (joined[entity] - mean).abs();
                assert!(
                    apart < 1e-5 * mean.abs().max(1e-3),
                    "{}: {} instead of {mean}",
                    function.name(),
                    joined[entity]
                );
            }
        }
    }
}

#[test]
fn models_of_other_settings_or_sizes_are_not_put_together() {
    let one = model(config(ScoreFunction::ComplEx));
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let larger =
        GraphModel::new(one.config, GraphSize { n_entities: N_ENTITIES + 1, ..SIZE }, &mut rng).unwrap();
    let other = GraphConfig { n3: one.config.n3 + 1.0, ..one.config };
    let other = GraphModel::new(other, SIZE, &mut rng).unwrap();
    assert!(GraphModel::together(&[]).is_err());
    assert!(GraphModel::together(&[one.clone(), larger]).is_err());
    assert!(GraphModel::together(&[one, other]).is_err());
}

#[test]
fn the_loss_is_that_of_every_fact_alone() {
    for function in ScoreFunction::ALL {
        let config = GraphConfig { n3: 0.1, relation_weight: 0.5, ..config(function) };
        let model = model(config);
        let mut expected = 0.0;
        for fact in facts() {
            let (head, relation, tail) =
                (fact.head.0 as usize, fact.relation.0 as usize, fact.tail.0 as usize);
            for (anchor, relation, answer) in [(head, relation, tail), (tail, relation + N_RELATIONS, head)] {
                let score = |entity| defined_score(&model, anchor, relation, entity);
                let entities: Vec<f64> = (0..N_ENTITIES).map(score).collect();
                let score = |relation| defined_score(&model, anchor, relation, answer);
                let relations: Vec<f64> = (0..2 * N_RELATIONS).map(score).collect();
                expected += log_sum(&entities) - entities[answer];
                expected += 0.5 * (log_sum(&relations) - relations[relation]);
                let penalty = |name, at| defined_penalty(&model, row(&model, name, at));
                expected += 0.1 * (penalty("entities", anchor) + penalty("entities", answer));
                if function != ScoreFunction::RotatE {
                    expected += 0.1 * penalty("relations", relation);
                }
            }
        }
        for most in [1, 2, 8] {
            let received = loss(&model, &lessons(most), &mut model.params.gradients());
            let name = function.name();
            assert!(
                (received / (0.5 * expected) - 1.0).abs() < 1e-5,
                "{name}: {received}, {}",
                0.5 * expected
            );
        }
    }
}

fn defined_penalty(model: &GraphModel, row: &[f32]) -> f64 {
    let row: Vec<f64> = row.iter().map(|&x| f64::from(x)).collect();
    match model.config.function {
        ScoreFunction::TransE => row.iter().map(|x| x * x).sum(),
        ScoreFunction::DistMult => row.iter().map(|x| x.abs().powi(3)).sum(),
        _ => (0..row.len() / 2).map(|k| row[k].hypot(row[row.len() / 2 + k]).powi(3)).sum(),
    }
}

#[test]
fn every_gradient_is_the_slope_of_the_loss() {
    for function in ScoreFunction::ALL {
        let plain = config(function);
        let terms = [
            ("entities", plain),
            ("relations too", GraphConfig { relation_weight: 0.7, ..plain }),
            ("regularized", GraphConfig { n3: 0.3, ..plain }),
            ("dropped", GraphConfig { dropout: 0.3, relation_weight: 0.7, n3: 0.3, ..plain }),
        ];
        for (term, config) in terms {
            let mut model = model(config);
            let lessons = lessons(2);
            let mut gradients = model.params.gradients();
            loss(&model, &lessons, &mut gradients);
            for at in 0..2 {
                let received = gradients.arrays()[at].clone();
                let mut apart = 0.0;
                for (k, received) in received.iter().enumerate() {
                    let slope = slope(&mut model, &lessons, at, k);
                    apart += (slope - f64::from(*received)).powi(2);
                }
                let length: f64 = received.iter().map(|x| f64::from(x * x)).sum();
                let name = function.name();
                assert!(length > 1e-4, "{name}, {term}, array {at}: no gradient");
                assert!(
                    (apart / length).sqrt() < 5e-3,
                    "{name}, {term}, array {at}: {}",
                    (apart / length).sqrt()
                );
            }
        }
    }
}

fn slope(model: &mut GraphModel, lessons: &[Lesson], array: usize, k: usize) -> f64 {
    // Short, so that no difference of a distance steps over its kink at zero.
    const STEP: f32 = 5e-4;
    let before = model.params.arrays()[array].values[k];
    let mut at = |x: f32| {
        model.params.arrays_mut()[array].values[k] = x;
        loss(model, lessons, &mut model.params.gradients())
    };
    let difference = at(before + STEP) - at(before - STEP);
    at(before);
    difference / f64::from((before + STEP) - (before - STEP))
}

#[test]
fn loss_and_gradient_have_the_same_bytes_at_any_thread_count() {
    for function in ScoreFunction::ALL {
        let config = GraphConfig { n3: 0.1, relation_weight: 0.5, dropout: 0.2, ..config(function) };
        let model = model(config);
        let run = |n_threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().unwrap();
            let mut gradients = model.params.gradients();
            (pool.install(|| loss(&model, &lessons(2), &mut gradients)), gradients)
        };
        assert!(run(1) == run(3), "{}", function.name());
    }
}

#[test]
fn a_model_has_the_same_bytes_after_saving_and_other_sizes_are_refused() {
    for function in ScoreFunction::ALL {
        let model = model(config(function));
        let mut tensors = Tensors::new();
        model.save(&mut tensors);
        let load = |config, sizes| GraphModel::load(config, sizes, &mut tensors.clone());
        let back = load(model.config, SIZE).unwrap();
        assert!(back.params.arrays().iter().zip(model.params.arrays()).all(|(a, b)| a.values == b.values));
        assert!(load(model.config, GraphSize { n_entities: N_ENTITIES + 1, ..SIZE }).is_err());
        assert!(load(model.config, GraphSize { n_relations: N_RELATIONS + 1, ..SIZE }).is_err());
        assert!(load(GraphConfig { dim: 5, ..model.config }, SIZE).is_err());
        assert!(load(GraphConfig { dim: 0, ..model.config }, SIZE).is_err());
        assert!(load(model.config, GraphSize { n_entities: usize::MAX, ..SIZE }).is_err());
    }
}
