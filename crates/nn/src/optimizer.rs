//! The optimizer of a training, whichever it is: what the loop steps and a checkpoint keeps.

use crate::adagrad::Adagrad;
use crate::adamw::AdamW;
use crate::params::{Gradients, Params};

/// One of the optimizers over all trained arrays.
#[derive(Clone, Debug, PartialEq)]
pub enum Optimizer {
    /// For networks.
    AdamW(AdamW),
    /// For embeddings that few examples touch each.
    Adagrad(Adagrad),
}

impl Optimizer {
    /// One step; `lr` is the learning rate, gradients are multiplied by `scale` (clipping) on the way.
    pub fn step(&mut self, params: &mut Params, gradients: &Gradients, lr: f32, scale: f32) {
        match self {
            Self::AdamW(optimizer) => optimizer.step(params, gradients, lr, scale),
            Self::Adagrad(optimizer) => optimizer.step(params, gradients, lr, scale),
        }
    }

    /// Steps taken.
    pub fn n_steps(&self) -> u64 {
        match self {
            Self::AdamW(optimizer) => optimizer.step,
            Self::Adagrad(optimizer) => optimizer.step,
        }
    }

    pub(crate) fn set_n_steps(&mut self, n_steps: u64) {
        match self {
            Self::AdamW(optimizer) => optimizer.step = n_steps,
            Self::Adagrad(optimizer) => optimizer.step = n_steps,
        }
    }

    /// Start of its names in a checkpoint.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::AdamW(_) => "adamw",
            Self::Adagrad(_) => "adagrad",
        }
    }

    /// What it remembers of all arrays, by name.
    pub(crate) fn moments(&self) -> Vec<(&'static str, &Gradients)> {
        match self {
            Self::AdamW(optimizer) => vec![("first", &optimizer.first), ("second", &optimizer.second)],
            Self::Adagrad(optimizer) => vec![("sums", &optimizer.sums)],
        }
    }

    /// The same, to change.
    pub(crate) fn moments_mut(&mut self) -> Vec<(&'static str, &mut Gradients)> {
        match self {
            Self::AdamW(optimizer) => {
                vec![("first", &mut optimizer.first), ("second", &mut optimizer.second)]
            }
            Self::Adagrad(optimizer) => vec![("sums", &mut optimizer.sums)],
        }
    }
}

impl From<AdamW> for Optimizer {
    fn from(optimizer: AdamW) -> Self {
        Self::AdamW(optimizer)
    }
}

impl From<Adagrad> for Optimizer {
    fn from(optimizer: Adagrad) -> Self {
        Self::Adagrad(optimizer)
    }
}
