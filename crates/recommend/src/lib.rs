//! From a trained model and a query to a ranked list: the only way to a list, offline and online.
//!
//! Knows no HTTP, trains nothing, changes nothing, keeps nobody's events. Modules in reading order:

mod list;
mod request;
mod when;
mod histories;
mod catalog;
mod model;
mod domain_model;
pub mod blend;
mod rerank;
mod reasons;
mod why_not;
pub mod artifact;
pub mod graph_artifact;
mod folder;
mod error;

pub use blend::{Blend, Member, mean_and_deviation, standardize};
pub use catalog::Catalog;
pub use domain_model::{DomainModel, Scratch};
pub use error::RecommendError;
pub use graph_artifact::GraphArtifact;
pub use histories::{DatasetHistories, Histories, Person};
pub use model::Model;
pub use reasons::Reason;
pub use request::{RankedItem, RankedList, Request, Rerank};
pub use when::When;
pub use why_not::WhyNot;
