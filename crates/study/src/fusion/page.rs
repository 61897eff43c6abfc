//! The study as a page.

use segue_eval::bootstrap::Interval;
use segue_report::{Report, StepCurve};

use super::sentences::{heading, sentences};
use super::{FusionTable, MissingToken, ModelRow};
use crate::page::{PageOrigin, PictureLabels, difference_line, estimate, mean_line, picture};

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
    [models(table), missing(table)]
}

fn models(table: &FusionTable) -> StepCurve {
    let estimates =
        |on: fn(&ModelRow) -> &Interval| table.models.iter().map(|row| estimate(on(row))).collect();
    let labels = PictureLabels { title: heading(table), steps: "model", height: "NDCG@10" };
    let lines = vec![
        mean_line("on test", estimates(|row| &row.test)),
        mean_line("on valid", estimates(|row| &row.valid)),
    ];
    picture(labels, table.models.iter().map(|row| row.name.clone()).collect(), lines)
}

fn missing(table: &FusionTable) -> StepCurve {
    let estimates =
        |of: fn(&MissingToken) -> &Interval| table.missing.iter().map(|row| estimate(of(row))).collect();
    let labels = PictureLabels {
        title: format!("{}: one modality missing", table.target),
        steps: "modality",
        height: "NDCG@10 of the fused model minus",
    };
    let lines = vec![
        difference_line("a model trained without it", estimates(|row| &row.gain.difference)),
        difference_line("the same model without it at test time", estimates(|row| &row.cost.difference)),
    ];
    picture(labels, table.missing.iter().map(|row| row.token.name().to_owned()).collect(), lines)
}
