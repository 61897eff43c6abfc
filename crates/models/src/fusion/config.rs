//! Settings of fused item vectors, and what can be fused.

use serde::{Deserialize, Serialize};

use crate::graph_links::network::NetworkConfig;
use crate::losses::JointLoss;
use crate::range::{self, first, outside};
use crate::whitening::Whitening;

/// What a token of an item comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenKind {
    /// Its text.
    Text,
    /// Its image.
    Image,
    /// Its sound.
    Audio,
    /// Its place in the knowledge graph.
    Graph,
    /// A vector of its own, learned from events.
    Id,
}

impl TokenKind {
    /// All, in the order of tables.
    pub const ALL: [Self; 5] = [Self::Text, Self::Image, Self::Audio, Self::Graph, Self::Id];

    /// The name in configs and tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Image => "image",
            Self::Audio => "audio",
            Self::Graph => "graph",
            Self::Id => "id",
        }
    }
}

/// Settings of item vectors that are fused from several modalities.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FusionConfig {
    /// What is fused, of what the data have.
    pub tokens: Vec<TokenKind>,
    /// Principal directions and regularization of the whitening of text, image and audio vectors.
    pub whitening: Whitening,
    /// Length of a text's, image's or sound's token at the start.
    pub scale: f32,
    /// Length of queries and keys of the attention over tokens.
    pub n_key: usize,
    /// Probability that a token of text, image, audio or graph is left out of a training step, in [0, 1); never all of an item's.
    pub modality_dropout: f32,
    /// Greatest length of an item's own vector.
    pub id_bound: f32,
    /// Probability that an item's own vector is left out of a training step, in [0, 1).
    pub id_dropout: f32,
    /// Whether tags (words of short fields) are added to the fused vectors.
    pub tags: bool,
    /// Items of one step whose modalities are aligned.
    pub n_aligned: usize,
}

impl Default for FusionConfig {
    fn default() -> Self {
        Self {
            tokens: TokenKind::ALL.to_vec(),
            whitening: Whitening { n_components: 0, regularization: 0.1 },
            scale: 1.0,
            n_key: 16,
            modality_dropout: 0.1,
            id_bound: 1.0,
            id_dropout: 0.1,
            tags: true,
            n_aligned: 256,
        }
    }
}

impl FusionConfig {
    /// What is out of range; `None` when nothing is.
    pub fn problem(&self) -> Option<String> {
        first([
            self.tokens.is_empty().then(|| "tokens are empty".to_owned()),
            outside("scale", self.scale, range::POSITIVE),
            outside("n_key", self.n_key, range::WIDTH),
            outside("modality_dropout", self.modality_dropout, range::PROBABILITY),
            outside("id_bound", self.id_bound, 0.0..=1e6),
            outside("id_dropout", self.id_dropout, range::PROBABILITY),
        ])
    }
}

/// What of a model's settings its fused item vectors depend on.
#[derive(Clone, Copy)]
pub(crate) struct FusedSettings<'a> {
    pub(crate) fusion: &'a FusionConfig,
    pub(crate) graph: &'a NetworkConfig,
    pub(crate) loss: &'a JointLoss,
    /// Of the vectors.
    pub(crate) width: usize,
}
