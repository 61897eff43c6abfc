//! Metrics against golden values, and against what must hold for every one of them.

use std::collections::BTreeMap;

use proptest::prelude::*;
use segue_eval::rank::{TargetRank, TieRule};
use segue_eval::{JudgedList, Metric, MetricKind};

const TIES: [TieRule; 2] = [TieRule::ExpectedRank, TieRule::Expectation];

/// A list with the given relevances, and further relevant items that it misses.
fn list(relevance: &[f64], missed: &[f64]) -> JudgedList {
    let ranked: Vec<usize> = (0..relevance.len()).collect();
    let judgments = relevance.iter().chain(missed).copied().enumerate().collect();
    JudgedList::new(&ranked, &judgments).expect("an item is relevant")
}

fn rank(n_greater: u32, n_equal: u32) -> TargetRank {
    TargetRank { n_greater, n_equal, n_candidates: 1000 }
}

fn value(name: &str, list: &JudgedList) -> f64 {
    name.parse::<Metric>().expect("a known name").of_list(list)
}

/// The values of the reference tools, with the digits that were written down.
fn golden(list: &JudgedList, values: &[(&str, f64)]) {
    for &(name, golden) in values {
        let value = value(name, list);
        assert!((value - golden).abs() < 5e-7, "{name}: {value} instead of {golden}");
    }
}

fn every_metric(cutoffs: &[usize]) -> Vec<Metric> {
    let at_cutoffs = |kind: &MetricKind| {
        cutoffs.iter().map(|&k| kind.at(k)).chain([kind.uncut()]).collect::<Vec<Metric>>()
    };
    MetricKind::ALL.iter().flat_map(at_cutoffs).collect()
}

#[test]
fn hits_at_1_3_and_6_of_12_relevant_have_the_golden_values() {
    let list = list(&[1.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0], &[1.0; 9]);
    let values = [
        ("recall@10", 0.25),
        ("recall_capped@10", 0.3),
        ("ap_trec@10", 0.180_556),
        ("ap_capped@10", 0.216_667),
        ("ndcg@10", 0.408_536),
    ];
    golden(&list, &values);
}

#[test]
fn a_short_list_has_the_golden_values() {
    let list = list(&[0.0, 1.0, 0.0, 1.0], &[1.0]);
    let values = [
        ("precision@10", 0.2),
        ("precision", 0.5),
        ("ap_trec@10", 0.333_333),
        ("ndcg@10", 0.498_189),
        ("reciprocal_rank@10", 0.5),
        ("hit_rate@1", 0.0),
    ];
    golden(&list, &values);
}

#[test]
fn graded_judgments_have_the_golden_values_of_both_gains() {
    let list = list(&[3.0, 0.0, 2.0, 1.0], &[3.0, 2.0]);
    golden(&list, &[("ndcg@4", 0.655_994), ("ndcg_burges@4", 0.628_543)]);
}

#[test]
fn five_tied_items_have_the_golden_reciprocal_rank() {
    let metric = MetricKind::ReciprocalRank.at(10);
    assert!((metric.of_rank(rank(0, 4), TieRule::Expectation) - 0.456_667).abs() < 1e-6);
    assert!((metric.of_rank(rank(0, 4), TieRule::ExpectedRank) - 1.0 / 3.0).abs() < 1e-15);
}

#[test]
fn a_constant_scorer_earns_chance_or_nothing() {
    let hits = MetricKind::HitRate.at(10);
    assert!((hits.of_rank(rank(0, 999), TieRule::Expectation) - 0.01).abs() < 1e-15);
    assert_eq!(hits.of_rank(rank(0, 999), TieRule::ExpectedRank), 0.0);
}

#[test]
fn an_unreachable_target_is_a_miss_for_every_metric() {
    for metric in every_metric(&[1, 100]) {
        for ties in TIES {
            assert_eq!(metric.of_rank(TargetRank::unreachable(3), ties), 0.0);
            assert_eq!(metric.of_rank(TargetRank::unreachable(0), ties), 0.0);
        }
    }
}

#[test]
fn the_cutoff_includes_its_own_rank() {
    let hits = MetricKind::HitRate.at(10);
    for ties in TIES {
        assert_eq!(hits.of_rank(rank(9, 0), ties), 1.0);
        assert_eq!(hits.of_rank(rank(10, 0), ties), 0.0);
    }
    assert_eq!(hits.of_rank(rank(9, 1), TieRule::ExpectedRank), 0.0);
    assert_eq!(hits.of_rank(rank(9, 1), TieRule::Expectation), 0.5);
}

#[test]
fn an_empty_list_or_cutoff_is_worth_zero_without_a_sign() {
    for metric in every_metric(&[10]) {
        assert_eq!(metric.of_list(&list(&[], &[1.0])).to_bits(), 0);
        assert_eq!(metric.kind.at(0).of_list(&list(&[1.0], &[])).to_bits(), 0);
    }
}

/// Figures of runs are compared by their bits, so the general formulas must not round where these do not.
#[test]
fn one_target_has_the_bits_of_the_plain_formulas() {
    for (n_greater, n_equal) in (0..60).flat_map(|greater| (0..4).map(move |equal| (greater, equal))) {
        let place = 1.0 + f64::from(n_greater) + f64::from(n_equal) / 2.0;
        let plain = [
            (MetricKind::HitRate, 1.0),
            (MetricKind::Ndcg, 1.0 / (1.0 + place).log2()),
            (MetricKind::ReciprocalRank, 1.0 / place),
        ];
        for (kind, within) in plain {
            let expected = if place <= 20.0 { within } else { 0.0 };
            let received = kind.at(20).of_rank(rank(n_greater, n_equal), TieRule::ExpectedRank);
            assert_eq!(received.to_bits(), expected.to_bits(), "{kind:?} at {place}");
        }
    }
}

proptest! {
    #[test]
    fn a_rank_and_a_list_with_one_relevant_item_agree_for_every_metric(
        position in 0_u32..40, rest in 0_u32..40, k in 1_usize..50,
    ) {
        let mut relevance = vec![0.0; (position + 1 + rest) as usize];
        relevance[position as usize] = 1.0;
        let list = list(&relevance, &[]);
        let rank = TargetRank { n_greater: position, n_equal: 0, n_candidates: position + 1 + rest };
        for metric in every_metric(&[k]) {
            for ties in TIES {
                let (single, listed) = (metric.of_rank(rank, ties), metric.of_list(&list));
                prop_assert_eq!(single + 0.0, listed, "{} {:?}", metric, ties);
            }
        }
    }

    #[test]
    fn the_expectation_is_the_mean_over_the_orders_of_tied_items(
        greater in 0_u32..12, equal in 0_u32..12, k in 1_usize..30,
    ) {
        for metric in every_metric(&[k]) {
            let place = |n_greater| metric.of_rank(rank(n_greater, 0), TieRule::ExpectedRank);
            let mean = (greater..=greater + equal).map(place).sum::<f64>() / (f64::from(equal) + 1.0);
            let expectation = metric.of_rank(rank(greater, equal), TieRule::Expectation);
            prop_assert!((expectation - mean).abs() < 1e-12, "{} {} {}", metric, expectation, mean);
        }
    }

    #[test]
    fn ranks_give_bounded_values_that_fall_with_the_rank(
        greater in 0_u32..40, equal in 0_u32..40, k in 1_usize..50,
    ) {
        for ties in TIES {
            for metric in every_metric(&[k]) {
                let here = metric.of_rank(rank(greater, equal), ties);
                prop_assert!((0.0..=1.0).contains(&here), "{} {}", metric, here);
                prop_assert!(metric.of_rank(rank(greater + 1, equal), ties) <= here, "{}", metric);
            }
            let at = |kind: MetricKind| kind.at(k).of_rank(rank(greater, equal), ties);
            prop_assert!(at(MetricKind::ReciprocalRank) <= at(MetricKind::Ndcg));
            prop_assert!(at(MetricKind::Ndcg) <= at(MetricKind::HitRate));
            let deeper = Metric::ndcg(k + 1).of_rank(rank(greater, equal), ties);
            prop_assert!(deeper >= at(MetricKind::Ndcg));
        }
    }

    #[test]
    fn lists_give_bounded_values_and_a_relevant_item_moved_up_never_lowers_them(
        grades in prop::collection::vec(0_u8..4, 2..25),
        missed in prop::collection::vec(1_u8..4, 1..6),
        at in any::<prop::sample::Index>(),
        k in 1_usize..30,
    ) {
        let mut relevance: Vec<f64> = grades.into_iter().map(f64::from).collect();
        let missed: Vec<f64> = missed.into_iter().map(f64::from).collect();
        let before = list(&relevance, &missed);
        let lower = 1 + at.index(relevance.len() - 1);
        let better = relevance[lower] > relevance[lower - 1];
        relevance.swap(lower, lower - 1);
        let after = list(&relevance, &missed);
        for metric in every_metric(&[k]) {
            let (old, new) = (metric.of_list(&before), metric.of_list(&after));
            prop_assert!((0.0..=1.0 + 1e-12).contains(&old), "{} {}", metric, old);
            prop_assert!(!better || new >= old - 1e-12, "{} {} -> {}", metric, old, new);
        }
    }

    #[test]
    fn a_perfect_list_is_worth_one_where_the_ideal_is_the_yardstick(
        grades in prop::collection::vec(1_u8..4, 1..20), k in 1_usize..30,
    ) {
        let mut falling: Vec<f64> = grades.into_iter().map(f64::from).collect();
        falling.sort_by(|a, b| b.total_cmp(a));
        let list = list(&falling, &[]);
        for name in ["ndcg", "ndcg_burges", "recall_capped", "ap_capped", "reciprocal_rank", "hit_rate"] {
            let value = value(&format!("{name}@{k}"), &list);
            prop_assert!((value - 1.0).abs() < 1e-12, "{} {}", name, value);
        }
    }

    #[test]
    fn recall_and_hits_never_fall_with_k(grades in prop::collection::vec(0_u8..2, 1..25), k in 0_usize..30) {
        let relevance: Vec<f64> = grades.into_iter().map(f64::from).collect();
        let list = list(&relevance, &[1.0]);
        for kind in [MetricKind::Recall, MetricKind::HitRate, MetricKind::ApTrec] {
            prop_assert!(kind.at(k).of_list(&list) <= kind.at(k + 1).of_list(&list));
        }
    }
}

#[test]
fn an_item_without_judgment_is_not_relevant() {
    let judgments = BTreeMap::from([("tea", 1.0), ("mug", 0.0), ("pan", -1.0)]);
    let list = JudgedList::new(&["cup", "mug", "pan", "tea"], &judgments).unwrap();
    assert_eq!(value("reciprocal_rank@10", &list), 0.25);
    assert_eq!(value("ndcg", &list), 1.0 / 5f64.log2());
}
