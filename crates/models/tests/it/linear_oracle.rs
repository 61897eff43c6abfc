//! The linear expert against its closed forms in f64, by plain Gaussian elimination.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use segue_data::{DomainIdx, Event, ItemCatalog, ItemIdx, Sequences, TrainSet, Vocabulary};
use segue_models::linear::{Linear, LinearConfig};
use segue_models::{ItemSimilarity, Place, Scope};

const N_SOURCES: usize = 12;
const N_TARGETS: usize = 30;
const N_ITEMS: usize = N_SOURCES + N_TARGETS;
const TARGET: DomainIdx = DomainIdx(1);
/// The last targets have no events.
const N_UNTRAINED: usize = 3;
const L2: f64 = 7.0;
const STRENGTH: f64 = 0.3;

type Rows = Vec<Vec<f64>>;

/// Users' items, the catalog, and item → candidate weights that stand for the similarity of texts.
struct Setting {
    users: Vec<Vec<usize>>,
    items: ItemCatalog,
    train: TrainSet,
    text: ItemSimilarity,
}

fn setting(share: f64) -> Setting {
    let mut rng = ChaCha8Rng::seed_from_u64(8);
    let trained = N_ITEMS - N_UNTRAINED;
    let users: Vec<Vec<usize>> =
        (0..60).map(|_| (0..trained).filter(|_| rng.random_bool(share)).collect()).collect();
    let event = |&item: &usize| Event { item: ItemIdx(item as u32), value: 1.0, timestamp: 0, kind: 0 };
    // Every second user has everything twice: the matrix is binary.
    let row = |(user, items): (usize, &Vec<usize>)| -> Vec<Event> {
        let once = items.iter().map(event);
        if user.is_multiple_of(2) { once.clone().chain(once).collect() } else { once.collect() }
    };
    let train = TrainSet {
        sequences: Sequences::from_rows(users.iter().enumerate().map(row)),
        ..TrainSet::default()
    };
    let domain = |n: usize, c: char| (0..n).map(|i| format!("{c}{i}")).collect::<Vocabulary>();
    let items = ItemCatalog::new(vec![domain(N_SOURCES, 's'), domain(N_TARGETS, 't')], Vec::new());
    let weights: Rows = (0..N_ITEMS)
        .map(|item| {
            let weight = |j: usize| if item == N_SOURCES + j { 0.0 } else { rng.random_range(-0.5..1.0) };
            (0..N_TARGETS).map(weight).map(|w: f64| if w < 0.0 { 0.0 } else { w }).collect()
        })
        .collect();
    let row = |(): &mut (), item: usize| {
        let columns: Vec<u32> = (0..N_TARGETS as u32).filter(|&j| weights[item][j as usize] > 0.0).collect();
        let values = columns.iter().map(|&j| weights[item][j as usize] as f32).collect();
        (columns, values)
    };
    let text = ItemSimilarity::build(N_ITEMS, N_TARGETS, || (), row);
    Setting { users, items, train, text }
}

impl Setting {
    fn fit(&self, config: &LinearConfig, scope: Scope) -> Linear {
        let place = Place { domain: TARGET, scope };
        Linear::fit(config, &self.train, &self.items, place, Some(&self.text)).expect("there are events")
    }

    fn together(&self, a: usize, b: usize) -> f64 {
        self.users.iter().filter(|items| items.contains(&a) && items.contains(&b)).count() as f64
    }

    // G + λI over the given items.
    fn ridge_matrix(&self, of: &[usize]) -> Rows {
        let value = |a: usize, b: usize| self.together(a, b) + if a == b { L2 } else { 0.0 };
        of.iter().map(|&a| of.iter().map(|&b| value(a, b)).collect()).collect()
    }

    fn text_weight(&self, item: usize, candidate: usize) -> f64 {
        STRENGTH * f64::from(self.text.get(item, candidate as u32))
    }
}

// X with A X = B: elimination with partial pivoting, then back substitution.
fn solve(mut a: Rows, mut b: Rows) -> Rows {
    let n = a.len();
    for k in 0..n {
        let pivot = (k..n).max_by(|&i, &j| a[i][k].abs().total_cmp(&a[j][k].abs())).unwrap_or(k);
        a.swap(k, pivot);
        b.swap(k, pivot);
        for i in k + 1..n {
            let factor = a[i][k] / a[k][k];
            let (pivot_a, pivot_b) = (a[k].clone(), b[k].clone());
            a[i].iter_mut().zip(&pivot_a).for_each(|(x, y)| *x -= factor * y);
            b[i].iter_mut().zip(&pivot_b).for_each(|(x, y)| *x -= factor * y);
        }
    }
    for k in (0..n).rev() {
        for i in k + 1..n {
            let (factor, solved) = (a[k][i], b[i].clone());
            b[k].iter_mut().zip(&solved).for_each(|(x, y)| *x -= factor * y);
        }
        let diagonal = a[k][k];
        b[k].iter_mut().for_each(|x| *x /= diagonal);
    }
    b
}

fn inverse(a: Rows) -> Rows {
    let n = a.len();
    solve(a, (0..n).map(|i| (0..n).map(|j| f64::from(u8::from(i == j))).collect()).collect())
}

fn config(text_prior: f64) -> LinearConfig {
    LinearConfig { l2: L2 as f32, text_prior: text_prior as f32, ..LinearConfig::default() }
}

fn max_difference(model: &Linear, expected: impl Fn(usize, usize) -> f64) -> f64 {
    let pairs = (0..N_ITEMS).flat_map(|item| (0..N_TARGETS).map(move |candidate| (item, candidate)));
    let difference = |(item, candidate): (usize, usize)| {
        (f64::from(model.weights().get(item, candidate as u32)) - expected(item, candidate)).abs()
    };
    pairs.map(difference).fold(0.0, f64::max)
}

#[test]
fn ease_equals_its_closed_form_and_never_predicts_an_item_from_itself() {
    let setting = setting(0.2);
    let model = setting.fit(&config(0.0), Scope::Target);
    assert!(model.is_exact());
    let trained: Vec<usize> = (N_SOURCES..N_ITEMS - N_UNTRAINED).collect();
    let p = inverse(setting.ridge_matrix(&trained));
    // B = I − P · diag(1 / diag P)
    let expected = |item: usize, candidate: usize| match (item.checked_sub(N_SOURCES), candidate) {
        (Some(a), b) if a < trained.len() && b < trained.len() && a != b => -p[a][b] / p[b][b],
        _ => 0.0,
    };
    let difference = max_difference(&model, expected);
    assert!(difference < 1e-5, "{difference}");
    for candidate in 0..N_TARGETS {
        assert_eq!(model.weights().get(N_SOURCES + candidate, candidate as u32), 0.0);
    }
}

#[test]
fn the_text_prior_equals_its_closed_form() {
    let setting = setting(0.2);
    let model = setting.fit(&config(STRENGTH), Scope::Target);
    assert!(model.is_exact());
    // All targets; those without events have λ alone on their diagonal.
    let targets: Vec<usize> = (N_SOURCES..N_ITEMS).collect();
    let p = inverse(setting.ridge_matrix(&targets));
    let s: Rows = targets
        .iter()
        .map(|&item| (0..N_TARGETS).map(|candidate| setting.text_weight(item, candidate)).collect())
        .collect();
    let pulled = |a: usize, b: usize| -> f64 { (0..N_TARGETS).map(|k| p[a][k] * s[k][b]).sum() };
    // B = I − λP + λPS − P · diag(μ), with μ such that the diagonal is zero.
    let expected = |item: usize, b: usize| {
        let Some(a) = item.checked_sub(N_SOURCES) else { return setting.text_weight(item, b) };
        let identity = f64::from(u8::from(a == b));
        let mu = (1.0 - L2 * p[b][b] + L2 * pulled(b, b)) / p[b][b];
        identity - L2 * p[a][b] + L2 * pulled(a, b) - p[a][b] * mu
    };
    let difference = max_difference(&model, expected);
    assert!(difference < 2e-5, "{difference}");
    for candidate in 0..N_TARGETS {
        assert!(expected(N_SOURCES + candidate, candidate).abs() < 1e-12);
        assert_eq!(model.weights().get(N_SOURCES + candidate, candidate as u32), 0.0);
    }
}

// Ridge of one candidate on the items that occur with it, as the sparse form promises: item → weight.
fn column(setting: &Setting, scope: Scope, candidate: usize) -> Vec<(usize, f64)> {
    let target = N_SOURCES + candidate;
    let inputs: Vec<usize> = match scope {
        Scope::Target => (N_SOURCES..N_ITEMS).collect(),
        Scope::Sources => (0..N_SOURCES).collect(),
        Scope::All => (0..N_ITEMS).collect(),
    };
    let near: Vec<usize> =
        inputs.into_iter().filter(|&item| item != target && setting.together(item, target) > 0.0).collect();
    let right = near.iter().map(|&item| vec![setting.together(item, target)]).collect();
    let solved = solve(setting.ridge_matrix(&near), right);
    near.into_iter().zip(solved).map(|(item, weight)| (item, weight[0])).collect()
}

#[test]
fn the_sparse_form_with_room_for_all_neighbors_is_ridge_by_columns() {
    let setting = setting(0.12);
    for scope in [Scope::Target, Scope::Sources, Scope::All] {
        let model = setting.fit(&LinearConfig { budget_bytes: 0, ..config(0.0) }, scope);
        assert!(!model.is_exact());
        let columns: Vec<Vec<(usize, f64)>> = (0..N_TARGETS).map(|j| column(&setting, scope, j)).collect();
        assert!(columns.iter().any(|c| c.len() < N_SOURCES - 1), "some items never meet");
        let expected = |item: usize, candidate: usize| {
            columns[candidate].iter().find(|(at, _)| *at == item).map_or(0.0, |(_, weight)| *weight)
        };
        let difference = max_difference(&model, expected);
        assert!(difference < 1e-5, "{scope:?}: {difference}");
    }
}

#[test]
fn where_all_items_meet_the_sparse_form_is_ease() {
    let setting = setting(0.5);
    let (dense, sparse) = (config(0.0), LinearConfig { budget_bytes: 0, ..config(0.0) });
    let (dense, sparse) = (setting.fit(&dense, Scope::Target), setting.fit(&sparse, Scope::Target));
    assert!(dense.is_exact() && !sparse.is_exact());
    let weight = |item: usize, candidate: usize| f64::from(dense.weights().get(item, candidate as u32));
    let difference = max_difference(&sparse, weight);
    assert!(difference < 1e-5, "{difference}");
}

#[test]
fn only_the_largest_weights_are_kept() {
    let setting = setting(0.2);
    let all = setting.fit(&config(STRENGTH), Scope::Target);
    let few = setting.fit(&LinearConfig { weights_per_item: 5, ..config(STRENGTH) }, Scope::Target);
    for item in N_SOURCES..N_ITEMS {
        let (columns, values) = few.weights().row(item);
        assert_eq!(columns.len(), 5);
        let weakest = values.iter().fold(f32::INFINITY, |min, value| min.min(value.abs()));
        let stronger = all.weights().row(item).1.iter().filter(|value| value.abs() > weakest).count();
        assert!(stronger < 5, "item {item}: {stronger} stronger weights were left out");
    }
}
