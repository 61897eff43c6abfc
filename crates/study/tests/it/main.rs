//! What studies must hold: a part that is off is off, what does not help is refused, weights that are shown are true, and nothing that a
//! problem has is lost on the way to a fit.

mod ablation;
mod cold;
mod few_shot;
mod media;
mod modalities;
mod pseudo_labels;
mod selector;
#[expect(dead_code, reason = "the tests of training, whose file this is, tell more stories")]
#[path = "../../../train/tests/it/story.rs"]
mod story;
mod studied;
mod suggest;
mod transfer;
