//! Floors: fixed recipes without any choice, the weighted sum of a few experts' raw scores. What a blend must beat.

use segue_data::{DomainIdx, ItemCatalog, TrainSet};
use segue_models::content::ContentConfig;
use segue_models::linear::LinearConfig;
use segue_models::popularity::PopularityConfig;
use segue_models::window::WindowConfig;
use segue_models::{Expert, ExpertConfig, ExpertId, ExpertKind, FitContext, Query, Scope};
use serde::{Deserialize, Serialize};

use crate::error::TrainError;

/// How raw scores are brought to a common scale.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scale {
    /// As they are.
    #[default]
    None,
    /// Divided by the 99th percentile of the window's stored weights.
    P99,
}

/// One expert of a recipe: exactly one of the settings is given.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FloorPart {
    /// Weight in the sum.
    pub weight: f32,
    /// Experts differ in scale; what theirs is divided by.
    #[serde(default)]
    pub scale: Scale,
    /// Whose events it uses.
    #[serde(default = "target")]
    pub scope: Scope,
    /// Settings of a popularity expert.
    pub popularity: Option<PopularityConfig>,
    /// Settings of a window expert.
    pub window: Option<WindowConfig>,
    /// Settings of a linear expert.
    pub linear: Option<LinearConfig>,
    /// Settings of a content expert.
    pub content: Option<ContentConfig>,
}

fn target() -> Scope {
    Scope::Target
}

/// A fitted recipe.
#[derive(Clone, Debug)]
pub struct Floor {
    parts: Vec<(f32, Expert)>,
}

impl Floor {
    /// All parts on the same events.
    ///
    /// # Errors
    /// When a part has no settings or cannot be fitted.
    pub fn fit(
        parts: &[FloorPart],
        train: &TrainSet,
        items: &ItemCatalog,
        domain: DomainIdx,
    ) -> Result<Self, TrainError> {
        let mut fitted = Vec::with_capacity(parts.len());
        for part in parts {
            let (kind, config) = part.config()?;
            let id = ExpertId { kind, scope: part.scope };
            let context = FitContext::new(items, domain);
            let expert = Expert::fit(id, &config, train, context)
                .map_err(|source| TrainError::Model { expert: id.to_string(), source })?;
            let scale = match part.scale {
                Scale::None => 1.0,
                Scale::P99 => expert.weights_quantile(0.99).filter(|&scale| scale > 0.0).unwrap_or(1.0),
            };
            fitted.push((part.weight / scale, expert));
        }
        Ok(Self { parts: fitted })
    }

    /// Of a user's candidates, as they are weighed in the recipe.
    pub fn score(&self, query: &Query<'_>, items: &ItemCatalog, scores: &mut [f32]) {
        scores.fill(0.0);
        let mut own = vec![0.0; scores.len()];
        for (weight, expert) in &self.parts {
            expert.score(query, items, &mut own);
            scores.iter_mut().zip(&own).for_each(|(sum, score)| *sum += weight * score);
        }
    }
}

impl FloorPart {
    fn config(&self) -> Result<(ExpertKind, ExpertConfig), TrainError> {
        let settings = [
            self.popularity.clone().map(|c| (ExpertKind::Popularity, ExpertConfig::Popularity(c))),
            self.window.clone().map(|c| (ExpertKind::Window, ExpertConfig::Window(c))),
            self.linear.clone().map(|c| (ExpertKind::Linear, ExpertConfig::Linear(c))),
            self.content.clone().map(|c| (ExpertKind::Content, ExpertConfig::Content(c))),
        ];
        let mut given = settings.into_iter().flatten();
        match (given.next(), given.next()) {
            (Some(config), None) => Ok(config),
            _ => Err(TrainError::request(
                "a part of a floor recipe must give the settings of exactly one expert",
                "write one of popularity, window, linear, content",
            )),
        }
    }
}
