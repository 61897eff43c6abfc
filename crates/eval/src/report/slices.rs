//! Where it works: bars of the same models on every part of the test set, from popular items to items never seen.

use super::context::Context;
use super::markup::Html;
use super::model::{DomainReport, Estimate, SliceRow};
use super::number::{self, count};
use super::palette::Mark;
use super::plot::{self, Plot};
use super::scale::Scale;

/// Writes the section, or nothing when the domain has no slices.
pub(super) fn section(h: &mut Html, cx: &Context, domain: &DomainReport) {
    let slices = &domain.slices[..domain.slices.len().min(cx.limits.slices)];
    let models = models(cx, slices);
    if models.is_empty() {
        return;
    }
    let n_models = models.len().min(cx.limits.slice_models);
    let shown = &models[..n_models];
    let values = slices
        .iter()
        .flat_map(|slice| shown.iter().map(|model| value_of(slice, model)));
    let scale = Scale::from_zero(values.flat_map(|value| [value.mean, value.lo, value.hi]));
    h.leaf("h3", "", "Where does it work?");
    h.leaf(
        "p",
        "note",
        "The same models and one scale for every part of the test set.",
    );
    h.within("div", "cards", |h| {
        for slice in slices {
            let plot = scale.clone().map(|scale| Plot::new(h, scale));
            card(h, cx, slice, shown, plot.as_ref());
        }
    });
    h.left_out(models.len() - shown.len(), "models");
    h.left_out(domain.slices.len() - slices.len(), "slices");
}

/// Models by their mean over the slices, best first; the blend before all others.
fn models<'a>(cx: &Context, slices: &'a [SliceRow]) -> Vec<&'a str> {
    let mut names: Vec<&str> = Vec::new();
    for (name, _) in slices.iter().flat_map(|slice| &slice.values) {
        if !names.contains(&name.as_str()) {
            names.push(name.as_str());
        }
    }
    names.sort_by(|a, b| {
        let is_blend = |name| cx.palette.mark(name) == Mark::Blend;
        is_blend(b)
            .cmp(&is_blend(a))
            .then(total(slices, b).total_cmp(&total(slices, a)))
    });
    names
}

fn total(slices: &[SliceRow], model: &str) -> f64 {
    slices
        .iter()
        .map(|slice| value_of(slice, model).mean)
        .filter(|mean| mean.is_finite())
        .sum()
}

fn value_of(slice: &SliceRow, model: &str) -> Estimate {
    slice
        .values
        .iter()
        .find(|(name, _)| name == model)
        .map_or_else(Estimate::default, |(_, value)| *value)
}

fn card(h: &mut Html, cx: &Context, slice: &SliceRow, models: &[&str], plot: Option<&Plot>) {
    h.within("table", "dots", |h| {
        h.within("caption", "", |h| {
            h.name(&slice.slice);
            h.leaf("span", "aside", &format!(" n = {}", count(slice.n)));
        });
        h.within("tbody", "", |h| {
            for model in models {
                let value = value_of(slice, model);
                let mark = cx.palette.mark(model);
                h.within("tr", if mark == Mark::Blend { "strong" } else { "" }, |h| {
                    h.row_name(model);
                    let label = format!(
                        "{model}, {}: {}",
                        slice.slice,
                        number::estimate(&value, number::value)
                    );
                    match plot {
                        Some(plot) => plot.bar(h, mark, &label, &value),
                        None => h.leaf("td", "p", ""),
                    }
                    plot::estimate_cell(h, &value, number::value);
                });
            }
        });
        if let Some(plot) = plot {
            h.within("tfoot", "", |h| plot::axis_row(h, plot, None));
        }
    });
}
