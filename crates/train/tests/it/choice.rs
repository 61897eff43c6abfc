//! The blend never loses to what it contains, and every member has earned its place.

use segue_eval::{Metric, MetricKind};
use segue_train::blend_fit::BlendSearch;
use segue_train::judge::mean;
use segue_train::pool::{Pool, Weights};
use segue_train::{EarlierFit, Objective, Session, fit_domain_from};

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

#[test]
fn a_fit_from_experts_that_all_hold_comes_out_the_same() {
    let stage = Story { n_users: 700, ..Story::default() }.stage();
    let plan = plan();
    let fit = stage.fit(&plan);
    assert!(!fit.untuned.is_empty(), "nothing was tuned inside the blend: the test says nothing");
    let earlier = EarlierFit { fit: &fit, holds: &|_| true, pretrained: None };
    let watch = Session::watched_by(&|_| ());
    let same = fit_domain_from(&plan, stage.material(), &stage.valid(), watch, Some(earlier));
    let same = same.expect("it was learned before");
    assert_eq!(same.model, fit.model);
    assert_eq!(same.trials, fit.trials);
}

#[test]
fn the_blend_is_at_least_what_its_search_begins_with_and_the_other_does_without_the_leader() {
    let stage = Story { n_users: 700, ..Story::default() }.stage();
    let (plan, valid) = (plan(), stage.valid());
    let fit = stage.fit(&plan);
    let mut experts = fit.model.experts.clone();
    for untuned in &fit.untuned {
        let at = experts.iter().position(|expert| expert.id == untuned.expert.id).unwrap();
        experts[at] = untuned.expert.clone();
    }
    let pool = Pool::collect(&valid, &experts, &fit.model.cold, plan.objective).unwrap();
    let search = BlendSearch::new(&pool, &experts, valid.users(), plan.seed);
    let first = search.best(None).unwrap();
    let other = search.without_leader(&first).unwrap().expect("there are several experts");
    let (led, without) = (first.blend(&experts), other.blend(&experts));
    let leader = (0..experts.len()).max_by(|&a, &b| led.members[a].warm.total_cmp(&led.members[b].warm));
    assert_eq!(without.members[leader.unwrap()].warm, 0.0, "{without:?}");
    assert!(without.members.iter().any(|member| member.warm > 0.0));
    let blended = mean(&stage.ndcg(&valid, &fit.model));
    assert!(blended >= first.score(), "{blended}, begun with {}", first.score());
    let again = search.best(Some(&first)).unwrap();
    assert!(again.score() >= first.score(), "a search that begins with what was found does not end below it");
}

#[test]
fn judge_and_pool_go_by_the_same_metric_whichever_it_is() {
    let stage = Story { n_users: 300, ..Story::default() }.stage();
    let model = stage.unsearched();
    let n = model.experts.len();
    let weights = Weights { warm: vec![1.0; n], cold: vec![0.5; n], cold_offset: 0.25 };
    for metric in [Metric::ndcg(10), MetricKind::HitRate.at(3), MetricKind::ReciprocalRank.uncut()] {
        let judge = stage.valid().with_metric(metric);
        let pool = Pool::collect(&judge, &model.experts, &model.cold, Objective::Masked).unwrap();
        let (judged, pooled) = (stage.ndcg(&judge, &model), pool.metric_values(&weights));
        let n_equal = judged.iter().zip(&pooled).filter(|(a, b)| (**a - **b).abs() < 1e-12).count();
        // Sums of floats in another order part a few ties.
        assert!(n_equal * 50 >= judged.len() * 49, "{metric}: {n_equal} of {} equal", judged.len());
        assert!(mean(&judged) > 0.0, "{metric}");
    }
    assert_eq!(stage.valid().metric(), Metric::ndcg(10));
}
