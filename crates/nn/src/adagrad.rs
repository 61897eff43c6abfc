//! Adagrad over all trained arrays of a model (Duchi et al., 2011): each value's rate falls with the sum of its squared gradients.

use rayon::prelude::*;

use crate::params::{Gradients, Params};
use crate::simd::{Kernel, vectorized};

const CHUNK: usize = 16_384;

/// Added to the root of the sum of squared gradients.
const EPSILON: f32 = 1e-10;

/// Sums of squared gradients of all trained arrays.
#[derive(Clone, Debug, PartialEq)]
pub struct Adagrad {
    /// Steps taken.
    pub step: u64,
    /// Sums of squared gradients, array by array; empty for frozen arrays.
    pub sums: Gradients,
}

impl Adagrad {
    /// No step taken yet.
    pub fn new(params: &Params) -> Self {
        Self { step: 0, sums: params.gradients() }
    }

    /// One step; `lr` is the learning rate, gradients are multiplied by `scale` (clipping) on the way. There is no weight decay.
    pub fn step(&mut self, params: &mut Params, gradients: &Gradients, lr: f32, scale: f32) {
        self.step += 1;
        let arrays = params.arrays_mut().iter_mut().zip(gradients.arrays()).zip(self.sums.arrays_mut());
        for ((param, gradient), sums) in arrays.filter(|((param, _), _)| param.trainable) {
            let chunks = param.values.par_chunks_mut(CHUNK).zip(gradient.par_chunks(CHUNK));
            chunks.zip(sums.par_chunks_mut(CHUNK)).for_each(|((values, gradient), sums)| {
                vectorized(Update { values, gradient, sums, lr, scale });
            });
        }
    }
}

struct Update<'a> {
    values: &'a mut [f32],
    gradient: &'a [f32],
    sums: &'a mut [f32],
    lr: f32,
    scale: f32,
}

impl Kernel for Update<'_> {
    #[inline(always)]
    fn run(self) {
        for ((value, gradient), sum) in self.values.iter_mut().zip(self.gradient).zip(self.sums) {
            let gradient = gradient * self.scale;
            *sum = gradient.mul_add(gradient, *sum);
            *value -= self.lr * gradient / (sum.sqrt() + EPSILON);
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
    fn three_steps_have_the_values_of_the_definition_in_f64() {
        let mut params = Params::new();
        let id = params.add("x", &[2], Init::Normal(1.0), &mut ChaCha8Rng::seed_from_u64(0));
        params.get_mut(id).copy_from_slice(&[1.0, -2.0]);
        let mut optimizer = Adagrad::new(&params);
        let (mut expected, mut sums) = ([1.0f64, -2.0], [0.0f64; 2]);
        for step in [[0.5f32, -1.0], [0.1, 2.0], [0.0, 0.3]] {
            let mut gradients = params.gradients();
            gradients.get_mut(id).unwrap().copy_from_slice(&step);
            optimizer.step(&mut params, &gradients, 0.1, 0.5);
            for at in 0..2 {
                let gradient = 0.5 * f64::from(step[at]);
                sums[at] += gradient * gradient;
                expected[at] -= 0.1 * gradient / (sums[at].sqrt() + 1e-10);
            }
        }
        let received = params.get(id);
        assert!(
            received.iter().zip(expected).all(|(a, b)| (f64::from(*a) - b).abs() < 1e-6),
            "{received:?} instead of {expected:?}"
        );
    }
}
