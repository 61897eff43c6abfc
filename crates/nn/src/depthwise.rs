//! The depthwise convolution for inference: every channel has a window of its own, so there is no matrix product in it.

use std::ops::Range;

use crate::activation::Activation;
use crate::convolution::{Extent, Padding, output_extent};
use crate::simd::{Kernel, LANES, vectorized};

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
    /// Height and width of the output.
    ///
    /// # Panics
    /// When the image, with its zeros, is smaller than the window.
    pub fn extent(&self, size: Extent, padding: Padding) -> Extent {
        output_extent(size, padding, self.kernel, self.stride)
    }

    /// `x: [n, size, channels]` → `y: [n, extent, channels]`.
    ///
    /// # Panics
    /// When the shapes do not fit.
    pub fn forward(&self, x: &[f32], (size, padding): (Extent, Padding), y: &mut [f32]) {
        let n_channels = self.bias.len();
        let image = size[0] * size[1] * n_channels;
        assert!(image > 0 && x.len().is_multiple_of(image), "{} values are no images of {image}", x.len());
        assert_eq!(
            self.weight.len(),
            self.kernel[0] * self.kernel[1] * n_channels,
            "weight of a depthwise layer"
        );
        let extent = self.extent(size, padding);
        assert_eq!(
            y.len(),
            x.len() / image * extent[0] * extent[1] * n_channels,
            "output of a depthwise layer"
        );
        vectorized(Windows { layer: self, x, size, padding, extent, y });
    }
}

/// Windows beside each other that are summed together: a weight is loaded once for them.
const TOGETHER: usize = 4;

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
                        part.sums::<TOGETHER>(&mut y[column * n..(column + TOGETHER) * n]);
                        column += TOGETHER;
                    } else {
                        part.sums::<1>(&mut y[column * n..(column + 1) * n]);
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
    // The sums of one window, or of [`TOGETHER`] windows beside each other, into `y: [windows, channels]`.
    #[inline(always)]
    fn sums<const WINDOWS: usize>(self, y: &mut [f32]) {
        let n = self.layer.bias.len();
        let mut channel = 0;
        if WINDOWS == 1 {
            // Channels stand in for the windows: a sum waits for the one before, so several are made at once.
            let steps = Steps { x: LANES, weight: LANES, y: LANES };
            while channel + TOGETHER * LANES <= n {
                self.blocks::<TOGETHER>(channel, steps, y);
                channel += TOGETHER * LANES;
            }
        }
        let steps = Steps { x: self.layer.stride * n, weight: 0, y: n };
        while channel + LANES <= n {
            self.blocks::<WINDOWS>(channel, steps, y);
            channel += LANES;
        }
        for channel in channel..n {
            for (window, y) in y.chunks_exact_mut(n).enumerate() {
                y[channel] = self.one(channel, window * steps.x);
            }
        }
    }

    // `BLOCKS` times [`LANES`] sums, the blocks' numbers as far apart as the steps say: they stay in registers.
    #[inline(always)]
    fn blocks<const BLOCKS: usize>(&self, channel: usize, steps: Steps, y: &mut [f32]) {
        let layer = self.layer;
        let n = layer.bias.len();
        let mut sums = [[0.0f32; LANES]; BLOCKS];
        for (block, sums) in sums.iter_mut().enumerate() {
            let at = channel + block * steps.weight;
            sums.copy_from_slice(&layer.bias[at..at + LANES]);
        }
        for row in self.rows.clone() {
            let line = self.first + (row - self.rows.start) * self.width;
            for column in self.columns.clone() {
                let weight_at = (row * layer.kernel[1] + column) * n + channel;
                let x_at = (line + column - self.columns.start) * n + channel;
                for (block, sums) in sums.iter_mut().enumerate() {
                    let weight = &layer.weight[weight_at + block * steps.weight..][..LANES];
                    let x = &self.x[x_at + block * steps.x..][..LANES];
                    for lane in 0..LANES {
                        sums[lane] = x[lane].mul_add(weight[lane], sums[lane]);
                    }
                }
            }
        }
        let (low, high) = layer.activation.range();
        for (block, sums) in sums.iter().enumerate() {
            let y = &mut y[channel + block * steps.y..][..LANES];
            y.iter_mut().zip(sums).for_each(|(y, sum)| *y = sum.max(low).min(high));
        }
    }

    // A channel of the window that is `shift` numbers further on.
    #[inline(always)]
    fn one(&self, channel: usize, shift: usize) -> f32 {
        let layer = self.layer;
        let n = layer.bias.len();
        let mut sum = layer.bias[channel];
        for row in self.rows.clone() {
            for column in self.columns.clone() {
                let place = self.first + (row - self.rows.start) * self.width + column - self.columns.start;
                let weight = layer.weight[(row * layer.kernel[1] + column) * n + channel];
                sum = self.x[place * n + channel + shift].mul_add(weight, sum);
            }
        }
        let (low, high) = layer.activation.range();
        sum.max(low).min(high)
    }
}

// From one block of sums to the next, in numbers.
#[derive(Clone, Copy)]
struct Steps {
    x: usize,
    weight: usize,
    y: usize,
}

// The part of a window at `start` that is on the image and not on its zeros.
#[inline(always)]
fn inside(start: usize, padding: usize, kernel: usize, size: usize) -> Range<usize> {
    let first = padding.saturating_sub(start).min(kernel);
    first..(size + padding).saturating_sub(start).min(kernel).max(first)
}
