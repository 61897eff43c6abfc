//! The window expert against three loops over all pairs of events.

use proptest::prelude::*;
use segue_data::{DomainIdx, Event, ItemCatalog, ItemIdx, Sequences, TrainSet, Vocabulary};
use segue_models::window::WindowConfig;
use segue_models::{Expert, ExpertConfig, ExpertId, ExpertKind, FitContext, Query, Scope};

const PER_DOMAIN: usize = 6;
const N_ITEMS: usize = 2 * PER_DOMAIN;
const TARGET: DomainIdx = DomainIdx(1);

const DAY: i64 = 86_400;
const NOW: i64 = 30 * DAY;

/// An item and the time of the event.
type Step = (usize, i64);

fn in_target(item: usize) -> bool {
    item >= PER_DOMAIN
}

fn half(days: i64, half_life_days: f32) -> f64 {
    if half_life_days > 0.0 { (-(days as f64) / f64::from(half_life_days)).exp2() } else { 1.0 }
}

/// `S` of every pair, `[N_ITEMS, N_ITEMS]`: zero where nothing may be said.
fn similarities(config: &WindowConfig, rows: &[Vec<Step>], scope: Scope) -> Vec<Vec<f64>> {
    let kept = |item: usize| scope != Scope::Target || in_target(item);
    let rows: Vec<Vec<Step>> =
        rows.iter().map(|row| row.iter().copied().filter(|&(item, _)| kept(item)).collect()).collect();
    let may_speak = |item: usize| kept(item) && (scope != Scope::Sources || !in_target(item));
    let of = |a: usize, b: usize| {
        if may_speak(a) && in_target(b) { similarity(config, &rows, a, b) } else { 0.0 }
    };
    (0..N_ITEMS).map(|a| (0..N_ITEMS).map(|b| of(a, b)).collect()).collect()
}

// S[a, b] = C[a, b] / (cnt_a^α · cnt_b^β + shrink), from the definition.
fn similarity(config: &WindowConfig, rows: &[Vec<Step>], a: usize, b: usize) -> f64 {
    let mut sum = 0.0;
    for row in rows {
        for (i, &(first, then)) in row.iter().enumerate() {
            for (k, &(second, time)) in row[i + 1..].iter().enumerate().take(config.window) {
                let apart = half((time - then).abs() / DAY, config.pair_half_life_days);
                let weight = f64::from(config.decay).powi(k as i32) * apart;
                if (first, second) == (a, b) {
                    sum += weight;
                }
                if (second, first) == (a, b) {
                    sum += f64::from(config.backward) * weight;
                }
            }
        }
    }
    if sum == 0.0 {
        return 0.0;
    }
    let count = |item: usize| rows.iter().flatten().filter(|(other, _)| *other == item).count() as f64;
    let (from, to) = (f64::from(config.from_exponent), f64::from(config.to_exponent));
    sum / (count(a).powf(from) * count(b).powf(to) + f64::from(config.shrink))
}

// Distinct history items, newest first, with recency^age · 2^(−days / half-life).
fn weights(config: &WindowConfig, history: &[Step], scope: Scope) -> Vec<(usize, f64)> {
    let keeps = |item: usize| match scope {
        Scope::Target => in_target(item),
        Scope::Sources => !in_target(item),
        Scope::All => true,
    };
    let kept: Vec<Step> = history.iter().rev().copied().filter(|&(item, _)| keeps(item)).collect();
    let mut weights = Vec::new();
    for (age, &(item, time)) in kept.iter().enumerate() {
        if kept[..age].iter().all(|(newer, _)| *newer != item) {
            let faded = half((NOW - time) / DAY, config.half_life_days).max(1e-6);
            weights.push((item, f64::from(config.recency).powi(age as i32) * faded));
        }
    }
    weights
}

// Σ_h q_h · S[h, j], and second order: the same once more from the row-normalized first step.
fn score(config: &WindowConfig, s: &[Vec<f64>], history: &[(usize, f64)], j: usize) -> f64 {
    let first: f64 = history.iter().map(|&(h, weight)| weight * s[h][j]).sum();
    let step = |b: usize| -> f64 {
        let normalized = |&(h, weight): &(usize, f64)| weight * s[h][b] / (s[h].iter().sum::<f64>() + 0.2);
        history.iter().map(normalized).sum()
    };
    let second: f64 = (0..N_ITEMS).map(|b| step(b) * s[b][j]).sum();
    first + f64::from(config.second_order) * second
}

fn events(steps: &[Step]) -> Vec<Event> {
    let event = |&(i, timestamp): &Step| Event { item: ItemIdx(i as u32), value: 1.0, timestamp, kind: 0 };
    steps.iter().map(event).collect()
}

fn steps(n: usize) -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec((0..N_ITEMS, (1_i64..28).prop_map(|day| day * DAY)), 0..n)
}

prop_compose! {
    fn settings()(
        window in 1_usize..6,
        decay in 0.3_f32..1.0,
        backward in prop::sample::select(vec![0.0_f32, 0.5, 1.0]),
        exponents in (0.0_f32..1.0, 0.0_f32..1.0),
        shrink in 0.0_f32..5.0,
        recency in 0.3_f32..1.0,
        half_lives in (prop::sample::select(vec![0.0_f32, 7.0]), prop::sample::select(vec![0.0_f32, 4.0])),
        second_order in prop::sample::select(vec![0.0_f32, 0.7]),
    ) -> WindowConfig {
        let (from_exponent, to_exponent) = exponents;
        let (half_life_days, pair_half_life_days) = half_lives;
        WindowConfig {
            window, decay, backward, from_exponent, to_exponent, shrink, recency, half_life_days,
            pair_half_life_days, second_order,
        }
    }
}

proptest! {
    #![proptest_config(crate::world::fixed(256))]

    #[test]
    fn the_window_expert_equals_three_plain_loops(
        config in settings(),
        rows in prop::collection::vec(steps(14), 1..8),
        history in steps(8),
    ) {
        let domain = |c: char| (0..PER_DOMAIN).map(|i| format!("{c}{i}")).collect::<Vocabulary>();
        let items = ItemCatalog::new(vec![domain('a'), domain('b')], Vec::new());
        let train = TrainSet { sequences: Sequences::from_rows(rows.iter().map(|row| events(row))), ..TrainSet::default() };
        let context = FitContext::new(&items, TARGET);
        for scope in [Scope::Target, Scope::Sources, Scope::All] {
            let id = ExpertId { kind: ExpertKind::Window, scope };
            let expert = Expert::fit(id, &ExpertConfig::Window(config.clone()), &train, context).unwrap();
            let mut scores = vec![f32::NAN; PER_DOMAIN];
            let query = Query { domain: TARGET, history: &events(&history), profile: &[], timestamp: Some(NOW) };
            expert.score(&query, &items, &mut scores);
            let (s, weighted) = (similarities(&config, &rows, scope), weights(&config, &history, scope));
            for (at, &got) in scores.iter().enumerate() {
                let expected = score(&config, &s, &weighted, PER_DOMAIN + at);
                let error = (f64::from(got) - expected).abs();
                prop_assert!(error < 1e-4 * (1.0 + expected), "{scope:?} {at}: {got} {expected}");
            }
        }
    }
}
