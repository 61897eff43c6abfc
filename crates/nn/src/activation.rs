//! What an inference layer does to its sums as they leave the matrix product: bias, activation, scale and shift.

use crate::simd::{Kernel, vectorized};

/// What a layer does to each of its sums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// None: `y = x`.
    Identity,
    /// `max(x, 0)`.
    Relu,
    /// `min(max(x, 0), 6)`.
    Relu6,
}

impl Activation {
    /// The range that values are cut to: all three are a clamp.
    #[inline(always)]
    pub(crate) fn range(self) -> (f32, f32) {
        match self {
            Self::Identity => (f32::NEG_INFINITY, f32::INFINITY),
            Self::Relu => (0.0, f32::INFINITY),
            Self::Relu6 => (0.0, 6.0),
        }
    }
}

/// `x ← f(x + bias)` for rows as wide as the bias.
///
/// # Panics
/// When `x` is no whole number of rows.
pub fn add_bias(activation: Activation, bias: &[f32], x: &mut [f32]) {
    struct AddBias<'a>(Activation, &'a [f32], &'a mut [f32]);

    impl Kernel for AddBias<'_> {
        #[inline(always)]
        fn run(self) {
            let Self(activation, bias, x) = self;
            let (low, high) = activation.range();
            for row in x.chunks_exact_mut(bias.len()) {
                for (x, bias) in row.iter_mut().zip(bias) {
                    *x = (*x + bias).max(low).min(high);
                }
            }
        }
    }
    assert!(
        !bias.is_empty() && x.len().is_multiple_of(bias.len()),
        "{} values, {} biases",
        x.len(),
        bias.len()
    );
    vectorized(AddBias(activation, bias, x));
}

/// A batch normalization whose statistics are known: `y = scale · x + shift` per channel.
#[derive(Clone, Debug, PartialEq)]
pub struct ScaleShift {
    /// `gain / sqrt(variance + ε)`, `[channels]`.
    pub scale: Vec<f32>,
    /// `bias − mean · scale`, `[channels]`.
    pub shift: Vec<f32>,
}

impl ScaleShift {
    /// From what a batch normalization learned and counted (Ioffe and Szegedy, 2015), each `[channels]`.
    ///
    /// # Panics
    /// When the lengths differ.
    pub fn of_batch_norm([gain, bias, mean, variance]: [&[f32]; 4], epsilon: f32) -> Self {
        let n = gain.len();
        assert!(bias.len() == n && mean.len() == n && variance.len() == n, "lengths of a batch norm");
        let scale: Vec<f32> = gain
            .iter()
            .zip(variance)
            .map(|(gain, variance)| {
                (f64::from(*gain) / (f64::from(*variance) + f64::from(epsilon)).sqrt()) as f32
            })
            .collect();
        let shift = (0..n).map(|at| bias[at] - mean[at] * scale[at]).collect();
        Self { scale, shift }
    }

    /// Makes the normalization a part of the layer before it: `weight` is `[…, channels]`, `bias` `[channels]`.
    ///
    /// # Panics
    /// When the shapes do not fit.
    pub fn fold_into(&self, weight: &mut [f32], bias: &mut [f32]) {
        let n = self.scale.len();
        assert!(bias.len() == n && weight.len().is_multiple_of(n), "shapes of a layer and its batch norm");
        for row in weight.chunks_exact_mut(n) {
            row.iter_mut().zip(&self.scale).for_each(|(weight, scale)| *weight *= scale);
        }
        for (bias, (scale, shift)) in bias.iter_mut().zip(self.scale.iter().zip(&self.shift)) {
            *bias = bias.mul_add(*scale, *shift);
        }
    }

    /// In place, for rows of channels.
    ///
    /// # Panics
    /// When `x` is no whole number of rows.
    pub fn apply(&self, x: &mut [f32]) {
        struct Apply<'a>(&'a ScaleShift, &'a mut [f32]);

        impl Kernel for Apply<'_> {
            #[inline(always)]
            fn run(self) {
                let Self(ScaleShift { scale, shift }, x) = self;
                for row in x.chunks_exact_mut(scale.len()) {
                    for ((x, scale), shift) in row.iter_mut().zip(scale).zip(shift) {
                        *x = x.mul_add(*scale, *shift);
                    }
                }
            }
        }
        assert!(!self.scale.is_empty() && x.len().is_multiple_of(self.scale.len()), "rows of channels");
        vectorized(Apply(self, x));
    }
}
