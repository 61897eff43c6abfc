//! What studies must hold: a part that is off is off, what does not help is refused, and weights that are shown are true.

mod modalities;
mod pseudo_labels;
mod selector;
#[path = "../../../train/tests/it/story.rs"]
mod story;
