//! The page around the sections: head, title, navigation, order of reading.

use super::cell::count;
use super::context::{Context, Limits};
use super::markup::Html;
use super::model::{DomainReport, Report};
use super::palette::Palette;
use super::{accuracy, beyond, curves, examples, overview, search, slices, steps, transfer, weights};

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");
/// Lets nothing be fetched, whatever the page may come to contain.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'";
/// Expert colors that have a hatched twin.
const N_HATCHES: usize = 10;

/// The whole page within `limits`.
pub(super) fn page(report: &Report, limits: Limits) -> String {
    let cx = Context { palette: Palette::of(report), limits };
    let mut h = Html::new(limits.text_chars);
    h.constant("<!DOCTYPE html>\n");
    h.within_with("html", &[("lang", "en")], |h| {
        head(h, report);
        h.within("body", "", |h| {
            hatches(h);
            header(h, &cx, report);
            h.within("main", "", |h| sections(h, &cx, report));
            footer(h, &cx, report);
            h.within("script", "", |h| h.constant(SCRIPT));
        });
    });
    h.finish()
}

fn head(h: &mut Html, report: &Report) {
    h.within("head", "", |h| {
        h.empty("meta", &[("charset", "utf-8")]);
        h.empty("meta", &[("name", "viewport"), ("content", "width=device-width, initial-scale=1")]);
        h.empty("meta", &[("name", "color-scheme"), ("content", "light dark")]);
        h.empty("meta", &[("http-equiv", "Content-Security-Policy"), ("content", POLICY)]);
        if let Some(seconds) = report.refresh_seconds {
            h.empty("meta", &[("http-equiv", "refresh"), ("content", &seconds.to_string())]);
        }
        h.leaf("title", "", title(report));
        h.within("style", "", |h| h.constant(STYLE));
    });
}

fn title(report: &Report) -> &str {
    if report.title.is_empty() { "Evaluation" } else { &report.title }
}

/// The patterns of experts beyond the tenth.
fn hatches(h: &mut Html) {
    h.within_with("svg", &[("class", "hatches"), ("aria-hidden", "true")], |h| {
        for color in 0..N_HATCHES {
            let (id, class) = (format!("h{color}"), format!("k{color}"));
            let size = [("width", "5"), ("height", "5"), ("patternUnits", "userSpaceOnUse")];
            let turned = [("patternTransform", "rotate(45)"), ("class", &*class), ("id", &*id)];
            h.within_with("pattern", &[&size[..], &turned[..]].concat(), |h| {
                h.empty("rect", &[("class", &class), ("width", "3"), ("height", "5")]);
            });
        }
    });
}

fn header(h: &mut Html, cx: &Context, report: &Report) {
    h.within("header", "", |h| {
        h.leaf("h1", "", title(report));
        if !report.subtitle.is_empty() {
            h.within("p", "subtitle", |h| h.prose(&report.subtitle));
        }
        if let Some(generated) = &report.generated {
            h.leaf("p", "aside", generated);
        }
    });
    h.within_with("nav", &[("aria-label", "Sections")], |h| {
        let link = |h: &mut Html, href: &str, text: &str| {
            h.within_with("a", &[("href", href)], |h| h.name(text));
        };
        link(h, "#overview", "Overview");
        for (place, domain) in report.domains.iter().take(cx.limits.domains).enumerate() {
            link(h, &format!("#d{place}"), &domain.name);
        }
        if !report.steps.is_empty() {
            link(h, "#steps", "Curves");
        }
        if !report.examples.is_empty() {
            link(h, "#examples", "Examples");
        }
        if curves::are_drawable(&report.curves) {
            link(h, "#curves", "Training");
        }
        if !report.provenance.is_empty() {
            link(h, "#provenance", "Provenance");
        }
    });
}

fn sections(h: &mut Html, cx: &Context, report: &Report) {
    overview::section(h, cx, report);
    for (place, domain) in report.domains.iter().take(cx.limits.domains).enumerate() {
        domain_section(h, cx, place, domain);
    }
    h.left_out(report.domains.len().saturating_sub(cx.limits.domains), "domains");
    steps::section(h, cx, &report.steps);
    examples::section(h, cx, &report.examples);
    curves::section(h, cx, &report.curves);
}

fn domain_section(h: &mut Html, cx: &Context, place: usize, domain: &DomainReport) {
    h.within_with("section", &[("id", &format!("d{place}"))], |h| {
        h.within("h2", "", |h| h.name(&domain.name));
        accuracy::section(h, cx, domain);
        transfer::section(h, domain);
        weights::section(h, cx, domain);
        slices::section(h, cx, domain);
        beyond::section(h, cx, domain);
        search::section(h, cx, domain);
    });
}

fn footer(h: &mut Html, cx: &Context, report: &Report) {
    h.within_with("footer", &[("id", "provenance")], |h| {
        overview::facts(h, cx, "Provenance", &report.provenance);
        let n_domains = count(report.domains.len());
        h.leaf(
            "p",
            "note",
            &format!("{n_domains} domains. Intervals are in brackets; n/a marks what was not measured."),
        );
    });
}
