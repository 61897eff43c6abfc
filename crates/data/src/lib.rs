//! From raw logs to indexed, split interactions.
//!
//! This crate owns the words of the field: users, items, domains, events, vocabularies, splits.
//! It never sees a tensor or a model, never reads the clock, and drops no row silently.
//! Modules in reading order:

pub mod builder;
pub mod catalog;
pub mod dataset;
pub mod describe;
mod error;
pub mod filter;
pub mod graph;
pub mod hash;
pub mod ids;
pub mod import;
pub mod kcore;
pub mod leak;
mod order;
pub mod protocol;
pub mod sequences;
pub mod split;
pub mod store;
pub mod table;
pub mod vocabulary;

pub use builder::{BuildCounts, DatasetBuilder, RawInteraction};
pub use catalog::{Field, ItemCatalog};
pub use dataset::{Dataset, Domain};
pub use error::DataError;
pub use graph::{KnowledgeGraph, Link, Triple};
pub use ids::{DomainIdx, EntityIdx, ItemIdx, RelationIdx, UserIdx};
pub use sequences::{Event, Sequences};
pub use split::{Case, CaseSet, Split, TestSet, TrainSet, ValidSet};
pub use vocabulary::Vocabulary;
