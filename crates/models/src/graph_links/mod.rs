//! Link prediction in a knowledge graph: which entity stands at the other end of (anchor, relation, ?).
//!
//! Every question is scored against all entities (1-vs-all, Lacroix et al., ICML 2018), and every relation has a reciprocal of its
//! own, so that heads are asked for like tails. Modules in reading order:

pub mod score;
mod complex;
mod dist_mult;
mod rotate;
mod trans_e;
mod product;
pub mod model;
mod relation_loss;
mod regularization;
pub mod step;
pub mod network;
mod network_links;

pub use model::{GraphConfig, GraphModel, GraphSize};
pub use score::ScoreFunction;
pub use step::{Batch, GraphStep, Lesson};
