//! What was tried on the validation set, and what was chosen.

use super::cell::{self, count};
use super::context::Context;
use super::markup::Html;
use super::model::{DomainReport, Estimate, TrialRow};
use super::order::{distinct, rank};
use super::plot::Plot;
use super::scale::Scale;

/// Trials of an expert shown at least.
const TRIALS_MIN: usize = 2;

/// Writes the section, or nothing when there was no search.
pub(super) fn section(h: &mut Html, cx: &Context, domain: &DomainReport) {
    if domain.search.is_empty() {
        return;
    }
    let rows = shown_rows(cx, &domain.search);
    let scale = Scale::covering(rows.iter().map(|row| row.score));
    let plot = Plot::new(h, scale.wide());
    h.leaf("h3", "", "What was tried");
    h.within("details", "", |h| {
        let n_trials = count(domain.search.len());
        h.leaf("summary", "", &format!("{n_trials} settings on the validation set"));
        h.within("table", "trials", |h| {
            h.head(|h| {
                h.column("", "Expert");
                h.column("c", "Setting");
                h.column("p", "");
                h.column("n", "validation");
            });
            h.within("tbody", "", |h| {
                for row in &rows {
                    trial_row(h, cx, &plot, row);
                }
            });
            h.within("tfoot", "", |h| foot(h, &plot));
        });
        h.left_out(domain.search.len() - rows.len(), "settings");
    });
}

/// The trials of each expert, the chosen one first, then by score.
fn shown_rows<'a>(cx: &Context, trials: &'a [TrialRow]) -> Vec<&'a TrialRow> {
    let mut experts = distinct(trials.iter().map(|trial| &trial.expert));
    experts.truncate(cx.limits.models);
    let n_each = (cx.limits.trials / experts.len().max(1)).max(TRIALS_MIN);
    let mut rows = Vec::new();
    for expert in experts {
        let mut own: Vec<&TrialRow> = trials.iter().filter(|trial| trial.expert == expert).collect();
        own.sort_by(|a, b| b.chosen.cmp(&a.chosen).then(rank(b.score).total_cmp(&rank(a.score))));
        rows.extend(own.into_iter().take(n_each));
    }
    rows
}

fn trial_row(h: &mut Html, cx: &Context, plot: &Plot, row: &TrialRow) {
    h.within("tr", if row.chosen { "strong" } else { "" }, |h| {
        h.row_name(&row.expert);
        h.within("td", "c", |h| {
            h.leaf("code", "", &row.params);
            if row.chosen {
                h.leaf("span", "tag", "chosen");
            }
        });
        let label = format!("{}: {}", row.params, cell::value(row.score));
        plot.dot(h, cx.palette.mark(&row.expert), &label, &Estimate::point(row.score));
        h.leaf("td", "n", &cell::value(row.score));
    });
}

fn foot(h: &mut Html, plot: &Plot) {
    h.within("tr", "", |h| {
        h.leaf("td", "", "");
        h.leaf("td", "c", "");
        plot.axis(h, None);
        h.leaf("td", "n", "");
    });
}
