//! Metrics of a ranked list against graded judgments, each variant under its own name.
//!
//! Tools that all say "nDCG", "MAP" or "recall" compute different numbers; a name here is one formula. With `rel(r)`
//! the relevance at rank r, `hit(r)` whether it is above 0, R the number of relevant items and k the cutoff:
//!
//! | name | formula | who computes it |
//! |---|---|---|
//! | `ndcg` | sum rel(r) / log2(r + 1), over the same sum of the ideal list cut at k | `trec_eval`, `ir_measures`, `ranx` |
//! | `ndcg_burges` | the same with gain 2^rel - 1 (Burges et al., ICML 2005) | `ranx` `ndcg_burges` |
//! | `recall` | hits / R | `trec_eval`, `ranx`, `RecBole` |
//! | `recall_capped` | hits / min(R, k) | close to `LensKit`, which caps by the length of the list |
//! | `precision` | hits / k, even if the list is shorter | `trec_eval`, `ranx`, `RecBole` |
//! | `ap_trec` | sum hit(r) precision(r) / R | `trec_eval` `map_cut`, `ranx` |
//! | `ap_capped` | sum hit(r) precision(r) / min(R, k) | `RecBole` |
//! | `reciprocal_rank` | 1 / rank of the first hit, 0 beyond k | `ranx`, `RecBole` |
//! | `hit_rate` | 1 if there is a hit | `ranx`, `RecBole` |
//!
//! A relevance of 0 or below is "judged, not relevant". A list shorter than k is scored as it is.

use std::collections::BTreeMap;

use crate::error::{Error, Result};

/// A ranked list with the relevance of every place, and the relevance of everything that could have been listed.
#[derive(Debug, Clone, PartialEq)]
pub struct JudgedList {
    /// Relevance at each rank, at least 0.
    relevance: Vec<f64>,
    /// All relevances above 0, falling: the ideal list.
    ideal: Vec<f64>,
}

impl JudgedList {
    /// Judges the items of `ranked`, best first; an item without judgment is not relevant.
    ///
    /// ```
    /// use std::collections::BTreeMap;
    /// use segue_eval::metrics::JudgedList;
    /// let judgments = BTreeMap::from([("tea", 3.0), ("mug", 1.0)]);
    /// let list = JudgedList::new(&["mug", "pan", "tea"], &judgments)?;
    /// assert_eq!(list.recall(2), 0.5);
    /// assert_eq!(list.reciprocal_rank(3), 1.0);
    /// # Ok::<(), segue_eval::error::Error>(())
    /// ```
    ///
    /// # Errors
    /// If no item is relevant, `ranked` names an item twice, or a relevance is not finite.
    pub fn new<T: Ord>(ranked: &[T], judgments: &BTreeMap<T, f64>) -> Result<Self> {
        let mut positions = BTreeMap::new();
        for (second, item) in ranked.iter().enumerate() {
            if let Some(first) = positions.insert(item, second) {
                return Err(Error::DuplicateItem { first, second });
            }
        }
        if let Some((index, &value)) = judgments.values().enumerate().find(|(_, value)| !value.is_finite()) {
            return Err(Error::NonFiniteValue { name: "judgments", index, value });
        }
        let mut ideal: Vec<f64> = judgments.values().copied().filter(|&value| value > 0.0).collect();
        if ideal.is_empty() {
            return Err(Error::NoRelevantItems);
        }
        ideal.sort_unstable_by(|a, b| b.total_cmp(a));
        let relevance_of = |item| judgments.get(item).copied().unwrap_or(0.0).max(0.0);
        Ok(Self { relevance: ranked.iter().map(relevance_of).collect(), ideal })
    }

    /// Normalized discounted cumulative gain with gain `rel` (Järvelin and Kekäläinen, 2002, with discount log2(r + 1)).
    pub fn ndcg(&self, k: usize) -> f64 {
        self.normalized_gain(k, |relevance| relevance)
    }

    /// Normalized discounted cumulative gain with gain `2^rel - 1`.
    pub fn ndcg_burges(&self, k: usize) -> f64 {
        self.normalized_gain(k, |relevance| relevance.exp2() - 1.0)
    }

    /// Share of the relevant items that are listed.
    pub fn recall(&self, k: usize) -> f64 {
        self.n_hits(k) / self.n_relevant()
    }

    /// Share of the relevant items that a list of `k` could hold.
    pub fn recall_capped(&self, k: usize) -> f64 {
        self.n_hits(k) / self.n_reachable(k)
    }

    /// Share of the `k` places that hold a relevant item.
    pub fn precision(&self, k: usize) -> f64 {
        self.n_hits(k) / (k.max(1) as f64)
    }

    /// Average precision, divided by all relevant items.
    pub fn ap_trec(&self, k: usize) -> f64 {
        self.summed_precision(k) / self.n_relevant()
    }

    /// Average precision, divided by the relevant items that a list of `k` could hold.
    pub fn ap_capped(&self, k: usize) -> f64 {
        self.summed_precision(k) / self.n_reachable(k)
    }

    /// One over the rank of the first relevant item.
    pub fn reciprocal_rank(&self, k: usize) -> f64 {
        let first_hit = self.top(k).iter().position(|&relevance| relevance > 0.0);
        first_hit.map_or(0.0, |position| 1.0 / (position as f64 + 1.0))
    }

    /// Whether any relevant item is listed: 1 or 0.
    pub fn hit_rate(&self, k: usize) -> f64 {
        self.n_hits(k).min(1.0)
    }

    /// Relevances of the first `k` ranks.
    fn top(&self, k: usize) -> &[f64] {
        &self.relevance[..k.min(self.relevance.len())]
    }

    fn n_hits(&self, k: usize) -> f64 {
        self.top(k).iter().filter(|&&relevance| relevance > 0.0).count() as f64
    }

    fn n_relevant(&self) -> f64 {
        self.ideal.len() as f64
    }

    /// Relevant items that fit into a list of `k`, at least 1 so that `k = 0` gives 0 and not NaN.
    fn n_reachable(&self, k: usize) -> f64 {
        self.ideal.len().min(k).max(1) as f64
    }

    fn normalized_gain(&self, k: usize, gain: impl Fn(f64) -> f64) -> f64 {
        let ideal = discounted(&self.ideal[..k.min(self.ideal.len())], &gain);
        if ideal > 0.0 { discounted(self.top(k), &gain) / ideal } else { 0.0 }
    }

    /// Sum of the precision at the rank of every hit.
    fn summed_precision(&self, k: usize) -> f64 {
        let mut n_hits = 0.0;
        let mut sum = 0.0;
        for (position, &relevance) in self.top(k).iter().enumerate() {
            if relevance > 0.0 {
                n_hits += 1.0;
                sum += n_hits / (position as f64 + 1.0);
            }
        }
        sum
    }
}

/// Sum of `gain(rel(r)) / log2(r + 1)` over the ranks r = 1, 2, ...
fn discounted(relevance: &[f64], gain: impl Fn(f64) -> f64) -> f64 {
    let discounted_gain = |(position, &relevance)| gain(relevance) / (position as f64 + 2.0).log2();
    relevance.iter().enumerate().map(discounted_gain).sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::measure::{Measure, Metric};

    fn close(value: f64, golden: f64) {
        assert!((value - golden).abs() < 5e-7, "{value} instead of {golden}");
    }

    /// A list with the given relevances, and further relevant items that it misses.
    fn list(relevance: &[f64], missed: &[f64]) -> JudgedList {
        let ranked: Vec<usize> = (0..relevance.len()).collect();
        let judgments = relevance.iter().chain(missed).copied().enumerate().collect();
        JudgedList::new(&ranked, &judgments).unwrap()
    }

    #[test]
    fn hits_at_1_3_and_6_of_12_relevant_have_the_golden_values() {
        let list = list(&[1.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0], &[1.0; 9]);
        assert_eq!(list.recall(10), 0.25);
        close(list.recall_capped(10), 0.3);
        close(list.ap_trec(10), 0.180_556);
        close(list.ap_capped(10), 0.216_667);
        close(list.ndcg(10), 0.408_536);
    }

    #[test]
    fn a_short_list_has_the_golden_values() {
        let list = list(&[0.0, 1.0, 0.0, 1.0], &[1.0]);
        assert_eq!(list.precision(10), 0.2);
        close(list.ap_trec(10), 0.333_333);
        close(list.ndcg(10), 0.498_189);
        assert_eq!(list.reciprocal_rank(10), 0.5);
        assert_eq!(list.hit_rate(1), 0.0);
    }

    #[test]
    fn graded_judgments_have_the_golden_values_of_both_gains() {
        let list = list(&[3.0, 0.0, 2.0, 1.0], &[3.0, 2.0]);
        close(list.ndcg(4), 0.655_994);
        close(list.ndcg_burges(4), 0.628_543);
    }

    #[test]
    fn unusable_lists_are_refused() {
        let judged = BTreeMap::from([(1, 1.0)]);
        assert!(matches!(
            JudgedList::new(&[4, 1, 4], &judged),
            Err(Error::DuplicateItem { first: 0, second: 2 })
        ));
        assert!(matches!(
            JudgedList::new(&[1], &BTreeMap::from([(1, 0.0), (2, -1.0)])),
            Err(Error::NoRelevantItems)
        ));
        assert!(JudgedList::new(&[1], &BTreeMap::from([(1, f64::NAN)])).is_err());
    }

    #[test]
    fn an_empty_list_or_cutoff_is_worth_zero() {
        for metric in Metric::ALL {
            assert_eq!(Measure { metric, k: 10 }.of(&list(&[], &[1.0])), 0.0);
            assert_eq!(Measure { metric, k: 0 }.of(&list(&[1.0], &[])), 0.0);
        }
    }

    proptest! {
        #[test]
        fn every_metric_is_bounded_and_a_relevant_item_moved_up_never_lowers_it(
            grades in prop::collection::vec(0_u8..4, 2..25), missed in prop::collection::vec(1_u8..4, 1..6), at in any::<prop::sample::Index>(), k in 1_usize..30,
        ) {
            let mut relevance: Vec<f64> = grades.into_iter().map(f64::from).collect();
            let missed: Vec<f64> = missed.into_iter().map(f64::from).collect();
            let before = list(&relevance, &missed);
            let lower = 1 + at.index(relevance.len() - 1);
            let better = relevance[lower] > relevance[lower - 1];
            relevance.swap(lower, lower - 1);
            let after = list(&relevance, &missed);
            for metric in Metric::ALL {
                let (old, new) = (Measure { metric, k }.of(&before), Measure { metric, k }.of(&after));
                prop_assert!((0.0..=1.0 + 1e-12).contains(&old), "{:?} {}", metric, old);
                prop_assert!(!better || new >= old - 1e-12, "{:?} {} -> {}", metric, old, new);
            }
        }

        #[test]
        fn recall_and_hits_never_fall_with_k(grades in prop::collection::vec(0_u8..2, 1..25), k in 0_usize..30) {
            let relevance: Vec<f64> = grades.into_iter().map(f64::from).collect();
            let list = list(&relevance, &[1.0]);
            prop_assert!(list.recall(k) <= list.recall(k + 1));
            prop_assert!(list.hit_rate(k) <= list.hit_rate(k + 1));
            prop_assert!(list.ap_trec(k) <= list.ap_trec(k + 1));
        }
    }
}
