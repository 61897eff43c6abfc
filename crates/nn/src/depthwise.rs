//! The depthwise convolution for inference: every channel has a window of its own, so there is no matrix product in it.

use std::ops::Range;

use crate::activation::Activation;
use crate::convolution::{Extent, Frame};

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
    /// Applied to the sums, bias included.
    pub activation: Activation,
}

impl Depthwise {
    /// Height and width of the output.
    ///
    /// # Panics
    /// When the image, with its zeros, is smaller than the window.
    pub fn extent(&self, frame: Frame) -> Extent {
        frame.places(self.kernel, self.stride)
    }

    /// `x: [n, height, width, channels]` → `y: [n, extent, channels]`.
    ///
    /// # Panics
    /// When the shapes do not fit.
    pub fn forward(&self, x: &[f32], frame: Frame, y: &mut [f32]) {
        let n_channels = self.bias.len();
        let image = frame.size[0] * frame.size[1] * n_channels;
        assert!(image > 0 && x.len().is_multiple_of(image), "{} values are no images of {image}", x.len());
        assert_eq!(
            self.weight.len(),
            self.kernel[0] * self.kernel[1] * n_channels,
            "weight of a depthwise layer"
        );
        let extent = self.extent(frame);
        assert_eq!(
            y.len(),
            x.len() / image * extent[0] * extent[1] * n_channels,
            "output of a depthwise layer"
        );
        pulp::Arch::new().dispatch(Windows { layer: self, x, frame, extent, y });
    }
}

/// Windows beside each other, or vectors of channels, that are summed together: each sum waits for the one before it.
const TOGETHER: usize = 4;

struct Windows<'a> {
    layer: &'a Depthwise,
    x: &'a [f32],
    frame: Frame,
    extent: Extent,
    y: &'a mut [f32],
}

impl pulp::WithSimd for Windows<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, simd: S) {
        let Self { layer, x, frame: Frame { size, padding }, extent, y } = self;
        let n = layer.bias.len();
        let images = x.chunks_exact(size[0] * size[1] * n);
        for (x, y) in images.zip(y.chunks_exact_mut(extent[0] * extent[1] * n)) {
            for (at, y) in y.chunks_exact_mut(extent[1] * n).enumerate() {
                let top = at * layer.stride;
                let rows = inside(top, padding.rows[0], layer.kernel[0], size[0]);
                let line = (top + rows.start).saturating_sub(padding.rows[0]) * size[1];
                let mut column = 0;
                while column < extent[1] {
                    let left = column * layer.stride;
                    let columns = inside(left, padding.columns[0], layer.kernel[1], size[1]);
                    let far = left + (TOGETHER - 1) * layer.stride + layer.kernel[1];
                    let are_whole = left >= padding.columns[0] && far <= size[1] + padding.columns[0];
                    let first = line + (left + columns.start).saturating_sub(padding.columns[0]);
                    let part = Part { layer, x, width: size[1], first, rows: rows.clone(), columns };
                    if are_whole && column + TOGETHER <= extent[1] {
                        part.four_windows(simd, &mut y[column * n..(column + TOGETHER) * n]);
                        column += TOGETHER;
                    } else {
                        part.window(simd, &mut y[column * n..(column + 1) * n]);
                        column += 1;
                    }
                }
            }
        }
    }
}

// What a window has on the image.
struct Part<'a> {
    layer: &'a Depthwise,
    x: &'a [f32],
    // Places of an image's row.
    width: usize,
    // Place of the image under the window's first place.
    first: usize,
    rows: Range<usize>,
    columns: Range<usize>,
}

impl Part<'_> {
    // Calls `visit(place of the window, place of the image)` for all that the window has on the image.
    #[inline(always)]
    fn each_place(&self, mut visit: impl FnMut(usize, usize)) {
        for row in self.rows.clone() {
            let line = self.first + (row - self.rows.start) * self.width;
            for column in 0..self.columns.len() {
                visit(row * self.layer.kernel[1] + self.columns.start + column, line + column);
            }
        }
    }

    // Stops where a place of the window, moved by `shift` places, is beyond the image or the weights.
    #[inline(always)]
    fn check(&self, shift: usize) {
        let n = self.layer.bias.len();
        let n_rows = self.rows.len().max(1);
        let places = self.first + (n_rows - 1) * self.width + self.columns.len() + shift;
        assert!(places * n <= self.x.len(), "a window beyond the image");
        let kernel = self.layer.kernel;
        assert!(self.rows.end <= kernel[0] && self.columns.end <= kernel[1], "a window beyond its size");
        assert_eq!(self.layer.weight.len(), kernel[0] * kernel[1] * n, "weight of a depthwise layer");
    }

    // Four windows beside each other: `y` is `[4, channels]`.
    #[inline(always)]
    fn four_windows<S: pulp::Simd>(&self, simd: S, y: &mut [f32]) {
        let layer = self.layer;
        let n = layer.bias.len();
        if !n.is_multiple_of(S::F32_LANES) {
            for (window, y) in y.chunks_exact_mut(n).enumerate() {
                self.one_by_one(window * layer.stride, y);
            }
            return;
        }
        self.check((TOGETHER - 1) * layer.stride);
        // Everything in vectors of channels.
        let n = n / S::F32_LANES;
        let [(x, _), (weight, _), (bias, _)] = [self.x, &layer.weight, &layer.bias].map(S::as_simd_f32s);
        let (y, _) = S::as_mut_simd_f32s(y);
        let step = layer.stride * n;
        for (channel, bias) in bias.iter().enumerate() {
            let [mut a, mut b, mut c, mut d] = [*bias; TOGETHER];
            self.each_place(|of_window, of_image| {
                let weight = vector::<S>(weight, of_window * n + channel);
                let at = of_image * n + channel;
                a = simd.mul_add_f32s(vector::<S>(x, at), weight, a);
                b = simd.mul_add_f32s(vector::<S>(x, at + step), weight, b);
                c = simd.mul_add_f32s(vector::<S>(x, at + 2 * step), weight, c);
                d = simd.mul_add_f32s(vector::<S>(x, at + 3 * step), weight, d);
            });
            for (window, sum) in [a, b, c, d].into_iter().enumerate() {
                y[window * n + channel] = clamp(simd, layer.activation, sum);
            }
        }
    }

    // One window, four vectors of channels at a time: `y` is `[channels]`.
    #[inline(always)]
    fn window<S: pulp::Simd>(&self, simd: S, y: &mut [f32]) {
        let layer = self.layer;
        let n = layer.bias.len();
        if !n.is_multiple_of(S::F32_LANES) {
            self.one_by_one(0, y);
            return;
        }
        self.check(0);
        let n = n / S::F32_LANES;
        let whole = n / TOGETHER * TOGETHER;
        let [(x, _), (weight, _), (bias, _)] = [self.x, &layer.weight, &layer.bias].map(S::as_simd_f32s);
        let (sums, _) = S::as_mut_simd_f32s(y);
        for channel in (0..whole).step_by(TOGETHER) {
            let [mut a, mut b, mut c, mut d] =
                [bias[channel], bias[channel + 1], bias[channel + 2], bias[channel + 3]];
            self.each_place(|of_window, of_image| {
                let (w, at) = (of_window * n + channel, of_image * n + channel);
                a = simd.mul_add_f32s(vector::<S>(x, at), vector::<S>(weight, w), a);
                b = simd.mul_add_f32s(vector::<S>(x, at + 1), vector::<S>(weight, w + 1), b);
                c = simd.mul_add_f32s(vector::<S>(x, at + 2), vector::<S>(weight, w + 2), c);
                d = simd.mul_add_f32s(vector::<S>(x, at + 3), vector::<S>(weight, w + 3), d);
            });
            for (at, sum) in [a, b, c, d].into_iter().enumerate() {
                sums[channel + at] = clamp(simd, layer.activation, sum);
            }
        }
        for channel in whole..n {
            let mut sum = bias[channel];
            self.each_place(|of_window, of_image| {
                let weight = vector::<S>(weight, of_window * n + channel);
                sum = simd.mul_add_f32s(vector::<S>(x, of_image * n + channel), weight, sum);
            });
            sums[channel] = clamp(simd, layer.activation, sum);
        }
    }

    // Channels that fill no vectors, of the window that is `shift` places further on: `y` is `[channels]`.
    #[inline(always)]
    fn one_by_one(&self, shift: usize, y: &mut [f32]) {
        let layer = self.layer;
        let n = layer.bias.len();
        let (low, high) = layer.activation.range();
        for (channel, (y, &bias)) in y.iter_mut().zip(&layer.bias).enumerate() {
            let mut sum = bias;
            self.each_place(|of_window, of_image| {
                let x = self.x[(of_image + shift) * n + channel];
                sum = x.mul_add(layer.weight[of_window * n + channel], sum);
            });
            *y = sum.max(low).min(high);
        }
    }
}

// A vector that `Part::check` has found inside.
#[inline(always)]
fn vector<S: pulp::Simd>(vectors: &[S::f32s], at: usize) -> S::f32s {
    debug_assert!(at < vectors.len());
    #[expect(unsafe_code, reason = "a check at every load would cost as much as the sums")]
    // SAFETY: places are below those that `Part::check` held against the lengths, and channels below the vectors of a place.
    unsafe {
        *vectors.get_unchecked(at)
    }
}

#[inline(always)]
fn clamp<S: pulp::Simd>(simd: S, activation: Activation, sum: S::f32s) -> S::f32s {
    let (low, high) = activation.range();
    simd.min_f32s(simd.max_f32s(sum, simd.splat_f32s(low)), simd.splat_f32s(high))
}

// The part of a window at `start` that is on the image and not on its zeros.
#[inline(always)]
fn inside(start: usize, padding: usize, kernel: usize, size: usize) -> Range<usize> {
    let first = padding.saturating_sub(start).min(kernel);
    first..(size + padding).saturating_sub(start).min(kernel).max(first)
}
