//! The sections of the config about models that learn by steps: what they read, how large they are, what they are trained for.

use segue_models::TokenKind;
use segue_models::behavior::{
    BehaviorConfig, JointConfig, JointLoss, LossForm, Schedule, SequenceTuning, TaskConfig, TextInputConfig,
    TransferConfig,
};
use segue_models::fusion::FusionConfig;
use segue_models::graph::network::NetworkConfig;
use serde::{Deserialize, Serialize};

/// `[behavior]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BehaviorSection {
    /// Width of the model, a multiple of 2.
    pub width: usize,
    /// Transformer blocks.
    pub n_layers: usize,
    /// Newest events looked at.
    pub max_len: usize,
    /// Probability that a value is dropped in training.
    pub dropout: f64,
    /// Learning rate after warm-up.
    pub learning_rate: f64,
    /// Whether what is known about users stands in front of their events.
    pub profile_tokens: bool,
}

impl Default for BehaviorSection {
    fn default() -> Self {
        Self::of(&BehaviorConfig::default())
    }
}

impl BehaviorSection {
    fn of(config: &BehaviorConfig) -> Self {
        Self {
            width: config.width,
            n_layers: config.n_layers,
            max_len: config.max_len,
            dropout: short(config.dropout),
            learning_rate: short(config.learning_rate),
            profile_tokens: config.profile_tokens,
        }
    }

    /// The settings of the expert.
    pub fn config(&self, loss: &LossSection) -> BehaviorConfig {
        BehaviorConfig {
            width: self.width,
            n_layers: self.n_layers,
            max_len: self.max_len,
            dropout: self.dropout as f32,
            learning_rate: self.learning_rate as f32,
            profile_tokens: self.profile_tokens,
            source_weight: loss.sources as f32,
            tasks: loss.tasks(),
            ..BehaviorConfig::default()
        }
    }
}

/// `[transfer]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TransferSection {
    /// From the other domains to the target: `joint`, `frozen`, `light` or `full`.
    pub tuning: SequenceTuning,
    /// Width of the model, a multiple of 2.
    pub width: usize,
    /// Probability that a value is dropped in training.
    pub dropout: f64,
    /// Learning rate after warm-up.
    pub learning_rate: f64,
    /// Greatest length of an item's own vector beside its text; 0 = none.
    pub id_bound: f64,
    /// Rank of each domain's own adapter; 0 = none.
    pub domain_rank: usize,
}

impl Default for TransferSection {
    fn default() -> Self {
        let TransferConfig { sequence, text, tuning, .. } = TransferConfig::default();
        Self {
            tuning,
            width: sequence.width,
            dropout: short(sequence.dropout),
            learning_rate: short(sequence.learning_rate),
            id_bound: short(text.id_bound),
            domain_rank: text.domain_rank,
        }
    }
}

impl TransferSection {
    /// The settings of the expert; what it shares with `behavior` comes from there.
    pub fn config(&self, behavior: &BehaviorSection, loss: &LossSection) -> TransferConfig {
        let TransferConfig { text, .. } = TransferConfig::default();
        TransferConfig {
            sequence: BehaviorConfig {
                width: self.width,
                dropout: self.dropout as f32,
                learning_rate: self.learning_rate as f32,
                ..behavior.config(loss)
            },
            text: TextInputConfig { id_bound: self.id_bound as f32, domain_rank: self.domain_rank, ..text },
            tuning: self.tuning,
            ..TransferConfig::default()
        }
    }
}

/// `[joint]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct JointSection {
    /// What is fused, of what the data have.
    pub tokens: Vec<TokenKind>,
    /// Width of the model, a multiple of 2.
    pub width: usize,
    /// Probability that a value is dropped in training.
    pub dropout: f64,
    /// Learning rate after warm-up.
    pub learning_rate: f64,
    /// Probability that a token is left out of a step.
    pub modality_dropout: f64,
    /// Neighbors drawn per node of the graph.
    pub n_neighbors: usize,
    /// Whether users are nodes of the graph.
    pub users: bool,
}

impl Default for JointSection {
    fn default() -> Self {
        let JointConfig { sequence, fusion, graph, .. } = JointConfig::default();
        Self {
            tokens: fusion.tokens,
            width: sequence.width,
            dropout: short(sequence.dropout),
            learning_rate: short(sequence.learning_rate),
            modality_dropout: short(fusion.modality_dropout),
            n_neighbors: graph.n_neighbors,
            users: graph.users,
        }
    }
}

impl JointSection {
    /// The settings of the expert; what it shares with `behavior` comes from there.
    pub fn config(&self, behavior: &BehaviorSection, loss: &LossSection) -> JointConfig {
        JointConfig {
            sequence: BehaviorConfig {
                width: self.width,
                dropout: self.dropout as f32,
                learning_rate: self.learning_rate as f32,
                ..behavior.config(loss)
            },
            fusion: FusionConfig {
                tokens: self.tokens.clone(),
                modality_dropout: self.modality_dropout as f32,
                ..FusionConfig::default()
            },
            graph: NetworkConfig {
                n_neighbors: self.n_neighbors,
                users: self.users,
                ..NetworkConfig::default()
            },
            loss: loss.joint(),
        }
    }

    /// What is out of range; `None` when nothing is.
    pub fn problem(&self) -> Option<String> {
        if self.n_neighbors == 0 {
            return Some("`joint.n_neighbors` is 0".into());
        }
        let config = self.config(&BehaviorSection::default(), &LossSection::default());
        config.fusion.problem().map(|problem| format!("`joint`: {problem}"))
    }
}

/// Whether weights of losses stay or are learned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LossWeights {
    /// As given.
    #[default]
    Fixed,
    /// Learned with the model, from those given as a start.
    Learned,
}

/// `[loss]`: what `behavior`, `transfer` and `joint` are trained for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LossSection {
    /// Weight of the next item.
    pub next_item: f64,
    /// Weight of the rating's squared error; 0 = no such task.
    pub rating: f64,
    /// Weight of the choice's binary cross-entropy; 0 = no such task.
    pub click: f64,
    /// Items drawn against each one that was chosen.
    pub click_negatives: usize,
    /// Weight of the contrast between two views of each sequence; 0 = none.
    pub contrast: f64,
    /// Weight of other domains' events relative to the target's.
    pub sources: f64,
    /// Form of `joint`'s further losses: `rank` or `mse`.
    pub objective: LossForm,
    /// Weight of users' squared error (`joint` with objective `mse`).
    pub behavior: f64,
    /// Weight of link prediction (`joint`).
    pub graph: f64,
    /// Weight of the alignment of modalities (`joint`).
    pub fusion: f64,
    /// Turn of `joint`'s further losses: `joint` or `alternating`.
    pub schedule: Schedule,
    /// `fixed` or `learned`.
    pub weights: LossWeights,
}

impl Default for LossSection {
    fn default() -> Self {
        let (tasks, sources) = (TaskConfig::default(), BehaviorConfig::default().source_weight);
        let joint = JointLoss::default();
        Self {
            next_item: short(tasks.next_item),
            rating: short(tasks.rating),
            click: short(tasks.click),
            click_negatives: tasks.click_negatives,
            contrast: short(tasks.contrast),
            sources: short(sources),
            objective: joint.form,
            behavior: short(joint.behavior),
            graph: short(joint.graph),
            fusion: short(joint.fusion),
            schedule: joint.schedule,
            weights: LossWeights::Fixed,
        }
    }
}

impl LossSection {
    fn tasks(&self) -> TaskConfig {
        TaskConfig {
            next_item: self.next_item as f32,
            rating: self.rating as f32,
            click: self.click as f32,
            click_negatives: self.click_negatives,
            contrast: self.contrast as f32,
            learned_weights: self.weights == LossWeights::Learned,
            ..TaskConfig::default()
        }
    }

    fn joint(&self) -> JointLoss {
        JointLoss {
            form: self.objective,
            behavior: self.behavior as f32,
            graph: self.graph as f32,
            fusion: self.fusion as f32,
            schedule: self.schedule,
        }
    }

    /// What is out of range; `None` when nothing is.
    pub fn problem(&self) -> Option<String> {
        let weights =
            [self.rating, self.click, self.contrast, self.sources, self.behavior, self.graph, self.fusion];
        let bad = weights.iter().any(|weight| !(weight.is_finite() && *weight >= 0.0));
        if bad || !(self.next_item.is_finite() && self.next_item > 0.0) || self.click_negatives == 0 {
            return Some(
                "`loss`: next_item and click_negatives must be above 0, the other weights not below 0".into(),
            );
        }
        None
    }
}

// The shortest decimal that is this f32: .4 and not .400000006.
fn short(x: f32) -> f64 {
    x.to_string().parse().unwrap_or(f64::from(x))
}
