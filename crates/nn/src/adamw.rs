//! `AdamW` over all trained arrays of a model (Loshchilov and Hutter, 2019, algorithm 2).

use rayon::prelude::*;

use crate::params::{Gradients, Params};
use crate::simd::{Kernel, vectorized};

const CHUNK: usize = 16_384;

/// Settings of [`AdamW`]; the learning rate comes with each step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamWConfig {
    /// Decay of the mean gradient.
    pub beta1: f32,
    /// Decay of the mean squared gradient.
    pub beta2: f32,
    /// Added to the root of the mean squared gradient.
    pub epsilon: f32,
    /// Weight decay per unit of learning rate, on arrays that decay.
    pub weight_decay: f32,
}

impl Default for AdamWConfig {
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.01 }
    }
}

/// Moments of all trained arrays.
#[derive(Clone, Debug, PartialEq)]
pub struct AdamW {
    /// Decays, ε and weight decay of every step.
    pub config: AdamWConfig,
    /// Steps taken.
    pub step: u64,
    /// Mean gradients, array by array; empty for frozen arrays.
    pub first: Gradients,
    /// Mean squared gradients.
    pub second: Gradients,
}

impl AdamW {
    /// No step taken yet.
    pub fn new(config: AdamWConfig, params: &Params) -> Self {
        Self { config, step: 0, first: params.gradients(), second: params.gradients() }
    }

    /// One step; `lr` is the learning rate, gradients are multiplied by `scale` (clipping) on the way.
    pub fn step(&mut self, params: &mut Params, gradients: &Gradients, lr: f32, scale: f32) {
        self.step += 1;
        let steps = self.step.min(1 << 20) as i32;
        let rates = Rates {
            config: self.config,
            lr: lr / (1.0 - self.config.beta1.powi(steps)),
            root: 1.0 / (1.0 - self.config.beta2.powi(steps)).sqrt(),
            scale,
        };
        let moments = self.first.arrays_mut().iter_mut().zip(self.second.arrays_mut());
        for ((param, gradient), (first, second)) in
            params.arrays_mut().iter_mut().zip(gradients.arrays()).zip(moments)
        {
            if !param.trainable {
                continue;
            }
            let keep = if param.decays { 1.0 - lr * self.config.weight_decay } else { 1.0 };
            let chunks = param.values.par_chunks_mut(CHUNK).zip(gradient.par_chunks(CHUNK));
            let moments = first.par_chunks_mut(CHUNK).zip(second.par_chunks_mut(CHUNK));
            chunks.zip(moments).for_each(|((values, gradient), (first, second))| {
                vectorized(UpdateArrays { rates, keep, values, gradient, first, second });
            });
        }
    }
}

/// Numbers of a step that all arrays share.
#[derive(Clone, Copy)]
struct Rates {
    config: AdamWConfig,
    /// The learning rate with the correction of the mean gradient.
    lr: f32,
    /// The correction of the root of the mean squared gradient.
    root: f32,
    scale: f32,
}

struct UpdateArrays<'a> {
    rates: Rates,
    keep: f32,
    values: &'a mut [f32],
    gradient: &'a [f32],
    first: &'a mut [f32],
    second: &'a mut [f32],
}

impl Kernel for UpdateArrays<'_> {
    #[inline(always)]
    fn run(self) {
        let Self { rates, keep, values, gradient, first, second } = self;
        let AdamWConfig { beta1, beta2, epsilon, .. } = rates.config;
        for (((value, gradient), first), second) in values.iter_mut().zip(gradient).zip(first).zip(second) {
            let gradient = gradient * rates.scale;
            *first = first.mul_add(beta1, (1.0 - beta1) * gradient);
            *second = second.mul_add(beta2, (1.0 - beta2) * gradient * gradient);
            let deviation = second.sqrt().mul_add(rates.root, epsilon);
            *value = value.mul_add(keep, -rates.lr * *first / deviation);
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::params::Init;

    #[test]
    fn three_steps_have_the_values_of_pytorch() {
        // torch.optim.AdamW([1.0, -2.0], lr=0.1, weight_decay=0.1), gradients (.5, -1), (.1, 2), (-1, .3); torch 2.15.
        let mut params = Params::new();
        let id = params.add("x", &[2], Init::Normal(1.0), &mut ChaCha8Rng::seed_from_u64(0));
        params.get_mut(id).copy_from_slice(&[1.0, -2.0]);
        let mut optimizer = AdamW::new(AdamWConfig { weight_decay: 0.1, ..AdamWConfig::default() }, &params);
        for step in [[0.5, -1.0], [0.1, 2.0], [-1.0, 0.3]] {
            let mut gradients = params.gradients();
            gradients.get_mut(id).unwrap().copy_from_slice(&step);
            optimizer.step(&mut params, &gradients, 0.1, 1.0);
        }
        let expected = [0.821_533_4, -1.915_38];
        let received = params.get(id);
        assert!(received.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{received:?}");
    }
}
