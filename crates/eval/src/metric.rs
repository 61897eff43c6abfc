//! The metrics of ranked lists: every name and every formula, each in one place.
//!
//! Tools that all say "nDCG", "MAP" or "recall" compute different numbers; a [`MetricKind`] is one formula, a [`Metric`]
//! is a kind at a cutoff, written `ndcg@10`. A formula sees the ranks of the relevant items of a list and nothing else,
//! so the same formula serves both ways of evaluating:
//!
//! - [`Metric::of_list`]: a list with any number of relevant items, graded or not;
//! - [`Metric::of_rank`]: a case with one relevant item of which only the rank is known, with ties. Under
//!   [`TieRule::ExpectedRank`] the rank may be a half.
//!
//! In the formulas `rel(r)` is the relevance at rank r, `hit(r)` whether it is above 0, R the number of relevant items
//! and k the cutoff. A relevance of 0 or below is "judged, not relevant". A list shorter than k is scored as it is.
//! Without a cutoff the whole list counts.
//!
//! **A new metric** is a variant of [`MetricKind`] with its formula in words, a place in [`MetricKind::ALL`] and an arm
//! in `MetricKind::definition`. Files, command line, tests of bounds and of agreement then know it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::judged_list::{CutList, JudgedList};
use crate::rank::{TargetRank, TieRule};

/// Which formula.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MetricKind {
    /// `ndcg`: sum rel(r) / log2(r + 1), over the same sum of the ideal list cut at k. Source: Järvelin and Kekäläinen,
    /// 2002, with the discount that became usual. With one target 1 / log2(1 + rank). As `trec_eval`, `ir_measures`, `ranx`.
    Ndcg,
    /// `ndcg_burges`: the same with gain 2^rel - 1. Source: Burges et al., ICML 2005. As `ranx` `ndcg_burges`.
    NdcgBurges,
    /// `recall`: hits / R. As `trec_eval`, `ranx`, `RecBole`.
    Recall,
    /// `recall_capped`: hits / min(R, k). Close to `LensKit`, which caps by the length of the list.
    RecallCapped,
    /// `precision`: hits / k, even if the list is shorter. As `trec_eval`, `ranx`, `RecBole`. Without a cutoff hits /
    /// length of the list.
    Precision,
    /// `ap_trec`: sum hit(r) precision(r) / R. As `trec_eval` `map_cut`, `ranx`.
    ApTrec,
    /// `ap_capped`: sum hit(r) precision(r) / min(R, k). As `RecBole`.
    ApCapped,
    /// `reciprocal_rank`: 1 / rank of the first hit; its mean over cases is MRR. As `ranx`, `RecBole`.
    ReciprocalRank,
    /// `hit_rate`: 1 if there is a hit. As `ranx`, `RecBole`.
    HitRate,
}

/// What there is to know of a kind.
struct Definition {
    /// How it is written.
    name: &'static str,
    /// Under which keys the tables of a run show it; none: they do not. With one target per case some metrics are equal
    /// (recall and hit rate, average precision and reciprocal rank), and any published table shall be comparable.
    table_keys: &'static [&'static str],
    /// The value of a list cut at k.
    formula: fn(&CutList<'_>) -> f64,
}

impl MetricKind {
    /// All kinds.
    pub const ALL: &'static [Self] = &[
        Self::Ndcg,
        Self::NdcgBurges,
        Self::Recall,
        Self::RecallCapped,
        Self::Precision,
        Self::ApTrec,
        Self::ApCapped,
        Self::ReciprocalRank,
        Self::HitRate,
    ];

    fn definition(self) -> Definition {
        match self {
            Self::Ndcg => Definition {
                name: "ndcg",
                table_keys: &["ndcg"],
                formula: |list| list.normalized_gain(|relevance| relevance),
            },
            Self::NdcgBurges => Definition {
                name: "ndcg_burges",
                table_keys: &[],
                formula: |list| list.normalized_gain(|relevance| relevance.exp2() - 1.0),
            },
            Self::Recall => Definition {
                name: "recall",
                table_keys: &[],
                formula: |list| list.n_hits() / list.n_relevant(),
            },
            Self::RecallCapped => Definition {
                name: "recall_capped",
                table_keys: &[],
                formula: |list| list.n_hits() / list.n_reachable(),
            },
            Self::Precision => Definition {
                name: "precision",
                table_keys: &[],
                formula: |list| list.n_hits() / list.n_places(),
            },
            Self::ApTrec => Definition {
                name: "ap_trec",
                table_keys: &[],
                formula: |list| list.summed_precision() / list.n_relevant(),
            },
            Self::ApCapped => Definition {
                name: "ap_capped",
                table_keys: &[],
                formula: |list| list.summed_precision() / list.n_reachable(),
            },
            Self::ReciprocalRank => Definition {
                name: "reciprocal_rank",
                table_keys: &["mrr", "map"],
                formula: |list| list.first_hit().map_or(0.0, |rank| 1.0 / rank),
            },
            Self::HitRate => Definition {
                name: "hit_rate",
                table_keys: &["hr", "recall"],
                formula: |list| list.n_hits().min(1.0),
            },
        }
    }

    /// The name used in files and on the command line.
    pub fn name(self) -> &'static str {
        self.definition().name
    }

    /// The metric that looks at the first `k` ranks.
    pub const fn at(self, k: usize) -> Metric {
        Metric { kind: self, cutoff: Some(k) }
    }

    /// The metric that looks at the whole list.
    pub const fn uncut(self) -> Metric {
        Metric { kind: self, cutoff: None }
    }

    /// Names of the metric in tables of cases with one target; none if those do not show it.
    pub(crate) fn table_keys(self) -> &'static [&'static str] {
        self.definition().table_keys
    }
}

/// A formula and how many of the first ranks it looks at; in files `ndcg@10`, or `ndcg` for the whole list.
///
/// ```
/// use segue_eval::Metric;
/// let metric: Metric = "ndcg@10".parse()?;
/// assert_eq!(metric, Metric::ndcg(10));
/// assert_eq!(metric.to_string(), "ndcg@10");
/// # Ok::<(), segue_eval::error::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Metric {
    /// The formula.
    pub kind: MetricKind,
    /// The last rank that counts; `None`: all do. At 0 every metric is 0.
    pub cutoff: Option<usize>,
}

impl Metric {
    /// Normalized discounted cumulative gain at `k`, by which everything is chosen unless something else is asked for.
    pub const fn ndcg(k: usize) -> Self {
        MetricKind::Ndcg.at(k)
    }

    /// The value of a list.
    pub fn of_list(self, list: &JudgedList) -> f64 {
        (self.kind.definition().formula)(&list.cut(self.cutoff))
    }

    /// The value of a case whose only relevant item has this rank; an unreachable target is a miss.
    ///
    /// ```
    /// use segue_eval::Metric;
    /// use segue_eval::rank::{TargetRank, TieRule};
    /// let third = TargetRank { n_greater: 2, n_equal: 0, n_candidates: 100 };
    /// assert_eq!(Metric::ndcg(10).of_rank(third, TieRule::ExpectedRank), 0.5);
    /// assert_eq!(Metric::ndcg(2).of_rank(third, TieRule::ExpectedRank), 0.0);
    /// ```
    pub fn of_rank(self, rank: TargetRank, ties: TieRule) -> f64 {
        if rank.is_unreachable() {
            return 0.0;
        }
        let formula = self.kind.definition().formula;
        let n_candidates = rank.n_candidates as usize;
        let value_at = |rank: f64| CutList::value_of_one_hit(rank, n_candidates, self.cutoff, formula);
        match ties {
            TieRule::ExpectedRank => value_at(rank.expected_rank()),
            TieRule::Expectation => {
                let first = u64::from(rank.n_greater) + 1;
                let last = first + u64::from(rank.n_equal);
                // No metric looks beyond its cutoff, so the ranks there add nothing.
                let last_counted = self.cutoff.map_or(last, |k| last.min(k as u64));
                let sum: f64 = (first..=last_counted).map(|rank| value_at(rank as f64)).sum();
                sum / (f64::from(rank.n_equal) + 1.0)
            }
        }
    }

    /// The value of every case, in order.
    pub fn of_ranks(self, ranks: &[TargetRank], ties: TieRule) -> Vec<f64> {
        ranks.iter().map(|&rank| self.of_rank(rank, ties)).collect()
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.kind.name())?;
        self.cutoff.map_or(Ok(()), |k| write!(formatter, "@{k}"))
    }
}

impl FromStr for Metric {
    type Err = Error;

    /// Reads `<metric>@<k>`, with k at least 1, or `<metric>`.
    fn from_str(text: &str) -> Result<Self> {
        let parse = || {
            let (name, cutoff) = match text.split_once('@') {
                Some((name, k)) => (name, Some(k.parse().ok().filter(|&k| k > 0)?)),
                None => (text, None),
            };
            let kind = MetricKind::ALL.iter().copied().find(|kind| kind.name() == name)?;
            Some(Self { kind, cutoff })
        };
        parse().ok_or_else(|| {
            let known: Vec<&str> = MetricKind::ALL.iter().map(|kind| kind.name()).collect();
            Error::UnknownMetric { received: text.to_owned(), known: known.join(", ") }
        })
    }
}

impl TryFrom<String> for Metric {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Metric> for String {
    fn from(metric: Metric) -> Self {
        metric.to_string()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_round_trip() {
        for kind in MetricKind::ALL {
            for metric in [kind.at(20), kind.uncut()] {
                assert_eq!(metric.to_string().parse::<Metric>().unwrap(), metric);
                let json = serde_json::to_string(&metric).unwrap();
                assert_eq!(json, format!("\"{metric}\""));
                assert_eq!(serde_json::from_str::<Metric>(&json).unwrap(), metric);
            }
        }
    }

    #[test]
    fn no_two_kinds_share_a_name_or_a_key_in_tables() {
        let names = MetricKind::ALL.iter().map(|kind| kind.name());
        let keys = MetricKind::ALL.iter().flat_map(|kind| kind.table_keys().iter().copied());
        for labels in [names.collect::<Vec<_>>(), keys.collect()] {
            assert_eq!(labels.iter().collect::<BTreeSet<_>>().len(), labels.len(), "{labels:?}");
        }
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_known_ones() {
        for text in ["ndcg@0", "ndcg@ten", "ndcg@", "map@10", "precise", ""] {
            let error = text.parse::<Metric>().unwrap_err().to_string();
            assert!(error.contains("ap_trec") && error.contains(&format!("`{text}`")), "{error}");
        }
    }
}
