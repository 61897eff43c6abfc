//! What each way to tune an encoder costs, and what its vectors are worth beside those of full tuning.

mod one;

use anyhow::{Context, Result};
use segue_eval::bootstrap::{Bootstrap, Interval};
use segue_train::judge::paired_gain;
use serde::Serialize;

pub use self::one::{OneTuning, TuningRow};
use super::data::BenchmarkData;
use super::request::{BenchmarkRequest, targets};

/// Names in the order of the table: nothing trained, everything trained, then the ways that train little.
pub const ALL: [&str; 6] = ["frozen", "full", "lora", "adalora", "adapter", "prefix"];
/// Share of full tuning's NDCG@10 that a way which trains little must keep.
pub const SHARE_OF_FULL: f64 = 0.99;

const FROZEN: &str = "frozen";
const FULL: &str = "full";

/// The table of one domain.
#[derive(Debug, Serialize)]
pub struct TuningTable {
    /// Name of the domain.
    pub target: String,
    /// Seed of the adaptations and the intervals.
    pub seed: u64,
    /// Cases on which nothing was chosen.
    pub n_test_cases: usize,
    /// One row for each tuning.
    pub rows: Vec<ComparedTuning>,
    /// Ways that train little and are below the bar, or not above the encoder as it is.
    pub missed: Vec<String>,
}

/// A tuning beside the others.
#[derive(Debug, Serialize)]
pub struct ComparedTuning {
    /// What it gave alone.
    #[serde(flatten)]
    pub row: TuningRow,
    /// NDCG@10 on test over that of full tuning.
    pub of_full: Option<f64>,
    /// NDCG@10 on test minus that of full tuning; paired by case, users resampled.
    pub minus_full: Option<Interval>,
    /// NDCG@10 on test minus that of the encoder as it is; likewise.
    pub minus_frozen: Option<Interval>,
}

/// The tables of a data set from the rows of every tuning, one table for each domain that is asked for. `measured` has the rows of one
/// tuning after the other, each in the order of the domains.
///
/// # Errors
/// When a domain has no test case.
pub fn tables(
    request: &BenchmarkRequest,
    data: &BenchmarkData,
    seed: u64,
    measured: &[Vec<TuningRow>],
) -> Result<Vec<TuningTable>> {
    let mut tables = Vec::new();
    for (at, target) in targets(&data.data.dataset, &request.targets).enumerate() {
        let rows: Vec<TuningRow> = measured.iter().filter_map(|rows| rows.get(at).cloned()).collect();
        let test = data.problem(target, request.protocol.rule(seed)).test()?;
        tables.push(table(&rows, seed, test.users())?);
    }
    Ok(tables)
}

fn table(rows: &[TuningRow], seed: u64, users: &[u32]) -> Result<TuningTable> {
    let find = |name: &str| rows.iter().find(|row| row.tuning == name);
    let (full, frozen) = (find(FULL), find(FROZEN));
    let bootstrap = Bootstrap { seed, ..Bootstrap::default() };
    let minus = |row: &TuningRow, other: Option<&TuningRow>| {
        let other = other.filter(|other| other.tuning != row.tuning);
        other.map(|other| paired_gain(&row.cases, &other.cases, users, bootstrap)).transpose()
    };
    let full_mean = full.map(|full| full.test.mean).filter(|mean| *mean > 0.0);
    let target = rows.first().context("no tuning was measured")?.target.clone();
    let mut lines = Vec::new();
    for row in rows {
        lines.push(ComparedTuning {
            of_full: full_mean.map(|full| row.test.mean / full),
            minus_full: minus(row, full)?,
            minus_frozen: minus(row, frozen)?,
            row: TuningRow { cases: Vec::new(), ..row.clone() },
        });
    }
    let missed = lines.iter().filter(|line| line.misses()).map(|line| line.row.tuning.clone()).collect();
    Ok(TuningTable { target, seed, n_test_cases: users.len(), rows: lines, missed })
}

impl ComparedTuning {
    /// Whether it trains some values and leaves most.
    pub fn trains_little(&self) -> bool {
        !matches!(self.row.tuning.as_str(), FROZEN | FULL)
    }

    /// Whether it keeps less of full tuning than it must, or does not improve the encoder. By the means: an interval that holds zero
    /// proves neither side.
    pub fn misses(&self) -> bool {
        let below_full = self.of_full.is_some_and(|share| share < SHARE_OF_FULL);
        let not_above_frozen = self.minus_frozen.is_some_and(|gain| gain.mean <= 0.0);
        self.trains_little() && (below_full || not_above_frozen)
    }
}
