//! Mean and spread of the same evaluation over several seeds.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::metric_table::MetricTable;

/// One metric over several seeds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SeedSpread {
    /// Mean of the values.
    pub mean: f64,
    /// Standard deviation of a sample (divisor n - 1); 0 for a single seed.
    pub sd: f64,
    /// The value of every seed, in the order given.
    pub values: Vec<f64>,
}

impl SeedSpread {
    fn of(values: Vec<f64>) -> Self {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let sd = (squares / (n - 1.0).max(1.0)).sqrt();
        Self { mean, sd, values }
    }
}

/// The spread of every metric over tables that differ only in the seed.
///
/// # Errors
/// If there are no tables, or they differ in cases or metrics.
pub fn across_seeds(tables: &[MetricTable]) -> Result<BTreeMap<String, SeedSpread>> {
    let first = tables.first().ok_or(Error::Empty { name: "tables" })?;
    let same =
        |table: &MetricTable| table.n_cases == first.n_cases && table.metrics.keys().eq(first.metrics.keys());
    if !tables.iter().all(same) {
        return Err(Error::NotPaired);
    }
    let spread = |key: &String| {
        let values = tables.iter().map(|table| table.metrics[key].mean).collect();
        (key.clone(), SeedSpread::of(values))
    };
    Ok(first.metrics.keys().map(spread).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric_table::TableSettings;
    use crate::rank::TargetRank;

    fn table(n_greater: &[u32]) -> MetricTable {
        let rank = |&n_greater: &u32| TargetRank { n_greater, n_equal: 0, n_candidates: 99 };
        let ranks: Vec<TargetRank> = n_greater.iter().map(rank).collect();
        MetricTable::of(&ranks, None, &TableSettings::default()).unwrap()
    }

    #[test]
    fn spread_is_the_sample_standard_deviation() {
        let spread = &across_seeds(&[table(&[0, 50]), table(&[0, 0]), table(&[50, 50])]).unwrap()["hr@10"];
        assert_eq!((spread.mean, spread.sd, &spread.values[..]), (0.5, 0.5, &[0.5, 1.0, 0.0][..]));
        assert_eq!(across_seeds(&[table(&[0])]).unwrap()["hr@10"].sd, 0.0);
    }

    #[test]
    fn tables_of_other_cases_are_not_seeds() {
        assert!(across_seeds(&[table(&[0, 1]), table(&[0])]).is_err());
        assert!(across_seeds(&[]).is_err());
    }
}
