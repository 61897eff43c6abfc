//! Where it works: bars of the same models on every part of the test set, from popular items to items never seen.

use super::cell::{self, count};
use super::context::Context;
use super::markup::Html;
use super::model::{DomainReport, Estimate, SliceRow};
use super::order::{distinct, first};
use super::palette::Mark;
use super::plot::{self, Plot};
use super::scale::Scale;

/// Writes the section, or nothing when the domain has no slices.
pub(super) fn section(h: &mut Html, cx: &Context, domain: &DomainReport) {
    let (slices, n_slices) = first(&domain.slices, cx.limits.slices);
    let models = models(cx, slices);
    if models.is_empty() {
        return;
    }
    let (shown, n_models) = first(&models, cx.limits.slice_models);
    let values = slices.iter().flat_map(|slice| shown.iter().map(|model| value_of(slice, model)));
    let scale = Scale::from_zero(values.flat_map(|value| value.numbers()));
    h.leaf("h3", "", "Where does it work?");
    h.leaf("p", "note", "The same models and one scale for every part of the test set.");
    h.within("div", "cards", |h| {
        for slice in slices {
            let plot = Plot::new(h, scale.clone());
            card(h, cx, slice, shown, &plot);
        }
    });
    h.left_out(n_models, "models");
    h.left_out(n_slices, "slices");
}

/// Models by their mean over the slices, best first; the blend before all others.
fn models<'a>(cx: &Context, slices: &'a [SliceRow]) -> Vec<&'a str> {
    let values = slices.iter().flat_map(|slice| &slice.values);
    let mut names = distinct(values.map(|(name, _)| name));
    names.sort_by(|a, b| {
        let is_blend = |name| cx.palette.mark(name) == Mark::Blend;
        is_blend(b).cmp(&is_blend(a)).then(total(slices, b).total_cmp(&total(slices, a)))
    });
    names
}

fn total(slices: &[SliceRow], model: &str) -> f64 {
    slices.iter().map(|slice| value_of(slice, model).mean).filter(|mean| mean.is_finite()).sum()
}

fn value_of(slice: &SliceRow, model: &str) -> Estimate {
    slice.values.iter().find(|(name, _)| name == model).map_or_else(Estimate::default, |(_, value)| *value)
}

fn card(h: &mut Html, cx: &Context, slice: &SliceRow, models: &[&str], plot: &Plot) {
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
                    let label = format!("{model}, {}: {}", slice.slice, cell::estimate(&value, cell::value));
                    plot.bar(h, mark, &label, &value);
                    plot::estimate_cell(h, &value, cell::value);
                });
            }
        });
        h.within("tfoot", "", |h| plot::axis_row(h, plot, None));
    });
}
