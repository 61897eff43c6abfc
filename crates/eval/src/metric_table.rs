//! Means of the single-target metrics at every cutoff, with intervals; and differences of two systems.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::bootstrap::{Bootstrap, Interval};
use crate::error::{Error, Result};
use crate::metric::{Metric, MetricKind};
use crate::rank::{TargetRank, TieRule};

/// How ranks become a table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableSettings {
    /// Cutoffs k; 5, 10 and 20 by default.
    pub cutoffs: Vec<usize>,
    /// The rule for ties; the expected rank by default.
    pub ties: TieRule,
    /// The intervals.
    pub bootstrap: Bootstrap,
}

impl Default for TableSettings {
    fn default() -> Self {
        Self { cutoffs: vec![5, 10, 20], ties: TieRule::default(), bootstrap: Bootstrap::default() }
    }
}

/// The means of `hr`, `recall`, `ndcg`, `mrr` and `map` at every cutoff, under keys like `ndcg@10`.
///
/// With one target per case `recall` equals `hr` and `map` equals `mrr`; both names are there so that any published
/// table can be compared.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct MetricTable {
    /// Number of cases; with 0 there are no metrics.
    pub n_cases: usize,
    /// Mean and interval of every metric.
    pub metrics: BTreeMap<String, Interval>,
}

impl MetricTable {
    /// The table of `ranks`. Where users have several cases, `users[i]` names the user of case i and intervals come
    /// from resampling users; `None` takes the cases as independent.
    ///
    /// ```
    /// use segue_eval::metric_table::{MetricTable, TableSettings};
    /// use segue_eval::rank::TargetRank;
    /// let ranks = [0, 2].map(|n_greater| TargetRank { n_greater, n_equal: 0, n_candidates: 50 });
    /// let table = MetricTable::of(&ranks, None, &TableSettings::default())?;
    /// assert_eq!(table.mean("ndcg@10"), Some(0.75));
    /// # Ok::<(), segue_eval::error::Error>(())
    /// ```
    ///
    /// # Errors
    /// If a setting is out of range, or `users` has another length than `ranks`.
    pub fn of(ranks: &[TargetRank], users: Option<&[u32]>, settings: &TableSettings) -> Result<Self> {
        if ranks.is_empty() {
            return Ok(Self::default());
        }
        let columns = Columns::of(ranks, settings)?;
        let intervals = columns.intervals(users, settings)?;
        Ok(Self { n_cases: ranks.len(), metrics: columns.by_key(&intervals) })
    }

    /// The mean of a metric, such as `ndcg@10`.
    pub fn mean(&self, key: &str) -> Option<f64> {
        self.metrics.get(key).map(|interval| interval.mean)
    }
}

/// Two systems on the same cases.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// Mean of the candidate.
    pub candidate: f64,
    /// Mean of the baseline.
    pub baseline: f64,
    /// Mean and interval of `candidate - baseline`, paired by case.
    pub difference: Interval,
    /// The difference as a share of the baseline; `None` if that is 0.
    pub relative: Option<f64>,
}

/// Compares two systems metric by metric, under the keys of [`MetricTable`]; `users` as in [`MetricTable::of`].
///
/// # Errors
/// If the two do not rank the same number of cases, there are none, or a setting is out of range.
pub fn compare(
    candidate: &[TargetRank],
    baseline: &[TargetRank],
    users: Option<&[u32]>,
    settings: &TableSettings,
) -> Result<BTreeMap<String, Comparison>> {
    if candidate.len() != baseline.len() {
        return Err(Error::LengthMismatch {
            name: "candidate",
            expected: baseline.len(),
            received: candidate.len(),
        });
    }
    let (ours, theirs) = (Columns::of(candidate, settings)?, Columns::of(baseline, settings)?);
    let intervals = ours.minus(&theirs).intervals(users, settings)?;
    let mean = |column: &[f64]| column.iter().sum::<f64>() / column.len() as f64;
    let comparisons: Vec<Comparison> = intervals
        .into_iter()
        .enumerate()
        .map(|(column, difference)| {
            let baseline = mean(&theirs.values[column]);
            Comparison {
                candidate: mean(&ours.values[column]),
                baseline,
                difference,
                relative: (baseline != 0.0).then(|| difference.mean / baseline),
            }
        })
        .collect();
    Ok(ours.by_key(&comparisons))
}

/// The value of every metric of a table for every case.
struct Columns {
    metrics: Vec<Metric>,
    /// `values[metric][case]`.
    values: Vec<Vec<f64>>,
}

impl Columns {
    fn of(ranks: &[TargetRank], settings: &TableSettings) -> Result<Self> {
        if settings.cutoffs.is_empty() || settings.cutoffs.contains(&0) {
            return Err(Error::InvalidSetting {
                name: "cutoffs",
                expected: "at least one cutoff, none of them 0",
                received: format!("{:?}", settings.cutoffs),
            });
        }
        let shown = || MetricKind::ALL.iter().filter(|kind| !kind.table_keys().is_empty());
        let metrics: Vec<Metric> =
            settings.cutoffs.iter().flat_map(|&k| shown().map(move |kind| kind.at(k))).collect();
        let values = metrics.iter().map(|metric| metric.of_ranks(ranks, settings.ties)).collect();
        Ok(Self { metrics, values })
    }

    fn intervals(&self, users: Option<&[u32]>, settings: &TableSettings) -> Result<Vec<Interval>> {
        let columns: Vec<&[f64]> = self.values.iter().map(Vec::as_slice).collect();
        match users {
            Some(users) => settings.bootstrap.means_by_user(&columns, users),
            None => settings.bootstrap.means(&columns),
        }
    }

    fn minus(&self, other: &Self) -> Self {
        let difference = |(a, b): (&Vec<f64>, &Vec<f64>)| a.iter().zip(b).map(|(a, b)| a - b).collect();
        Self {
            metrics: self.metrics.clone(),
            values: self.values.iter().zip(&other.values).map(difference).collect(),
        }
    }

    /// The entries of the columns under every key of their metric.
    fn by_key<T: Copy>(&self, entries: &[T]) -> BTreeMap<String, T> {
        let mut by_key = BTreeMap::new();
        for (&Metric { kind, cutoff }, &entry) in self.metrics.iter().zip(entries) {
            let suffix = cutoff.map_or_else(String::new, |k| format!("@{k}"));
            by_key.extend(kind.table_keys().iter().map(|key| (format!("{key}{suffix}"), entry)));
        }
        by_key
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranks(n_greater: &[u32]) -> Vec<TargetRank> {
        let rank = |&n_greater: &u32| TargetRank { n_greater, n_equal: 0, n_candidates: 100 };
        n_greater.iter().map(rank).collect()
    }

    #[test]
    fn every_metric_is_there_at_every_cutoff() {
        let table = MetricTable::of(&ranks(&[0, 5, 50]), None, &TableSettings::default()).unwrap();
        let keys: Vec<&str> = table.metrics.keys().map(String::as_str).collect();
        assert_eq!(keys.len(), 15);
        assert_eq!(&keys[..3], ["hr@10", "hr@20", "hr@5"]);
        assert_eq!(table.mean("hr@5"), Some(1.0 / 3.0));
        assert_eq!(table.mean("recall@10"), Some(2.0 / 3.0));
        assert_eq!(table.metrics["map@20"], table.metrics["mrr@20"]);
        assert_eq!(table.mean("map@20"), Some((1.0 + 1.0 / 6.0) / 3.0));
    }

    #[test]
    fn no_cases_give_no_metrics_instead_of_nan() {
        assert_eq!(MetricTable::of(&[], None, &TableSettings::default()).unwrap(), MetricTable::default());
        assert!(compare(&[], &[], None, &TableSettings::default()).is_err());
    }

    #[test]
    fn tables_round_trip_through_json() {
        let table = MetricTable::of(&ranks(&[0, 5, 50]), None, &TableSettings::default()).unwrap();
        let json = serde_json::to_string(&table).unwrap();
        assert_eq!(serde_json::from_str::<MetricTable>(&json).unwrap(), table);
    }

    #[test]
    fn a_system_compared_with_itself_gains_nothing() {
        let own = ranks(&[0, 3, 7, 12]);
        let comparison = compare(&own, &own, None, &TableSettings::default()).unwrap()["ndcg@10"];
        assert_eq!((comparison.difference.mean, comparison.relative), (0.0, Some(0.0)));
        assert!(!comparison.difference.excludes_zero());
    }

    #[test]
    fn a_steady_gain_is_significant_and_relative_to_the_baseline() {
        let (better, worse) = (ranks(&[0; 60]), ranks(&[2; 60]));
        let comparison = compare(&better, &worse, None, &TableSettings::default()).unwrap()["ndcg@10"];
        assert!(comparison.difference.excludes_zero());
        assert_eq!((comparison.candidate, comparison.baseline, comparison.relative), (1.0, 0.5, Some(1.0)));
        assert!(compare(&better, &worse[1..], None, &TableSettings::default()).is_err());
    }

    #[test]
    fn impossible_cutoffs_are_refused() {
        for cutoffs in [vec![], vec![10, 0]] {
            let settings = TableSettings { cutoffs, ..TableSettings::default() };
            assert!(MetricTable::of(&ranks(&[0]), None, &settings).is_err());
        }
    }
}
