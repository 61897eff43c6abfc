//! The behavior expert learns what follows what, knows nothing where there is nothing to know, and repeats exactly.

use segue_eval::leak::ChanceCheck;
use segue_models::behavior::BehaviorConfig;
use segue_models::{Expert, ExpertConfig, ExpertId, ExpertKind, Query, Scope};
use segue_train::behavior_fit::{Lessons, Validation, fit_behavior};
use segue_train::judge::mean;
use segue_train::learn::Epoch;
use segue_train::{Judge, Keeping, Objective};

use crate::story::{Stage, Story, TARGET};

fn small() -> BehaviorConfig {
    BehaviorConfig {
        width: 16,
        n_heads: 2,
        n_layers: 1,
        max_len: 20,
        dropout: 0.1,
        max_epochs: 12,
        ..BehaviorConfig::default()
    }
}

fn trained(stage: &Stage, config: &BehaviorConfig, scope: Scope) -> (Expert, Vec<Epoch>) {
    let id = ExpertId { kind: ExpertKind::Behavior, scope };
    let judge = stage.valid();
    let valid = Validation { judge: &judge, objective: Objective::Masked };
    let data = Lessons { train: &stage.split.train, items: &stage.dataset.items, text_space: None };
    let config = ExpertConfig::Behavior(config.clone());
    fit_behavior((id, TARGET), &config, data, Some(valid), 0, (Keeping::nothing(), |_| ()))
        .expect("the data can be learned")
}

fn ndcg(stage: &Stage, judge: &Judge<'_>, expert: &Expert) -> f64 {
    let score = |query: &Query<'_>, scores: &mut [f32]| expert.score(query, &stage.dataset.items, scores);
    mean(&judge.ndcg(Objective::Masked, score).expect("scores are finite"))
}

#[test]
fn it_learns_the_taste_and_other_domains_make_it_better() {
    let stage = Story { n_users: 800, ..Story::default() }.stage();
    let (own, curve) = trained(&stage, &small(), Scope::Target);
    assert!(curve.first().unwrap().loss > curve.last().unwrap().loss + 0.2, "{curve:?}");
    let (mixed, _) = trained(&stage, &small(), Scope::All);
    let popularity = ExpertId { kind: ExpertKind::Popularity, scope: Scope::Target };
    let at = stage.unsearched().experts.into_iter().find(|expert| expert.id == popularity).unwrap();
    let test = stage.test();
    let [popularity, own, mixed] = [&at, &own, &mixed].map(|expert| ndcg(&stage, &test, expert));
    assert!(own > popularity && mixed > 1.2 * own, "popularity {popularity}, own {own}, mixed {mixed}");
}

#[test]
fn random_targets_are_hit_at_chance() {
    let stage = Story { n_users: 600, ..Story::default() }.stage();
    let (expert, _) = trained(&stage, &small(), Scope::Target);
    let test = stage.test();
    let score = |query: &Query<'_>, scores: &mut [f32]| expert.score(query, &stage.dataset.items, scores);
    let masked: Vec<&[u32]> = test.masked().iter().map(Vec::as_slice).collect();
    let check =
        segue_eval::leak::random_target_check(crate::story::N_ITEMS, &masked, 7, |case, _, scores| {
            score(&test.query(case), scores);
        });
    let check: ChanceCheck = check.expect("scores are finite");
    assert!(check.passes(), "{check:?}");
}

#[test]
fn one_two_and_four_threads_give_the_same_bytes_and_a_refit_repeats_the_passes() {
    let stage = Story { n_users: 300, ..Story::default() }.stage();
    let config = BehaviorConfig { max_epochs: 3, n_negatives: 40, ..small() };
    let bytes = |n_threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().unwrap();
        pool.install(|| trained(&stage, &config, Scope::All).0.save().to_bytes().unwrap())
    };
    let one = bytes(1);
    assert!(one == bytes(2) && one == bytes(4));
    let (expert, curve) = trained(&stage, &config, Scope::All);
    let segue_models::ExpertConfig::Behavior(found) = expert.config() else { panic!("other settings") };
    let data = Lessons { train: &stage.split.train, items: &stage.dataset.items, text_space: None };
    let (again, repeated) =
        fit_behavior((expert.id, TARGET), expert.config(), data, None, 0, (Keeping::nothing(), |_| ()))
            .unwrap();
    assert_eq!(repeated.len(), found.epochs);
    assert_eq!(repeated.last().unwrap().loss, curve[found.epochs - 1].loss);
    assert!(again.save().to_bytes().unwrap() == expert.save().to_bytes().unwrap());
}
