//! What training must hold: nothing leaks, what does not help gets no weight, what helps does, and a repetition repeats.

mod behavior;
mod chance;
mod choice;
mod encoder_fit;
mod encoder_pretrain;
mod folder;
mod graph;
mod news_example;
mod one_path;
mod repetition;
mod resume;
mod story;
#[path = "../../../models/tests/it/tiny_model.rs"]
mod tiny_model;
mod transfer;
mod zero_shot;
