//! A leak test: with targets drawn at random there is nothing to know, so a scorer must hit at chance.
//!
//! A scorer that beats chance here sees the answer: the target is in the input, in the features, or in the way that
//! candidates are built. Ties count by [`TieRule::Expectation`], under which the expected hit rate of every scorer that
//! is independent of the target is exactly `k / candidates`, even of a constant one.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::full_ranking::{RankingCase, RankingPlan, rank_cases};
use crate::metric::MetricKind;
use crate::negatives::sample_negatives;
use crate::rank::{TargetRank, TieRule};

/// Standard deviations that the hit rate may differ from chance; an honest scorer exceeds them once in 15,000 seeds.
const MAX_DEVIATIONS: f64 = 4.0;

/// A hit rate beside the one that guessing gives.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ChanceCheck {
    /// Number of cases.
    pub n_cases: usize,
    /// Hit rate of the scorer.
    pub hit_rate: f64,
    /// Mean over the cases of `k / candidates`.
    pub chance: f64,
    /// Largest difference that still counts as chance: four binomial standard deviations and one hit.
    pub tolerance: f64,
}

impl ChanceCheck {
    /// Compares ranks of random targets with chance at `k`.
    ///
    /// # Errors
    /// If there are no ranks.
    pub fn of(ranks: &[TargetRank], k: usize) -> Result<Self> {
        if ranks.is_empty() {
            return Err(Error::Empty { name: "ranks" });
        }
        let n = ranks.len() as f64;
        let chance_of = |rank: &TargetRank| (k as f64 / f64::from(rank.n_candidates.max(1))).min(1.0);
        let variance: f64 = ranks.iter().map(chance_of).map(|p| p * (1.0 - p)).sum();
        let hits = MetricKind::HitRate.at(k).of_ranks(ranks, TieRule::Expectation);
        Ok(Self {
            n_cases: ranks.len(),
            hit_rate: hits.iter().sum::<f64>() / n,
            chance: ranks.iter().map(chance_of).sum::<f64>() / n,
            tolerance: (MAX_DEVIATIONS * variance.sqrt() + 1.0) / n,
        })
    }

    /// Whether the hit rate is what guessing gives.
    pub fn passes(&self) -> bool {
        (self.hit_rate - self.chance).abs() <= self.tolerance
    }
}

/// Draws a target for every case, uniformly among the items that are not masked.
///
/// Fails if everything is masked in a case, or an item is outside the catalogue.
fn random_targets(n_items: u32, masked: &[&[u32]], seed: u64) -> Result<Vec<u32>> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut target = |(case, masked): (usize, &&[u32])| {
        let drawn = sample_negatives(&mut rng, n_items, 1, masked).map_err(|error| error.in_case(case))?;
        Ok(drawn[0])
    };
    masked.iter().enumerate().map(&mut target).collect()
}

/// Ranks random targets and compares the hit rate at 10 with chance. The scorer is given the case with its random
/// target, as the evaluation under test would give it the true one: if that reaches the scores, the check fails.
///
/// # Errors
/// If everything is masked in a case, or as [`rank_cases`].
pub fn random_target_check(
    n_items: usize,
    masked: &[&[u32]],
    seed: u64,
    score: impl Fn(usize, &RankingCase<'_>, &mut [f32]) + Sync,
) -> Result<ChanceCheck> {
    let targets = random_targets(n_items as u32, masked, seed)?;
    let cases: Vec<RankingCase<'_>> = targets
        .iter()
        .zip(masked)
        .map(|(&target, &masked)| RankingCase { target, masked, negatives: &[] })
        .collect();
    let plan = RankingPlan { list_len: 0, ..RankingPlan::new(n_items) };
    let rankings = rank_cases(plan, &cases, |index, row| score(index, &cases[index], row))?;
    ChanceCheck::of(&rankings.masked, 10)
}

#[cfg(test)]
mod tests {
    use rand::Rng;

    use super::*;

    const N_ITEMS: usize = 300;
    const N_CASES: usize = 2000;

    fn check(score: impl Fn(usize, &RankingCase<'_>, &mut [f32]) + Sync) -> ChanceCheck {
        let masked = vec![&[5_u32, 17, 200][..]; N_CASES];
        random_target_check(N_ITEMS, &masked, 3, score).unwrap()
    }

    fn noise(case: usize, _: &RankingCase<'_>, row: &mut [f32]) {
        let mut rng = ChaCha8Rng::seed_from_u64(case as u64 + 1000);
        row.fill_with(|| rng.random());
    }

    #[test]
    fn noise_and_popularity_hit_at_chance() {
        assert!(check(noise).passes());
        let popularity = |_: usize, _: &RankingCase<'_>, row: &mut [f32]| {
            row.iter_mut().enumerate().for_each(|(item, score)| *score = -(item as f32));
        };
        assert!(check(popularity).passes());
    }

    #[test]
    fn a_constant_scorer_is_exactly_at_chance() {
        let constant = check(|_, _, row| row.fill(1.0));
        assert!((constant.hit_rate - 10.0 / 297.0).abs() < 1e-12);
        assert!((constant.chance - 10.0 / 297.0).abs() < 1e-12);
    }

    #[test]
    fn a_scorer_that_sees_some_targets_is_caught() {
        let peeking = |case: usize, given: &RankingCase<'_>, row: &mut [f32]| {
            noise(case, given, row);
            if case.is_multiple_of(20) {
                row[given.target as usize] = 2.0;
            }
        };
        assert!(!check(peeking).passes());
    }

    #[test]
    fn random_targets_are_never_masked() {
        let targets = random_targets(3, &[&[0_u32, 2][..]; 20], 1).unwrap();
        assert_eq!(targets, [1; 20]);
        assert!(random_targets(2, &[&[0], &[0, 1]], 1).is_err());
    }
}
