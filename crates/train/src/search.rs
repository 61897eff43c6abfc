//! A small seeded search of settings on valid: hill climbing with a budget, the same for every expert.

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use segue_models::content::ContentConfig;
use segue_models::graph_walks::GraphWalksConfig;
use segue_models::linear::LinearConfig;
use segue_models::popularity::PopularityConfig;
use segue_models::text_vectors::TextVectorsConfig;
use segue_models::window::WindowConfig;
use segue_models::{ExpertConfig, ExpertId, ExpertKind};
use serde::{Deserialize, Serialize};

use crate::judge::{Objective, mean};

/// One setting that was tried.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// The expert.
    pub expert: ExpertId,
    /// Its settings.
    pub config: ExpertConfig,
    /// NDCG@10 on the search's valid cases.
    pub score: f64,
    /// Whether these settings were taken.
    pub chosen: bool,
}

/// Tries the given starts (the default first), then steps from the best so far; each step moves one or two settings to a
/// neighboring grid value. Settings that were tried are not tried again. `judge` gives the metric of every case; new settings
/// are taken only when they beat the best so far by more than one standard error of the paired difference: many small
/// wins on valid are luck, and luck does not carry over to test.
///
/// # Errors
/// Whatever `judge` fails with.
pub fn climb<E>(
    expert: ExpertId,
    starts: Vec<ExpertConfig>,
    budget: usize,
    rng: &mut ChaCha8Rng,
    mut judge: impl FnMut(&ExpertConfig) -> Result<Vec<f64>, E>,
) -> Result<Vec<Trial>, E> {
    let mut trials: Vec<Trial> = Vec::new();
    let mut best = 0;
    let mut best_cases: Vec<f64> = Vec::new();
    let mut starts = starts.into_iter();
    let mut next = starts.next();
    while let Some(config) = next {
        let cases = judge(&config)?;
        trials.push(Trial { expert, config, score: mean(&cases), chosen: false });
        if best_cases.is_empty() || clearly_better(&cases, &best_cases) {
            best = trials.len() - 1;
            best_cases = cases;
        }
        next = match starts.next() {
            _ if trials.len() >= budget => None,
            Some(start) => Some(start),
            None => propose(&trials, best, rng),
        };
    }
    trials[best].chosen = true;
    Ok(trials)
}

/// Whether the mean paired difference exceeds its standard error.
pub(crate) fn clearly_better(cases: &[f64], best: &[f64]) -> bool {
    let differences: Vec<f64> = cases.iter().zip(best).map(|(a, b)| a - b).collect();
    let gain = mean(&differences);
    let n = differences.len() as f64;
    let variance = differences.iter().map(|d| (d - gain).powi(2)).sum::<f64>() / n.max(1.0);
    gain > (variance / n.max(1.0)).sqrt()
}

/// Where the search of an expert starts: its default and, where another family of settings is known to work on other data,
/// that one too.
pub fn starts_of(kind: ExpertKind, objective: Objective) -> Vec<ExpertConfig> {
    let default = ExpertConfig::default_of(kind);
    let mut starts = vec![default.clone()];
    // Masked, a history's items cannot be found again whatever they score.
    if objective == Objective::Unmasked {
        starts.extend(REPEATS.iter().filter_map(|&repeat| default.with_repeat(repeat)));
    }
    if kind == ExpertKind::Window {
        // Symmetric and cautious: sparse data with repeats; forward and sharp: dense sequences.
        let symmetric = WindowConfig {
            window: 10,
            decay: 0.8,
            backward: 1.0,
            from_exponent: 0.5,
            to_exponent: 0.5,
            shrink: 5.0,
            ..WindowConfig::default()
        };
        let forward = WindowConfig {
            backward: 0.12,
            from_exponent: 0.5,
            to_exponent: 0.15,
            shrink: 10.0,
            ..WindowConfig::default()
        };
        let far = WindowConfig { second_order: 1.0, ..forward.clone() };
        starts.extend([symmetric, forward, far].map(ExpertConfig::Window));
    }
    starts
}

// A new neighbor of the best; `None` when none was found in many draws (the grid is used up).
fn propose(trials: &[Trial], best: usize, rng: &mut ChaCha8Rng) -> Option<ExpertConfig> {
    for _ in 0..64 {
        let mut config = trials[best].config.clone();
        for _ in 0..rng.random_range(1..=2) {
            config = step(&config, trials[best].expert.kind, rng);
        }
        if trials.iter().all(|trial| trial.config != config) {
            return Some(config);
        }
    }
    None
}

fn step(config: &ExpertConfig, kind: ExpertKind, rng: &mut ChaCha8Rng) -> ExpertConfig {
    match config {
        ExpertConfig::Popularity(config) => ExpertConfig::Popularity(step_popularity(config, kind, rng)),
        ExpertConfig::Window(config) => ExpertConfig::Window(step_window(config, rng)),
        ExpertConfig::Linear(config) => ExpertConfig::Linear(step_linear(config, rng)),
        ExpertConfig::Content(config) => ExpertConfig::Content(step_content(config, rng)),
        ExpertConfig::Encoder(config) => ExpertConfig::Encoder(step_encoder(config, rng)),
        ExpertConfig::Image(config) => ExpertConfig::Image(step_encoder(config, rng)),
        ExpertConfig::Audio(config) => ExpertConfig::Audio(step_encoder(config, rng)),
        ExpertConfig::Graph(config) => ExpertConfig::Graph(step_graph(config, rng)),
        // One training run costs as much as all other searches together: its settings are not searched.
        ExpertConfig::Behavior(_) | ExpertConfig::Transfer(_) | ExpertConfig::Joint(_) => config.clone(),
    }
}

/// Shares of an item's likeness to itself, beside 0.
const REPEATS: &[f32] = &[0.5, 0.8];
/// Days; 0 = time does not count.
const HALF_LIVES: &[f32] = &[0.0, 1.0, 7.0, 30.0, 120.0, 480.0];
const RECENCY: &[f32] = &[0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0];

fn step_popularity(config: &PopularityConfig, kind: ExpertKind, rng: &mut ChaCha8Rng) -> PopularityConfig {
    let mut next = config.clone();
    if kind == ExpertKind::Recent && rng.random_bool(0.7) {
        move_on(&mut next.half_life_days, &[3.0, 7.0, 14.0, 30.0, 60.0, 120.0, 240.0, 480.0], rng);
    } else {
        next.logarithm = !next.logarithm;
    }
    next
}

fn step_window(config: &WindowConfig, rng: &mut ChaCha8Rng) -> WindowConfig {
    let mut next = config.clone();
    match rng.random_range(0..10) {
        0 => {
            let grid = [3, 5, 10, 20, 40];
            let at = grid.iter().position(|&w| w >= next.window).unwrap_or(grid.len() - 1);
            next.window = grid[neighbor(at, grid.len(), rng)];
        }
        1 => move_on(&mut next.decay, &[0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0], rng),
        2 => move_on(&mut next.backward, &[0.0, 0.12, 0.25, 0.5, 0.75, 1.0], rng),
        3 => move_on(&mut next.from_exponent, &[0.1, 0.3, 0.5, 0.7, 0.9], rng),
        4 => move_on(&mut next.to_exponent, &[0.0, 0.1, 0.2, 0.3, 0.5, 0.7], rng),
        5 => move_on(&mut next.shrink, &[0.0, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0], rng),
        6 => move_on(&mut next.half_life_days, HALF_LIVES, rng),
        7 => move_on(&mut next.pair_half_life_days, HALF_LIVES, rng),
        8 => move_on(&mut next.second_order, &[0.0, 0.25, 0.5, 1.0, 2.0, 4.0], rng),
        _ => move_on(&mut next.recency, RECENCY, rng),
    }
    next
}

fn step_linear(config: &LinearConfig, rng: &mut ChaCha8Rng) -> LinearConfig {
    let mut next = config.clone();
    match rng.random_range(0..4) {
        3 => move_on(&mut next.half_life_days, HALF_LIVES, rng),
        0 => move_on(&mut next.l2, &[2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0], rng),
        1 => move_on(&mut next.text_prior, &[0.0, 0.05, 0.1, 0.2, 0.4], rng),
        _ => move_on(&mut next.recency, RECENCY, rng),
    }
    next
}

fn step_content(config: &ContentConfig, rng: &mut ChaCha8Rng) -> ContentConfig {
    const WEIGHTS: &[f32] = &[0.0, 0.25, 0.5, 1.0, 2.0, 4.0];
    let mut next = config.clone();
    if moves_repeat(&mut next.repeat, rng) {
        return next;
    }
    match rng.random_range(0..8) {
        6 => {
            const DIMS: &[usize] = &[0, 64, 128, 256];
            let at = DIMS.iter().position(|&dim| dim >= next.svd_dim).unwrap_or(DIMS.len() - 1);
            next.svd_dim = DIMS[neighbor(at, DIMS.len(), rng)];
        }
        0 => move_on(&mut next.title, WEIGHTS, rng),
        1 => move_on(&mut next.brand, WEIGHTS, rng),
        2 => move_on(&mut next.categories, WEIGHTS, rng),
        3 => move_on(&mut next.description, WEIGHTS, rng),
        4 => move_on(&mut next.other, WEIGHTS, rng),
        5 => move_on(&mut next.half_life_days, HALF_LIVES, rng),
        _ => move_on(&mut next.recency, RECENCY, rng),
    }
    next
}

// Now and then, where a start has shown that it is of use; else no draw is made.
fn moves_repeat(repeat: &mut f32, rng: &mut ChaCha8Rng) -> bool {
    let moves = *repeat > 0.0 && rng.random_bool(0.2);
    if moves {
        move_on(repeat, &[0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0], rng);
    }
    moves
}

fn step_encoder(config: &TextVectorsConfig, rng: &mut ChaCha8Rng) -> TextVectorsConfig {
    // From the whole down; 0 = all components.
    const COMPONENTS: &[usize] = &[0, 256, 128, 64];
    let mut next = config.clone();
    if moves_repeat(&mut next.repeat, rng) {
        return next;
    }
    match rng.random_range(0..6) {
        0 => {
            let at = COMPONENTS.iter().position(|&n| n == next.whitening.n_components).unwrap_or(0);
            next.whitening.n_components = COMPONENTS[neighbor(at, COMPONENTS.len(), rng)];
        }
        1 | 2 => {
            move_on(&mut next.whitening.regularization, &[0.0, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0], rng);
        }
        3 => move_on(&mut next.half_life_days, HALF_LIVES, rng),
        _ => move_on(&mut next.recency, RECENCY, rng),
    }
    next
}

fn step_graph(config: &GraphWalksConfig, rng: &mut ChaCha8Rng) -> GraphWalksConfig {
    let mut next = config.clone();
    match rng.random_range(0..8) {
        0 => move_on(&mut next.degree_exponent, &[0.0, 0.25, 0.5, 0.75, 1.0], rng),
        1 => move_on(&mut next.lift_exponent, &[0.0, 0.5, 1.0, 1.5], rng),
        2 => move_on(&mut next.third_hop, &[0.0, 0.25, 0.5, 1.0], rng),
        3 => move_on(&mut next.norm_exponent, &[0.0, 0.25, 0.5, 0.75, 1.0], rng),
        4 | 5 => move_on(&mut next.through_users, &[0.0, 0.5, 1.0, 2.0, 4.0], rng),
        6 => move_on(&mut next.half_life_days, HALF_LIVES, rng),
        _ => move_on(&mut next.recency, RECENCY, rng),
    }
    next
}

fn move_on(value: &mut f32, grid: &[f32], rng: &mut ChaCha8Rng) {
    let at = grid.iter().position(|&g| g >= *value).unwrap_or(grid.len() - 1);
    *value = grid[neighbor(at, grid.len(), rng)];
}

fn neighbor(at: usize, n: usize, rng: &mut ChaCha8Rng) -> usize {
    if at == 0 {
        return 1.min(n - 1);
    }
    if at + 1 >= n || rng.random_bool(0.5) { at - 1 } else { at + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use segue_models::Scope;

    #[test]
    fn the_climb_finds_a_better_setting_within_its_budget_and_repeats_exactly() {
        let expert = ExpertId { kind: ExpertKind::Window, scope: Scope::Target };
        let run = |seed| {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let judge = |config: &ExpertConfig| -> Result<Vec<f64>, ()> {
                let ExpertConfig::Window(config) = config else { return Err(()) };
                Ok(vec![-f64::from((config.recency - 0.9).abs() + (config.decay - 0.7).abs()); 4])
            };
            climb(expert, starts_of(ExpertKind::Window, Objective::Masked), 60, &mut rng, judge).unwrap()
        };
        let trials = run(5);
        assert!(trials.len() <= 60);
        let chosen: Vec<&Trial> = trials.iter().filter(|trial| trial.chosen).collect();
        assert_eq!(chosen.len(), 1);
        assert!(chosen[0].score > trials[0].score);
        assert_eq!(trials, run(5));
        assert_ne!(trials, run(6));
    }
}
