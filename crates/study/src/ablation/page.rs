//! The table as a page.

use segue_eval::bootstrap::Interval;
use segue_report::{Estimate, Report, StepCurve, StepLine};

use super::Ablation;
use super::sentences::{heading, sentences};
use crate::study::{PageOrigin, members_in_words};

/// The page of ablations, one for each target.
pub fn page(tables: &[Ablation], origin: PageOrigin) -> Report {
    let mut provenance = origin.provenance();
    provenance.extend(
        tables.iter().map(|table| (format!("{}: experts", table.target), members_in_words(&table.members))),
    );
    let seed = tables.first().map(|table| table.seed.to_string()).unwrap_or_default();
    provenance.push(("seed".to_owned(), seed));
    Report {
        title: format!("What each part adds: {}", origin.data),
        subtitle: tables.first().map(|table| table.split.clone()).unwrap_or_default(),
        generated: Some(origin.generated),
        headline: tables.iter().flat_map(sentences).collect(),
        steps: tables.iter().flat_map(pictures).collect(),
        provenance,
        ..Report::default()
    }
}

fn pictures(table: &Ablation) -> Vec<StepCurve> {
    let mut pictures = Vec::new();
    let parts: Vec<(String, [&Interval; 2])> = table.parts.iter().map(of_row).collect();
    let modalities: Vec<(String, [&Interval; 2])> = table.modalities.iter().map(of_row).collect();
    let graphs: Vec<(String, [&Interval; 2])> = table
        .graph
        .iter()
        .flat_map(|graph| &graph.differences)
        .map(|difference| {
            let name = format!("{} − {}", difference.ours.name(), difference.theirs.name());
            (name, [&difference.on_test.difference, &difference.on_valid.difference])
        })
        .collect();
    for (rows, x_label, y_label) in [
        (parts, "part that is switched off", "NDCG@10, all parts minus all but this one"),
        (graphs, "graphs", "NDCG@10, with the first graph minus with the second one"),
        (modalities, "modality that is left out", "NDCG@10, all modalities minus all but this one"),
    ] {
        if !rows.is_empty() {
            pictures.push(picture(table, &rows, (x_label, y_label)));
        }
    }
    pictures
}

fn of_row(row: &super::PartRow) -> (String, [&Interval; 2]) {
    (row.part.clone(), [&row.on_test.difference, &row.on_valid.difference])
}

fn picture(
    table: &Ablation,
    rows: &[(String, [&Interval; 2])],
    (x_label, y_label): (&str, &str),
) -> StepCurve {
    let line = |(at, name): (usize, &str)| StepLine {
        name: name.to_owned(),
        estimates: rows.iter().map(|(_, on)| Estimate::new(on[at].mean, on[at].lo, on[at].hi)).collect(),
        is_difference: true,
    };
    StepCurve {
        title: heading(table),
        x_label: x_label.to_owned(),
        y_label: y_label.to_owned(),
        steps: rows.iter().map(|(name, _)| name.clone()).collect(),
        lines: [(0, "on test"), (1, "on valid")].map(line).into(),
    }
}
