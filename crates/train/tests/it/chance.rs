//! With targets drawn at random there is nothing to know: every expert and the blend must hit at chance.

use segue_eval::leak::{ChanceCheck, random_target_check};
use segue_models::Query;
use segue_recommend::DomainModel;
use segue_recommend::Scratch;
use segue_train::Judge;

use crate::story::{N_ITEMS, Stage, Story, alone};

fn check(stage: &Stage, judge: &Judge<'_>, model: &DomainModel) -> ChanceCheck {
    let masked: Vec<&[u32]> = judge.masked().iter().map(Vec::as_slice).collect();
    random_target_check(N_ITEMS, &masked, 7, |case, _, scores| {
        let query: Query<'_> = judge.query(case);
        model.score(&query, &stage.dataset.items, &mut Scratch::default(), scores);
    })
    .expect("scores are finite")
}

#[test]
fn random_targets_are_hit_at_chance_by_every_expert_and_by_the_blend() {
    let stage = Story { newcomers: true, ..Story::default() }.stage();
    let judge = stage.test();
    assert!(judge.n_cases() >= 1_500);
    let model = stage.unsearched();
    for at in 0..model.experts.len() {
        let chance = check(&stage, &judge, &alone(&model, at));
        assert!(chance.passes(), "{}: {chance:?}", model.experts[at].id);
    }
    let chance = check(&stage, &judge, &model);
    assert!(chance.passes(), "blend: {chance:?}");
    // The check can fail: the true targets are hit far more often.
    let score = |query: &Query<'_>, scores: &mut [f32]| {
        model.score(query, &stage.dataset.items, &mut Scratch::default(), scores);
    };
    let truth = ChanceCheck::of(&judge.rank(score).unwrap().masked, 10).unwrap();
    assert!(!truth.passes() && truth.hit_rate > 2.0 * truth.chance, "{truth:?}");
}

#[test]
fn a_fitted_blend_hits_random_targets_at_chance() {
    let stage = Story { n_users: 600, ..Story::default() }.stage();
    let fitted = stage.fit(&crate::story::plan());
    let chance = check(&stage, &stage.test(), &fitted.model);
    assert!(chance.passes(), "{chance:?}");
}
