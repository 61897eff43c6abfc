//! Losses beside the next item's: their settings, and the two forms they come in. Modules in reading order:

pub mod squared_error;
pub(crate) mod contrast;

use serde::{Deserialize, Serialize};

use crate::range::{self, first, outside};

/// The form of the losses beside the target's task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LossForm {
    /// Cross-entropy over candidates, contrast over a batch.
    #[default]
    Rank,
    /// Squared errors ([`squared_error`]).
    Mse,
}

/// When the losses beside the next item's have their turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LossTurns {
    /// In every step, all in one sum.
    #[default]
    #[serde(rename = "joint")]
    Together,
    /// Every step is drawn evenly to be of the next item alone, or of links and alignment alone.
    Alternating,
}

/// Form and weights of what is trained beside the next item.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct JointLoss {
    /// Of all three.
    pub form: LossForm,
    /// `λ_U`: weight of the squared error of user vectors, in that form; cross-entropy then is left for the target's items.
    pub behavior: f32,
    /// `λ_K`: weight of link prediction.
    pub graph: f32,
    /// `λ_H`: weight of the alignment of modalities.
    pub fusion: f32,
    /// Whether they share every step with the next item.
    pub schedule: LossTurns,
}

impl Default for JointLoss {
    fn default() -> Self {
        Self { form: LossForm::Rank, behavior: 1.0, graph: 0.1, fusion: 0.1, schedule: LossTurns::Together }
    }
}

impl JointLoss {
    /// What is out of range; `None` when nothing is.
    pub fn problem(&self) -> Option<String> {
        first([
            outside("behavior", self.behavior, range::WEIGHT),
            outside("graph", self.graph, range::WEIGHT),
            outside("fusion", self.fusion, range::WEIGHT),
        ])
    }
}
