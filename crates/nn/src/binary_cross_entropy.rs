//! Binary cross-entropy of logits, written so that neither the loss nor its gradient overflows far from zero.

use rayon::prelude::*;

use crate::simd::{Kernel, exp, ln_1p_of_fraction, vectorized};

const VALUES_PER_BLOCK: usize = 4096;

/// What becomes of the losses of single values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reduction {
    /// Their mean; 0 of nothing.
    Mean,
    /// Their sum.
    Sum,
}

/// `Σ −t·ln σ(x) − (1 − t)·ln(1 − σ(x))` or its mean, and the gradient of `x` into `dx` (overwritten). Targets are in
/// [0, 1]. Written as `max(x, 0) − t·x + ln(1 + e^{−|x|})`, which overflows nowhere.
///
/// # Panics
/// When the lengths differ.
pub fn binary_cross_entropy(x: &[f32], targets: &[f32], reduction: Reduction, dx: &mut [f32]) -> f64 {
    assert_eq!([x.len(), targets.len()], [dx.len(); 2], "logits, targets and gradients");
    let weight = match reduction {
        Reduction::Mean => 1.0 / x.len().max(1) as f64,
        Reduction::Sum => 1.0,
    };
    let blocks = dx.par_chunks_mut(VALUES_PER_BLOCK);
    let blocks = blocks.zip(x.par_chunks(VALUES_PER_BLOCK)).zip(targets.par_chunks(VALUES_PER_BLOCK));
    let losses: Vec<f64> =
        blocks.map(|((dx, x), targets)| sum_of_losses(x, targets, weight as f32, dx)).collect();
    losses.iter().sum::<f64>() * weight
}

/// The sum over some values; their gradients times `weight`.
fn sum_of_losses(x: &[f32], targets: &[f32], weight: f32, dx: &mut [f32]) -> f64 {
    let mut loss = 0.0;
    vectorized(Losses { x, targets, weight, dx, loss: &mut loss });
    loss
}

struct Losses<'a> {
    x: &'a [f32],
    targets: &'a [f32],
    weight: f32,
    dx: &'a mut [f32],
    loss: &'a mut f64,
}

impl Kernel for Losses<'_> {
    #[inline(always)]
    fn run(self) {
        for ((x, t), dx) in self.x.iter().zip(self.targets).zip(self.dx) {
            let falling = exp(-x.abs());
            let smaller = falling / (1.0 + falling); // σ(−|x|)
            let sigmoid = if *x < 0.0 { smaller } else { 1.0 - smaller };
            *dx = self.weight * (sigmoid - t);
            *self.loss += f64::from(x.max(0.0) - t * x + ln_1p_of_fraction(falling));
        }
    }
}
