//! The rows of a benchmark as JSON.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;

use super::measure::Measured;
use super::published::Published;

/// What kind of thing a row measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Expert,
    Blend,
    Published,
}

/// The candidates of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Candidates {
    All(&'static str),
    Sampled(usize),
}

/// One row: a model under one regime, mask and candidate rule.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    pub name: String,
    pub kind: Kind,
    pub domain: String,
    pub regime: Option<&'static str>,
    pub mask: Option<bool>,
    /// `none`, `seen` (strict: what is served) or `seen-except-target` (filtered: spares the answer).
    pub mask_rule: Option<&'static str>,
    pub candidates: Candidates,
    pub seed: Option<u64>,
    pub metrics: BTreeMap<String, f64>,
    pub ci95: BTreeMap<String, [f64; 2]>,
    pub wall_s: Option<f64>,
    pub cpu_s: Option<f64>,
    pub peak_rss_bytes: Option<u64>,
}

/// A paired difference, blend minus its best single expert on test.
#[derive(Clone, Debug, Serialize)]
pub struct Difference {
    pub candidate: String,
    pub baseline: String,
    pub domain: String,
    pub regime: &'static str,
    pub mask_rule: &'static str,
    pub candidates: Candidates,
    pub seed: u64,
    pub metric: &'static str,
    pub mean: f64,
    pub ci95: [f64; 2],
}

/// Everything a run of the benchmark says.
#[derive(Debug, Serialize)]
pub struct Report {
    pub protocol: String,
    pub data: String,
    pub data_sha256: String,
    pub rows: Vec<Row>,
    /// Rows under the strict mask where it differs from the protocol's.
    pub strict_rows: Vec<Row>,
    pub differences: Vec<Difference>,
}

impl Report {
    pub fn new(protocol: &str, data: &Path, measured: &[Measured], published: &Published) -> Self {
        let mut domains: Vec<&str> =
            measured.iter().flat_map(|m| m.rows.iter().map(|row| row.domain.as_str())).collect();
        domains.sort_unstable();
        domains.dedup();
        let mut rows: Vec<Row> = measured.iter().flat_map(|m| m.rows.iter().cloned()).collect();
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

fn published_rows(published: &Published, domains: &[&str]) -> Vec<Row> {
    let mut rows = Vec::new();
    for system in &published.systems {
        for (domain, metrics) in system.rows.iter().filter(|(domain, _)| domains.contains(&domain.as_str())) {
            rows.push(Row {
                name: system.name.clone(),
                kind: Kind::Published,
                domain: domain.clone(),
                regime: None,
                mask: None,
                mask_rule: None,
                candidates: system.candidates.map_or(Candidates::All("all"), Candidates::Sampled),
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
