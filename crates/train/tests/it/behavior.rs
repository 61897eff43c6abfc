//! The behavior expert learns what follows what, knows nothing where there is nothing to know, and repeats exactly.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use segue_eval::leak::ChanceCheck;
use segue_models::sequence::SequenceConfig;
use segue_models::{Expert, ExpertConfig, ExpertId, ExpertKind, Query, Scope};
use segue_train::judge::mean;
use segue_train::learn::Epoch;
use segue_train::sequence_fit::{Lessons, SequenceTraining, Validation, fit_sequence};
use segue_train::{Judge, Objective};

use crate::story::{Stage, Story, TARGET};

fn small() -> SequenceConfig {
    SequenceConfig {
        width: 16,
        n_heads: 2,
        n_layers: 1,
        max_len: 20,
        dropout: 0.1,
        max_epochs: 12,
        ..SequenceConfig::default()
    }
}

fn trained(stage: &Stage, config: &SequenceConfig, scope: Scope) -> (Expert, Vec<Epoch>) {
    let id = ExpertId { kind: ExpertKind::Behavior, scope };
    let judge = stage.valid();
    let valid = Validation { judge: &judge, objective: Objective::Masked };
    let data = Lessons {
        train: &stage.split.train,
        items: &stage.dataset.items,
        inputs: segue_models::FusionInputs::default(),
    };
    let config = ExpertConfig::Behavior(config.clone());
    let training = SequenceTraining::new(id, TARGET, data, Some(valid), 0);
    fit_sequence(training, &config, |_| ()).expect("the data can be learned")
}

fn ndcg(stage: &Stage, judge: &Judge<'_>, expert: &Expert) -> f64 {
    let score = |query: &Query<'_>, scores: &mut [f32]| expert.score(query, &stage.dataset.items, scores);
    mean(&judge.metric_values(Objective::Masked, score).expect("scores are finite"))
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
    let config = SequenceConfig { max_epochs: 3, n_negatives: 40, ..small() };
    let bytes = |n_threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().unwrap();
        pool.install(|| trained(&stage, &config, Scope::All).0.save().to_bytes().unwrap())
    };
    let one = bytes(1);
    assert!(one == bytes(2) && one == bytes(4));
    let (expert, curve) = trained(&stage, &config, Scope::All);
    let ExpertConfig::Behavior(found) = expert.config() else { panic!("other settings") };
    let data = Lessons {
        train: &stage.split.train,
        items: &stage.dataset.items,
        inputs: segue_models::FusionInputs::default(),
    };
    let training = SequenceTraining::new(expert.id, TARGET, data, None, 0);
    let (again, repeated) = fit_sequence(training, expert.config(), |_| ()).unwrap();
    assert_eq!(repeated.len(), found.epochs);
    assert_eq!(repeated.last().unwrap().loss, curve[found.epochs - 1].loss);
    assert!(again.save().to_bytes().unwrap() == expert.save().to_bytes().unwrap());
}

#[test]
fn what_is_known_about_users_tells_the_taste_of_those_who_have_done_nothing() {
    const N_USERS: usize = 400;
    const N_ITEMS: usize = 60;
    let mut builder = segue_data::DatasetBuilder::new("colors", 1);
    let domain = builder.domain("things").unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for step in 0..4 {
        for user in 0..N_USERS {
            let (raw, draw) = (format!("u{user}"), rng.random_range(0..N_ITEMS / 2));
            builder.interaction(&segue_data::RawInteraction {
                user: &raw,
                // Even items are liked by the reds, odd ones by the blues.
                item: &format!("i{}", 2 * draw + user % 2),
                domain,
                timestamp: Some(1_000_000 + (step * N_USERS + user) as i64 * 60),
                value: 1.0,
                kind: 0,
                split: None,
            });
            builder.describe_user(&raw, "color", ["red", "blue"][user % 2]);
        }
    }
    let dataset = builder.finish().0;
    let rule = segue_data::split::SplitRule::LeaveOneOut;
    let split = rule.cut(&dataset.sequences, &dataset.items, &[], true).unwrap();
    let split = split.with_profiles(&dataset.profiles);
    let id = ExpertId { kind: ExpertKind::Behavior, scope: Scope::Target };
    let judge =
        Judge::new(&split.valid.0, &dataset.items, domain, segue_train::MaskRule::Seen, None).unwrap();
    assert_eq!(judge.query(1).profile, dataset.profiles.get(1), "cases bring the profile of their user");
    let valid = Validation { judge: &judge, objective: Objective::Masked };
    let share_fitting = |profile_tokens: bool, color: &str| {
        let config = ExpertConfig::Behavior(SequenceConfig { profile_tokens, ..small() });
        let lessons = Lessons {
            train: &split.train,
            items: &dataset.items,
            inputs: segue_models::FusionInputs::default(),
        };
        let training = SequenceTraining::new(id, domain, lessons, Some(valid), 0);
        let fitted = fit_sequence(training, &config, |_| ()).unwrap();
        let profile = [dataset.profiles.find("color", color).unwrap()];
        let query = Query { domain, history: &[], profile: &profile, timestamp: None };
        let mut scores = vec![f32::NAN; dataset.n_items()];
        fitted.0.score(&query, &dataset.items, &mut scores);
        let mut order: Vec<usize> = (0..dataset.n_items()).filter(|&at| scores[at] != 0.0).collect();
        order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
        let number = |at: usize| -> usize {
            dataset.items.raw(segue_data::ItemIdx(at as u32))[1..].parse().expect("a number")
        };
        order.iter().take(10).filter(|&&at| number(at) % 2 == usize::from(color == "blue")).count()
    };
    let found = ["red", "blue"].map(|color| share_fitting(true, color));
    assert!(found.iter().all(|&n| n >= 9), "{found:?}");
    assert_eq!(share_fitting(false, "red"), 0, "without profiles, nothing is known about them");
}
