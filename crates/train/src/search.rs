//! A small seeded search of settings on valid: hill climbing with a budget, the same for every expert. Starts and grids are the
//! models' own ([`ExpertConfig::starts_of`], [`ExpertConfig::step`]).

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use segue_models::{ExpertConfig, ExpertId};
use serde::{Deserialize, Serialize};

use crate::judge::mean;

/// One setting that was tried.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// Whose settings these are.
    pub expert: ExpertId,
    /// All of them, not only what was changed.
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

// A new neighbor of the best; `None` when none was found in many draws (the grid is used up).
fn propose(trials: &[Trial], best: usize, rng: &mut ChaCha8Rng) -> Option<ExpertConfig> {
    for _ in 0..64 {
        let mut config = trials[best].config.clone();
        for _ in 0..rng.random_range(1..=2) {
            config = config.step(trials[best].expert.kind, rng);
        }
        if trials.iter().all(|trial| trial.config != config) {
            return Some(config);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use segue_models::{ExpertKind, Scope};

    #[test]
    fn the_climb_finds_a_better_setting_within_its_budget_and_repeats_exactly() {
        let expert = ExpertId { kind: ExpertKind::Window, scope: Scope::Target };
        let run = |seed| {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let judge = |config: &ExpertConfig| -> Result<Vec<f64>, ()> {
                let ExpertConfig::Window(config) = config else { return Err(()) };
                Ok(vec![-f64::from((config.recency - 0.9).abs() + (config.decay - 0.7).abs()); 4])
            };
            climb(expert, ExpertConfig::starts_of(ExpertKind::Window, false), 60, &mut rng, judge).unwrap()
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
