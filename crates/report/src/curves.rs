//! Loss and validation curves as line plots.

use super::cell::{self, decimals};
use super::context::Context;
use super::markup::Html;
use super::model::{Curve, Series};
use super::order::first;
use super::palette::Mark;
use super::plot::{self, place_text};
use super::scale::Scale;

/// Writes the section, or nothing when there is no curve.
pub(super) fn section(h: &mut Html, cx: &Context, curves: &[Curve]) {
    let drawable: Vec<Chart> = curves.iter().map(Chart::of).filter(Chart::is_drawable).collect();
    if drawable.is_empty() {
        return;
    }
    let (shown, n_left_out) = first(&drawable, cx.limits.curves);
    h.within_with("section", &[("id", "curves")], |h| {
        h.leaf("h2", "", "Training");
        h.within("div", "cards", |h| {
            for chart in shown {
                figure(h, cx, chart);
            }
        });
        h.left_out(n_left_out, "curves");
    });
}

/// Whether there is anything to draw.
pub(super) fn are_drawable(curves: &[Curve]) -> bool {
    curves.iter().any(|curve| Chart::of(curve).is_drawable())
}

/// A curve with its scales.
struct Chart<'a> {
    curve: &'a Curve,
    x: Scale,
    y: Scale,
    right: Scale,
}

impl<'a> Chart<'a> {
    fn of(curve: &'a Curve) -> Self {
        let points = || curve.series.iter().flat_map(|series| &series.points);
        let heights = |on_right: bool| {
            let series = curve.series.iter().filter(move |series| series.is_on_right == on_right);
            Scale::covering(series.flat_map(|series| &series.points).map(|point| point.1))
        };
        let x = Scale::covering(points().map(|point| point.0));
        Self { curve, x, y: heights(false), right: heights(true) }
    }

    fn scale_of(&self, series: &Series) -> &Scale {
        if series.is_on_right { &self.right } else { &self.y }
    }

    fn is_drawable(&self) -> bool {
        !(self.x.is_empty() || self.y.is_empty() && self.right.is_empty())
    }
}

fn figure(h: &mut Html, cx: &Context, chart: &Chart) {
    let Curve { title, x_label, series, marker, .. } = chart.curve;
    let (series, n_left_out) = first(series, cx.limits.curves);
    h.within("figure", "", |h| {
        h.within("figcaption", "", |h| {
            h.name(title);
            h.leaf("span", "aside", &format!(" {} by {x_label}", heights(chart)));
        });
        let class = if chart.right.is_empty() { "curve" } else { "curve two" };
        h.within_with("svg", &[("class", class), ("role", "img")], |h| {
            h.leaf("title", "", &format!("{title}: {} by {x_label}", heights(chart)));
            axes(h, &chart.x, &chart.y);
            right_axis(h, &chart.right);
            if let Some(marker) = marker {
                mark_place(h, chart.x.place(marker.x));
            }
            let frame = [("height", "180"), ("viewBox", "0 0 100 100"), ("preserveAspectRatio", "none")];
            h.within_with("svg", &frame, |h| {
                for (place, series) in series.iter().enumerate() {
                    let points = thinned(&series.points, cx.limits.points);
                    line(h, &chart.x, chart.scale_of(series), mark_of(cx, place, series), &points);
                }
            });
        });
        h.within("p", "legend", |h| {
            for (place, series) in series.iter().enumerate() {
                legend(h, mark_of(cx, place, series), series);
            }
            if let Some(marker) = marker {
                h.leaf("span", "", &marker.label);
            }
        });
        h.left_out(n_left_out, "lines");
    });
}

/// What the vertical axes show.
fn heights(chart: &Chart) -> String {
    let Curve { y_label, right_label, .. } = chart.curve;
    match (chart.y.is_empty(), chart.right.is_empty()) {
        (false, false) => format!("{y_label} (left) and {right_label} (right)"),
        (true, false) => right_label.clone(),
        _ => y_label.clone(),
    }
}

fn legend(h: &mut Html, mark: Mark, series: &Series) {
    let mut known = series.points.iter().map(|point| point.1).filter(|y| y.is_finite());
    let last = cell::value(known.next_back().unwrap_or(f64::NAN));
    h.within("span", "", |h| {
        plot::swatch(h, mark);
        h.name(&series.name);
        h.leaf("small", "", &format!("last {last}"));
    });
}

/// A series named after an expert has its color, any other the color of its place.
fn mark_of(cx: &Context, place: usize, series: &Series) -> Mark {
    match cx.palette.mark(&series.name) {
        Mark::Other => Mark::Expert(place % 10),
        mark => mark,
    }
}

fn axes(h: &mut Html, x: &Scale, y: &Scale) {
    for tick in y.ticks() {
        let place = 180.0 * (1.0 - y.place(tick) / 100.0);
        let (line, text) = (format!("{place:.1}"), format!("{:.1}", place + 4.0));
        h.empty("line", &[("class", "g"), ("x2", "100%"), ("y1", &line), ("y2", &line)]);
        h.leaf_with("text", &[("x", "-8"), ("y", &text)], &decimals(tick, y.tick_decimals()));
    }
    for tick in x.ticks() {
        let attributes = [("class", "x"), ("x", &*place_text(x.place(tick))), ("y", "197")];
        h.leaf_with("text", &attributes, &decimals(tick, x.tick_decimals()));
    }
}

/// Ticks of the second axis; its grid would not be that of the first.
fn right_axis(h: &mut Html, y: &Scale) {
    for tick in y.ticks() {
        let text = format!("{:.1}", 180.0 * (1.0 - y.place(tick) / 100.0) + 4.0);
        let attributes = [("class", "right"), ("x", "100%"), ("dx", "8"), ("y", &*text)];
        h.leaf_with("text", &attributes, &decimals(tick, y.tick_decimals()));
    }
}

fn mark_place(h: &mut Html, place: f64) {
    let place = place_text(place);
    h.empty("line", &[("class", "r"), ("x1", &place), ("x2", &place), ("y1", "0"), ("y2", "180")]);
}

/// At most about `n` points: the lowest and the highest of each run of neighbours, so that no spike is lost.
fn thinned(points: &[(f64, f64)], n: usize) -> Vec<(f64, f64)> {
    if points.len() <= n {
        return points.to_vec();
    }
    let run = points.len().div_ceil((n / 2).max(1));
    let mut kept = Vec::with_capacity(n);
    for neighbours in points.chunks(run) {
        let by_y = |a: &&(f64, f64), b: &&(f64, f64)| a.1.total_cmp(&b.1);
        let known = || neighbours.iter().filter(|point| point.1.is_finite());
        let (lowest, highest) = (known().min_by(by_y), known().max_by(by_y));
        let mut pair: Vec<(f64, f64)> = lowest.into_iter().chain(highest).copied().collect();
        pair.sort_by(|a, b| a.0.total_cmp(&b.0));
        pair.dedup();
        kept.extend(pair);
    }
    kept
}

/// A coordinate of a path, short.
fn place(percent: f64) -> String {
    format!("{percent:.1}")
}

/// One line for each stretch of known points.
fn line(h: &mut Html, across: &Scale, up: &Scale, mark: Mark, points: &[(f64, f64)]) {
    for stretch in
        points.split(|point| !(point.0.is_finite() && point.1.is_finite())).filter(|s| !s.is_empty())
    {
        let mut path = String::new();
        for (position, point) in stretch.iter().enumerate() {
            path.push(if position == 0 { 'M' } else { ' ' });
            let (x, y) = (across.place(point.0), 100.0 - up.place(point.1));
            path.push_str(&place(x));
            path.push(' ');
            path.push_str(&place(y));
        }
        h.empty("path", &[("class", &mark.class()), ("d", &path)]);
    }
}

#[cfg(test)]
mod tests {
    use super::thinned;

    #[test]
    fn thinning_keeps_the_spike() {
        let mut points: Vec<(f64, f64)> = (0..10_000).map(|step| (f64::from(step), 1.0)).collect();
        points[7_321].1 = 9.0;
        let kept = thinned(&points, 100);
        assert!(kept.len() <= 100);
        assert!(kept.contains(&(7_321.0, 9.0)));
        assert!(kept.is_sorted_by(|a, b| a.0 < b.0));
    }
}
