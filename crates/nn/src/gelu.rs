//! The exact GELU, `x · Φ(x)` (Hendrycks and Gimpel, 2016).

use crate::simd::{Kernel, exp, normal_cdf_and_density, vectorized};

/// `y = x · Φ(x)`.
///
/// # Panics
/// When the lengths differ.
pub fn gelu(x: &[f32], y: &mut [f32]) {
    assert_eq!(x.len(), y.len());
    struct Gelu<'a>(&'a [f32], &'a mut [f32]);

    impl Kernel for Gelu<'_> {
        #[inline(always)]
        fn run(self) {
            let Self(x, y) = self;
            for (x, y) in x.iter().zip(y) {
                *y = x * normal_cdf_and_density(*x).0;
            }
        }
    }
    vectorized(Gelu(x, y));
}

/// `y = x · σ(1.702 x)`, the approximation that CLIP was trained with.
///
/// # Panics
/// When the lengths differ.
pub fn quick_gelu(x: &[f32], y: &mut [f32]) {
    assert_eq!(x.len(), y.len());
    struct QuickGelu<'a>(&'a [f32], &'a mut [f32]);

    impl Kernel for QuickGelu<'_> {
        #[inline(always)]
        fn run(self) {
            let Self(x, y) = self;
            for (x, y) in x.iter().zip(y) {
                *y = x / (1.0 + exp(-1.702 * x));
            }
        }
    }
    vectorized(QuickGelu(x, y));
}

/// From the input `x` and the gradient of the output in `dy`: `dy ← dy · (Φ(x) + x · φ(x))`, and `y ← x · Φ(x)` again, so
/// that the output need not be kept.
///
/// # Panics
/// When the lengths differ.
pub fn gelu_backward(x: &[f32], y: &mut [f32], dy: &mut [f32]) {
    assert!(x.len() == dy.len() && x.len() == y.len());
    struct GeluBackward<'a>(&'a [f32], &'a mut [f32], &'a mut [f32]);

    impl Kernel for GeluBackward<'_> {
        #[inline(always)]
        fn run(self) {
            let Self(x, y, dy) = self;
            for ((x, y), dy) in x.iter().zip(y).zip(dy) {
                let (cdf, density) = normal_cdf_and_density(*x);
                *y = x * cdf;
                *dy *= x.mul_add(density, cdf);
            }
        }
    }
    vectorized(GeluBackward(x, y, dy));
}
