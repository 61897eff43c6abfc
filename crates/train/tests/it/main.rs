//! What training must hold: nothing leaks, what does not help gets no weight, what helps does, and a repetition repeats.

mod behavior;
mod chance;
mod choice;
mod encoder_fit;
mod graph;
mod one_path;
mod repetition;
mod resume;
mod story;
#[path = "../../../models/tests/it/tiny_model.rs"]
#[expect(dead_code, reason = "the tests of the encoders themselves need more of it")]
mod tiny_model;
mod transfer;
mod zero_shot;
