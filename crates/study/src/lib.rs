//! Experiments on a data set: what parts, domains, texts and users are worth, and tables of published protocols. No product path needs
//! them, so that nothing below knows this crate.
//!
//! Modules in reading order:

pub mod study;
mod page;
pub mod ablation;
pub mod fusion;
pub mod selection;
pub mod few_shot;
pub mod cold_items;
pub mod cold_users;
pub mod suggest;
pub mod benchmark;

pub use page::PageOrigin;
pub use study::{ExpertWeight, Study};
