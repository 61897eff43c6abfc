//! The blend never loses to what it contains, and every member has earned its place.

use segue_train::judge::mean;

use crate::story::{Source, Stage, Story, alone, plan};

fn holds(stage: &Stage) {
    let fit = stage.fit(&plan());
    let valid = stage.valid();
    let blended = mean(&stage.ndcg(&valid, &fit.model));
    for (at, evidence) in fit.fitted.evidence.iter().enumerate() {
        let own = mean(&stage.ndcg(&valid, &alone(&fit.model, at)));
        assert!(blended >= own, "{} alone {own}, blend {blended}", evidence.expert);
        assert!((own - evidence.alone.mean).abs() < 1e-9, "{} alone {own}: {evidence:?}", evidence.expert);
        let member = fit.model.blend.members[at];
        assert_eq!(member.expert, evidence.expert);
        assert_eq!(member.warm > 0.0 || member.cold > 0.0, evidence.kept, "{evidence:?}");
        assert!(!evidence.kept || evidence.gain.lo > 0.0, "kept without proof: {evidence:?}");
    }
    let single =
        segue_recommend::DomainModel { blend: fit.fitted.single_domain.clone(), ..fit.model.clone() };
    assert!(blended >= mean(&stage.ndcg(&valid, &single)), "the other domains cost something");
    let total: f32 = fit.model.blend.members.iter().map(|member| member.warm).sum();
    assert!((total - 1.0).abs() < 1e-5, "{total}");
}

#[test]
fn the_blend_is_at_least_its_best_member_and_every_member_has_proof() {
    holds(&Story { n_users: 700, ..Story::default() }.stage());
    holds(&Story { n_users: 700, source: Source::Shuffled, seed: 2, ..Story::default() }.stage());
}

#[test]
fn the_same_holds_where_cold_items_are_treated_apart() {
    for seed in [106, 115] {
        holds(&Story { n_users: 1_000, newcomers: true, seed, ..Story::default() }.stage());
    }
}
