//! Experiments on a data set: what parts, domains, texts and users are worth. No product path needs them.
//!
//! Modules in reading order:

pub mod study;
pub mod ablation;
pub mod fusion;
pub mod selection;
pub mod few_shot;
pub mod cold_items;
pub mod cold_users;
pub mod suggest_users;
pub mod suggest_items;
pub mod benchmark;

pub use study::{PageOrigin, Study};
