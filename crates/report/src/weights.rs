//! Who carries the blend: each expert's weights as bars, beside them the evidence that it earns its place.

use super::cell;
use super::context::Context;
use super::markup::Html;
use super::model::{DomainReport, WeightRow};
use super::order::first;
use super::palette::Mark;
use super::plot::{self, Plot};
use super::scale::Scale;

/// Writes the section, or nothing when the domain has no weights.
pub(super) fn section(h: &mut Html, cx: &Context, domain: &DomainReport) {
    let (rows, n_left_out) = first(&domain.weights, cx.limits.models);
    if rows.is_empty() {
        return;
    }
    h.leaf("h3", "", "Who carries the blend?");
    let weights = rows.iter().flat_map(|row| [row.weight_warm, row.weight_cold]);
    let gains = rows.iter().flat_map(|row| row.gain.numbers());
    let plots = Plots {
        weight: Plot::new(h, Scale::from_zero(weights)),
        gain: Plot::new(h, Scale::from_zero(gains)),
    };
    h.within("table", "weights", |h| {
        h.leaf("caption", "", "Weight of each expert, and what the blend gains by having it");
        head(h);
        h.within("tbody", "", |h| {
            for row in rows {
                weight_row(h, cx, &plots, row);
            }
        });
        h.within("tfoot", "", |h| foot(h, &plots));
    });
    h.leaf(
        "p",
        "legend",
        "Upper bar: items seen often in training (warm); lower, pale bar: new and rare items (cold).",
    );
    h.left_out(n_left_out, "experts");
}

struct Plots {
    weight: Plot,
    gain: Plot,
}

fn head(h: &mut Html) {
    h.head(|h| {
        h.column("", "Expert");
        h.column("p", "Weight");
        h.column("n", "warm / cold");
        h.column("p", "Gain");
        h.column("n", "gain [interval]");
        h.column("v", "Verdict");
    });
}

fn foot(h: &mut Html, plots: &Plots) {
    h.within("tr", "", |h| {
        h.leaf("td", "", "");
        for plot in [&plots.weight, &plots.gain] {
            plot.axis(h, None);
            h.leaf("td", "n", "");
        }
        h.leaf("td", "v", "");
    });
}

fn weight_row(h: &mut Html, cx: &Context, plots: &Plots, row: &WeightRow) {
    let WeightRow { expert, gain, .. } = row;
    let pair = [row.weight_warm, row.weight_cold].map(cell::value).join(" / ");
    h.within("tr", if row.kept { "" } else { "dropped" }, |h| {
        h.row_name(expert);
        let label = format!("{expert}: weight {pair} (warm / cold)");
        let weights = (row.weight_warm, row.weight_cold);
        plots.weight.bar_pair(h, cx.palette.mark(expert), &label, weights);
        h.leaf("td", "n", &pair);
        let label = format!("{expert}: gain {}", cell::estimate(gain, cell::signed));
        plots.gain.dot(h, Mark::of_difference(gain), &label, gain);
        plot::estimate_cell(h, gain, cell::signed);
        h.within("td", "v", |h| {
            h.leaf("b", "", if row.kept { "kept" } else { "dropped" });
            if !row.verdict.is_empty() {
                h.text(": ");
                h.text(&row.verdict);
            }
        });
    });
}
