//! Experts: scorers that can stand alone. Data in, scores out; no loops over epochs, no paths, no random generators
//! of their own. Modules in reading order:

pub mod range;
pub mod query;
pub mod similarity;
pub mod popularity;
pub mod window;
pub mod linear;
pub mod tokenize;
pub mod svd;
pub mod content;
pub mod encoder;
pub mod media;
pub mod convert;
mod tower;
pub mod vision;
pub mod audio;
pub mod whitening;
pub mod item_vectors;
pub mod vector_file;
pub mod text_vectors;
pub mod behavior;
pub mod graph;
pub mod fusion;
pub mod squared_error;
pub mod graph_walks;
pub mod expert;
pub mod tensors;

/// The numbers, gradients and optimizers that models are trained with, for the training loop.
pub use segue_nn as nn;

pub use expert::{Expert, ExpertConfig, ExpertId, ExpertKind, FitContext};
pub use fusion::{FusionInputs, TokenKind};
pub use item_vectors::{ItemVectors, MediaVectors, TextSpace};
pub use query::{Query, Scope};
pub use similarity::ItemSimilarity;
pub use tensors::{ModelError, Tensors};
