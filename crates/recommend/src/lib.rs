//! From a trained model and a query to a ranked list: the only way to a list, offline and online.
//!
//! Knows no HTTP, trains nothing, changes nothing. Modules in reading order:

pub mod blend;
pub mod recommender;
pub mod reasons;
mod paths;
pub mod artifact;
pub mod graph_artifact;
mod error;

pub use blend::{Blend, Member, mean_and_deviation, standardize};
pub use error::RecommendError;
pub use graph_artifact::GraphArtifact;
pub use reasons::{Reason, WhyNot};
pub use recommender::{DomainModel, RankedItem, RankedList, Recommender, Request};
