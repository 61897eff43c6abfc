//! How well each model ranks: dots with intervals, one panel for each metric, the best single expert marked.

use super::cell;
use super::context::Context;
use super::markup::Html;
use super::model::{DomainReport, Estimate, MetricRow, ModelKind};
use super::order::{distinct, first, rank};
use super::palette::Mark;
use super::plot::{self, Plot};
use super::scale::Scale;

/// The metric shown first when it was measured.
const FIRST_METRIC: &str = "ndcg@10";

/// Writes the section, or nothing when no metric was measured.
pub(super) fn section(h: &mut Html, cx: &Context, domain: &DomainReport) {
    let metrics = metric_names(domain);
    if metrics.is_empty() {
        return;
    }
    let (shown, n_left_out) = first(&metrics, cx.limits.metrics);
    let (plotted, _) = first(shown, cx.limits.plots);
    h.leaf("h3", "", "How well does it rank?");
    h.within_with("div", &[("class", "tabs"), ("role", "group"), ("aria-label", "Metric")], |h| {
        tabs(h, plotted);
        for (tab, metric) in plotted.iter().enumerate() {
            h.within("div", &format!("panel p{tab}"), |h| {
                panel(h, cx, domain, metric);
            });
        }
    });
    legend(h, domain);
    if shown.len() > 1 {
        all_metrics(h, cx, domain, shown);
    }
    h.left_out(n_left_out, "metrics");
}

/// The metrics of a domain in the order of first mention, the most usual one first.
fn metric_names(domain: &DomainReport) -> Vec<&str> {
    let values = domain.metrics.iter().flat_map(|row| &row.values);
    let mut names = distinct(values.map(|(name, _)| name));
    names.sort_by_key(|name| !name.eq_ignore_ascii_case(FIRST_METRIC));
    names
}

/// The value of `metric` in `row`, unknown if it was not measured.
pub(super) fn value_of(row: &MetricRow, metric: &str) -> Estimate {
    row.values.iter().find(|(name, _)| name == metric).map_or_else(Estimate::default, |(_, value)| *value)
}

/// The metric a summary of the domain is about, with its value by `kind`: the highest one.
pub(super) fn best_of_kind(domain: &DomainReport, kind: ModelKind) -> Option<(&MetricRow, Estimate)> {
    let metric = *metric_names(domain).first()?;
    best(domain, kind, metric)
}

/// The metric a summary of the domain is about.
pub(super) fn main_metric(domain: &DomainReport) -> Option<&str> {
    metric_names(domain).first().copied()
}

fn best<'a>(domain: &'a DomainReport, kind: ModelKind, metric: &str) -> Option<(&'a MetricRow, Estimate)> {
    let rows = domain.metrics.iter().filter(|row| row.kind == kind).map(|row| (row, value_of(row, metric)));
    rows.filter(|(_, value)| value.mean.is_finite()).reduce(|a, b| if b.1.mean > a.1.mean { b } else { a })
}

/// Radio buttons that select a panel by style alone.
fn tabs(h: &mut Html, metrics: &[&str]) {
    let group = h.fresh_id("m");
    for (tab, metric) in metrics.iter().enumerate() {
        let id = format!("{group}-{tab}");
        let class = format!("t{tab}");
        let radio = [("type", "radio"), ("name", &*group), ("id", &*id), ("class", &*class)];
        let checked = if tab == 0 { &[("checked", "")][..] } else { &[] };
        h.empty("input", &[&radio[..], checked].concat());
        h.leaf_with("label", &[("for", &id)], metric);
    }
}

fn panel(h: &mut Html, cx: &Context, domain: &DomainReport, metric: &str) {
    let rows = shown_rows(cx, domain, metric);
    let n_left_out = domain.metrics.len() - rows.len();
    let best_single = best(domain, ModelKind::Expert, metric);
    let best_blend = best(domain, ModelKind::Blend, metric);
    let values = rows.iter().flat_map(|(_, value)| value.numbers());
    let plot = Plot::new(h, Scale::covering(values).wide());
    h.within("table", "dots", |h| {
        h.leaf("caption", "hidden", &format!("{metric}, best first"));
        h.head(|h| {
            h.column("", "Model");
            h.column("p", "");
            h.column("n", &format!("{metric} [interval]"));
        });
        h.within("tbody", "", |h| {
            for (row, value) in &rows {
                let mut bests = best_single.iter().chain(&best_blend);
                let is_best = bests.any(|(best, _)| std::ptr::eq(*best, *row));
                model_row(h, cx, &plot, row, &Shown { value, is_best });
            }
        });

        h.within("tfoot", "", |h| {
            plot::axis_row(h, &plot, best_single.map(|(_, value)| value.mean));
        });
    });
    h.left_out(n_left_out, "models");
}

/// The rows of a panel, best first, unknown last; when there are too many, the blend is never what goes.
fn shown_rows<'a>(cx: &Context, domain: &'a DomainReport, metric: &str) -> Vec<(&'a MetricRow, Estimate)> {
    let mut rows: Vec<_> = domain.metrics.iter().map(|row| (row, value_of(row, metric))).collect();
    let best_first = |a: &(_, Estimate), b: &(_, Estimate)| rank(b.1.mean).total_cmp(&rank(a.1.mean));
    rows.sort_by(best_first);
    if rows.len() > cx.limits.models {
        rows.sort_by_key(|(row, _)| row.kind != ModelKind::Blend);
        rows.truncate(cx.limits.models);
        rows.sort_by(best_first);
    }
    rows
}

/// The value of a row, and whether it is the best of its kind.
struct Shown<'a> {
    value: &'a Estimate,
    is_best: bool,
}

fn model_row(h: &mut Html, cx: &Context, plot: &Plot, row: &MetricRow, shown: &Shown<'_>) {
    let &Shown { value, is_best } = shown;
    let is_best_blend = is_best && row.kind == ModelKind::Blend;
    h.within("tr", if is_best_blend { "strong" } else { "" }, |h| {
        h.within_with("th", &[("scope", "row")], |h| {
            h.name(&row.name);
            if is_best && row.kind == ModelKind::Expert {
                h.leaf("span", "tag", "best single");
            }
            if !row.note.is_empty() {
                h.leaf("small", "", &row.note);
            }
        });
        let label = format!("{}: {}", row.name, cell::estimate(value, cell::value));
        let mark = cx.palette.mark_of_kind(row.kind, &row.name);
        plot.dot(h, mark, &label, value);
        plot::estimate_cell(h, value, cell::value);
    });
}

fn legend(h: &mut Html, domain: &DomainReport) {
    let kinds = [
        (ModelKind::Blend, Mark::Blend, "blend"),
        (ModelKind::SingleDomain, Mark::Single, "trained on this domain alone"),
        (ModelKind::Published, Mark::Published, "published elsewhere"),
    ];
    h.within("p", "legend", |h| {
        for (_, mark, text) in
            kinds.iter().filter(|(kind, ..)| domain.metrics.iter().any(|row| row.kind == *kind))
        {
            h.within("span", "", |h| {
                plot::swatch(h, *mark);
                h.text(text);
            });
        }
        if domain.metrics.iter().any(|row| row.kind == ModelKind::Expert) {
            h.leaf("span", "", "colored dots: experts alone; dashed line: the best of them");
        }
    });
}

/// All metrics side by side, without intervals, the best of each column in bold.
fn all_metrics(h: &mut Html, cx: &Context, domain: &DomainReport, metrics: &[&str]) {
    let rows = shown_rows(cx, domain, metrics[0]);
    let top = |metric: &&str| rows.iter().map(|(row, _)| value_of(row, metric).mean).fold(f64::NAN, f64::max);
    let tops: Vec<f64> = metrics.iter().map(top).collect();
    h.within("details", "", |h| {
        h.leaf("summary", "", "All metrics side by side");
        h.within_with("div", &[("class", "scroll"), ("tabindex", "0")], |h| {
            h.within("table", "grid", |h| {
                h.head(|h| {
                    h.column("", "Model");
                    for metric in metrics {
                        h.column("n", metric);
                    }
                });
                h.within("tbody", "", |h| {
                    for (row, _) in &rows {
                        h.within("tr", "", |h| {
                            h.row_name(&row.name);
                            for (metric, top) in metrics.iter().zip(&tops) {
                                let mean = value_of(row, metric).mean;
                                h.leaf("td", if mean == *top { "n top" } else { "n" }, &cell::value(mean));
                            }
                        });
                    }
                });
            });
        });
    });
}
