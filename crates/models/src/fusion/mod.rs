//! Item vectors fused from all that is known about an item: one token per modality (text, image, audio, graph, and a small vector of
//! the item's own), self-attention over those that are there, one vector; how much each token counts is kept and shown.

mod alignment;
mod config;
mod inputs;
mod items;
mod kept;

pub(crate) use config::FusedSettings;
pub use config::{FusionConfig, TokenKind};
pub use inputs::{FusionInputs, GraphInput};
pub use items::FusedItems;
pub(crate) use items::{GRAPH_ARRAYS, Turn};
