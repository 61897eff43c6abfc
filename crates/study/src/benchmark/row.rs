//! The rows of a benchmark as JSON, and what they are over several seeds.

use std::collections::BTreeMap;
use std::path::Path;

use segue_train::judge::mean;
use serde::Serialize;

use super::measure::Measured;
use super::published::Published;

/// What kind of thing a row measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RowKind {
    /// One expert, or a floor.
    Expert,
    /// A blend of experts.
    Blend,
    /// What a paper reports.
    Published,
}

/// What the target of a case is ranked among.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum RowCandidates {
    /// All items of the domain; always `all`.
    All(&'static str),
    /// So many that are drawn.
    Sampled(usize),
}

impl RowCandidates {
    /// All items of the domain.
    pub const ALL: Self = Self::All("all");
}

/// One row: a model under one regime, mask and candidate rule.
#[derive(Clone, Debug, Serialize)]
pub struct BenchmarkRow {
    /// The expert's id, or the name of the blend, the floor or the published system.
    pub name: String,
    /// What it is.
    pub kind: RowKind,
    /// The domain that is recommended.
    pub domain: String,
    /// `train`, or `refit` on train and valid; `None` for a published row.
    pub regime: Option<&'static str>,
    /// Whether known items are hidden.
    pub mask: Option<bool>,
    /// `none`, `seen` (strict: what is served) or `seen-except-target` (filtered: spares the answer).
    pub mask_rule: Option<&'static str>,
    /// What the target is ranked among.
    pub candidates: RowCandidates,
    /// The seed of all that is random.
    pub seed: Option<u64>,
    /// Means by name of the metric.
    pub metrics: BTreeMap<String, f64>,
    /// Bounds of 95 % intervals by name of the metric.
    pub ci95: BTreeMap<String, [f64; 2]>,
    /// Seconds on the clock.
    pub wall_s: Option<f64>,
    /// Processor seconds.
    pub cpu_s: Option<f64>,
    /// The most memory that the process held so far, bytes.
    pub peak_rss_bytes: Option<u64>,
}

/// A difference of one metric, paired by case.
#[derive(Clone, Debug, Serialize)]
pub struct RowDifference {
    /// The model that is looked at.
    pub candidate: String,
    /// The model that it is compared with.
    pub baseline: String,
    /// The domain that is recommended.
    pub domain: String,
    /// `train` or `refit`.
    pub regime: &'static str,
    /// As in [`BenchmarkRow::mask_rule`].
    pub mask_rule: &'static str,
    /// What the target is ranked among.
    pub candidates: RowCandidates,
    /// The seed of all that is random.
    pub seed: u64,
    /// Name of the metric.
    pub metric: &'static str,
    /// The first minus the second.
    pub mean: f64,
    /// Bounds of the 95 % interval of that.
    pub ci95: [f64; 2],
}

/// Everything a run of the benchmark says.
#[derive(Debug, Serialize)]
pub struct BenchmarkReport {
    /// Name of the protocol.
    pub protocol: String,
    /// Where the data lie.
    pub data: String,
    /// The hash of the data set, or one over those of several.
    pub data_sha256: String,
    /// Measured rows, then published ones.
    pub rows: Vec<BenchmarkRow>,
    /// Rows under the strict mask where it differs from the protocol's.
    pub strict_rows: Vec<BenchmarkRow>,
    /// Blend against its best single expert, and several domains against one.
    pub differences: Vec<RowDifference>,
}

impl BenchmarkReport {
    /// What was measured on all data sets and seeds, with the published rows of the same domains.
    pub fn new(protocol: &str, data: &Path, measured: &[Measured], published: &Published) -> Self {
        let mut domains: Vec<&str> =
            measured.iter().flat_map(|m| m.rows.iter().map(|row| row.domain.as_str())).collect();
        domains.sort_unstable();
        domains.dedup();
        let mut rows: Vec<BenchmarkRow> = measured.iter().flat_map(|m| m.rows.iter().cloned()).collect();
        rows.extend(published_rows(published, &domains));
        Self {
            protocol: protocol.to_owned(),
            data: data.display().to_string(),
            data_sha256: hash_of_all(measured.iter().map(|m| m.sha256.clone()).collect()),
            rows,
            strict_rows: measured.iter().flat_map(|m| m.strict_rows.iter().cloned()).collect(),
            differences: measured.iter().flat_map(|m| m.differences.iter().cloned()).collect(),
        }
    }
}

/// The hash of the one data set, or one over those of several.
pub fn hash_of_all(mut hashes: Vec<String>) -> String {
    hashes.dedup();
    match hashes.as_slice() {
        [one] => one.clone(),
        several => segue_data::hash::of_bytes(several.concat().as_bytes()),
    }
}

fn published_rows(published: &Published, domains: &[&str]) -> Vec<BenchmarkRow> {
    let mut rows = Vec::new();
    for system in &published.systems {
        for (domain, metrics) in system.rows.iter().filter(|(domain, _)| domains.contains(&domain.as_str())) {
            rows.push(BenchmarkRow {
                name: system.name.clone(),
                kind: RowKind::Published,
                domain: domain.clone(),
                regime: None,
                mask: None,
                mask_rule: None,
                candidates: system.candidates.map_or(RowCandidates::ALL, RowCandidates::Sampled),
                seed: None,
                metrics: metrics.clone(),
                ci95: BTreeMap::new(),
                wall_s: None,
                cpu_s: None,
                peak_rss_bytes: None,
            });
        }
    }
    rows
}

/// A metric over rows that differ in nothing but the seed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SeedSummary {
    /// The mean.
    pub mean: f64,
    /// The standard deviation of a sample; 0 with one row.
    pub sd: f64,
}

/// A metric's mean and standard deviation over rows that differ in nothing but the seed.
pub fn over_seeds(rows: &[&BenchmarkRow], metric: &str) -> SeedSummary {
    let values: Vec<f64> = rows.iter().filter_map(|row| row.metrics.get(metric).copied()).collect();
    let mean = mean(&values);
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    let sd = if values.len() > 1 { (squares / (values.len() - 1) as f64).sqrt() } else { 0.0 };
    SeedSummary { mean, sd }
}

/// Rows grouped by everything but the seed, in order of first appearance.
pub fn grouped<'a>(rows: impl IntoIterator<Item = &'a BenchmarkRow>) -> Vec<Vec<&'a BenchmarkRow>> {
    let mut order: Vec<Vec<&BenchmarkRow>> = Vec::new();
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    for row in rows {
        let key =
            format!("{}|{}|{:?}|{:?}|{:?}", row.name, row.domain, row.regime, row.mask_rule, row.candidates);
        let place = *places.entry(key).or_insert_with(|| {
            order.push(Vec::new());
            order.len() - 1
        });
        order[place].push(row);
    }
    order
}
