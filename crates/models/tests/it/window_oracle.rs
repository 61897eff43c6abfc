//! The window expert against three loops over all pairs of events.

use proptest::prelude::*;
use segue_data::{DomainIdx, Event, ItemCatalog, ItemIdx, Sequences, TrainSet, Vocabulary};
use segue_models::window::WindowConfig;
use segue_models::{Expert, ExpertConfig, ExpertId, ExpertKind, FitContext, Query, Scope};

const PER_DOMAIN: usize = 6;
const N_ITEMS: usize = 2 * PER_DOMAIN;
const TARGET: DomainIdx = DomainIdx(1);

fn in_target(item: usize) -> bool {
    item >= PER_DOMAIN
}

// S[a, b] = C[a, b] / (cnt_a^α · cnt_b^β + shrink), from the definition.
fn similarity(config: &WindowConfig, rows: &[Vec<usize>], scope: Scope, (a, b): (usize, usize)) -> f64 {
    let kept = |item: usize| scope != Scope::Target || in_target(item);
    let rows: Vec<Vec<usize>> =
        rows.iter().map(|row| row.iter().copied().filter(|&item| kept(item)).collect()).collect();
    let mut sum = 0.0;
    for row in &rows {
        for (i, &first) in row.iter().enumerate() {
            for (k, &second) in row[i + 1..].iter().enumerate().take(config.window) {
                let weight = f64::from(config.decay).powi(k as i32);
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
    let count = |item: usize| rows.iter().flatten().filter(|&&other| other == item).count() as f64;
    let (from, to) = (f64::from(config.from_exponent), f64::from(config.to_exponent));
    sum / (count(a).powf(from) * count(b).powf(to) + f64::from(config.shrink))
}

// Σ over distinct history items, newest first, of recency^age · S[h, j].
fn score(config: &WindowConfig, rows: &[Vec<usize>], (scope, history): (Scope, &[usize]), j: usize) -> f64 {
    let keeps = |item: usize| match scope {
        Scope::Target => in_target(item),
        Scope::Sources => !in_target(item),
        Scope::All => true,
    };
    let kept: Vec<usize> = history.iter().rev().copied().filter(|&item| keeps(item)).collect();
    let mut total = 0.0;
    for (age, &item) in kept.iter().enumerate() {
        if !kept[..age].contains(&item) {
            total += f64::from(config.recency).powi(age as i32) * similarity(config, rows, scope, (item, j));
        }
    }
    total
}

fn events(items: &[usize]) -> Vec<Event> {
    items.iter().map(|&i| Event { item: ItemIdx(i as u32), value: 1.0, timestamp: 0, kind: 0 }).collect()
}

prop_compose! {
    fn settings()(
        window in 1_usize..6,
        decay in 0.3_f32..1.0,
        backward in prop::sample::select(vec![0.0_f32, 0.5, 1.0]),
        exponents in (0.0_f32..1.0, 0.0_f32..1.0),
        shrink in 0.0_f32..5.0,
        recency in 0.3_f32..1.0,
    ) -> WindowConfig {
        let (from_exponent, to_exponent) = exponents;
        WindowConfig { window, decay, backward, from_exponent, to_exponent, shrink, recency, ..WindowConfig::default() }
    }
}

proptest! {
    #[test]
    fn the_window_expert_equals_three_plain_loops(
        config in settings(),
        rows in prop::collection::vec(prop::collection::vec(0..N_ITEMS, 0..14), 1..8),
        history in prop::collection::vec(0..N_ITEMS, 0..8),
    ) {
        let domain = |c: char| (0..PER_DOMAIN).map(|i| format!("{c}{i}")).collect::<Vocabulary>();
        let items = ItemCatalog::new(vec![domain('a'), domain('b')], Vec::new());
        let train = TrainSet { sequences: Sequences::from_rows(rows.iter().map(|row| events(row))) };
        let context = FitContext { items: &items, domain: TARGET, text_neighbors: None };
        for scope in [Scope::Target, Scope::Sources, Scope::All] {
            let id = ExpertId { kind: ExpertKind::Window, scope };
            let expert = Expert::fit(id, &ExpertConfig::Window(config.clone()), &train, context).unwrap();
            let mut scores = vec![f32::NAN; PER_DOMAIN];
            let query = Query { domain: TARGET, history: &events(&history), timestamp: 0 };
            expert.score(&query, &items, &mut scores);
            for (at, &got) in scores.iter().enumerate() {
                let expected = score(&config, &rows, (scope, &history), PER_DOMAIN + at);
                let error = (f64::from(got) - expected).abs();
                prop_assert!(error < 1e-4 * (1.0 + expected), "{scope:?} {at}: {got} {expected}");
            }
        }
    }
}
