//! Who carries the blend: each expert's weights as bars, beside them the evidence that it earns its place.

use super::context::Context;
use super::markup::Html;
use super::model::{DomainReport, WeightRow};
use super::number;
use super::palette::Mark;
use super::plot::{self, Plot};
use super::scale::Scale;

/// Writes the section, or nothing when the domain has no weights.
pub(super) fn section(h: &mut Html, cx: &Context, domain: &DomainReport) {
    let rows = &domain.weights[..domain.weights.len().min(cx.limits.models)];
    if rows.is_empty() {
        return;
    }
    h.leaf("h3", "", "Who carries the blend?");
    let weights = rows
        .iter()
        .flat_map(|row| [row.weight_warm, row.weight_cold]);
    let gains = rows
        .iter()
        .flat_map(|row| [row.gain.mean, row.gain.lo, row.gain.hi]);
    let plots = Plots {
        weight: Scale::from_zero(weights).map(|scale| Plot::new(h, scale)),
        gain: Scale::from_zero(gains).map(|scale| Plot::new(h, scale)),
    };
    h.within("table", "weights", |h| {
        h.leaf(
            "caption",
            "",
            "Weight of each expert, and what the blend gains by having it",
        );
        head(h);
        h.within("tbody", "", |h| {
            for row in rows {
                weight_row(h, cx, &plots, row);
            }
        });
        h.within("tfoot", "", |h| foot(h, &plots));
    });
    h.leaf("p", "legend", "Upper bar: items seen often in training (warm); lower, pale bar: new and rare items (cold).");
    h.left_out(domain.weights.len() - rows.len(), "experts");
}

struct Plots {
    weight: Option<Plot>,
    gain: Option<Plot>,
}

fn head(h: &mut Html) {
    h.within("thead", "", |h| {
        h.within("tr", "", |h| {
            h.column("", "Expert");
            h.column("p", "Weight");
            h.column("n", "warm / cold");
            h.column("p", "Gain");
            h.column("n", "gain [interval]");
            h.column("v", "Verdict");
        });
    });
}

fn foot(h: &mut Html, plots: &Plots) {
    h.within("tr", "", |h| {
        h.leaf("td", "", "");
        for plot in [&plots.weight, &plots.gain] {
            match plot {
                Some(plot) => plot.axis(h, None),
                None => h.leaf("td", "p", ""),
            }
            h.leaf("td", "n", "");
        }
        h.leaf("td", "v", "");
    });
}

fn weight_row(h: &mut Html, cx: &Context, plots: &Plots, row: &WeightRow) {
    let pair = format!(
        "{} / {}",
        number::value(row.weight_warm),
        number::value(row.weight_cold)
    );
    h.within("tr", if row.kept { "" } else { "dropped" }, |h| {
        h.row_name(&row.expert);
        match &plots.weight {
            Some(plot) => {
                let label = format!("{}: weight {pair} (warm / cold)", row.expert);
                plot.bar_pair(
                    h,
                    cx.palette.mark(&row.expert),
                    &label,
                    (row.weight_warm, row.weight_cold),
                );
            }
            None => h.leaf("td", "p", ""),
        }
        h.leaf("td", "n", &pair);
        match &plots.gain {
            Some(plot) => {
                let label = format!(
                    "{}: gain {}",
                    row.expert,
                    number::estimate(&row.gain, number::signed)
                );
                plot.dot(h, Mark::of_difference(&row.gain), &label, &row.gain);
            }
            None => h.leaf("td", "p", ""),
        }
        plot::estimate_cell(h, &row.gain, number::signed);
        h.within("td", "v", |h| {
            h.leaf("b", "", if row.kept { "kept" } else { "dropped" });
            if !row.verdict.is_empty() {
                h.text(": ");
                h.text(&row.verdict);
            }
        });
    });
}
