//! Metrics of a case with one relevant item, from the target's rank.
//!
//! With one target, Recall equals the hit rate and MAP equals MRR, so there are three metrics:
//!
//! | metric | value at rank r, 0 beyond k |
//! |---|---|
//! | `hr` (= Recall) | 1 |
//! | `ndcg` | 1 / log2(1 + r): the ideal list has the target first, so the ideal gain is 1 |
//! | `mrr` (= MAP) | 1 / r |
//!
//! Under [`TieRule::ExpectedRank`] r is the expected rank and may be a half; under [`TieRule::Expectation`] the value
//! is the mean over the places the target can take.

use crate::rank::{TargetRank, TieRule};

impl TargetRank {
    /// Hit rate at `k`: 1 if the target is among the first `k`. Equals Recall at `k`.
    pub fn hr(&self, k: usize, ties: TieRule) -> f64 {
        self.value(k, ties, |_| 1.0)
    }

    /// Normalized discounted cumulative gain at `k`, `1 / log2(1 + rank)`.
    ///
    /// ```
    /// use segue_eval::rank::{TargetRank, TieRule};
    /// let third = TargetRank { n_greater: 2, n_equal: 0, n_candidates: 100 };
    /// assert_eq!(third.ndcg(10, TieRule::ExpectedRank), 0.5);
    /// assert_eq!(third.ndcg(2, TieRule::ExpectedRank), 0.0);
    /// ```
    pub fn ndcg(&self, k: usize, ties: TieRule) -> f64 {
        self.value(k, ties, |rank| 1.0 / (1.0 + rank).log2())
    }

    /// Reciprocal rank at `k`, `1 / rank`; its mean over cases is MRR. Equals average precision at `k`.
    pub fn mrr(&self, k: usize, ties: TieRule) -> f64 {
        self.value(k, ties, |rank| 1.0 / rank)
    }

    /// `gain` at the target's rank if that is within `k`, under the rule for ties.
    fn value(&self, k: usize, ties: TieRule, gain: impl Fn(f64) -> f64) -> f64 {
        if self.is_unreachable() {
            return 0.0;
        }
        match ties {
            TieRule::ExpectedRank => {
                let rank = self.expected_rank();
                if rank <= k as f64 { gain(rank) } else { 0.0 }
            }
            TieRule::Expectation => {
                let first = u64::from(self.n_greater) + 1;
                let last = first + u64::from(self.n_equal);
                let within: f64 = (first..=last.min(k as u64)).map(|rank| gain(rank as f64)).sum();
                within / (f64::from(self.n_equal) + 1.0)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TIES: [TieRule; 2] = [TieRule::ExpectedRank, TieRule::Expectation];

    fn rank(n_greater: u32, n_equal: u32) -> TargetRank {
        TargetRank { n_greater, n_equal, n_candidates: 1000 }
    }

    #[test]
    fn five_tied_items_have_the_golden_reciprocal_rank() {
        let tied = rank(0, 4);
        assert!((tied.mrr(10, TieRule::Expectation) - 0.456_667).abs() < 1e-6);
        assert!((tied.mrr(10, TieRule::ExpectedRank) - 1.0 / 3.0).abs() < 1e-15);
    }

    #[test]
    fn a_constant_scorer_earns_chance_or_nothing() {
        let constant = rank(0, 999);
        assert!((constant.hr(10, TieRule::Expectation) - 0.01).abs() < 1e-15);
        assert_eq!(constant.hr(10, TieRule::ExpectedRank), 0.0);
    }

    #[test]
    fn an_unreachable_target_is_a_miss_at_any_cutoff() {
        for ties in TIES {
            assert_eq!(TargetRank::unreachable(3).hr(100, ties), 0.0);
            assert_eq!(TargetRank::unreachable(0).mrr(100, ties), 0.0);
        }
    }

    #[test]
    fn the_cutoff_includes_its_own_rank() {
        for ties in TIES {
            assert_eq!(rank(9, 0).hr(10, ties), 1.0);
            assert_eq!(rank(10, 0).hr(10, ties), 0.0);
        }
        assert_eq!(rank(9, 1).hr(10, TieRule::ExpectedRank), 0.0);
        assert_eq!(rank(9, 1).hr(10, TieRule::Expectation), 0.5);
    }

    proptest! {
        #[test]
        fn values_are_bounded_ordered_and_grow_with_k(greater in 0_u32..40, equal in 0_u32..40, k in 1_usize..50) {
            for ties in TIES {
                let here = rank(greater, equal);
                let (hr, ndcg, mrr) = (here.hr(k, ties), here.ndcg(k, ties), here.mrr(k, ties));
                prop_assert!(0.0 <= mrr && mrr <= ndcg && ndcg <= hr && hr <= 1.0);
                prop_assert!(here.ndcg(k + 1, ties) >= ndcg);
                prop_assert!(rank(greater + 1, equal).ndcg(k, ties) <= ndcg);
            }
        }
    }
}
