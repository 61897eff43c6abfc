//! What training must hold: nothing leaks, what does not help gets no weight, what helps does, and a repetition repeats.

mod behavior;
mod chance;
mod choice;
mod one_path;
mod repetition;
mod resume;
mod story;
mod transfer;
mod zero_shot;
