//! The few-shot curve: nothing is known at 0 %, and at 100 % it is the recipe on all data; the test cases are always the same.

use segue_models::ExpertKind;
use segue_study::few_shot::{
    ChosenOn, CurveRequest, FLOOR, FewShotCurve, Share, TARGET_ONLY, TRANSFER, ask, curve, sentences,
};
use segue_study::suggest::UserStrategy;

use crate::story::{Stage, Story};
use crate::studied::{plan, problem, recipe, study};

const EXPERTS: [ExpertKind; 2] = [ExpertKind::Popularity, ExpertKind::Window];

fn stage() -> Stage {
    Story { n_users: 500, ..Story::default() }.stage()
}

fn curve_of(stage: &Stage, shares: &[f64], pseudo_labels: bool) -> FewShotCurve {
    let recipe = recipe(plan(&EXPERTS));
    curve(&study(problem(stage), &recipe), CurveRequest { shares, pseudo_labels }).expect("it fits")
}

fn names(share: &Share) -> Vec<&str> {
    share.systems.iter().map(|system| system.name).collect()
}

#[test]
fn nothing_of_the_target_is_known_at_0_percent_and_all_of_it_at_100() {
    let stage = stage();
    let curve = curve_of(&stage, &[0.0, 100.0], false);
    let [none, all] = &curve.shares[..] else { panic!("two shares") };
    assert_eq!((none.n_users, none.n_events, none.n_valid_cases), (0, 0, 0));
    assert_eq!((none.chosen_on, none.zero_shot.is_some()), (ChosenOn::Sources, true));
    assert!(!none.serves_floor, "there is no event that a floor could count");
    assert_eq!(names(none), [TRANSFER, FLOOR], "nothing can be chosen on the target alone");
    assert_eq!((all.n_users, all.chosen_on), (curve.n_users, ChosenOn::Target));
    assert_eq!(all.n_valid_cases, stage.valid().n_cases());
    assert_eq!(names(all), [TRANSFER, TARGET_ONLY, FLOOR]);
    for share in &curve.shares {
        assert!(share.systems.iter().all(|system| system.ndcg_at_10.n == curve.n_test_cases));
        for over in &share.differences {
            let over = &over.ndcg_at_10;
            assert!((over.candidate - share.systems[0].ndcg_at_10.mean).abs() < 1e-9);
            assert!((over.candidate - over.baseline - over.difference.mean).abs() < 1e-9);
        }
        assert!(share.pseudo_labels.is_none());
    }
    assert!(!sentences(&curve).is_empty());
}

#[test]
fn with_all_users_known_the_blend_is_the_one_that_the_pipeline_serves() {
    let stage = stage();
    let curve = curve_of(&stage, &[100.0], false);
    assert!(!curve.shares[0].serves_floor);
    let recipe = recipe(plan(&EXPERTS));
    let study = study(problem(&stage), &recipe);
    let served = study.fit("whole", &stage.valid()).expect("it fits").served;
    let test = stage.test();
    let ranks = segue_study::study::rank_model(&test, &served).expect("ranks");
    assert_eq!(study.ndcg(&test, &ranks).expect("cases"), curve.shares[0].systems[0].ndcg_at_10);
}

#[test]
fn pseudo_labels_are_measured_beside_the_curve_and_leave_it_as_it_is() {
    let stage = stage();
    let shares = [0.0, 50.0];
    let (without, with) = (curve_of(&stage, &shares, false), curve_of(&stage, &shares, true));
    for (without, with) in without.shares.iter().zip(&with.shares) {
        assert_eq!(without.systems[0].ndcg_at_10, with.systems[0].ndcg_at_10);
        let labels = with.pseudo_labels.as_ref().expect("asked for");
        let gain = labels.ndcg_at_10.mean - without.systems[0].ndcg_at_10.mean;
        assert!((labels.gain.difference.mean - gain).abs() < 1e-9);
    }
    assert!(with.shares[0].pseudo_labels.as_ref().is_some_and(|labels| labels.evidence.is_none()));
    assert!(with.shares[1].pseudo_labels.as_ref().is_some_and(|labels| labels.evidence.is_some()));
}

#[test]
fn as_many_users_are_asked_for_as_chance_reveals() {
    let stage = stage();
    let recipe = recipe(plan(&EXPERTS));
    let study = study(problem(&stage), &recipe);
    let curve = ask(&study, UserStrategy::Active, &[10.0, 30.0, 100.0]).expect("it fits");
    let n_users: Vec<usize> = curve.rounds.iter().map(|round| round.n_users).collect();
    assert_eq!(n_users, [50, 150, 500]);
    assert_eq!(curve.rounds[0].difference.difference.mean, 0.0, "the first share is by chance for both");
    assert!(curve.rounds.iter().all(|round| round.asked.n == curve.n_test_cases));
    // All users are known in the end, in whatever order they came.
    assert_eq!(curve.rounds[2].asked, curve.rounds[2].by_chance);
}
