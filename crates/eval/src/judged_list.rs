//! A ranked list against graded judgments, reduced to what metrics are computed from.

use std::collections::BTreeMap;

use crate::error::{Error, Result};

/// A ranked list with its relevant items, and the relevance of everything that could have been listed.
#[derive(Debug, Clone, PartialEq)]
pub struct JudgedList {
    /// The relevant items, by rising rank.
    hits: Vec<Hit>,
    /// All relevances above 0, falling: the ideal list.
    ideal: Vec<f64>,
    /// Number of items listed.
    len: usize,
}

/// A relevant item in a list.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Hit {
    /// From 1; half ranks come from ties.
    rank: f64,
    /// Above 0.
    relevance: f64,
}

impl JudgedList {
    /// Judges the items of `ranked`, best first; an item without judgment is not relevant.
    ///
    /// ```
    /// use std::collections::BTreeMap;
    /// use segue_eval::{JudgedList, MetricKind};
    /// let judgments = BTreeMap::from([("tea", 3.0), ("mug", 1.0)]);
    /// let list = JudgedList::new(&["mug", "pan", "tea"], &judgments)?;
    /// assert_eq!(MetricKind::Recall.at(2).of_list(&list), 0.5);
    /// assert_eq!(MetricKind::ReciprocalRank.at(3).of_list(&list), 1.0);
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
        let hit = |(position, item)| {
            let relevance = judgments.get(item).copied().filter(|&relevance| relevance > 0.0)?;
            Some(Hit { rank: position as f64 + 1.0, relevance })
        };
        Ok(Self { hits: ranked.iter().enumerate().filter_map(hit).collect(), ideal, len: ranked.len() })
    }

    /// What is left of the list at a cutoff.
    pub(crate) fn cut(&self, cutoff: Option<usize>) -> CutList<'_> {
        CutList::new(&self.hits, &self.ideal, self.len, cutoff)
    }
}

/// The first k ranks of a list, or all of them: what a formula is applied to.
pub(crate) struct CutList<'a> {
    /// The hits within the cutoff, by rising rank.
    hits: &'a [Hit],
    /// Relevances of the ideal list, cut too.
    ideal: &'a [f64],
    n_relevant: usize,
    n_places: usize,
}

impl<'a> CutList<'a> {
    fn new(hits: &'a [Hit], ideal: &'a [f64], len: usize, cutoff: Option<usize>) -> Self {
        let k = cutoff.unwrap_or(usize::MAX);
        let n_hits = hits.partition_point(|hit| hit.rank <= k as f64);
        Self {
            hits: &hits[..n_hits],
            ideal: &ideal[..k.min(ideal.len())],
            n_relevant: ideal.len(),
            n_places: cutoff.unwrap_or(len),
        }
    }

    /// The value of `formula` for a list of `len` items of which only the one at `rank` is relevant.
    pub(crate) fn value_of_one_hit(
        rank: f64,
        len: usize,
        cutoff: Option<usize>,
        formula: fn(&CutList<'_>) -> f64,
    ) -> f64 {
        formula(&CutList::new(&[Hit { rank, relevance: 1.0 }], &[1.0], len, cutoff))
    }

    /// Relevant items within the cutoff.
    pub(crate) fn n_hits(&self) -> f64 {
        self.hits.len() as f64
    }

    /// Relevant items, listed or not.
    pub(crate) fn n_relevant(&self) -> f64 {
        self.n_relevant as f64
    }

    /// Relevant items that fit into the cutoff, at least 1 so that a cutoff of 0 gives 0 and not NaN.
    pub(crate) fn n_reachable(&self) -> f64 {
        self.ideal.len().max(1) as f64
    }

    /// The cutoff, or the length of the list without one; at least 1 for the same reason.
    pub(crate) fn n_places(&self) -> f64 {
        self.n_places.max(1) as f64
    }

    /// Rank of the first relevant item.
    pub(crate) fn first_hit(&self) -> Option<f64> {
        self.hits.first().map(|hit| hit.rank)
    }

    /// Sum of the precision at the rank of every hit.
    pub(crate) fn summed_precision(&self) -> f64 {
        let precision = |(earlier, hit): (usize, &Hit)| (earlier as f64 + 1.0) / hit.rank;
        self.hits.iter().enumerate().map(precision).fold(0.0, |sum, value| sum + value)
    }

    /// Discounted gain of the hits over that of the ideal list.
    pub(crate) fn normalized_gain(&self, gain: impl Fn(f64) -> f64) -> f64 {
        let at_rank = |position: usize| position as f64 + 1.0;
        let ideal_hit = |(position, &relevance)| Hit { rank: at_rank(position), relevance };
        let ideal = discounted(self.ideal.iter().enumerate().map(ideal_hit), &gain);
        if ideal > 0.0 { discounted(self.hits.iter().copied(), &gain) / ideal } else { 0.0 }
    }
}

/// Sum of `gain(rel(r)) / log2(r + 1)`.
fn discounted(hits: impl Iterator<Item = Hit>, gain: impl Fn(f64) -> f64) -> f64 {
    // From +0: the empty sum of floats is -0, which would be shown as such.
    hits.fold(0.0, |sum, hit| sum + gain(hit.relevance) / (hit.rank + 1.0).log2())
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
