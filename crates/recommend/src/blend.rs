//! How experts are combined for a domain: standardized scores, non-negative weights, cold items apart.

use segue_models::ExpertId;
use serde::{Deserialize, Serialize};

/// One expert's part in a blend.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Member {
    /// The expert.
    pub expert: ExpertId,
    /// Weight for items with training interactions, ≥ 0.
    pub warm: f32,
    /// Weight for items without, ≥ 0.
    pub cold: f32,
}

/// Weights of all experts of a domain; an expert of weight zero was judged and refused.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Blend {
    /// One entry per fitted expert, in the order of the model's experts.
    pub members: Vec<Member>,
    /// Added to the score of cold items, in units of the standardized scale.
    pub cold_offset: f32,
}

impl Blend {
    /// A blend of one expert alone.
    pub fn only(experts: &[ExpertId], at: usize) -> Self {
        let member = |(place, &expert): (usize, &ExpertId)| {
            let weight = if place == at { 1.0 } else { 0.0 };
            Member { expert, warm: weight, cold: weight }
        };
        Self { members: experts.iter().enumerate().map(member).collect(), cold_offset: 0.0 }
    }

    /// Positions of the experts that count.
    pub fn active(&self) -> impl Iterator<Item = usize> + '_ {
        self.members.iter().enumerate().filter(|(_, m)| m.warm > 0.0 || m.cold > 0.0).map(|(at, _)| at)
    }
}

/// Brings raw scores to the common scale: subtracts the mean over all candidates and divides by the average of this
/// query's standard deviation and `spread`, the expert's typical one.
///
/// The query's own deviation alone would blow weak evidence up (one faint neighbor would look like certainty); the typical one
/// alone lets a single long history outshout every other expert. All zeros when every score is equal: an expert that knows
/// nothing says nothing. With `spread` 0 only the query's own deviation counts.
pub fn standardize(scores: &mut [f32], spread: f32) {
    let (mean, deviation) = mean_and_deviation(scores);
    if deviation <= 1e-12 * (1.0 + mean.abs()) {
        scores.fill(0.0);
        return;
    }
    let typical = if spread > 0.0 { f64::from(spread) } else { deviation };
    let (mean, scale) = (mean as f32, (2.0 / (deviation + typical)) as f32);
    for score in scores {
        *score = (*score - mean) * scale;
    }
}

/// Mean and standard deviation; zeros for no scores.
pub fn mean_and_deviation(scores: &[f32]) -> (f64, f64) {
    if scores.is_empty() {
        return (0.0, 0.0);
    }
    let n = scores.len() as f64;
    let mean = scores.iter().map(|&x| f64::from(x)).sum::<f64>() / n;
    let variance = scores.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / n;
    (mean, variance.sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn standardized_scores_have_mean_zero_and_deviation_one_and_constants_vanish() {
        let mut scores = vec![1.0, 2.0, 3.0, 10.0];
        standardize(&mut scores, 0.0);
        assert!(scores.iter().sum::<f32>().abs() < 1e-5);
        assert!((scores.iter().map(|x| x * x).sum::<f32>() / 4.0 - 1.0).abs() < 1e-5);
        let mut weak = vec![0.0, 0.0, 0.0, 0.1];
        standardize(&mut weak, 4.0);
        assert!(weak[3] < 0.05, "weak evidence stays weak: {weak:?}");
        let mut same = vec![0.3; 7];
        standardize(&mut same, 1.0);
        assert_eq!(same, [0.0; 7]);
    }
}
