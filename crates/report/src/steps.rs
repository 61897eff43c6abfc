//! Estimates of a few systems over a few steps, such as shares of the training data: lines with intervals, then the numbers.
//!
//! Steps stand at even distances, whatever they are called: shares of 1, 5, 10, 25 and 100 % would crowd on a linear scale.

use super::cell::{self, decimals};
use super::context::Context;
use super::markup::Html;
use super::model::{Estimate, StepCurve, StepLine};
use super::order::first;
use super::palette::Mark;
use super::plot::{self, place_text};
use super::scale::Scale;

/// Height of the drawing in pixels, as in the style sheet.
const HEIGHT: f64 = 180.0;
/// Percent of the width between the lines of one step, so that their intervals do not hide each other.
const APART: f64 = 0.9;

/// Writes the section, or nothing when there is no curve.
pub(super) fn section(h: &mut Html, cx: &Context, curves: &[StepCurve]) {
    let (shown, n_left_out) = first(curves, cx.limits.curves);
    if shown.is_empty() {
        return;
    }
    h.within_with("section", &[("id", "steps")], |h| {
        for curve in shown {
            h.within("h2", "", |h| h.name(&curve.title));
            picture(h, cx, curve);
            table(h, cx, curve);
        }
        h.left_out(n_left_out, "curves");
    });
}

fn picture(h: &mut Html, cx: &Context, curve: &StepCurve) {
    let (lines, _) = first(&curve.lines, cx.limits.curves);
    let numbers = lines.iter().flat_map(|line| &line.estimates).flat_map(Estimate::numbers);
    let y = Scale::covering(numbers).wide();
    if y.is_empty() {
        return;
    }
    let caption = format!("{} by {}, with intervals", curve.y_label, curve.x_label);
    h.within("figure", "", |h| {
        h.leaf("figcaption", "", &caption);
        h.within_with("svg", &[("class", "curve"), ("role", "img")], |h| {
            h.leaf("title", "", &caption);
            axes(h, &y, &curve.steps);
            let frame = [("height", "180"), ("viewBox", "0 0 100 100"), ("preserveAspectRatio", "none")];
            h.within_with("svg", &frame, |h| {
                for (place, line) in lines.iter().enumerate() {
                    draw(h, &y, Place { at: place, of: lines.len() }, line);
                }
            });
        });
        h.within("p", "legend", |h| {
            for (place, line) in lines.iter().enumerate() {
                h.within("span", "", |h| {
                    plot::swatch(h, Mark::Expert(place));
                    h.name(&line.name);
                });
            }
        });
    });
}

/// Where a step stands, in percent of the width.
fn across(step: usize, n_steps: usize) -> f64 {
    (step as f64 + 0.5) / n_steps.max(1) as f64 * 100.0
}

fn axes(h: &mut Html, y: &Scale, steps: &[String]) {
    for tick in y.ticks() {
        let place = HEIGHT * (1.0 - y.place(tick) / 100.0);
        let (line, text) = (format!("{place:.1}"), format!("{:.1}", place + 4.0));
        h.empty("line", &[("class", "g"), ("x2", "100%"), ("y1", &line), ("y2", &line)]);
        h.leaf_with("text", &[("x", "-8"), ("y", &text)], &decimals(tick, y.tick_decimals()));
    }
    for (at, step) in steps.iter().enumerate() {
        let place = place_text(across(at, steps.len()));
        h.leaf_with("text", &[("class", "x"), ("x", &place), ("y", "197")], step);
    }
}

/// Which line of how many: lines stand beside each other.
#[derive(Clone, Copy)]
struct Place {
    at: usize,
    of: usize,
}

// The line through the known means, and an upright stroke for every interval.
fn draw(h: &mut Html, y: &Scale, place: Place, line: &StepLine) {
    let n_steps = line.estimates.len();
    let aside = (place.at as f64 - (place.of as f64 - 1.0) / 2.0) * APART;
    let point =
        |at: usize, value: f64| format!("{:.1} {:.1}", across(at, n_steps) + aside, 100.0 - y.place(value));
    let class = Mark::Expert(place.at).class();
    let known = || line.estimates.iter().enumerate().filter(|(_, estimate)| estimate.mean.is_finite());
    let through: Vec<String> = known().map(|(at, estimate)| point(at, estimate.mean)).collect();
    if !through.is_empty() {
        h.empty("path", &[("class", &class), ("d", &format!("M{}", through.join(" ")))]);
    }
    for (at, estimate) in known().filter(|(_, estimate)| estimate.has_interval()) {
        let upright = format!("M{} {}", point(at, estimate.lo), point(at, estimate.hi));
        h.empty("path", &[("class", &class), ("d", &upright)]);
    }
}

fn table(h: &mut Html, cx: &Context, curve: &StepCurve) {
    let (lines, n_left_out) = first(&curve.lines, cx.limits.curves);
    h.within("div", "scroll", |h| {
        h.within("table", "grid", |h| {
            h.leaf("caption", "", &format!("{} [interval]", curve.y_label));
            h.head(|h| {
                h.column("", &curve.x_label);
                for line in lines {
                    h.column("n", &line.name);
                }
            });
            h.within("tbody", "", |h| {
                for (at, step) in curve.steps.iter().enumerate() {
                    h.within("tr", "", |h| {
                        h.row_name(step);
                        for line in lines {
                            let estimate = line.estimates.get(at).copied().unwrap_or_default();
                            let write = if line.is_difference { cell::signed } else { cell::value };
                            plot::estimate_cell(h, &estimate, write);
                        }
                    });
                }
            });
        });
    });
    h.left_out(n_left_out, "lines");
}
