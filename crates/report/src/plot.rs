//! Plots that are tables: each row of a table holds one strip of the plot, drawn on a scale shared by the rows.
//!
//! Places inside a strip are percentages and sizes are pixels, so a strip fits any width without distortion, and the
//! table stays a table for those who read it with a screen reader, copy it or print it.

use super::cell;
use super::markup::Html;
use super::model::Estimate;
use super::palette::Mark;
use super::scale::Scale;

/// A scale and its grid, shared by the strips of one table.
pub(super) struct Plot {
    scale: Scale,
    grid_id: String,
}

impl Plot {
    /// A plot on `scale`; [`Plot::axis`] must be written once in the same table.
    pub(super) fn new(h: &mut Html, scale: Scale) -> Self {
        Self { scale, grid_id: h.fresh_id("g") }
    }

    /// A cell with the mark of `estimate` and its interval.
    pub(super) fn dot(&self, h: &mut Html, mark: Mark, label: &str, estimate: &Estimate) {
        self.strip(h, mark, label, |h| {
            self.draw_interval(h, estimate);
            if estimate.mean.is_finite() {
                draw_mark(h, mark, &place_text(self.scale.place(estimate.mean)));
            }
        });
    }

    /// A cell with a bar from zero to `estimate` and its interval.
    pub(super) fn bar(&self, h: &mut Html, mark: Mark, label: &str, estimate: &Estimate) {
        self.strip(h, mark, label, |h| {
            self.draw_bar(h, &mark.class(), estimate.mean);
            self.draw_interval(h, estimate);
        });
    }

    /// A cell with two bars from zero, the second one pale.
    pub(super) fn bar_pair(&self, h: &mut Html, mark: Mark, label: &str, pair: (f64, f64)) {
        self.strip(h, mark, label, |h| {
            self.draw_bar(h, &format!("{} warm", mark.class()), pair.0);
            self.draw_bar(h, &format!("{} cold", mark.class()), pair.1);
        });
    }

    /// The cell below the strips: grid, ticks, and a dashed line at `reference`.
    pub(super) fn axis(&self, h: &mut Html, reference: Option<f64>) {
        h.within("td", "p", |h| {
            h.within_with("svg", &[("class", "s x"), ("aria-hidden", "true")], |h| {
                h.within("defs", "", |h| {
                    h.within_with("g", &[("id", &self.grid_id)], |h| {
                        self.draw_grid(h, reference);
                    });
                });
                let n_decimals = self.scale.tick_decimals();
                for tick in self.scale.ticks() {
                    let place = place_text(self.scale.place(tick));
                    h.leaf_with("text", &[("x", &place), ("y", "15")], &cell::decimals(tick, n_decimals));
                }
            });
        });
    }

    fn strip(&self, h: &mut Html, mark: Mark, label: &str, draw: impl FnOnce(&mut Html)) {
        h.within("td", "p", |h| {
            h.within_with("svg", &[("class", &format!("s {}", mark.class())), ("role", "img")], |h| {
                h.leaf("title", "", label);
                h.empty("use", &[("href", &format!("#{}", self.grid_id))]);
                draw(h);
            });
        });
    }

    fn draw_grid(&self, h: &mut Html, reference: Option<f64>) {
        for tick in self.scale.ticks() {
            let class = if tick == 0.0 { "z" } else { "g" };
            draw_rule(h, class, self.scale.place(tick));
        }
        if let Some(reference) = reference.filter(|x| x.is_finite()) {
            draw_rule(h, "r", self.scale.place(reference));
        }
    }

    fn draw_bar(&self, h: &mut Html, class: &str, value: f64) {
        if value.is_finite() && value != 0.0 {
            let (zero, end) = (self.scale.place(0.0), self.scale.place(value));
            let (left, width) = (place_text(zero.min(end)), place_text((end - zero).abs()));
            h.empty("rect", &[("class", class), ("x", &left), ("width", &width)]);
        }
    }

    fn draw_interval(&self, h: &mut Html, estimate: &Estimate) {
        if estimate.has_interval() {
            let (from, to) = (self.scale.place(estimate.lo), self.scale.place(estimate.hi));
            h.empty("line", &[("x1", &place_text(from)), ("x2", &place_text(to))]);
        }
    }
}

/// A cell with a number and its interval.
pub(super) fn estimate_cell(h: &mut Html, estimate: &Estimate, write: fn(f64) -> String) {
    h.within("td", "n", |h| {
        h.text(&write(estimate.mean));
        if estimate.has_interval() {
            h.text(" ");
            h.leaf("i", "", &cell::interval(estimate, write));
        }
    });
}

/// The row below the strips of a table of name, strip and number.
pub(super) fn axis_row(h: &mut Html, plot: &Plot, reference: Option<f64>) {
    h.within("tr", "", |h| {
        h.leaf("td", "", "");
        plot.axis(h, reference);
        h.leaf("td", "n", "");
    });
}

/// The mark alone, for legends.
pub(super) fn swatch(h: &mut Html, mark: Mark) {
    h.within_with(
        "svg",
        &[("class", &format!("w {}", mark.class())), ("aria-hidden", "true")],
        |h| match mark {
            Mark::Expert(_) | Mark::Gain | Mark::Loss | Mark::Other => {
                h.empty("rect", &[("class", &mark.class())]);
            }
            Mark::Blend | Mark::Single | Mark::Published => draw_mark(h, mark, "50%"),
        },
    );
}

/// A place in percent, short.
pub(super) fn place_text(place: f64) -> String {
    format!("{}%", (place * 10.0).round() / 10.0)
}

fn draw_rule(h: &mut Html, class: &str, place: f64) {
    let place = place_text(place);
    h.empty("line", &[("class", class), ("x1", &place), ("x2", &place), ("y1", "-40"), ("y2", "64")]);
}

fn draw_mark(h: &mut Html, mark: Mark, place: &str) {
    match mark {
        Mark::Blend => h.within_with("svg", &[("x", place), ("y", "50%")], |h| {
            h.empty("path", &[("d", "M0-7 7 0 0 7-7 0z")]);
        }),
        Mark::Single => h.within_with("svg", &[("x", place), ("y", "50%")], |h| {
            h.empty("path", &[("d", "M-5-5H5V5H-5z")]);
        }),
        Mark::Expert(_) | Mark::Published | Mark::Gain | Mark::Loss | Mark::Other => {
            h.empty("circle", &[("cx", place)]);
        }
    }
}
