//! The table as a page.

use segue_eval::bootstrap::Interval;
use segue_report::{Report, StepCurve};

use super::graph::GraphDifference;
use super::sentences::{heading, sentences};
use super::{Ablation, PartRow};
use crate::page::{PageOrigin, PictureLabels, difference_line, estimate, picture};
use crate::study::members_in_words;

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
    let graphs = table.graph.iter().flat_map(|graph| &graph.differences);
    [
        differences(
            table,
            "part that is switched off",
            "NDCG@10, all parts minus all but this one",
            table.parts.iter().map(Step::from).collect(),
        ),
        differences(
            table,
            "graphs",
            "NDCG@10, with the first graph minus with the second one",
            graphs.map(Step::from).collect(),
        ),
        differences(
            table,
            "modality that is left out",
            "NDCG@10, all modalities minus all but this one",
            table.modalities.iter().map(Step::from).collect(),
        ),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// What is compared at one place of a picture.
struct Step<'a> {
    name: String,
    on_test: &'a Interval,
    on_valid: &'a Interval,
}

impl<'a> From<&'a PartRow> for Step<'a> {
    fn from(row: &'a PartRow) -> Self {
        Self { name: row.part.clone(), on_test: &row.on_test.difference, on_valid: &row.on_valid.difference }
    }
}

impl<'a> From<&'a GraphDifference> for Step<'a> {
    fn from(row: &'a GraphDifference) -> Self {
        Self {
            name: format!("{} − {}", row.ours.name(), row.theirs.name()),
            on_test: &row.on_test.difference,
            on_valid: &row.on_valid.difference,
        }
    }
}

/// The picture of these steps; `None` without any.
fn differences(table: &Ablation, steps: &str, height: &str, rows: Vec<Step<'_>>) -> Option<StepCurve> {
    if rows.is_empty() {
        return None;
    }
    let lines = vec![
        difference_line("on test", rows.iter().map(|row| estimate(row.on_test)).collect()),
        difference_line("on valid", rows.iter().map(|row| estimate(row.on_valid)).collect()),
    ];
    let labels = PictureLabels { title: heading(table), steps, height };
    Some(picture(labels, rows.into_iter().map(|row| row.name).collect(), lines))
}
