//! What is popular in the domain, overall or lately.

use segue_data::{DomainIdx, ItemCatalog, TrainSet};
use serde::{Deserialize, Serialize};

use crate::query::Query;
use crate::tensors::{ModelError, Tensors};

/// Settings of [`Popularity`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PopularityConfig {
    /// Days after which an event counts half; 0 = all events count the same.
    pub half_life_days: f32,
    /// Scores are `ln(1 + count)` instead of counts: keeps one blockbuster from filling the standardized scale.
    pub logarithm: bool,
}

impl Default for PopularityConfig {
    fn default() -> Self {
        Self { half_life_days: 0.0, logarithm: false }
    }
}

/// Counts of events per item of one domain.
#[derive(Clone, Debug, PartialEq)]
pub struct Popularity {
    scores: Vec<f32>, // [n_candidates]
}

impl Popularity {
    /// Counts the training events of `domain`.
    ///
    /// # Errors
    /// With a half-life, stands aside when the events have no times.
    pub fn fit(
        config: &PopularityConfig,
        train: &TrainSet,
        items: &ItemCatalog,
        domain: DomainIdx,
    ) -> Result<Self, ModelError> {
        let range = items.range(domain);
        if config.half_life_days > 0.0 && train.sequences.events().iter().all(|event| event.timestamp == 0) {
            return Err(ModelError::StandsAside {
                expert: "recent",
                reason: "the events have no times".into(),
            });
        }
        let now = train.sequences.events().iter().map(|event| event.timestamp).max().unwrap_or(0);
        let half_life_seconds = f64::from(config.half_life_days) * 86_400.0;
        let mut counts = vec![0.0f64; range.len()];
        for event in train.sequences.events().iter().filter(|event| range.contains(&event.item.at())) {
            counts[event.item.at() - range.start] += if half_life_seconds > 0.0 {
                (-((now - event.timestamp) as f64) / half_life_seconds).exp2()
            } else {
                1.0
            };
        }
        let score = |count: f64| if config.logarithm { count.ln_1p() } else { count };
        Ok(Self { scores: counts.into_iter().map(|count| score(count) as f32).collect() })
    }

    /// The same scores for every user.
    pub fn score(&self, _query: &Query<'_>, scores: &mut [f32]) {
        scores.copy_from_slice(&self.scores);
    }

    /// Position of a candidate among all candidates, 1 = most popular; ties count half.
    pub fn rank(&self, candidate: usize) -> f64 {
        let own = self.scores[candidate];
        let above = self.scores.iter().filter(|&&score| score > own).count();
        let equal = self.scores.iter().filter(|&&score| score == own).count();
        1.0 + above as f64 + (equal - 1) as f64 / 2.0
    }

    pub(crate) fn save(&self, tensors: &mut Tensors) {
        tensors.put_f32("popularity.scores", self.scores.clone());
    }

    pub(crate) fn load(n_candidates: usize, tensors: &mut Tensors) -> Result<Self, ModelError> {
        let scores = tensors.take_f32("popularity.scores")?;
        if scores.len() != n_candidates {
            return Err(ModelError::Inconsistent {
                tensor: "popularity.scores".into(),
                expected: format!("{n_candidates} values"),
            });
        }
        Ok(Self { scores })
    }
}
