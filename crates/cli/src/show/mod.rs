//! What commands print: tables, headings and verdicts of what the libraries computed.

pub(crate) mod ablation;
pub(crate) mod asking;
pub(crate) mod benchmark;
pub(crate) mod cold_items;
pub(crate) mod cold_users;
pub(crate) mod few_shot;
pub(crate) mod fusion;
pub(crate) mod import_tables;
pub(crate) mod list;
pub(crate) mod pseudo_labels;
pub(crate) mod run_diff;
pub(crate) mod run_tables;
pub(crate) mod selection;
pub(crate) mod suggestions;
pub(crate) mod verdicts;
