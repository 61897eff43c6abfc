//! The table as a page.

use segue_eval::bootstrap::Interval;
use segue_eval::report::{Estimate, Report, StepCurve, StepLine};

use super::Ablation;
use super::show::{heading, sentences};
use crate::study::{PageOrigin, members_in_words};

/// The page of ablations, one for each target.
pub(crate) fn page(tables: &[Ablation], origin: PageOrigin) -> Report {
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
        steps: tables.iter().map(picture).collect(),
        provenance,
        ..Report::default()
    }
}

fn picture(table: &Ablation) -> StepCurve {
    let line = |name: &str, of: fn(&super::PartRow) -> &Interval| StepLine {
        name: name.to_owned(),
        estimates: table
            .parts
            .iter()
            .map(|row| {
                let interval = of(row);
                Estimate::new(interval.mean, interval.lo, interval.hi)
            })
            .collect(),
        is_difference: true,
    };
    StepCurve {
        title: heading(table),
        x_label: "part that is switched off".to_owned(),
        y_label: "NDCG@10, all parts minus all but this one".to_owned(),
        steps: table.parts.iter().map(|row| row.part.clone()).collect(),
        lines: vec![
            line("on test", |row| &row.on_test.difference),
            line("on valid", |row| &row.on_valid.difference),
        ],
    }
}
