//! The page in one glance: the verdicts in words, every domain in one row, the facts of the data.

use super::accuracy;
use super::cell;
use super::context::Context;
use super::markup::Html;
use super::model::{DomainReport, Estimate, ModelKind, Report, Sentence, Tone};
use super::order::first;
use super::palette::Mark;
use super::plot::{self, Plot};
use super::scale::Scale;

/// Writes the section.
pub(super) fn section(h: &mut Html, cx: &Context, report: &Report) {
    h.within_with("section", &[("id", "overview")], |h| {
        h.leaf("h2", "hidden", "Overview");
        let (sentences, _) = first(&report.headline, cx.limits.facts);
        if !sentences.is_empty() {
            h.within("ul", "headline", |h| {
                for sentence in sentences {
                    verdict(h, sentence);
                }
            });
        }
        let (domains, _) = first(&report.domains, cx.limits.domains);
        if domains.iter().any(|domain| !domain.metrics.is_empty() || domain.transfer.is_some()) {
            at_a_glance(h, domains);
        }
        facts(h, cx, "The data", &report.dataset);
    });
}

/// A heading with (name, value) pairs, or nothing.
pub(super) fn facts(h: &mut Html, cx: &Context, heading: &str, facts: &[(String, String)]) {
    if facts.is_empty() {
        return;
    }
    let (shown, n_left_out) = first(facts, cx.limits.facts);
    h.leaf("h3", "", heading);
    h.within("dl", "facts", |h| {
        for (name, value) in shown {
            h.within("div", "", |h| {
                h.within("dt", "", |h| h.name(name));
                h.within("dd", "", |h| h.name(value));
            });
        }
    });
    h.left_out(n_left_out, "lines");
}

fn verdict(h: &mut Html, sentence: &Sentence) {
    let (class, sign, meaning) = match sentence.tone {
        Tone::Gain => ("gain", "▲", "gain"),
        Tone::Loss => ("loss", "▼", "loss"),
        Tone::Undecided => ("other", "◇", "undecided"),
        Tone::Fact => ("other", "•", "fact"),
    };
    h.within("li", "", |h| {
        h.leaf_with("span", &[("class", class), ("role", "img"), ("aria-label", meaning)], sign);
        h.within("span", "", |h| h.prose(&sentence.text));
    });
}

fn at_a_glance(h: &mut Html, domains: &[DomainReport]) {
    let transfers = domains.iter().filter_map(|domain| domain.transfer.as_ref());
    let differences = transfers.flat_map(|row| row.difference.numbers());
    let plot = Plot::new(h, Scale::from_zero(differences));
    h.within("table", "glance", |h| {
        h.leaf("caption", "", "Every domain at a glance");
        h.head(|h| {
            h.column("", "Domain");
            h.column("m", "Best single expert");
            h.column("m", "Blend");
            h.column("p", "What the other domains add");
            h.column("n", "difference [interval]");
        });
        h.within("tbody", "", |h| {
            for (place, domain) in domains.iter().enumerate() {
                h.within("tr", "", |h| domain_row(h, &plot, place, domain));
            }
        });
        h.within("tfoot", "", |h| {
            h.within("tr", "", |h| {
                h.leaf("td", "", "");
                h.leaf("td", "m", "");
                h.leaf("td", "m", "");
                plot.axis(h, None);
                h.leaf("td", "n", "");
            });
        });
    });
}

fn domain_row(h: &mut Html, plot: &Plot, place: usize, domain: &DomainReport) {
    h.within_with("th", &[("scope", "row")], |h| {
        h.within_with("a", &[("href", &format!("#d{place}"))], |h| {
            h.name(&domain.name);
        });
        if let Some(metric) = accuracy::main_metric(domain) {
            h.leaf("small", "", metric);
        }
    });
    for kind in [ModelKind::Expert, ModelKind::Blend] {
        h.within("td", "m", |h| match accuracy::best_of_kind(domain, kind) {
            Some((row, value)) => {
                h.leaf("b", "", &cell::value(value.mean));
                h.within("small", "", |h| h.name(&row.name));
            }
            None => h.text(cell::UNKNOWN),
        });
    }
    let difference = domain.transfer.as_ref().map_or_else(Estimate::default, |row| row.difference);
    let label = format!("{}: {}", domain.name, cell::estimate(&difference, cell::signed));
    plot.dot(h, Mark::of_difference(&difference), &label, &difference);
    plot::estimate_cell(h, &difference, cell::signed);
}
