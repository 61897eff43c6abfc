//! How sure a blend is of what it would recommend: the softmax of its scores.
//!
//! Scores are sums of standardized scores, so their scale is about that of a standard deviation for every query and domain, and a
//! softmax of temperature 1 can be compared between queries. It is no calibrated probability: only its order is used.

use segue_data::ItemCatalog;
use segue_models::Query;
use segue_recommend::DomainModel;
use segue_recommend::Scratch;

/// What the softmax of a query's scores says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Confidence {
    /// Entropy over the logarithm of the number of candidates, in [0, 1]: 1 = knows nothing. 0 with a single candidate.
    pub uncertainty: f64,
    /// Best candidate that is not in the history, as a position among the candidates; `None` when all are.
    pub best: Option<usize>,
    /// The softmax of that candidate, in [0, 1].
    pub of_best: f64,
}

/// Memory for the scores of a query, to be reused for the next.
#[derive(Default)]
pub struct ScoreBuffers {
    scratch: Scratch,
    scores: Vec<f32>,
}

/// Scores `query` and says how sure the blend is.
pub fn confidence(
    model: &DomainModel,
    query: &Query<'_>,
    items: &ItemCatalog,
    buffers: &mut ScoreBuffers,
) -> Confidence {
    let (scores, hidden) = scored(model, query, items, buffers);
    of_scores(scores, &hidden)
}

/// The best `n` candidates that are not in the history, as positions among the candidates with their softmax; the surest first, ties by
/// position.
pub fn surest(
    model: &DomainModel,
    query: &Query<'_>,
    n: usize,
    items: &ItemCatalog,
    buffers: &mut ScoreBuffers,
) -> Vec<(usize, f64)> {
    let (scores, hidden) = scored(model, query, items, buffers);
    let top = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let total: f64 = scores.iter().map(|&score| f64::from(score - top).exp()).sum();
    let mut shown: Vec<usize> = (0..scores.len()).filter(|&at| !hidden[at]).collect();
    let surer = |&a: &usize, &b: &usize| scores[b].total_cmp(&scores[a]).then(a.cmp(&b));
    if shown.len() > n {
        shown.select_nth_unstable_by(n, surer);
        shown.truncate(n);
    }
    shown.sort_by(surer);
    shown.into_iter().map(|at| (at, f64::from(scores[at] - top).exp() / total)).collect()
}

// Scores of all candidates, and which of them are in the history.
fn scored<'a>(
    model: &DomainModel,
    query: &Query<'_>,
    items: &ItemCatalog,
    ScoreBuffers { scratch, scores }: &'a mut ScoreBuffers,
) -> (&'a [f32], Vec<bool>) {
    scores.resize(model.n_candidates(), 0.0);
    model.score(query, items, scratch, scores);
    let start = items.range(query.domain).start;
    let mut hidden = vec![false; scores.len()];
    for event in query.history {
        if let Some(place) = event.item.at().checked_sub(start).and_then(|at| hidden.get_mut(at)) {
            *place = true;
        }
    }
    (scores, hidden)
}

fn of_scores(scores: &[f32], hidden: &[bool]) -> Confidence {
    let top = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let exponentials: Vec<f64> = scores.iter().map(|&score| f64::from(score - top).exp()).collect();
    let total: f64 = exponentials.iter().sum();
    // H = ln Z − Σ p·x, with x the scores below the top.
    let mean: f64 =
        exponentials.iter().zip(scores).map(|(e, &score)| e / total * f64::from(score - top)).sum();
    let n = scores.len() as f64;
    let uncertainty = if n > 1.0 { ((total.ln() - mean) / n.ln()).clamp(0.0, 1.0) } else { 0.0 };
    let shown = (0..scores.len()).filter(|&at| !hidden[at]);
    let best = shown.rev().max_by(|&a, &b| scores[a].total_cmp(&scores[b]));
    Confidence { uncertainty, best, of_best: best.map_or(0.0, |at| exponentials[at] / total) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_scores_are_wholly_uncertain_and_one_peak_is_not() {
        let flat = of_scores(&[0.5; 8], &[false; 8]);
        assert!((flat.uncertainty - 1.0).abs() < 1e-12 && flat.best == Some(0));
        let peak = of_scores(&[0.0, 30.0, 0.0, 0.0], &[false; 4]);
        assert!(peak.uncertainty < 1e-6 && peak.best == Some(1) && peak.of_best > 0.999);
    }

    #[test]
    fn entropy_is_that_of_the_definition_and_the_history_is_not_proposed() {
        let scores = [1.0f32, 0.0, -1.0];
        let total: f64 = scores.iter().map(|&x| f64::from(x).exp()).sum();
        let entropy: f64 = scores.iter().map(|&x| f64::from(x).exp() / total).map(|p| -p * p.ln()).sum();
        let found = of_scores(&scores, &[true, false, false]);
        assert!((found.uncertainty - entropy / 3f64.ln()).abs() < 1e-9);
        assert_eq!(found.best, Some(1));
        assert!((found.of_best - 1.0 / total).abs() < 1e-9);
        assert_eq!(of_scores(&scores, &[true; 3]).best, None);
    }
}
