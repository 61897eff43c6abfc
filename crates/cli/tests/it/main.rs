//! Runs the `segue` binary as a user does and looks at what comes out.

#![expect(clippy::unwrap_used, reason = "a test stops where something is missing")]

mod batch;
mod benchmark;
mod command;
mod config;
mod data;
mod determinism;
mod encode;
mod end_to_end;
mod few_shot;
mod graph;
mod lists;
mod mlflow;
mod people;
mod pretrain;
mod profiles;
mod proofs;
mod readme;
mod resume;
mod studies;
mod suggest_labels;
#[path = "../../../models/tests/it/tiny_model.rs"]
mod tiny_model;
mod tunings;
mod usage;
