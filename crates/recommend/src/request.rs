//! What is asked of a model besides the query, and what it answers.

use segue_data::ItemIdx;
use segue_models::ExpertId;
use serde::{Deserialize, Serialize};

use crate::reasons::Reason;

/// What is wanted besides the query.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// Length of the list.
    pub n: usize,
    /// Items that must not appear.
    pub exclude: Vec<ItemIdx>,
    /// Whether items of the history may appear again.
    pub allow_seen: bool,
    /// How the best items are put into another order.
    pub rerank: Rerank,
    /// Whether the items come with their reasons, for which the query is scored once more without each of its events.
    pub explain: bool,
}

impl Default for Request {
    fn default() -> Self {
        Self { n: 10, exclude: Vec::new(), allow_seen: false, rerank: Rerank::None, explain: false }
    }
}

/// How the best items are put into another order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rerank {
    /// By their scores.
    #[default]
    None,
    /// By maximal marginal relevance: each place goes to the item that is good and unlike those above it.
    Mmr {
        /// Weight of the score against variety, in [0, 1]; 1 = by the scores alone, 0 = by variety alone.
        trade_off: f32,
        /// How many of the best items are considered; those behind them keep their places.
        depth: usize,
    },
}

impl Rerank {
    /// How many of the best items it looks at; 0 where it changes nothing.
    pub fn depth(self) -> usize {
        match self {
            Self::None => 0,
            Self::Mmr { depth, .. } => depth,
        }
    }
}

/// One recommended item.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RankedItem {
    /// The item.
    pub item: ItemIdx,
    /// Blended score.
    pub score: f32,
    /// Each active expert's part of the score; the parts and the cold offset add up to the score.
    pub shares: Vec<(ExpertId, f32)>,
    /// What carried it; empty where no reasons were asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<Reason>,
}

/// A list, best first; equal scores are in index order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RankedList {
    /// The items.
    pub items: Vec<RankedItem>,
}
