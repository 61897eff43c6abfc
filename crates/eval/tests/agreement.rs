//! Agreement with `ir_measures` and `ranx` on 1,000 random pairs of judgments and run.
//!
//! `reference/agreement.py` says how the pairs are drawn and what the tools answered; `reference/agreement.json` holds
//! the answers, means over the users of a pair. The pairs are drawn again here.

use std::collections::BTreeMap;

use segue_eval::lists::{ListEvaluation, PerUser, Qrels, Run, evaluate_lists};
use segue_eval::metric::Metric;
use serde::Deserialize;

#[derive(Deserialize)]
struct Reference {
    n_pairs: u64,
    n_queries: usize,
    columns: Vec<Column>,
    rows: Vec<Vec<f64>>,
}

#[derive(Deserialize)]
struct Column {
    tool: String,
    theirs: String,
    ours: String,
}

/// The generator documented in `agreement.py`.
struct Lcg(u64);

impl Lcg {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

/// `random_pair` of `agreement.py`, draw by draw.
fn random_pair(pair: u64) -> (PerUser, PerUser) {
    let mut lcg = Lcg(pair);
    let (mut qrels, mut run) = (PerUser::new(), PerUser::new());
    for user in ["u0", "u1", "u2"] {
        let n_items = 5 + lcg.below(60);
        let mut items: Vec<String> = (0..n_items).map(|item| format!("d{item}")).collect();
        let mut judgments = BTreeMap::new();
        for item in &items {
            if lcg.below(4) == 0 {
                let relevance = lcg.below(if pair % 2 == 1 { 4 } else { 2 });
                judgments.insert(item.clone(), relevance as f64);
            }
        }
        for last in (1..items.len()).rev() {
            items.swap(last, lcg.below(last as u64 + 1) as usize);
        }
        let longest = if lcg.below(4) == 0 { 6 } else { n_items + 1 };
        items.truncate(lcg.below(longest) as usize);
        let score = |(place, item)| (item, -0.5 * place as f64 + lcg.below(100) as f64 / 256.0);
        let scores: BTreeMap<String, f64> = items.into_iter().enumerate().map(score).collect();
        if !judgments.is_empty() {
            qrels.insert(user.to_owned(), judgments);
        }
        if !scores.is_empty() {
            run.insert(user.to_owned(), scores);
        }
    }
    (qrels, run)
}

/// `None` if no user of the pair has a relevant item.
fn evaluate(pair: u64, metrics: &[Metric]) -> Option<ListEvaluation> {
    let (qrels, run) = random_pair(pair);
    evaluate_lists(&Run::new(run).ok()?, &Qrels::new(qrels).ok()?, metrics).ok()
}

#[test]
fn every_metric_equals_the_reference_tools_within_1e_9() {
    let reference: Reference = serde_json::from_str(include_str!("reference/agreement.json")).unwrap();
    let metrics: Vec<Metric> = reference.columns.iter().map(|column| column.ours.parse().unwrap()).collect();
    assert_eq!((reference.n_pairs, reference.rows.len()), (1000, 1000));
    let mut n_queries = 0;
    for (pair, row) in (0..).zip(&reference.rows) {
        let Some(evaluation) = evaluate(pair, &metrics) else {
            assert!(row.is_empty(), "pair {pair}: the tools found relevant items, we found none");
            continue;
        };
        n_queries += evaluation.counts.n_evaluated;
        assert_eq!(evaluation.counts.n_with_ties, 0, "pair {pair}: the comparison is for runs without ties");
        assert_eq!(row.len(), metrics.len(), "pair {pair}");
        for ((column, theirs), ours) in reference.columns.iter().zip(row).zip(&evaluation.means) {
            assert!(
                (ours - theirs).abs() <= 1e-9,
                "pair {pair}: {} {} is {theirs}, {} is {ours}",
                column.tool,
                column.theirs,
                column.ours
            );
        }
    }
    assert_eq!(n_queries, reference.n_queries);
}
