//! The depthwise convolution for inference: every channel has a window of its own, so there is no matrix product in it.

use std::ops::Range;

use crate::activation::Activation;
use crate::convolution::{Extent, Padding, output_extent};
use crate::simd::{Kernel, vectorized};

/// A depthwise convolution with its bias and activation, on images `[n, height, width, channels]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Depthwise {
    /// Height and width of the window.
    pub kernel: Extent,
    /// Steps of the window in both directions.
    pub stride: usize,
    /// `[kernel height, kernel width, channels]`.
    pub weight: Vec<f32>,
    /// `[channels]`.
    pub bias: Vec<f32>,
    /// What happens to the sums.
    pub activation: Activation,
}

impl Depthwise {
    /// `x: [n, size, channels]` → `y: [n, extent, channels]`, which is resized; gives the extent.
    ///
    /// # Panics
    /// When the shapes do not fit.
    pub fn forward(&self, x: &[f32], (size, padding): (Extent, Padding), y: &mut Vec<f32>) -> Extent {
        let n_channels = self.bias.len();
        let image = size[0] * size[1] * n_channels;
        assert!(image > 0 && x.len().is_multiple_of(image), "{} values are no images of {image}", x.len());
        assert_eq!(
            self.weight.len(),
            self.kernel[0] * self.kernel[1] * n_channels,
            "weight of a depthwise layer"
        );
        let extent = output_extent(size, padding, self.kernel, self.stride);
        y.resize(x.len() / image * extent[0] * extent[1] * n_channels, 0.0);
        vectorized(Windows { layer: self, x, size, padding, extent, y });
        extent
    }
}

struct Windows<'a> {
    layer: &'a Depthwise,
    x: &'a [f32],
    size: Extent,
    padding: Padding,
    extent: Extent,
    y: &'a mut [f32],
}

impl Kernel for Windows<'_> {
    #[inline(always)]
    fn run(self) {
        let Self { layer, x, size, padding, extent, y } = self;
        let n = layer.bias.len();
        let (low, high) = layer.activation.range();
        let images = x.chunks_exact(size[0] * size[1] * n);
        for (x, y) in images.zip(y.chunks_exact_mut(extent[0] * extent[1] * n)) {
            for (at, y) in y.chunks_exact_mut(n).enumerate() {
                let corner = [at / extent[1] * layer.stride, at % extent[1] * layer.stride];
                let rows = inside(corner[0], padding.rows[0], layer.kernel[0], size[0]);
                let columns = inside(corner[1], padding.columns[0], layer.kernel[1], size[1]);
                y.copy_from_slice(&layer.bias);
                for row in rows {
                    let line = (corner[0] + row - padding.rows[0]) * size[1];
                    let first = line + (corner[1] + columns.start).saturating_sub(padding.columns[0]);
                    let weight = &layer.weight[row * layer.kernel[1] * n..(row + 1) * layer.kernel[1] * n];
                    let weight = &weight[columns.start * n..columns.end * n];
                    add_products(&x[first * n..(first + columns.len()) * n], weight, y);
                }
                y.iter_mut().for_each(|y| *y = y.max(low).min(high));
            }
        }
    }
}

// `y += Σ x[i] · weight[i]` over the places of a row, three at a time: a sum is loaded and stored once for them.
#[inline(always)]
fn add_products(x: &[f32], weight: &[f32], y: &mut [f32]) {
    let n = y.len();
    let whole = x.len() / (3 * n) * 3 * n;
    for (x, weight) in x[..whole].chunks_exact(3 * n).zip(weight[..whole].chunks_exact(3 * n)) {
        let ((x0, rest), (w0, behind)) = (x.split_at(n), weight.split_at(n));
        let ((x1, x2), (w1, w2)) = (rest.split_at(n), behind.split_at(n));
        for at in 0..n {
            y[at] = x2[at].mul_add(w2[at], x1[at].mul_add(w1[at], x0[at].mul_add(w0[at], y[at])));
        }
    }
    for (x, weight) in x[whole..].chunks_exact(n).zip(weight[whole..].chunks_exact(n)) {
        for ((y, x), weight) in y.iter_mut().zip(x).zip(weight) {
            *y = x.mul_add(*weight, *y);
        }
    }
}

// The part of a window at `start` that is on the image and not on its zeros.
#[inline(always)]
fn inside(start: usize, padding: usize, kernel: usize, size: usize) -> Range<usize> {
    let first = padding.saturating_sub(start).min(kernel);
    first..(size + padding).saturating_sub(start).min(kernel).max(first)
}
