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

/// Subtracts the mean over all candidates and divides by the standard deviation; all zeros when every score is equal (an
/// expert that knows nothing says nothing).
pub fn standardize(scores: &mut [f32]) {
    let n = scores.len() as f64;
    if scores.is_empty() {
        return;
    }
    let mean = scores.iter().map(|&x| f64::from(x)).sum::<f64>() / n;
    let variance = scores.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / n;
    if variance <= 1e-24 * (1.0 + mean * mean) {
        scores.fill(0.0);
        return;
    }
    let (mean, scale) = (mean as f32, (1.0 / variance.sqrt()) as f32);
    for score in scores {
        *score = (*score - mean) * scale;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn standardized_scores_have_mean_zero_and_deviation_one_and_constants_vanish() {
        let mut scores = vec![1.0, 2.0, 3.0, 10.0];
        standardize(&mut scores);
        assert!(scores.iter().sum::<f32>().abs() < 1e-5);
        assert!((scores.iter().map(|x| x * x).sum::<f32>() / 4.0 - 1.0).abs() < 1e-5);
        let mut same = vec![0.3; 7];
        standardize(&mut same);
        assert_eq!(same, [0.0; 7]);
    }
}
