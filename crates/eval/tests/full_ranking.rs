//! The driver against the definition, at any block size and thread count.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use segue_eval::error::Error;
use segue_eval::full_ranking::{RankingCase, RankingPlan, rank_blocks, rank_cases};
use segue_eval::rank::TargetRank;

const N_ITEMS: usize = 57;

/// Scores of ten values, so that ties are common.
fn score(case: usize, row: &mut [f32]) {
    let mut rng = ChaCha8Rng::seed_from_u64(case as u64);
    row.fill_with(|| f32::from(rng.random_range(0_u8..10)));
}

fn plan(block_len: usize) -> RankingPlan {
    RankingPlan { n_items: N_ITEMS, list_len: 7, block_len }
}

fn random_sets() -> Vec<(u32, Vec<u32>, Vec<u32>)> {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut case = || {
        let target = rng.random_range(0..N_ITEMS as u32);
        let masked = (0..9).map(|_| rng.random_range(0..N_ITEMS as u32)).collect();
        let negatives =
            (0..12).map(|_| rng.random_range(0..N_ITEMS as u32)).filter(|&n| n != target).collect();
        (target, masked, negatives)
    };
    (0..100).map(|_| case()).collect()
}

fn cases(sets: &[(u32, Vec<u32>, Vec<u32>)]) -> Vec<RankingCase<'_>> {
    sets.iter()
        .map(|(target, masked, negatives)| RankingCase { target: *target, masked, negatives })
        .collect()
}

#[test]
fn the_driver_equals_the_definition_case_by_case() {
    let sets = random_sets();
    let rankings = rank_cases(plan(1), &cases(&sets), score).unwrap();
    assert_eq!(rankings.lists.len(), sets.len());
    for (case, (target, masked, negatives)) in sets.iter().enumerate() {
        let mut row = vec![0.0; N_ITEMS];
        score(case, &mut row);
        let target = *target as usize;
        let free = |item: usize| !masked.contains(&(item as u32));
        assert_eq!(rankings.masked[case], TargetRank::of(&row, target, free).unwrap());
        assert_eq!(rankings.unmasked[case], TargetRank::of(&row, target, |_| true).unwrap());
        assert_eq!(rankings.sampled[case], TargetRank::among(&row, target, negatives).unwrap());
        assert!(rankings.lists[case].items.iter().all(|&item| free(item as usize)));
    }
}

#[test]
fn blocks_and_threads_change_nothing() {
    let sets = random_sets();
    let cases = cases(&sets);
    let reference = rank_cases(plan(1), &cases, score).unwrap();
    for n_threads in [1, 2, 5] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().unwrap();
        for block_len in [1, 3, 64, 1000] {
            let again = pool.install(|| rank_cases(plan(block_len), &cases, score)).unwrap();
            assert_eq!(again, reference, "{n_threads} threads, blocks of {block_len}");
        }
    }
}

#[test]
fn a_block_scorer_sees_its_cases_in_order() {
    let sets = random_sets();
    let cases = cases(&sets);
    let whole_block = |range: std::ops::Range<usize>, rows: &mut [f32]| {
        assert_eq!(rows.len(), range.len() * N_ITEMS);
        assert!(rows.iter().all(|score| score.is_nan()));
        for (row, case) in rows.chunks_mut(N_ITEMS).zip(range) {
            score(case, row);
        }
    };
    let blocks = rank_blocks(plan(16), &cases, whole_block).unwrap();
    assert_eq!(blocks, rank_cases(plan(1), &cases, score).unwrap());
}

#[test]
fn the_first_unscored_item_is_an_error_naming_case_and_item() {
    let sets = random_sets();
    let forgetful = |case: usize, row: &mut [f32]| {
        score(case, row);
        if case >= 40 {
            row[13] = f32::NAN;
        }
    };
    let error = rank_cases(plan(8), &cases(&sets), forgetful).unwrap_err();
    assert!(error.to_string().starts_with("case 40: item 13 has score `NaN`"), "{error}");
}

#[test]
fn a_scorer_that_fills_nothing_cannot_reuse_old_scores() {
    let sets = random_sets();
    let lazy = |case: usize, row: &mut [f32]| {
        if case == 0 {
            score(case, row);
        }
    };
    assert!(rank_cases(plan(1), &cases(&sets), lazy).is_err());
}

#[test]
fn negatives_are_for_all_cases_or_for_none() {
    let without = RankingCase { target: 0, masked: &[], negatives: &[] };
    let with = RankingCase { negatives: &[1], ..without };
    let error = rank_cases(plan(1), &[with, without], score).unwrap_err();
    assert!(matches!(error, Error::InCase { case: 1, .. }));
    assert!(rank_cases(plan(1), &[without], score).unwrap().sampled.is_empty());
}

#[test]
fn indexes_outside_the_catalogue_are_errors() {
    let case = RankingCase { target: 0, masked: &[N_ITEMS as u32], negatives: &[] };
    assert!(rank_cases(plan(1), &[case], score).is_err());
    let case = RankingCase { target: N_ITEMS as u32, masked: &[], negatives: &[] };
    assert!(rank_cases(plan(1), &[case], score).is_err());
    assert!(rank_cases(plan(0), &[], score).is_err());
}
