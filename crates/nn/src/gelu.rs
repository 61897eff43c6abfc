//! The exact GELU, `x · Φ(x)` (Hendrycks and Gimpel, 2016).

use crate::simd::{normal_cdf_and_density, vectorized};

/// `y = x · Φ(x)`.
///
/// # Panics
/// When the lengths differ.
pub fn gelu(x: &[f32], y: &mut [f32]) {
    assert_eq!(x.len(), y.len());
    vectorized(
        #[inline(always)]
        || {
            for (x, y) in x.iter().zip(y) {
                *y = x * normal_cdf_and_density(*x).0;
            }
        },
    );
}

/// From the input `x` and the gradient of the output in `dy`: `dy ← dy · (Φ(x) + x · φ(x))`, and `y ← x · Φ(x)` again, so
/// that the output need not be kept.
///
/// # Panics
/// When the lengths differ.
pub fn gelu_backward(x: &[f32], y: &mut [f32], dy: &mut [f32]) {
    assert!(x.len() == dy.len() && x.len() == y.len());
    vectorized(
        #[inline(always)]
        || {
            for ((x, y), dy) in x.iter().zip(y).zip(dy) {
                let (cdf, density) = normal_cdf_and_density(*x);
                *y = x * cdf;
                *dy *= x.mul_add(density, cdf);
            }
        },
    );
}
