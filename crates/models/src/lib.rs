//! Experts: scorers that can stand alone. Data in, scores out; no loops over epochs, no paths, no random generators
//! of their own. Modules in reading order:

pub mod range;
pub mod query;
pub mod similarity;
pub mod tensors;
pub mod tokenize;
pub mod svd;
mod model_folder;
pub mod encoder;
pub mod media;
pub mod convert;
mod tower;
pub mod vision;
pub mod audio;
pub mod whitening;
mod tf_idf;
pub mod item_vectors;
pub mod vector_file;
pub mod rows;
pub mod losses;
pub mod graph_links;
pub mod fusion;
pub mod sequence;
pub mod experts;

pub use experts::{Expert, ExpertConfig, ExpertId, ExpertKind, FitContext};
pub use experts::{content, graph_walks, linear, popularity, text_vectors, window};
pub use fusion::{FusionInputs, TokenKind};
pub use item_vectors::{ItemVectors, MediaVectors, TextSpace};
pub use query::{Place, Query, Scope};
pub use similarity::ItemSimilarity;
pub use tensors::{ModelError, Tensors};
