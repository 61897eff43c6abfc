//! Recommendations for single users: each item with the experts that spoke for it and the reasons in words.

use super::cell::{self, count};
use super::context::Context;
use super::markup::Html;
use super::model::{Example, ExampleItem};
use super::order::{distinct, first};
use super::palette::Mark;
use super::plot::{self, place_text};

/// Examples that start unfolded.
const N_OPEN: usize = 2;
/// Experts named in words beside a share bar.
const N_NAMED: usize = 3;

/// Writes the section, or nothing when there are no examples.
pub(super) fn section(h: &mut Html, cx: &Context, examples: &[Example]) {
    if examples.is_empty() {
        return;
    }
    let (shown, n_left_out) = first(examples, cx.limits.examples);
    h.within_with("section", &[("id", "examples")], |h| {
        h.leaf("h2", "", "Examples");
        legend(h, cx, shown);
        for (position, example) in shown.iter().enumerate() {
            card(h, cx, example, position < N_OPEN);
        }
        h.left_out(n_left_out, "examples");
    });
}

/// The colors of the experts that appear in the share bars.
fn legend(h: &mut Html, cx: &Context, examples: &[Example]) {
    let shares = examples.iter().flat_map(|example| &example.items).flat_map(|item| &item.shares);
    let experts = distinct(shares.map(|(expert, _)| expert));
    if experts.is_empty() {
        return;
    }
    h.within("p", "legend", |h| {
        for expert in experts.iter().take(cx.limits.models) {
            h.within("span", "", |h| {
                plot::swatch(h, cx.palette.mark(expert));
                h.name(expert);
            });
        }
    });
}

fn card(h: &mut Html, cx: &Context, example: &Example, is_open: bool) {
    h.within_with(
        "details",
        if is_open { &[("class", "card"), ("open", "")] } else { &[("class", "card")] },
        |h| {
            h.within("summary", "", |h| {
                h.name(&example.user);
                h.within("span", "aside", |h| {
                    h.text(" in ");
                    h.name(&example.domain);
                });
            });
            if !example.history.is_empty() {
                history(h, cx, &example.history);
            }
            if !example.items.is_empty() {
                items(h, cx, &example.items);
            }
        },
    );
}

fn history(h: &mut Html, cx: &Context, history: &[String]) {
    h.within("p", "history", |h| {
        h.leaf("b", "", "Before: ");
        for (position, entry) in history.iter().take(cx.limits.lines).enumerate() {
            if position > 0 {
                h.text(" · ");
            }
            h.name(entry);
        }
        let n_left_out = history.len().saturating_sub(cx.limits.lines);
        if n_left_out > 0 {
            h.text(&format!(" · and {} more", count(n_left_out)));
        }
    });
}

fn items(h: &mut Html, cx: &Context, items: &[ExampleItem]) {
    h.within("table", "items", |h| {
        h.head(|h| {
            h.column("k", "#");
            h.column("", "Recommended");
            h.column("share", "Who spoke for it");
            h.column("n", "score");
        });
        h.within("tbody", "", |h| {
            for item in items.iter().take(cx.limits.items) {
                item_row(h, cx, item);
            }
        });
    });
    h.left_out(items.len().saturating_sub(cx.limits.items), "items");
}

fn item_row(h: &mut Html, cx: &Context, item: &ExampleItem) {
    h.within("tr", "", |h| {
        h.leaf("td", "k", &count(item.rank));
        h.within_with("th", &[("scope", "row")], |h| {
            h.name(&item.title);
            if !item.reasons.is_empty() {
                h.within("ul", "", |h| {
                    for reason in item.reasons.iter().take(cx.limits.lines) {
                        h.within("li", "", |h| h.name(reason));
                    }
                });
            }
        });
        h.within("td", "share", |h| share_bar(h, cx, item));
        h.leaf("td", "n", &cell::value(item.score));
    });
}

/// The shares as one stacked bar with the largest named below it; nothing is known when no share is positive.
fn share_bar(h: &mut Html, cx: &Context, item: &ExampleItem) {
    let mut shares: Vec<(&str, f64)> =
        item.shares.iter().map(|(name, share)| (name.as_str(), *share)).collect();
    shares.retain(|(_, share)| share.is_finite() && *share > 0.0);
    shares.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    if shares.is_empty() {
        h.text(cell::UNKNOWN);
        return;
    }
    let words = |shares: &[(&str, f64)]| {
        let words: Vec<String> =
            shares.iter().map(|(name, share)| format!("{name} {}", cell::percent(*share))).collect();
        words.join(", ")
    };
    let whole = shares.iter().map(|(_, share)| share).sum::<f64>().max(1.0);
    let n_parts = shares.len().min(cx.limits.parts);
    let rest: f64 = shares[n_parts..].iter().map(|(_, share)| share).sum();
    h.within_with("svg", &[("class", "s parts"), ("role", "img")], |h| {
        h.leaf("title", "", &words(&shares));
        let parts = shares[..n_parts].iter().map(|(name, share)| (cx.palette.mark(name), *share));
        let mut left = 0.0;
        for (mark, share) in parts.chain((rest > 0.0).then_some((Mark::Other, rest))) {
            let width = share / whole * 100.0;
            let place = [("x", &*place_text(left)), ("width", &*place_text(width))];
            h.empty("rect", &[("class", &*mark.class()), place[0], place[1]]);
            left += width;
        }
    });
    h.leaf("small", "", &words(&shares[..shares.len().min(N_NAMED)]));
}
