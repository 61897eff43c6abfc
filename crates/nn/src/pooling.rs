//! Pooling for inference: the largest and the mean value of every channel over all places.

use crate::simd::{Kernel, vectorized};

/// The mean of `[n_places, channels]` over the places; `y: [channels]`.
///
/// # Panics
/// When there is no place, or `x` is no whole number of rows.
pub fn mean_of_places(x: &[f32], y: &mut [f32]) {
    struct Mean<'a>(&'a [f32], &'a mut [f32]);

    impl Kernel for Mean<'_> {
        #[inline(always)]
        fn run(self) {
            let Self(x, y) = self;
            let n = y.len();
            y.fill(0.0);
            for row in x.chunks_exact(n) {
                y.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
            }
            let scale = 1.0 / (x.len() / n) as f32;
            y.iter_mut().for_each(|y| *y *= scale);
        }
    }
    check(x, y);
    vectorized(Mean(x, y));
}

/// The largest of `[n_places, channels]` over the places; `y: [channels]`.
///
/// # Panics
/// When there is no place, or `x` is no whole number of rows.
pub fn max_of_places(x: &[f32], y: &mut [f32]) {
    struct Max<'a>(&'a [f32], &'a mut [f32]);

    impl Kernel for Max<'_> {
        #[inline(always)]
        fn run(self) {
            let Self(x, y) = self;
            let n = y.len();
            y.copy_from_slice(&x[..n]);
            for row in x.chunks_exact(n).skip(1) {
                y.iter_mut().zip(row).for_each(|(max, x)| *max = max.max(*x));
            }
        }
    }
    check(x, y);
    vectorized(Max(x, y));
}

fn check(x: &[f32], y: &[f32]) {
    assert!(!y.is_empty() && !x.is_empty() && x.len().is_multiple_of(y.len()), "{} of {}", x.len(), y.len());
}
