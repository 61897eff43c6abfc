//! What each way to tune an encoder costs, and what its vectors are worth beside those of full tuning.

mod one;

use anyhow::{Context, Result};
use segue_data::protocol::ProtocolData;
use segue_eval::bootstrap::{Bootstrap, Interval};
use segue_train::Judge;
use segue_train::judge::{JudgeRule, paired_gain};
use serde::Serialize;

pub use self::one::{OneTuning, TuningRow};
use super::request::{Request, targets};

/// In the order of the table: nothing trained, everything trained, then the ways that train little.
pub const ALL: [&str; 6] = ["frozen", "full", "lora", "adalora", "adapter", "prefix"];
/// Share of full tuning's NDCG@10 that a way which trains little must keep.
pub const SHARE_OF_FULL: f64 = 0.99;

/// The table of one domain.
#[derive(Debug, Serialize)]
pub struct TuningTable {
    pub target: String,
    pub seed: u64,
    pub n_test_cases: usize,
    pub rows: Vec<Line>,
    /// Ways that train little and are below the bar, or not above the encoder as it is.
    pub missed: Vec<String>,
}

/// A tuning beside the others.
#[derive(Debug, Serialize)]
pub struct Line {
    #[serde(flatten)]
    pub row: TuningRow,
    /// NDCG@10 on test over that of full tuning.
    pub of_full: Option<f64>,
    /// NDCG@10 on test minus that of full tuning, and of the encoder as it is; paired by case, users resampled.
    pub minus_full: Option<Interval>,
    pub minus_frozen: Option<Interval>,
}

/// The tables of a data set from the rows of every tuning, one table for each domain that is asked for.
///
/// # Errors
/// When a domain has no test case.
pub fn tables(
    request: &Request,
    data: &ProtocolData,
    seed: u64,
    measured: &[Vec<TuningRow>],
) -> Result<Vec<TuningTable>> {
    let mut tables = Vec::new();
    for (at, target) in targets(&data.dataset, &request.targets).enumerate() {
        let rows: Vec<TuningRow> = measured.iter().filter_map(|rows| rows.get(at).cloned()).collect();
        let JudgeRule { mask, sampled } = request.protocol.rule(seed);
        let test = Judge::new(&data.split.test.0, &data.dataset.items, target, mask, sampled)?;
        tables.push(table(&rows, seed, test.users())?);
    }
    Ok(tables)
}

fn table(rows: &[TuningRow], seed: u64, users: &[u32]) -> Result<TuningTable> {
    let cases_of = |name: &str| rows.iter().find(|row| row.tuning == name).map(|row| row.cases.clone());
    let (full, frozen) = (cases_of("full"), cases_of("frozen"));
    let full_mean = rows.iter().find(|row| row.tuning == "full").map(|row| row.test.mean);
    let bootstrap = Bootstrap { seed, ..Bootstrap::default() };
    let minus = |row: &TuningRow, other: &Option<Vec<f64>>, name: &str| {
        let other = other.as_ref().filter(|_| row.tuning != name);
        other.map(|other| paired_gain(&row.cases, other, users, bootstrap)).transpose()
    };
    let first = rows.first().context("no tuning was measured")?;
    let (target, n_test_cases) = (first.target.clone(), users.len());
    let mut lines = Vec::new();
    for row in rows {
        lines.push(Line {
            of_full: full_mean.filter(|full| *full > 0.0).map(|full| row.test.mean / full),
            minus_full: minus(row, &full, "full")?,
            minus_frozen: minus(row, &frozen, "frozen")?,
            row: TuningRow { cases: Vec::new(), ..row.clone() },
        });
    }
    let missed = lines.iter().filter(|line| line.misses()).map(|line| line.row.tuning.clone()).collect();
    Ok(TuningTable { target, seed, n_test_cases, rows: lines, missed })
}

impl Line {
    /// Whether it trains some values and leaves most.
    pub fn trains_little(&self) -> bool {
        !matches!(self.row.tuning.as_str(), "frozen" | "full")
    }

    // By the means: an interval that holds zero proves neither side.
    /// Whether it keeps less of full tuning than it must, or does not improve the encoder.
    pub fn misses(&self) -> bool {
        let below_full = self.of_full.is_some_and(|share| share < SHARE_OF_FULL);
        let not_above_frozen = self.minus_frozen.is_some_and(|gain| gain.mean <= 0.0);
        self.trains_little() && (below_full || not_above_frozen)
    }
}
