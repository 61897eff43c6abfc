//! What a page promises: balanced, escaped, self-contained, small, and true to its numbers.

use super::model::*;
use super::sample::{Size, large, small};
use super::{PAGE_BYTES_MAX, render};

/// The tags of a page in order, with the class or type that matters; panics when they do not nest.
fn tags(html: &str) -> Vec<&str> {
    let mut tags = Vec::new();
    let mut open = Vec::new();
    let mut rest = html.strip_prefix("<!DOCTYPE html>\n").expect("doctype");
    while let Some(start) = rest.find('<') {
        let end = start + tag_length(&rest[start..]);
        let tag = &rest[start + 1..end - 1];
        rest = &rest[end..];
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "closes what is open");
        } else if !tag.ends_with('/') {
            let name = tag.split(' ').next().unwrap();
            open.push(name);
            tags.push(name);
            if name == "style" || name == "script" {
                rest = &rest[rest.find("</").expect("closed")..];
            }
        }
    }
    assert!(open.is_empty(), "left open: {open:?}");
    tags
}

/// Bytes of the tag at the start of `html`; a `>` within quotes does not end it.
fn tag_length(html: &str) -> usize {
    let mut is_quoted = false;
    for (position, character) in html.char_indices() {
        match character {
            '"' => is_quoted = !is_quoted,
            '>' if !is_quoted => return position + 1,
            _ => {}
        }
    }
    panic!("tag without end: {html}");
}

fn assert_identifiers_are_sound(html: &str) {
    let ids: Vec<&str> = html.split(" id=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    let mut unique = ids.clone();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), ids.len(), "identifiers are unique");
    for target in html.split("href=\"#").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        assert!(ids.contains(&target), "link to {target}, which is not on the page");
    }
}

#[test]
fn page_is_balanced_and_its_links_lead_somewhere() {
    for report in
        [small(), Report::default(), large(&Size { experts: 3, domains: 2, examples: 3, name_repeats: 1 })]
    {
        let html = render(&report);
        tags(&html);
        assert_identifiers_are_sound(&html);
    }
}

#[test]
fn page_needs_no_network() {
    let html = render(&small());
    for outside in ["http://", "https://", "src=", "@import", "url(\"", "<link", "<img", "<iframe", "xmlns"] {
        assert!(!html.contains(outside), "{outside}");
    }
}

#[test]
fn page_is_small_whatever_the_input() {
    let usual = render(&large(&Size { experts: 20, domains: 4, examples: 50, name_repeats: 1 }));
    let endless = render(&large(&Size { experts: 90, domains: 14, examples: 200, name_repeats: 1 }));
    let wordy = render(&large(&Size { experts: 30, domains: 6, examples: 20, name_repeats: 60 }));
    for html in [&usual, &endless, &wordy] {
        assert!(html.len() <= PAGE_BYTES_MAX, "{} bytes", html.len());
        assert!(html.contains("not shown"), "what is left out is said");
        tags(html);
        assert_identifiers_are_sound(html);
    }
    assert!(usual.contains("expert 19"), "twenty experts are all shown");
}

#[test]
fn hostile_names_are_text_everywhere() {
    let hostile = "</td></script><script>alert(1)</script>\" onload='x' &amp; \u{202E}\u{0}";
    let json = serde_json::to_string(&small()).unwrap();
    let mut value: serde_json::Value = serde_json::from_str(&json).unwrap();
    poison(&mut value, hostile);
    let html = render(&serde_json::from_value(value).unwrap());
    let usual = render(&small());
    assert_eq!(tags(&html).iter().filter(|tag| **tag == "script").count(), 1);
    assert!(!html.contains("alert(1)</script>") && !html.contains('\u{202E}') && !html.contains('\0'));
    assert!(html.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
    assert!(tags(&html).iter().all(|tag| tags(&usual).contains(tag)), "no element of the caller's making");
}

/// Appends `text` to every string except the names of variants.
fn poison(value: &mut serde_json::Value, text: &str) {
    match value {
        serde_json::Value::String(string) => string.push_str(text),
        serde_json::Value::Array(values) => values.iter_mut().for_each(|value| poison(value, text)),
        serde_json::Value::Object(fields) => {
            let texts = fields.iter_mut().filter(|(key, _)| *key != "kind" && *key != "tone");
            texts.for_each(|(_, value)| poison(value, text));
        }
        _ => {}
    }
}

#[test]
fn numbers_are_those_of_the_input() {
    let html = render(&small());
    for number in [
        "0.1357 <i>[0.1257, 0.1457]",
        "0.1234 <i>[0.1134, 0.1334]",
        "+0.0040 <i>[+0.0010, +0.0070]",
        "\u{2212}0.0001 <i>[\u{2212}0.0011, +0.0009]",
        "0.7000 / 0.4000",
        "n = 4,321",
        "0.4567",
        "window 62.5%, content 37.5%",
        "0.8750",
        "0.1240",
        "last 0.2500",
    ] {
        assert!(html.contains(number), "{number}");
    }
}

#[test]
fn unknown_numbers_are_named_and_never_drawn() {
    let nan = f64::NAN;
    let mut report = small();
    let films = &mut report.domains[0];
    films
        .metrics
        .iter_mut()
        .flat_map(|row| &mut row.values)
        .for_each(|(_, value)| *value = Estimate::default());
    films.transfer = Some(TransferRow::default());
    films.weights[0].weight_warm = nan;
    films.weights[0].gain = Estimate::new(0.01, f64::NEG_INFINITY, nan);
    films.search[0].score = f64::INFINITY;
    report.examples[0].items[0].shares = vec![("window".into(), nan)];
    report.curves[0].series[0].points = vec![(0.0, nan), (nan, 1.0)];
    let html = render(&report);
    tags(&html);
    assert!(html.contains("n/a"));
    for wrong in ["NaN", "nan%", "inf"] {
        assert!(!html.contains(wrong), "{wrong}");
    }
}

#[test]
fn empty_sections_are_left_out() {
    let html = render(&Report {
        domains: vec![DomainReport { name: "films".into(), ..Default::default() }],
        ..Default::default()
    });
    for heading in [
        "How well",
        "Who carries",
        "Do the other",
        "Where does",
        "Beyond",
        "What was tried",
        "Examples",
        "Training",
    ] {
        assert!(!html.contains(heading), "{heading}");
    }
    assert!(html.contains("films"));
}

#[test]
fn best_single_expert_is_marked_once_per_metric() {
    let html = render(&small());
    assert_eq!(html.matches("best single</span>").count(), 2);
    assert!(html.contains("<bdi>window</bdi><span class=\"tag\">best single</span>"));
}

#[test]
fn most_usual_metric_comes_first() {
    let html = render(&small());
    assert!(html.find(">NDCG@10</label>").unwrap() < html.find(">Recall@10</label>").unwrap());
}

#[test]
fn report_survives_json_with_its_unknowns() {
    let report = small();
    let json = serde_json::to_string(&report).unwrap();
    let back: Report = serde_json::from_str(&json).unwrap();
    assert_eq!(render(&report), render(&back), "the page from the file is the page");
    assert!(back.domains[0].beyond[0].1[1].1.is_nan());
    assert!(!back.domains[0].metrics[3].values[0].1.has_interval());
    assert_eq!(serde_json::from_str::<Report>("{}").unwrap(), Report::default());
}

#[test]
fn outline_of_the_small_report() {
    let html = render(&small());
    let headings: Vec<&str> = ["h1", "h2", "h3", "caption", "summary", "figcaption"].to_vec();
    let outline: Vec<String> = html
        .split('<')
        .filter_map(|piece| piece.split_once('>'))
        .zip(html.split('<').skip(2))
        .filter(|((tag, _), _)| headings.contains(&tag.split(' ').next().unwrap()))
        .map(|((tag, text), next)| format!("{} {}", tag.split(' ').next().unwrap(), inner(text, next)))
        .collect();
    assert_eq!(outline, OUTLINE);
}

/// The text of an element, which may be wrapped once.
fn inner<'a>(text: &'a str, next: &'a str) -> &'a str {
    if text.is_empty() { next.split_once('>').map_or("", |(_, text)| text) } else { text }
}

const OUTLINE: [&str; 28] = [
    "h1 Segue on a sample",
    "h2 Overview",
    "caption Every domain at a glance",
    "h3 The data",
    "h2 films",
    "h3 How well does it rank?",
    "caption NDCG@10, best first",
    "caption Recall@10, best first",
    "summary All metrics side by side",
    "h3 Do the other domains help?",
    "caption NDCG@10",
    "caption Difference, all domains less this one alone",
    "h3 Who carries the blend?",
    "caption Weight of each expert, and what the blend gains by having it",
    "h3 Where does it work?",
    "caption head",
    "caption tail",
    "h3 Beyond accuracy",
    "h3 What was tried",
    "summary 2 settings on the validation set",
    "h2 Few shots",
    "figcaption NDCG@10 by share, with intervals",
    "caption NDCG@10 [interval]",
    "h2 Examples",
    "summary u1",
    "h2 Training",
    "figcaption Loss",
    "h3 Provenance",
];

#[test]
fn steps_show_every_number_and_say_what_is_not_known() {
    let html = render(&small());
    let section = html.split("<section id=\"steps\">").nth(1).unwrap().split("</section>").next().unwrap();
    for shown in ["0.2500", "[0.2000, 0.3000]", "+0.0312", "n/a", ">5 %<"] {
        assert!(section.contains(shown), "{shown}\n{section}");
    }
    // Of four estimates one is unknown: three uprights, and a line for each system.
    assert_eq!(section.matches("<path").count(), 3 + 2);
}
