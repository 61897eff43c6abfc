//! Models of a graph: rules that facts follow are learned, facts without a rule are not, and a repetition repeats.

use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use segue_data::{EntityIdx, Facts, Question, RelationIdx, Triple};
use segue_eval::links::{LinkFigures, rank_links};
use segue_models::graph_links::{GraphConfig, GraphModel, ScoreFunction};
use segue_train::graph_fit::{GraphMaterial, GraphPlan, fit_graph, fit_members};
use segue_train::learn::Epoch;
use segue_train::{Keeping, TrainError};

const SIDE: u32 = 8;
const N_ENTITIES: usize = (SIDE * SIDE) as usize;
const N_RELATIONS: usize = 6;

struct Split {
    train: Vec<Triple>,
    valid: Vec<Triple>,
    test: Vec<Triple>,
}

impl Split {
    fn of(mut facts: Vec<Triple>) -> Self {
        facts.shuffle(&mut ChaCha8Rng::seed_from_u64(1));
        let test = facts.split_off(facts.len() * 8 / 10);
        let (valid, test) = test.split_at(test.len() / 2);
        Self { train: facts, valid: valid.to_vec(), test: test.to_vec() }
    }

    fn material<'a>(&'a self, filter: &'a Facts) -> GraphMaterial<'a> {
        let (train, valid) = (&self.train, &self.valid);
        GraphMaterial { n_entities: N_ENTITIES, n_relations: N_RELATIONS, train, valid, filter }
    }

    fn all(&self) -> Facts {
        Facts::of(self.train.iter().chain(&self.valid).chain(&self.test).copied())
    }
}

fn fact(head: u32, relation: u32, tail: u32) -> Triple {
    Triple { head: EntityIdx(head), relation: RelationIdx(relation), tail: EntityIdx(tail) }
}

// Steps on a grid: each relation is the sum of others.
fn grid() -> Split {
    const STEPS: [(u32, u32); N_RELATIONS] = [(1, 0), (0, 1), (1, 1), (2, 0), (0, 2), (2, 1)];
    let mut facts = Vec::new();
    for (relation, (right, down)) in STEPS.into_iter().enumerate() {
        for (x, y) in (0..SIDE * SIDE).map(|at| (at % SIDE, at / SIDE)) {
            if x + right < SIDE && y + down < SIDE {
                facts.push(fact(y * SIDE + x, relation as u32, (y + down) * SIDE + x + right));
            }
        }
    }
    Split::of(facts)
}

fn random() -> Split {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let mut entity = |n: usize| rng.random_range(0..n as u32);
    Split::of((0..1_000).map(|_| fact(entity(N_ENTITIES), entity(N_RELATIONS), entity(N_ENTITIES))).collect())
}

fn plan(function: ScoreFunction) -> GraphPlan {
    let default = GraphPlan::of(function);
    let config = GraphConfig { dim: 32, ..default.config };
    GraphPlan { config, batch: 64, epochs: 60, patience: 20, ..default }
}

fn fit(plan: &GraphPlan, split: &Split) -> Result<(GraphModel, Vec<Epoch>), TrainError> {
    fit_graph(plan, split.material(&split.all()), Keeping::nothing(), |_| ())
}

fn test_mrr(model: &GraphModel, split: &Split) -> f64 {
    let score = |questions: &[Question], scores: &mut [f32]| model.score(questions, scores);
    let ranks = rank_links(&split.test, &split.all(), N_ENTITIES, score).expect("it can be learned");
    LinkFigures::of(&ranks).expect("there are facts").mrr
}

// The mean reciprocal rank of a random order.
fn chance() -> f64 {
    (1..=N_ENTITIES).map(|rank| 1.0 / rank as f64).sum::<f64>() / N_ENTITIES as f64
}

#[test]
fn every_function_learns_steps_on_a_grid() {
    for function in ScoreFunction::ALL {
        let split = grid();
        let (model, curve) = fit(&plan(function), &split).unwrap();
        let mrr = test_mrr(&model, &split);
        let name = function.name();
        assert!(mrr > 5.0 * chance(), "{name}: MRR {mrr:.3}, chance {:.3}", chance());
        assert!(curve.last().unwrap().loss < curve[0].loss, "{name}");
    }
}

#[test]
fn members_differ_and_know_together_what_one_knows() {
    let split = grid();
    let filter = split.all();
    let material = split.material(&filter);
    // So short that one model alone still errs.
    let settings = plan(ScoreFunction::ComplEx);
    let config = GraphConfig { dim: 3, ..settings.config };
    let plan = GraphPlan { config, epochs: 6, ..settings };
    let fit = |n| fit_members(&plan, n, material, Keeping::nothing(), |_, _| ());
    let one = fit(1).unwrap();
    let three = fit(3).unwrap();
    assert!(one.model == fit_graph(&plan, material, Keeping::nothing(), |_| ()).unwrap().0);
    assert_eq!(three.curves[0], one.curves[0]);
    assert!(three.curves[1] != three.curves[0]);
    assert!(three.model == fit(3).unwrap().model);
    let (mrr, alone) = (three.valid_mrr.unwrap(), one.valid_mrr.unwrap());
    assert!(mrr > alone, "three {mrr:.4}, one {alone:.4}");
    assert!(fit(0).is_err());
}

#[test]
fn random_facts_stay_at_chance() {
    for function in ScoreFunction::ALL {
        let split = random();
        let (model, _) = fit(&plan(function), &split).unwrap();
        let mrr = test_mrr(&model, &split);
        assert!(mrr < 1.6 * chance(), "{}: MRR {mrr:.3}, chance {:.3}", function.name(), chance());
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes_at_any_thread_count() {
    let split = grid();
    let settings = plan(ScoreFunction::ComplEx);
    let config = GraphConfig { dropout: 0.2, relation_weight: 0.5, ..settings.config };
    let settings = GraphPlan { config, epochs: 5, ..settings };
    let run = |n_threads: usize, seed: u64| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().unwrap();
        pool.install(|| fit(&GraphPlan { seed, ..settings }, &split).unwrap())
    };
    assert!(run(1, 7) == run(3, 7));
    assert!(run(1, 7).0 != run(1, 8).0);
}

#[test]
fn settings_out_of_range_and_a_graph_without_facts_are_refused() {
    let settings = plan(ScoreFunction::ComplEx);
    let refused = |plan: GraphPlan, split: &Split| {
        let error = fit(&plan, split).unwrap_err().to_string();
        assert!(error.contains("hint:"), "{error}");
    };
    let with = |config| GraphPlan { config, ..settings };
    let config = settings.config;
    refused(with(GraphConfig { dim: 0, ..config }), &grid());
    refused(with(GraphConfig { dropout: 1.0, ..config }), &grid());
    refused(with(GraphConfig { n3: f32::NAN, ..config }), &grid());
    refused(with(GraphConfig { relation_weight: -1.0, ..config }), &grid());
    refused(GraphPlan { rate: 0.0, ..settings }, &grid());
    refused(GraphPlan { batch: 0, ..settings }, &grid());
    refused(settings, &Split { train: Vec::new(), ..grid() });
}
