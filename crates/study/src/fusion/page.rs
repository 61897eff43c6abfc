//! The study as a page.

use segue_eval::bootstrap::Interval;
use segue_report::{Estimate, Report, StepCurve, StepLine};

use super::FusionTable;
use super::sentences::{heading, sentences};
use crate::study::PageOrigin;

/// The page of fusion studies, one for each target.
pub fn page(tables: &[FusionTable], origin: PageOrigin) -> Report {
    let mut provenance = origin.provenance();
    let seed = tables.first().map(|table| table.seed.to_string()).unwrap_or_default();
    provenance.push(("seed".to_owned(), seed));
    Report {
        title: format!("Fusion and its weights: {}", origin.data),
        subtitle: tables.first().map(|table| table.split.clone()).unwrap_or_default(),
        generated: Some(origin.generated),
        headline: tables.iter().flat_map(sentences).collect(),
        steps: tables.iter().flat_map(pictures).collect(),
        provenance,
        ..Report::default()
    }
}

fn pictures(table: &FusionTable) -> [StepCurve; 2] {
    let estimate = |interval: &Interval| Estimate::new(interval.mean, interval.lo, interval.hi);
    let line = |name: &str, estimates: Vec<Estimate>, is_difference: bool| StepLine {
        name: name.to_owned(),
        estimates,
        is_difference,
    };
    let models = StepCurve {
        title: heading(table),
        x_label: "model".to_owned(),
        y_label: "NDCG@10".to_owned(),
        steps: table.models.iter().map(|row| row.name.clone()).collect(),
        lines: vec![
            line("on test", table.models.iter().map(|row| estimate(&row.test)).collect(), false),
            line("on valid", table.models.iter().map(|row| estimate(&row.valid)).collect(), false),
        ],
    };
    let of = |rows: fn(&super::Missing) -> &Interval| {
        table.missing.iter().map(|row| estimate(rows(row))).collect()
    };
    let missing = StepCurve {
        title: format!("{}: one modality missing", table.target),
        x_label: "modality".to_owned(),
        y_label: "NDCG@10 of the fused model minus".to_owned(),
        steps: table.missing.iter().map(|row| row.token.name().to_owned()).collect(),
        lines: vec![
            line("a model trained without it", of(|row| &row.gain.difference), true),
            line("the same model without it at test time", of(|row| &row.cost.difference), true),
        ],
    };
    [models, missing]
}
