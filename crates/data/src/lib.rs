//! From raw logs to indexed, split interactions.
//!
//! This crate owns the words of the field: users, items, domains, events, vocabularies, splits.
//! It never sees a tensor or a model, never reads the clock, and drops no row silently.
//! Modules in reading order:

pub mod ids;
pub mod vocabulary;
pub mod catalog;
pub mod sequences;
pub mod graph;
pub mod item_graph;
pub mod name_match;
pub mod facts;
pub mod link_data;
pub mod profiles;
pub mod dataset;
pub mod builder;
mod order;
pub mod import;
pub mod table;
pub mod number_rows;
pub mod store;
pub mod describe;
pub mod filter;
pub mod kcore;
pub mod cases;
pub mod split;
pub mod reveal;
pub mod hold_out;
pub mod hold_out_users;
pub mod leak;
pub mod protocol;
pub mod hash;
mod error;

pub use builder::{BuildCounts, DatasetBuilder, RawInteraction};
pub use cases::{Case, CaseSet};
pub use catalog::{Field, ItemCatalog};
pub use dataset::{Dataset, Domain};
pub use error::DataError;
pub use facts::{Facts, Question};
pub use graph::{KnowledgeGraph, Link, Triple};
pub use hold_out::hold_out_items;
pub use hold_out_users::hold_out_users;
pub use ids::{DomainIdx, EntityIdx, ItemIdx, RelationIdx, UserIdx};
pub use item_graph::ItemGraph;
pub use link_data::LinkData;
pub use profiles::{Attribute, UnknownValue, UserProfiles};
pub use reveal::{RevealOrder, Revealed, reveal};
pub use sequences::{Event, Sequences};
pub use split::{Split, TestSet, TrainSet, ValidSet};
pub use vocabulary::Vocabulary;
