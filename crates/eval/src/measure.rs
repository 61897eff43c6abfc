//! A measure is a metric with its cutoff, written `ndcg@10`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::metrics::JudgedList;

/// A metric of ranked lists; the formulas are in [`crate::metrics`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// [`JudgedList::ndcg`].
    Ndcg,
    /// [`JudgedList::ndcg_burges`].
    NdcgBurges,
    /// [`JudgedList::recall`].
    Recall,
    /// [`JudgedList::recall_capped`].
    RecallCapped,
    /// [`JudgedList::precision`].
    Precision,
    /// [`JudgedList::ap_trec`].
    ApTrec,
    /// [`JudgedList::ap_capped`].
    ApCapped,
    /// [`JudgedList::reciprocal_rank`].
    ReciprocalRank,
    /// [`JudgedList::hit_rate`].
    HitRate,
}

impl Metric {
    /// All metrics, in the order of their table.
    pub const ALL: [Self; 9] = [
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

    /// The name used in files and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ndcg => "ndcg",
            Self::NdcgBurges => "ndcg_burges",
            Self::Recall => "recall",
            Self::RecallCapped => "recall_capped",
            Self::Precision => "precision",
            Self::ApTrec => "ap_trec",
            Self::ApCapped => "ap_capped",
            Self::ReciprocalRank => "reciprocal_rank",
            Self::HitRate => "hit_rate",
        }
    }
}

/// A metric at a cutoff.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Measure {
    /// The metric.
    pub metric: Metric,
    /// How many of the first ranks count.
    pub k: usize,
}

impl Measure {
    /// The value for one list.
    pub fn of(self, list: &JudgedList) -> f64 {
        match self.metric {
            Metric::Ndcg => list.ndcg(self.k),
            Metric::NdcgBurges => list.ndcg_burges(self.k),
            Metric::Recall => list.recall(self.k),
            Metric::RecallCapped => list.recall_capped(self.k),
            Metric::Precision => list.precision(self.k),
            Metric::ApTrec => list.ap_trec(self.k),
            Metric::ApCapped => list.ap_capped(self.k),
            Metric::ReciprocalRank => list.reciprocal_rank(self.k),
            Metric::HitRate => list.hit_rate(self.k),
        }
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}@{}", self.metric.name(), self.k)
    }
}

impl FromStr for Measure {
    type Err = Error;

    /// Reads `<metric>@<k>`, with k at least 1.
    fn from_str(text: &str) -> Result<Self> {
        let parse = || {
            let (name, k) = text.split_once('@')?;
            let metric = Metric::ALL.into_iter().find(|metric| metric.name() == name)?;
            let k = k.parse().ok().filter(|&k| k > 0)?;
            Some(Self { metric, k })
        };
        parse().ok_or_else(|| Error::UnknownMeasure {
            received: text.to_owned(),
            known: Metric::ALL.map(Metric::name).join(", "),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for metric in Metric::ALL {
            let measure = Measure { metric, k: 20 };
            assert_eq!(measure.to_string().parse::<Measure>().unwrap(), measure);
        }
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_known_ones() {
        for text in ["ndcg", "ndcg@0", "ndcg@ten", "map@10", ""] {
            let error = text.parse::<Measure>().unwrap_err().to_string();
            assert!(error.contains("ap_trec") && error.contains(&format!("`{text}`")), "{error}");
        }
    }
}
