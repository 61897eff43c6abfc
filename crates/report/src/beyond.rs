//! Beyond accuracy: one row for each model, one column for each measure, a thin bar below each number.

use super::cell;
use super::context::Context;
use super::markup::Html;
use super::model::DomainReport;
use super::order::{distinct, first};
use super::palette::Mark;
use super::plot::place_text;
use super::scale::Scale;

/// Writes the section, or nothing when nothing beyond accuracy was measured.
pub(super) fn section(h: &mut Html, cx: &Context, domain: &DomainReport) {
    let (rows, n_models) = first(&domain.beyond, cx.limits.models);
    let all = distinct(rows.iter().flat_map(|(_, values)| values).map(|(name, _)| name));
    let (measures, n_measures) = first(&all, cx.limits.measures);
    if measures.is_empty() {
        return;
    }
    let columns: Vec<Column> = measures.iter().map(|name| Column::of(name, rows)).collect();
    h.leaf("h3", "", "Beyond accuracy");
    let scroll =
        [("class", "scroll"), ("tabindex", "0"), ("role", "region"), ("aria-label", "Beyond accuracy")];
    h.within_with("div", &scroll, |h| table(h, cx, &columns, rows));
    h.left_out(n_models, "models");
    h.left_out(n_measures, "measures");
}

type Row = (String, Vec<(String, f64)>);

/// A measure with the scale of its bars.
struct Column<'a> {
    name: &'a str,
    scale: Scale,
}

impl<'a> Column<'a> {
    fn of(name: &'a str, rows: &[Row]) -> Self {
        Self { name, scale: Scale::from_zero(rows.iter().map(|row| value_of(row, name))) }
    }
}

fn value_of((_, values): &Row, measure: &str) -> f64 {
    values.iter().find(|(name, _)| name == measure).map_or(f64::NAN, |(_, value)| *value)
}

fn table(h: &mut Html, cx: &Context, columns: &[Column], rows: &[Row]) {
    h.within("table", "grid", |h| {
        h.head(|h| {
            h.column("", "Model");
            for column in columns {
                h.column("n", column.name);
            }
        });
        h.within("tbody", "", |h| {
            for row in rows {
                let mark = cx.palette.mark(&row.0);
                h.within("tr", if mark == Mark::Blend { "strong" } else { "" }, |h| {
                    h.row_name(&row.0);
                    for column in columns {
                        cell(h, mark, column, value_of(row, column.name));
                    }
                });
            }
        });
    });
}

fn cell(h: &mut Html, mark: Mark, column: &Column, value: f64) {
    h.within("td", "n", |h| {
        h.text(&cell::value(value));
        if !value.is_finite() {
            return;
        }
        let (zero, end) = (column.scale.place(0.0), column.scale.place(value));
        let (left, width) = (place_text(zero.min(end)), place_text((end - zero).abs()));
        h.within_with("svg", &[("class", "b"), ("aria-hidden", "true")], |h| {
            h.empty("rect", &[("class", &mark.class()), ("x", &left), ("width", &width)]);
        });
    });
}
