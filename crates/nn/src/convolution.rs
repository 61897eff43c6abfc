//! Convolutions for inference on images `[n, height, width, channels]`: patches become rows, and rows meet the weights in the
//! matrix product. A one-dimensional convolution is one of height 1.

use crate::activation::{Activation, add_bias};
use crate::matmul::{Matrix, MatrixMut, matmul};

/// Height and width of an image, or of what stands around it.
pub type Extent = [usize; 2];

/// Zeros around an image, `[before, after]` of the rows and of the columns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Padding {
    /// Above and below.
    pub rows: [usize; 2],
    /// Left and right.
    pub columns: [usize; 2],
}

impl Padding {
    /// None: the window stays inside ("valid").
    pub fn none() -> Self {
        Self::default()
    }

    /// TensorFlow's "same": the output has `ceil(size / stride)` places; an odd number of zeros has the larger half behind.
    pub fn same(size: Extent, kernel: Extent, stride: usize) -> Self {
        let of = |size: usize, kernel: usize| {
            let covered = (size.div_ceil(stride).max(1) - 1) * stride + kernel;
            let total = covered.saturating_sub(size);
            [total / 2, total - total / 2]
        };
        Self { rows: of(size[0], kernel[0]), columns: of(size[1], kernel[1]) }
    }
}

/// An image's size, and the zeros around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Height and width without the zeros.
    pub size: Extent,
    /// Zeros beyond its edges.
    pub padding: Padding,
}

impl Frame {
    /// An image without zeros around it.
    pub fn bare(size: Extent) -> Self {
        Self { size, padding: Padding::none() }
    }

    /// Places of a window of `kernel` that moves by `stride`.
    ///
    /// # Panics
    /// When the image, with its zeros, is smaller than the window.
    pub(crate) fn places(self, kernel: Extent, stride: usize) -> Extent {
        let of = |size: usize, padding: [usize; 2], kernel: usize| {
            let padded = size + padding[0] + padding[1];
            assert!(padded >= kernel, "an image of {padded} is smaller than the window of {kernel}");
            (padded - kernel) / stride + 1
        };
        let Self { size, padding } = self;
        [of(size[0], padding.rows, kernel[0]), of(size[1], padding.columns, kernel[1])]
    }
}

/// A convolution with its bias and activation.
#[derive(Clone, Debug, PartialEq)]
pub struct Convolution {
    /// Height and width of the window.
    pub kernel: Extent,
    /// Steps of the window in both directions.
    pub stride: usize,
    /// Channels of the input.
    pub n_in: usize,
    /// Channels of the output.
    pub n_out: usize,
    /// `[kernel height, kernel width, n_in, n_out]`, as TensorFlow has it.
    pub weight: Vec<f32>,
    /// `[n_out]`.
    pub bias: Vec<f32>,
    /// Applied to the sums, bias included.
    pub activation: Activation,
}

/// Values of a patch matrix and of its product that are computed at once: they should stay in the cache near the processor.
const TILE_VALUES: usize = 1 << 16;

impl Convolution {
    /// Weights as `PyTorch` has them, `[n_out, n_in, kernel height, kernel width]`, in the order of this crate.
    ///
    /// # Panics
    /// When the shape does not fit.
    pub fn weight_of_torch(weight: &[f32], n_out: usize, n_in: usize, kernel: Extent) -> Vec<f32> {
        let area = kernel[0] * kernel[1];
        assert_eq!(weight.len(), n_out * n_in * area, "weight of a convolution");
        let mut turned = vec![0.0; weight.len()];
        for (out, weight) in weight.chunks_exact(n_in * area).enumerate() {
            for (channel, weight) in weight.chunks_exact(area).enumerate() {
                for (place, value) in weight.iter().enumerate() {
                    turned[(place * n_in + channel) * n_out + out] = *value;
                }
            }
        }
        turned
    }

    /// Height and width of the output.
    ///
    /// # Panics
    /// When the image, with its zeros, is smaller than the window.
    pub fn extent(&self, frame: Frame) -> Extent {
        frame.places(self.kernel, self.stride)
    }

    /// `x: [n, height, width, n_in]` → `y: [n, extent, n_out]`. `patches` is scratch memory.
    ///
    /// # Panics
    /// When the shapes do not fit.
    pub fn forward(&self, x: &[f32], frame: Frame, y: &mut [f32], patches: &mut Vec<f32>) {
        let image = frame.size[0] * frame.size[1] * self.n_in;
        let n_values = self.kernel[0] * self.kernel[1] * self.n_in; // of a patch
        assert!(image > 0 && x.len().is_multiple_of(image), "{} values are no images of {image}", x.len());
        assert_eq!(self.weight.len(), n_values * self.n_out, "weight of a convolution");
        assert_eq!(self.bias.len(), self.n_out, "bias of a convolution");
        let extent = self.extent(frame);
        let n_places = x.len() / image * extent[0] * extent[1];
        assert_eq!(y.len(), n_places * self.n_out, "output of a convolution");
        let weight = Matrix::new(&self.weight, n_values, self.n_out, self.n_out);
        let is_pointwise = self.kernel == [1, 1] && self.stride == 1 && frame.padding == Padding::none();
        let tile = (TILE_VALUES / n_values.max(self.n_out)).clamp(48, 2048).next_multiple_of(48); // places
        for (at, y) in y.chunks_mut(tile * self.n_out).enumerate() {
            let (first, n) = (at * tile, y.len() / self.n_out);
            let rows = if is_pointwise {
                &x[first * n_values..(first + n) * n_values]
            } else {
                patches.resize(n * n_values, 0.0);
                for (at, patch) in patches.chunks_exact_mut(n_values).enumerate() {
                    let place = first + at;
                    let (of, place) = (place / (extent[0] * extent[1]), place % (extent[0] * extent[1]));
                    let corner = [place / extent[1] * self.stride, place % extent[1] * self.stride];
                    self.cut(&x[of * image..(of + 1) * image], frame, corner, patch);
                }
                &patches[..]
            };
            matmul(MatrixMut::new(y, self.n_out), 1.0, Matrix::new(rows, n, n_values, n_values), weight);
            add_bias(self.activation, &self.bias, y);
        }
    }

    // The window whose corner is at `corner` of the image with its zeros.
    fn cut(&self, image: &[f32], frame: Frame, corner: Extent, patch: &mut [f32]) {
        let Frame { size, padding } = frame;
        let row_of_patch = self.kernel[1] * self.n_in;
        let from = corner[1].max(padding.columns[0]);
        let to = (corner[1] + self.kernel[1]).min(size[1] + padding.columns[0]);
        let bottom = corner[0] + self.kernel[0];
        let is_whole = from == corner[1]
            && to == corner[1] + self.kernel[1]
            && corner[0] >= padding.rows[0]
            && bottom <= size[0] + padding.rows[0];
        if !is_whole {
            patch.fill(0.0);
        }
        if from >= to {
            return;
        }
        let (skip, n) = ((from - corner[1]) * self.n_in, (to - from) * self.n_in);
        for (at, patch) in patch.chunks_exact_mut(row_of_patch).enumerate() {
            let Some(row) = (corner[0] + at).checked_sub(padding.rows[0]).filter(|&row| row < size[0]) else {
                continue;
            };
            let start = (row * size[1] + from - padding.columns[0]) * self.n_in;
            patch[skip..skip + n].copy_from_slice(&image[start..start + n]);
        }
    }
}
