//! Whether the other domains help: this domain alone, all domains, and their difference against zero.

use super::cell;
use super::markup::Html;
use super::model::{DomainReport, Estimate, TransferRow};
use super::palette::Mark;
use super::plot::{self, Plot};
use super::scale::Scale;

/// Writes the section, or nothing when the comparison was not made.
pub(super) fn section(h: &mut Html, domain: &DomainReport) {
    let Some(row) = &domain.transfer else { return };
    h.leaf("h3", "", "Do the other domains help?");
    if !row.sentence.is_empty() {
        h.within("p", "verdict", |h| h.prose(&row.sentence));
    }
    h.within("div", "pair", |h| {
        values(h, row);
        difference(h, row);
    });
}

fn values(h: &mut Html, row: &TransferRow) {
    let rows = [("this domain alone", Mark::Single, &row.single), ("all domains", Mark::Blend, &row.cross)];
    let ends = rows.iter().flat_map(|(_, _, value)| value.numbers());
    let plot = Plot::new(h, Scale::covering(ends));
    let metric = if row.metric.is_empty() { "Accuracy" } else { &row.metric };
    table(h, metric, &plot, cell::value, &rows);
}

fn difference(h: &mut Html, row: &TransferRow) {
    let value = &row.difference;
    let plot = Plot::new(h, Scale::from_zero(value.numbers()));
    let rows = [("difference", Mark::of_difference(value), value)];
    table(h, "Difference, all domains less this one alone", &plot, cell::signed, &rows);
}

fn table(
    h: &mut Html,
    caption: &str,
    plot: &Plot,
    write: fn(f64) -> String,
    rows: &[(&str, Mark, &Estimate)],
) {
    h.within("table", "dots", |h| {
        h.leaf("caption", "", caption);
        h.within("tbody", "", |h| {
            for (name, mark, value) in rows {
                h.within("tr", "", |h| {
                    h.leaf_with("th", &[("scope", "row")], name);
                    plot.dot(h, *mark, &format!("{name}: {}", cell::estimate(value, write)), value);
                    plot::estimate_cell(h, value, write);
                });
            }
        });
        h.within("tfoot", "", |h| plot::axis_row(h, plot, None));
    });
}
