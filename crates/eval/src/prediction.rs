//! How good predicted values and probabilities are, whoever predicted them: squared error, calibration, ranking of two classes.

use serde::{Deserialize, Serialize};

/// A rating as predicted and as given.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PredictedRating {
    /// What the model said.
    pub predicted: f64,
    /// What the user said.
    pub given: f64,
}

/// A probability and whether the event came true.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Forecast {
    /// Between 0 and 1.
    pub probability: f64,
    /// What happened.
    pub came_true: bool,
}

/// Log odds before calibration and whether the event came true.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LabeledLogit {
    /// Any finite number.
    pub logit: f64,
    /// What happened.
    pub came_true: bool,
}

/// Predicted ratings against given ones.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RatingFigures {
    /// Ratings compared.
    pub n: usize,
    /// Root of the mean squared error.
    pub rmse: f64,
    /// Mean absolute error.
    pub mae: f64,
}

impl RatingFigures {
    /// Errors of the predictions; `None` of nothing.
    pub fn of(ratings: &[PredictedRating]) -> Option<Self> {
        let n = ratings.len();
        let error = |rating: &PredictedRating| rating.predicted - rating.given;
        let mean = |of: fn(f64) -> f64| ratings.iter().map(error).map(of).sum::<f64>() / n as f64;
        (n > 0).then(|| Self { n, rmse: mean(|error| error * error).sqrt(), mae: mean(f64::abs) })
    }
}

/// Predicted probabilities against what happened.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ProbabilityFigures {
    /// Predictions.
    pub n: usize,
    /// Share of those that came true.
    pub base_rate: f64,
    /// Expected calibration error: over [`N_BINS`] bins of equal width, the gap between mean probability and share that came true,
    /// weighted by size (Guo et al., 2017, equation 3).
    pub ece: f64,
    /// Mean negative log-likelihood, nats.
    pub log_loss: f64,
    /// Probability that one that came true got more than one that did not, ties counting half; `NaN` with one class only.
    pub auc: f64,
}

/// Bins of the calibration error.
pub const N_BINS: usize = 15;
/// Probabilities are kept this far from 0 and 1 in the log-likelihood.
const LEAST: f64 = 1e-12;

impl ProbabilityFigures {
    /// Figures of forecasts; `None` of nothing.
    pub fn of(forecasts: &[Forecast]) -> Option<Self> {
        if forecasts.is_empty() {
            return None;
        }
        let n = forecasts.len() as f64;
        let loss = |&Forecast { probability, came_true }: &Forecast| {
            -(if came_true { probability } else { 1.0 - probability }).max(LEAST).ln()
        };
        Some(Self {
            n: forecasts.len(),
            base_rate: forecasts.iter().filter(|forecast| forecast.came_true).count() as f64 / n,
            ece: expected_calibration_error(forecasts),
            log_loss: forecasts.iter().map(loss).sum::<f64>() / n,
            auc: area_under_roc(forecasts),
        })
    }
}

fn expected_calibration_error(forecasts: &[Forecast]) -> f64 {
    let mut bins = [(0.0, 0.0); N_BINS];
    for forecast in forecasts {
        let bin = &mut bins[((forecast.probability * N_BINS as f64) as usize).min(N_BINS - 1)];
        bin.0 += forecast.probability;
        bin.1 += f64::from(u8::from(forecast.came_true));
    }
    // The sizes cancel: |Σ p − Σ y| / n.
    bins.iter().map(|(p, came_true)| (p - came_true).abs()).sum::<f64>() / forecasts.len() as f64
}

// By ranks (Mann and Whitney), ties sharing the mean rank.
fn area_under_roc(forecasts: &[Forecast]) -> f64 {
    let mut rising: Vec<Forecast> = forecasts.to_vec();
    rising.sort_by(|a, b| a.probability.total_cmp(&b.probability));
    let came_true = |forecasts: &[Forecast]| forecasts.iter().filter(|one| one.came_true).count() as f64;
    let (mut rank_sum, mut at) = (0.0, 0);
    while at < rising.len() {
        let tied = rising[at..].iter().take_while(|one| one.probability == rising[at].probability).count();
        let rank = at as f64 + f64::midpoint(tied as f64, 1.0);
        rank_sum += rank * came_true(&rising[at..at + tied]);
        at += tied;
    }
    let n_true = came_true(&rising);
    let n_false = rising.len() as f64 - n_true;
    (rank_sum - n_true * (n_true + 1.0) / 2.0) / (n_true * n_false)
}

/// Slope and shift that make the probabilities of `logits` right (Platt, 1999, without his prior on labels), by Newton's
/// method; 1 and 0 where that does not get better.
pub fn calibrate(logits: &[LabeledLogit]) -> [f64; 2] {
    let mut best: [f64; 2] = [1.0, 0.0];
    for _ in 0..50 {
        let before = summed_log_loss(logits, best);
        let step = newton_step(logits, best);
        // Halved until it helps: far from the end a whole step can overshoot.
        let better = (0..20).map(|halving| 0.5f64.powi(halving)).find_map(|part| {
            let next = [best[0] - part * step[0], best[1] - part * step[1]];
            let helps = next.iter().all(|x| x.is_finite()) && summed_log_loss(logits, next) < before;
            helps.then_some(next)
        });
        let Some(next) = better else { return best };
        best = next;
        if before - summed_log_loss(logits, best) < 1e-10 * before.abs() {
            return best;
        }
    }
    best
}

/// Negative log-likelihood of the labels under a slope and a shift, nats.
fn summed_log_loss(logits: &[LabeledLogit], [slope, shift]: [f64; 2]) -> f64 {
    let of = |&LabeledLogit { logit, came_true }: &LabeledLogit| {
        let z = slope.mul_add(logit, shift);
        z.max(0.0) - if came_true { z } else { 0.0 } + (-z.abs()).exp().ln_1p()
    };
    logits.iter().map(of).sum()
}

/// The gradient of that loss, multiplied by the inverse of its Hessian.
fn newton_step(logits: &[LabeledLogit], [slope, shift]: [f64; 2]) -> [f64; 2] {
    let (mut g, mut h) = ([0.0; 2], [1e-9, 0.0, 1e-9]);
    for &LabeledLogit { logit: x, came_true } in logits {
        let p = 1.0 / (1.0 + (-slope.mul_add(x, shift)).exp());
        let (error, weight) = (p - f64::from(u8::from(came_true)), p * (1.0 - p));
        g = [g[0] + error * x, g[1] + error];
        h = [h[0] + weight * x * x, h[1] + weight * x, h[2] + weight];
    }
    let determinant = h[0] * h[2] - h[1] * h[1];
    [(h[2] * g[0] - h[1] * g[1]) / determinant, (h[0] * g[1] - h[1] * g[0]) / determinant]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_the_values_of_scikit_learn() {
        // sklearn 1.5: roc_auc_score, log_loss; ECE by hand: bins of width 1/15.
        let forecasts = [(0.9, true), (0.8, false), (0.8, true), (0.3, false), (0.1, false), (0.35, true)]
            .map(|(probability, came_true)| Forecast { probability, came_true });
        let figures = ProbabilityFigures::of(&forecasts).unwrap();
        assert!((figures.auc - 7.5 / 9.0).abs() < 1e-12, "{figures:?}");
        let log_loss =
            -(0.9f64.ln() + 0.2f64.ln() + 0.8f64.ln() + 0.7f64.ln() + 0.9f64.ln() + 0.35f64.ln()) / 6.0;
        assert!((figures.log_loss - log_loss).abs() < 1e-12);
        let ece = (0.1 + (1.6f64 - 1.0) + 0.3 + 0.1 + 0.65) / 6.0;
        assert!((figures.ece - ece).abs() < 1e-12, "{} {ece}", figures.ece);
        assert!(ProbabilityFigures::of(&[]).is_none());
        let ratings = [(3.0, 4.0), (5.0, 2.0)].map(|(predicted, given)| PredictedRating { predicted, given });
        let ratings = RatingFigures::of(&ratings).unwrap();
        assert_eq!((ratings.rmse, ratings.mae), (5f64.sqrt(), 2.0));
    }

    #[test]
    fn calibration_finds_the_slope_and_shift_that_made_the_labels() {
        // Labels by the probability σ(.5 x − 1), spread evenly instead of drawn.
        let mut logits = Vec::new();
        for step in -40..=40 {
            let logit = f64::from(step) / 8.0;
            let p = 1.0 / (1.0 + (-(0.5 * logit - 1.0)).exp());
            let n_true = (p * 400.0).round() as usize;
            logits.extend((0..400).map(|at| LabeledLogit { logit, came_true: at < n_true }));
        }
        let [slope, shift] = calibrate(&logits);
        assert!((slope - 0.5).abs() < 0.01 && (shift + 1.0).abs() < 0.01, "{slope} {shift}");
        let forecast = |&LabeledLogit { logit, came_true }: &LabeledLogit| Forecast {
            probability: 1.0 / (1.0 + (-(slope * logit + shift)).exp()),
            came_true,
        };
        let calibrated: Vec<Forecast> = logits.iter().map(forecast).collect();
        assert!(ProbabilityFigures::of(&calibrated).unwrap().ece < 0.01);
    }

    #[test]
    fn separable_labels_do_not_run_away() {
        let separable = [(1.0, true), (2.0, true), (-1.0, false)]
            .map(|(logit, came_true)| LabeledLogit { logit, came_true });
        let found = calibrate(&separable);
        assert!(found.iter().all(|x| x.is_finite()), "{found:?}");
    }
}
