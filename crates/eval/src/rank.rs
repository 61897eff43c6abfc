//! The rank of one target among its candidates, with ties kept visible.
//!
//! A rank is three counts, not one number: how many candidates score higher, how many score the same, and how many
//! there are. Every metric of a case with one target follows from them, under any rule for ties, so a run keeps
//! 12 bytes per case and the rule is chosen when the metric is read.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Where one target stands among the candidates of its case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TargetRank {
    /// Candidates that score higher than the target.
    pub n_greater: u32,
    /// Other candidates that score the same.
    pub n_equal: u32,
    /// All candidates; the target is one of them unless it was masked.
    pub n_candidates: u32,
}

/// How candidates with the target's own score are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TieRule {
    /// The metric of the expected rank `1 + n_greater + n_equal / 2`: a constant scorer earns nothing at small `k`.
    #[default]
    ExpectedRank,
    /// The expected metric: its mean over all orders of the tied candidates, each equally likely. A scorer that
    /// ignores the target then scores exactly at chance. Source: `McSherry` and Najork, ECIR 2008.
    Expectation,
}

impl TargetRank {
    /// The rank of `target` among the items for which `is_candidate` holds: the plain definition, one item at a time.
    ///
    /// If the target is no candidate itself, the result [is unreachable](Self::is_unreachable).
    ///
    /// # Errors
    /// If the target is outside `scores`, or a candidate's score is not finite.
    pub fn of(scores: &[f32], target: usize, is_candidate: impl Fn(usize) -> bool) -> Result<Self> {
        let target_score = score_of(scores, target)?;
        let mut rank = Self::unreachable(0);
        for (item, &score) in scores.iter().enumerate().filter(|&(item, _)| is_candidate(item)) {
            if !score.is_finite() {
                return Err(Error::NonFiniteScore { item, value: score });
            }
            rank.n_candidates += 1;
            rank.n_greater += u32::from(score > target_score);
            rank.n_equal += u32::from(score == target_score && item != target);
        }
        Ok(if is_candidate(target) { rank } else { Self::unreachable(rank.n_candidates) })
    }

    /// The rank of `target` among the items whose score is not `f32::NEG_INFINITY`: one pass without branches.
    ///
    /// ```
    /// use segue_eval::rank::TargetRank;
    /// let masked = f32::NEG_INFINITY;
    /// let rank = TargetRank::of_masked(&[0.9, masked, 0.5, 0.5, 0.1], 2)?;
    /// assert_eq!((rank.n_greater, rank.n_equal, rank.n_candidates), (1, 1, 4));
    /// assert_eq!(rank.expected_rank(), 2.5);
    /// # Ok::<(), segue_eval::error::Error>(())
    /// ```
    ///
    /// # Errors
    /// If the target is outside `scores`, or a score is NaN or positive infinity.
    pub fn of_masked(scores: &[f32], target: usize) -> Result<Self> {
        let target_score = score_of(scores, target)?;
        let counts = Counts::of(scores, target_score);
        if counts.invalid > 0 {
            return Err(first_invalid(scores));
        }
        let n_candidates = scores.len() as u32 - counts.masked;
        if target_score == f32::NEG_INFINITY {
            return Ok(Self::unreachable(n_candidates));
        }
        Ok(Self { n_greater: counts.greater, n_equal: counts.equal - 1, n_candidates })
    }

    /// The rank of `target` among itself and `negatives`, given the scores of the whole catalogue.
    ///
    /// A negative with score `f32::NEG_INFINITY` is no candidate. Sampled ranks are not comparable with full ones and
    /// can order two models wrongly (Krichene and Rendle, KDD 2020); use them where a published table needs them.
    ///
    /// # Errors
    /// If an index is outside `scores`, the target is among the negatives, or a score is NaN or positive infinity.
    pub fn among(scores: &[f32], target: usize, negatives: &[u32]) -> Result<Self> {
        let target_score = valid_score(scores, target)?;
        let mut rank = Self { n_greater: 0, n_equal: 0, n_candidates: 1 };
        for &negative in negatives {
            let item = negative as usize;
            if item == target {
                return Err(Error::TargetAmongNegatives { target });
            }
            let score = valid_score(scores, item)?;
            rank.n_candidates += u32::from(score != f32::NEG_INFINITY);
            rank.n_greater += u32::from(score > target_score);
            rank.n_equal += u32::from(score == target_score);
        }
        if target_score == f32::NEG_INFINITY {
            return Ok(Self::unreachable(rank.n_candidates - 1));
        }
        Ok(rank)
    }

    /// The rank of a target that is no candidate: behind all of them, and a miss at every cutoff.
    pub fn unreachable(n_candidates: u32) -> Self {
        Self { n_greater: n_candidates, n_equal: 0, n_candidates }
    }

    /// Whether the target could not have been recommended, for example because it was masked as already known.
    pub fn is_unreachable(&self) -> bool {
        self.n_greater == self.n_candidates
    }

    /// The mean rank over all orders of the tied candidates, `1 + n_greater + n_equal / 2`, from 1.
    pub fn expected_rank(&self) -> f64 {
        1.0 + f64::from(self.n_greater) + f64::from(self.n_equal) / 2.0
    }

    /// The same rank after one candidate other than the target has left.
    pub(crate) fn without_candidate(self, score: f32, target_score: f32) -> Self {
        Self {
            n_greater: self.n_greater - u32::from(score > target_score),
            n_equal: self.n_equal - u32::from(score == target_score),
            n_candidates: self.n_candidates - 1,
        }
    }
}

/// The four counts of one pass over the scores.
struct Counts {
    greater: u32,
    equal: u32,
    masked: u32,
    invalid: u32,
}

impl Counts {
    /// Adds booleans instead of branching, which the compiler turns into vector instructions.
    fn of(scores: &[f32], target_score: f32) -> Self {
        let mut counts = Self { greater: 0, equal: 0, masked: 0, invalid: 0 };
        for &score in scores {
            counts.greater += u32::from(score > target_score);
            counts.equal += u32::from(score == target_score);
            counts.masked += u32::from(score == f32::NEG_INFINITY);
            counts.invalid += u32::from(score.is_nan() || score == f32::INFINITY);
        }
        counts
    }
}

/// The score of `item`, or an error if it has none.
fn score_of(scores: &[f32], item: usize) -> Result<f32> {
    scores.get(item).copied().ok_or(Error::ItemOutOfRange { item, n_items: scores.len() })
}

/// The score of `item`, which may be masked but must be ordered.
fn valid_score(scores: &[f32], item: usize) -> Result<f32> {
    let value = score_of(scores, item)?;
    if value.is_nan() || value == f32::INFINITY {
        return Err(Error::NonFiniteScore { item, value });
    }
    Ok(value)
}

/// Names the first score that cannot be ordered; called only when the count says there is one.
fn first_invalid(scores: &[f32]) -> Error {
    let invalid = |&(_, score): &(usize, &f32)| score.is_nan() || *score == f32::INFINITY;
    let (item, &value) = scores.iter().enumerate().find(invalid).unwrap_or((scores.len(), &f32::NAN));
    Error::NonFiniteScore { item, value }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MASKED: f32 = f32::NEG_INFINITY;

    #[test]
    fn ties_count_the_others_only() {
        let rank = TargetRank::of_masked(&[1.0; 5], 1).unwrap();
        assert_eq!((rank.n_greater, rank.n_equal, rank.n_candidates), (0, 4, 5));
        assert_eq!(rank.expected_rank(), 3.0);
    }

    #[test]
    fn a_masked_target_is_unreachable_not_lucky() {
        let rank = TargetRank::of_masked(&[0.1, MASKED, MASKED], 1).unwrap();
        assert!(rank.is_unreachable());
        assert_eq!(rank.n_candidates, 1);
    }

    #[test]
    fn a_lone_candidate_is_first() {
        let rank = TargetRank::of_masked(&[MASKED, -3.0], 1).unwrap();
        assert!(!rank.is_unreachable());
        assert_eq!(rank.expected_rank(), 1.0);
    }

    #[test]
    fn an_unordered_score_is_an_error_naming_the_item() {
        for bad in [f32::NAN, f32::INFINITY] {
            for target in 0..3 {
                let scores = [0.0, bad, 1.0];
                assert!(matches!(
                    TargetRank::of_masked(&scores, target),
                    Err(Error::NonFiniteScore { item: 1, .. })
                ));
            }
            assert!(TargetRank::among(&[0.0, bad], 0, &[1]).is_err());
            assert!(TargetRank::of(&[0.0, bad], 0, |_| true).is_err());
        }
    }

    #[test]
    fn indexes_outside_the_catalogue_are_errors() {
        assert!(TargetRank::of_masked(&[0.0], 1).is_err());
        assert!(TargetRank::of(&[0.0], 1, |_| true).is_err());
        assert!(TargetRank::among(&[0.0, 1.0], 0, &[2]).is_err());
    }

    #[test]
    fn a_target_is_never_its_own_negative() {
        assert!(matches!(
            TargetRank::among(&[0.0, 1.0], 0, &[1, 0]),
            Err(Error::TargetAmongNegatives { target: 0 })
        ));
    }

    proptest! {
        /// Scores of few values so that ties are common.
        #[test]
        fn the_fast_count_equals_the_definition(
            scores in prop::collection::vec(-3_i8..4, 1..90), mask in prop::collection::vec(any::<bool>(), 90), at in any::<prop::sample::Index>(),
        ) {
            let scores: Vec<f32> = scores.into_iter().map(f32::from).collect();
            let target = at.index(scores.len());
            let plain = TargetRank::of(&scores, target, |item| !mask[item]).unwrap();
            let masked: Vec<f32> = scores.iter().zip(&mask).map(|(&s, &m)| if m { MASKED } else { s }).collect();
            prop_assert_eq!(TargetRank::of_masked(&masked, target).unwrap(), plain);
            if !mask[target] {
                let negatives: Vec<u32> = (0..scores.len()).filter(|&i| i != target && !mask[i]).map(|i| i as u32).collect();
                prop_assert_eq!(TargetRank::among(&scores, target, &negatives).unwrap(), plain);
            }
        }
    }
}
