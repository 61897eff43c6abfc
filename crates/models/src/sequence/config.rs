//! Settings of sequence models and of their training.

use serde::{Deserialize, Serialize};

use super::tasks::TaskConfig;
use super::text::TextInputConfig;
use crate::fusion::{FusedSettings, FusionConfig};
use crate::graph_links::network::NetworkConfig;
use crate::losses::JointLoss;
use crate::range::{self, first, of_part, outside};

/// Settings of [`crate::sequence::SequenceModel`]; everything that decides what a training run gives.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SequenceConfig {
    /// Width of item vectors and of the transformer, a multiple of `n_heads`.
    pub width: usize,
    /// Transformer blocks.
    pub n_layers: usize,
    /// Attention heads.
    pub n_heads: usize,
    /// Width inside the blocks, in units of `width`.
    pub hidden_factor: usize,
    /// Newest events looked at.
    pub max_len: usize,
    /// Probability that a value is dropped in training, in [0, 1).
    pub dropout: f32,
    /// Whether the time until the next event (or the request) is part of the input.
    pub time_gaps: bool,
    /// Whether what is known about users (age, gender, …) stands in front of their events; only where the data has it.
    /// Off by default: on `MovieLens` 100K the attributes themselves prove little beyond a start to predict from.
    #[serde(default)]
    pub profile_tokens: bool,
    /// Probability in training that an attribute value is left out, and that all of a user's are, in [0, 1).
    #[serde(default = "profile_dropout")]
    pub profile_dropout: f32,
    /// Weight of the loss on other domains' events, relative to the target's; only with several domains.
    pub source_weight: f32,
    /// Factors of that weight by domain, in the order of the catalog; 1 for those beyond the end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub domain_weights: Vec<f32>,
    /// Items sampled per step beside the step's own targets; 0, or a catalog not larger than that: all items.
    pub n_negatives: usize,
    /// What the model is trained for.
    #[serde(default)]
    pub tasks: TaskConfig,
    /// Sequences per step; fewer where there are few.
    pub batch_size: usize,
    /// Learning rate after warm-up.
    pub learning_rate: f32,
    /// Weight decay per unit of learning rate.
    pub weight_decay: f32,
    /// Standard deviation of item vectors at the start.
    pub init: f32,
    /// Passes over the data; 0 = until valid no longer improves.
    pub epochs: usize,
    /// Most passes when valid decides.
    pub max_epochs: usize,
    /// Validations without improvement after which training stops.
    pub patience: usize,
}

impl Default for SequenceConfig {
    fn default() -> Self {
        Self {
            width: 64,
            n_layers: 2,
            n_heads: 2,
            hidden_factor: 4,
            max_len: 50,
            dropout: 0.4,
            time_gaps: true,
            profile_tokens: false,
            profile_dropout: profile_dropout(),
            source_weight: 1.0,
            domain_weights: Vec::new(),
            n_negatives: 2048,
            tasks: TaskConfig::default(),
            batch_size: 128,
            learning_rate: 2e-3,
            weight_decay: 0.01,
            init: 0.02,
            epochs: 0,
            max_epochs: 60,
            patience: 4,
        }
    }
}

impl SequenceConfig {
    /// Weight of the loss on a domain's events.
    pub(super) fn weight_of(&self, domain: usize, target: usize) -> f32 {
        if domain == target {
            1.0
        } else {
            self.source_weight * self.domain_weights.get(domain).copied().unwrap_or(1.0)
        }
    }

    /// What is out of range; `None` when nothing is.
    pub fn problem(&self) -> Option<String> {
        let uneven = || format!("width {} is not a multiple of n_heads {}", self.width, self.n_heads);
        let domain_weight = |&weight: &f32| outside("domain_weights", weight, range::WEIGHT);
        first([
            outside("width", self.width, range::WIDTH),
            outside("n_layers", self.n_layers, 1..=64),
            outside("n_heads", self.n_heads, 1..=self.width),
            outside("hidden_factor", self.hidden_factor, 1..=64),
            outside("max_len", self.max_len, 1..=usize::from(u16::MAX)),
            outside("dropout", self.dropout, range::PROBABILITY),
            outside("profile_dropout", self.profile_dropout, range::PROBABILITY),
            outside("source_weight", self.source_weight, range::WEIGHT),
            self.domain_weights.iter().find_map(domain_weight),
            outside("n_negatives", self.n_negatives, range::NEGATIVES),
            of_part("tasks", self.tasks.problem()),
            outside("batch_size", self.batch_size, range::BATCH),
            outside("learning_rate", self.learning_rate, range::LEARNING_RATE),
            outside("weight_decay", self.weight_decay, 0.0..=100.0),
            outside("init", self.init, 0.0..=100.0),
            outside("epochs", self.epochs, range::PASSES),
            outside("max_epochs", self.max_epochs, range::PASSES),
        ])
        .or_else(|| (!self.width.is_multiple_of(self.n_heads)).then(uneven))
    }
}

/// How a sequence model comes from the other domains to the target; it matters for an expert that sees several domains.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SequenceTuning {
    /// Trained on all domains at once.
    #[default]
    #[serde(rename = "joint")]
    AtOnce,
    /// Pretrained on the other domains and left so: the target's items are their texts.
    Frozen,
    /// Pretrained on the other domains; then all but the matrices of the blocks is trained on the target: own vectors of items,
    /// adaptor, positions, norms, biases, the target's low-rank adapter.
    Light,
    /// Pretrained on the other domains; then all of it is trained on the target.
    Full,
}

impl SequenceTuning {
    /// All, in the order of tables.
    pub const ALL: [Self; 4] = [Self::AtOnce, Self::Frozen, Self::Light, Self::Full];

    /// The name in configs and tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::AtOnce => "joint",
            Self::Frozen => "frozen",
            Self::Light => "light",
            Self::Full => "full",
        }
    }

    /// Whether an array of the model is trained on the target.
    pub(super) fn trains(self, name: &str) -> bool {
        match self {
            Self::AtOnce | Self::Full => true,
            Self::Frozen => false,
            Self::Light => {
                let matrix_of_a_block =
                    name.starts_with("blocks.") && name.ends_with(".weight") && !name.contains("norm");
                !matrix_of_a_block
            }
        }
    }
}

/// Settings of the `transfer` expert: a sequence model whose item vectors come from texts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransferConfig {
    /// The sequence model.
    pub sequence: SequenceConfig,
    /// Item vectors.
    pub text: TextInputConfig,
    /// From the other domains to the target.
    pub tuning: SequenceTuning,
    /// Passes over the other domains before the target's; 0 = until valid no longer improves.
    pub pretrain_epochs: usize,
}

impl Default for TransferConfig {
    fn default() -> Self {
        let sequence = SequenceConfig { dropout: 0.3, learning_rate: 1e-3, ..SequenceConfig::default() };
        Self {
            sequence,
            text: TextInputConfig::default(),
            tuning: SequenceTuning::AtOnce,
            pretrain_epochs: 0,
        }
    }
}

impl TransferConfig {
    /// What is out of range; `None` when nothing is.
    pub fn problem(&self) -> Option<String> {
        let passes = outside("pretrain_epochs", self.pretrain_epochs, range::PASSES);
        first([self.sequence.problem(), of_part("text", self.text.problem()), passes])
    }
}

/// Settings of the `joint` expert: a sequence model whose item vectors are fused from all that is known about items, trained together
/// with link prediction in the graph and the alignment of modalities.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JointConfig {
    /// The sequence model.
    pub sequence: SequenceConfig,
    /// Item vectors.
    pub fusion: FusionConfig,
    /// The graph neural network, where there is a graph.
    pub graph: NetworkConfig,
    /// Form and weights of the losses beside the next item's.
    pub loss: JointLoss,
}

impl Default for JointConfig {
    fn default() -> Self {
        Self {
            sequence: SequenceConfig { dropout: 0.3, learning_rate: 1e-3, ..SequenceConfig::default() },
            fusion: FusionConfig::default(),
            graph: NetworkConfig::default(),
            loss: JointLoss::default(),
        }
    }
}

impl JointConfig {
    /// Those of the item vectors.
    pub(super) fn fused(&self) -> FusedSettings<'_> {
        let Self { sequence, fusion, graph, loss } = self;
        FusedSettings { fusion, graph, loss, width: sequence.width }
    }

    /// What is out of range; `None` when nothing is.
    pub fn problem(&self) -> Option<String> {
        first([
            self.sequence.problem(),
            of_part("fusion", self.fusion.problem()),
            of_part("graph", self.graph.problem()),
            of_part("loss", self.loss.problem()),
        ])
    }
}

fn profile_dropout() -> f32 {
    0.2
}
