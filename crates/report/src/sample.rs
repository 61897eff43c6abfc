//! Reports for tests: a small one that can be checked by eye, and one of any size.

use super::model::*;

/// Two experts and a blend in one domain, with every section filled.
pub(super) fn small() -> Report {
    Report {
        title: "Segue on a sample".into(),
        subtitle: "Two experts, one domain".into(),
        generated: Some("2025-01-01".into()),
        headline: vec![Sentence::new(Tone::Gain, "Other domains add +.004 [.001, .007] NDCG@10 in films")],
        dataset: vec![("users".into(), "12,345".into())],
        domains: vec![films()],
        examples: vec![Example {
            user: "u1".into(),
            domain: "films".into(),
            history: vec!["Alien".into(), "Solaris".into()],
            items: vec![ExampleItem {
                rank: 1,
                title: "Stalker".into(),
                score: 0.875,
                shares: vec![("window".into(), 0.625), ("content".into(), 0.375)],
                reasons: vec!["often watched after Solaris".into()],
            }],
        }],
        steps: vec![StepCurve {
            title: "Few shots".into(),
            x_label: "share".into(),
            y_label: "NDCG@10".into(),
            steps: vec!["0 %".into(), "5 %".into()],
            lines: vec![
                StepLine {
                    name: "all domains".into(),
                    estimates: vec![Estimate::new(0.125, 0.1, 0.15), Estimate::new(0.25, 0.2, 0.3)],
                    is_difference: false,
                },
                StepLine {
                    name: "gain".into(),
                    estimates: vec![Estimate::default(), Estimate::new(0.03125, 0.01, 0.05)],
                    is_difference: true,
                },
            ],
        }],
        curves: vec![Curve {
            title: "Loss".into(),
            x_label: "step".into(),
            y_label: "loss".into(),
            right_label: "NDCG@10".into(),
            series: vec![
                Series {
                    name: "train".into(),
                    points: vec![(0.0, 1.0), (1.0, 0.5), (2.0, 0.25)],
                    is_on_right: false,
                },
                Series {
                    name: "valid".into(),
                    points: vec![(0.0, 0.05), (1.0, 0.12), (2.0, 0.11)],
                    is_on_right: true,
                },
            ],
            marker: Some(Marker { x: 1.0, label: "best step 1".into() }),
        }],
        refresh_seconds: None,
        provenance: vec![("seed".into(), "7".into())],
    }
}

fn films() -> DomainReport {
    let metric = |name: &str, kind, mean: f64| MetricRow {
        name: name.into(),
        kind,
        values: vec![
            ("Recall@10".into(), Estimate::new(mean * 2.0, mean * 1.9, mean * 2.1)),
            ("NDCG@10".into(), Estimate::new(mean, mean - 0.01, mean + 0.01)),
        ],
        note: String::new(),
    };
    let slice = |name: &str, n, mean| SliceRow {
        slice: name.into(),
        n,
        values: vec![("blend".into(), Estimate::new(mean, mean * 0.9, mean * 1.1))],
    };
    DomainReport {
        name: "films".into(),
        metrics: vec![
            metric("content", ModelKind::Expert, 0.0789),
            metric("window", ModelKind::Expert, 0.1234),
            metric("blend", ModelKind::Blend, 0.1357),
            MetricRow {
                name: "a paper".into(),
                kind: ModelKind::Published,
                values: vec![("NDCG@10".into(), Estimate::point(0.1111))],
                note: "its table 3".into(),
            },
        ],
        weights: vec![weight("window", 0.7, 0.4, 0.0123), weight("content", 0.3, 0.6, -0.0001)],
        transfer: Some(TransferRow {
            metric: "NDCG@10".into(),
            single: Estimate::new(0.1317, 0.1297, 0.1337),
            cross: Estimate::new(0.1357, 0.1337, 0.1377),
            difference: Estimate::new(0.004, 0.001, 0.007),
            sentence: "A clear, small gain.".into(),
        }),
        slices: vec![slice("head", 4321, 0.21), slice("tail", 987, 0.04)],
        beyond: vec![("blend".into(), vec![("coverage".into(), 0.4567), ("Gini".into(), f64::NAN)])],
        search: vec![trial("half-life 7 d", 0.118, false), trial("half-life 30 d", 0.124, true)],
    }
}

fn weight(expert: &str, weight_warm: f64, weight_cold: f64, gain: f64) -> WeightRow {
    let gain = Estimate::new(gain, gain - 0.001, gain + 0.001);
    let kept = gain.lo > 0.0;
    WeightRow {
        expert: expert.into(),
        weight_warm,
        weight_cold,
        gain,
        kept,
        verdict: "by its interval".into(),
    }
}

fn trial(params: &str, score: f64, chosen: bool) -> TrialRow {
    TrialRow { expert: "window".into(), params: params.into(), score, chosen }
}

/// How much of everything [`large`] contains.
pub(super) struct Size {
    pub(super) experts: usize,
    pub(super) domains: usize,
    pub(super) examples: usize,
    /// Times that each name is repeated within itself.
    pub(super) name_repeats: usize,
}

/// A report of any size with plausible numbers.
pub(super) fn large(size: &Size) -> Report {
    let Report { title, subtitle, headline, dataset, steps, curves, provenance, .. } = small();
    Report {
        title: title.repeat(size.name_repeats),
        subtitle: subtitle.repeat(size.name_repeats),
        generated: None,
        headline: headline.into_iter().cycle().take(8).collect(),
        dataset: dataset.into_iter().cycle().take(12).collect(),
        domains: (0..size.domains).map(|domain| large_domain(size, domain)).collect(),
        examples: (0..size.examples).map(|user| large_example(size, user)).collect(),
        steps,
        curves: curves
            .into_iter()
            .cycle()
            .take(4)
            .map(|curve| long_curve(curve, size.examples * 200))
            .collect(),
        provenance: provenance.into_iter().cycle().take(12).collect(),
        refresh_seconds: None,
    }
}

/// A number in [0, 1) that looks random and is always the same.
fn noise(seed: usize) -> f64 {
    (seed.wrapping_mul(2_654_435_761) % 10_007) as f64 / 10_007.0
}

fn name(size: &Size, stem: &str, place: usize) -> String {
    format!("{stem} {place}").repeat(size.name_repeats)
}

/// Pairs of each name and what `value` gives for its place.
fn pairs<T>(names: &[impl ToString], value: impl Fn(usize) -> T) -> Vec<(String, T)> {
    let places = names.iter().enumerate();
    places.map(|(place, name)| (name.to_string(), value(place))).collect()
}

fn noisy_estimate(seed: usize) -> Estimate {
    let mean = 0.05 + 0.3 * noise(seed);
    Estimate::new(mean, mean - 0.005, mean + 0.005)
}

fn large_domain(size: &Size, domain: usize) -> DomainReport {
    let experts: Vec<String> = (0..size.experts).map(|place| name(size, "expert", place)).collect();
    let slices = ["head", "mid", "tail", "unseen items", "cold users"];
    let measures = ["coverage", "Gini", "popularity lift", "diversity", "novelty"];
    let slice_row = |(place, slice): (usize, &&str)| SliceRow {
        slice: (*slice).into(),
        n: 10_000 / (place + 1),
        values: pairs(&experts, |expert| noisy_estimate(31 * expert + place)),
    };
    DomainReport {
        name: name(size, "domain", domain),
        metrics: large_metrics(&experts, domain),
        weights: experts.iter().map(|expert| weight(expert, 0.1, 0.2, 0.002)).collect(),
        transfer: films().transfer,
        slices: slices.iter().enumerate().map(slice_row).collect(),
        beyond: pairs(&experts, |expert| pairs(&measures, |measure| noise(expert + measure))),
        search: experts.iter().flat_map(|expert| large_search(expert)).collect(),
    }
}

fn large_metrics(models: &[String], domain: usize) -> Vec<MetricRow> {
    let metrics = ["Recall@10", "NDCG@10", "MRR", "Hit@1", "NDCG@50", "Recall@50", "AUC", "MAP"];
    let row = |(place, name): (usize, &String)| MetricRow {
        name: name.clone(),
        kind: if place == 0 { ModelKind::Blend } else { ModelKind::Expert },
        values: pairs(&metrics, |metric| noisy_estimate(97 * place + metric + domain)),
        note: String::new(),
    };
    models.iter().enumerate().map(row).collect()
}

fn large_search(expert: &str) -> Vec<TrialRow> {
    let trial = |place: usize| TrialRow {
        expert: expert.into(),
        ..trial("factors 64, decay 1e-3", noise(place), place == 3)
    };
    (0..12).map(trial).collect()
}

fn large_example(size: &Size, user: usize) -> Example {
    let item = |rank: usize| ExampleItem {
        rank,
        title: name(size, "A title of some length, part", rank),
        score: noise(rank + user),
        shares: (0..size.experts)
            .map(|place| (name(size, "expert", place), 1.0 / size.experts as f64))
            .collect(),
        reasons: vec![name(size, "because of something the user did before", user); 3],
    };
    Example {
        user: name(size, "user", user),
        domain: name(size, "domain", user % size.domains.max(1)),
        history: (0..40).map(|place| name(size, "An earlier title", place)).collect(),
        items: (1..=10).map(item).collect(),
    }
}

fn long_curve(curve: Curve, n_points: usize) -> Curve {
    let points =
        |seed: usize| (0..n_points).map(|x| (x as f64, 1.0 / (1.0 + x as f64) + noise(x + seed))).collect();
    let series = (0..3)
        .map(|place| Series { name: format!("line {place}"), points: points(place), is_on_right: place == 2 })
        .collect();
    Curve { series, ..curve }
}
