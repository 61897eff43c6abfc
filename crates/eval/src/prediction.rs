//! How good predicted values and probabilities are, whoever predicted them: squared error, calibration, ranking of two classes.

use serde::{Deserialize, Serialize};

/// Predicted ratings against given ones.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RatingFigures {
    /// Pairs compared.
    pub n: usize,
    /// Root of the mean squared error.
    pub rmse: f64,
    /// Mean absolute error.
    pub mae: f64,
}

impl RatingFigures {
    /// Figures of pairs (predicted, given); `None` of nothing.
    pub fn of(pairs: &[(f64, f64)]) -> Option<Self> {
        let n = pairs.len();
        let mean = |of: fn(f64) -> f64| pairs.iter().map(|(p, y)| of(p - y)).sum::<f64>() / n as f64;
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
    /// Figures of pairs (probability, came true); `None` of nothing.
    pub fn of(pairs: &[(f64, bool)]) -> Option<Self> {
        if pairs.is_empty() {
            return None;
        }
        let n = pairs.len() as f64;
        let loss = |&(p, came): &(f64, bool)| -(if came { p } else { 1.0 - p }).max(LEAST).ln();
        Some(Self {
            n: pairs.len(),
            base_rate: pairs.iter().filter(|(_, came)| *came).count() as f64 / n,
            ece: expected_calibration_error(pairs),
            log_loss: pairs.iter().map(loss).sum::<f64>() / n,
            auc: area_under_roc(pairs),
        })
    }
}

fn expected_calibration_error(pairs: &[(f64, bool)]) -> f64 {
    let mut bins = [(0.0, 0.0); N_BINS];
    for &(p, came) in pairs {
        let bin = &mut bins[((p * N_BINS as f64) as usize).min(N_BINS - 1)];
        bin.0 += p;
        bin.1 += f64::from(u8::from(came));
    }
    // The sizes cancel: |Σ p − Σ y| / n.
    bins.iter().map(|(p, came)| (p - came).abs()).sum::<f64>() / pairs.len() as f64
}

// By ranks (Mann and Whitney), ties sharing the mean rank.
fn area_under_roc(pairs: &[(f64, bool)]) -> f64 {
    let mut sorted: Vec<(f64, bool)> = pairs.to_vec();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut rank_sum, mut at) = (0.0, 0);
    while at < sorted.len() {
        let tied = sorted[at..].iter().take_while(|pair| pair.0 == sorted[at].0).count();
        let rank = at as f64 + f64::midpoint(tied as f64, 1.0);
        rank_sum += rank * sorted[at..at + tied].iter().filter(|pair| pair.1).count() as f64;
        at += tied;
    }
    let n_true = sorted.iter().filter(|pair| pair.1).count() as f64;
    let n_false = sorted.len() as f64 - n_true;
    (rank_sum - n_true * (n_true + 1.0) / 2.0) / (n_true * n_false)
}

/// Slope and shift of a logit that make its probabilities right on `pairs` of (logit, came true) (Platt, 1999, without his prior on
/// labels), by Newton's method; the logit as it is where that does not get better.
pub fn calibrate(pairs: &[(f64, bool)]) -> [f64; 2] {
    let loss = |[slope, shift]: [f64; 2]| -> f64 {
        let of = |&(x, came): &(f64, bool)| {
            let z = slope.mul_add(x, shift);
            z.max(0.0) - if came { z } else { 0.0 } + (-z.abs()).exp().ln_1p()
        };
        pairs.iter().map(of).sum()
    };
    let mut best: [f64; 2] = [1.0, 0.0];
    for _ in 0..50 {
        let [slope, shift] = best;
        let (mut g, mut h) = ([0.0; 2], [1e-9, 0.0, 1e-9]);
        for &(x, came) in pairs {
            let p = 1.0 / (1.0 + (-slope.mul_add(x, shift)).exp());
            let (error, weight) = (p - f64::from(u8::from(came)), p * (1.0 - p));
            g = [g[0] + error * x, g[1] + error];
            h = [h[0] + weight * x * x, h[1] + weight * x, h[2] + weight];
        }
        let determinant = h[0] * h[2] - h[1] * h[1];
        let step = [(h[2] * g[0] - h[1] * g[1]) / determinant, (h[0] * g[1] - h[1] * g[0]) / determinant];
        let before = loss(best);
        // Halved until it helps: far from the end a whole step can overshoot.
        let better = (0..20).map(|halving| 0.5f64.powi(halving)).find_map(|part| {
            let next = [slope - part * step[0], shift - part * step[1]];
            (next.iter().all(|x| x.is_finite()) && loss(next) < before).then_some(next)
        });
        let Some(next) = better else { return best };
        best = next;
        if before - loss(best) < 1e-10 * before.abs() {
            return best;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_the_values_of_scikit_learn() {
        // sklearn 1.5: roc_auc_score, log_loss; ECE by hand: bins of width 1/15.
        let pairs = [(0.9, true), (0.8, false), (0.8, true), (0.3, false), (0.1, false), (0.35, true)];
        let figures = ProbabilityFigures::of(&pairs).unwrap();
        assert!((figures.auc - 7.5 / 9.0).abs() < 1e-12, "{figures:?}");
        let log_loss =
            -(0.9f64.ln() + 0.2f64.ln() + 0.8f64.ln() + 0.7f64.ln() + 0.9f64.ln() + 0.35f64.ln()) / 6.0;
        assert!((figures.log_loss - log_loss).abs() < 1e-12);
        let ece = (0.1 + (1.6f64 - 1.0) + 0.3 + 0.1 + 0.65) / 6.0;
        assert!((figures.ece - ece).abs() < 1e-12, "{} {ece}", figures.ece);
        assert!(ProbabilityFigures::of(&[]).is_none());
        let ratings = RatingFigures::of(&[(3.0, 4.0), (5.0, 2.0)]).unwrap();
        assert_eq!((ratings.rmse, ratings.mae), (5f64.sqrt(), 2.0));
    }

    #[test]
    fn calibration_finds_the_slope_and_shift_that_made_the_labels() {
        // Labels by the probability σ(.5 x − 1), spread evenly instead of drawn.
        let mut pairs = Vec::new();
        for step in -40..=40 {
            let x = f64::from(step) / 8.0;
            let p = 1.0 / (1.0 + (-(0.5 * x - 1.0)).exp());
            let n_true = (p * 400.0).round() as usize;
            pairs.extend((0..400).map(|at| (x, at < n_true)));
        }
        let [slope, shift] = calibrate(&pairs);
        assert!((slope - 0.5).abs() < 0.01 && (shift + 1.0).abs() < 0.01, "{slope} {shift}");
        let probability = |&(x, came): &(f64, bool)| (1.0 / (1.0 + (-(slope * x + shift)).exp()), came);
        let after: Vec<(f64, bool)> = pairs.iter().map(probability).collect();
        assert!(ProbabilityFigures::of(&after).unwrap().ece < 0.01);
    }

    #[test]
    fn separable_labels_do_not_run_away() {
        let found = calibrate(&[(1.0, true), (2.0, true), (-1.0, false)]);
        assert!(found.iter().all(|x| x.is_finite()), "{found:?}");
    }
}
