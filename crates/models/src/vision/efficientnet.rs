//! EfficientNet-Lite0 (Liu, 2020; after Tan and Le, 2019): the variant without squeeze-and-excitation, with `ReLU6`.

use segue_nn::activation::{Activation, ScaleShift};
use segue_nn::add_scaled;
use segue_nn::convolution::{Convolution, Extent, Frame, Padding};
use segue_nn::depthwise::Depthwise;
use segue_nn::pooling::mean_of_places;

use crate::encoder::EncoderError;
use crate::vision::pixels::{PixelFilter, PixelRule};

/// Length of the vector.
pub const WIDTH: usize = 1280;
const SIDE: usize = 224;
const EPSILON: f32 = 1e-3;

/// Pixels between −1 and 1.
pub const PIXELS: PixelRule = PixelRule {
    short_side: 256,
    side: SIDE as u32,
    filter: PixelFilter::Linear,
    mean: [0.5; 3],
    deviation: [0.5; 3],
};

/// Of each stage: blocks, side of the window, stride of the first block, widening, channels.
const STAGES: [[usize; 5]; 7] = [
    [1, 3, 1, 1, 16],
    [2, 3, 2, 6, 24],
    [2, 5, 2, 6, 40],
    [3, 3, 2, 6, 80],
    [3, 5, 1, 6, 112],
    [4, 5, 2, 6, 192],
    [1, 3, 1, 6, 320],
];

/// The network without its classifier; batch norms are part of the weights.
#[derive(Clone, Debug)]
pub struct EfficientNetLite0 {
    stem: Convolution,
    blocks: Vec<Block>,
    head: Convolution,
}

/// An inverted bottleneck (Sandler et al., 2018).
#[derive(Clone, Debug)]
struct Block {
    expand: Option<Convolution>,
    depthwise: Depthwise,
    project: Convolution,
    is_residual: bool,
}

/// Room to work in, reused from batch to batch: it only grows.
#[derive(Clone, Debug, Default)]
pub struct Room {
    x: Vec<f32>,
    wide: Vec<f32>,
    filtered: Vec<f32>,
    next: Vec<f32>,
    patches: Vec<f32>,
}

/// Values of a widened image that are held at once: pictures go through a block in groups whose middle stays near the processor.
const WIDE_VALUES: usize = 1 << 18;

type Read<'r> = dyn FnMut(&str, &[usize]) -> Result<Vec<f32>, EncoderError> + 'r;

impl EfficientNetLite0 {
    /// Builds the network; `read(name, shape)` gives its arrays by the names of the package `efficientnet-lite-pytorch`.
    pub(crate) fn build(read: &mut Read<'_>) -> Result<Self, EncoderError> {
        let mut layers = Layers { read };
        let stem = layers.convolution(
            "_conv_stem",
            "_bn0",
            Filters { n_in: 3, n_out: 32, kernel: 3, stride: 2 },
            Activation::Relu6,
        )?;
        let mut blocks = Vec::new();
        let mut n_in = 32;
        for [n_blocks, kernel, stride, widening, n_out] in STAGES {
            for at in 0..n_blocks {
                let stride = if at == 0 { stride } else { 1 };
                let name = format!("_blocks.{}", blocks.len());
                blocks.push(layers.block(&name, Filters { n_in, n_out, kernel, stride }, widening)?);
                n_in = n_out;
            }
        }
        let head = layers.convolution(
            "_conv_head",
            "_bn1",
            Filters::place_by_place(n_in, WIDTH),
            Activation::Relu6,
        )?;
        Ok(Self { stem, blocks, head })
    }

    /// `pixels: [n, 224, 224, 3]` → `[n, 1280]`, the mean over the last image's places.
    ///
    /// # Panics
    /// When the shape does not fit.
    pub fn embed(&self, pixels: &[f32], room: &mut Room) -> Vec<f32> {
        let image = SIDE * SIDE * 3;
        assert!(pixels.len().is_multiple_of(image), "{} values are no pictures of {image}", pixels.len());
        let mut vectors = vec![0.0; pixels.len() / image * WIDTH];
        if vectors.is_empty() {
            return vectors;
        }
        let n = pixels.len() / image;
        let mut size = [SIDE, SIDE];
        let padding = Padding::same(size, self.stem.kernel, self.stem.stride);
        let extent = self.stem.extent(Frame { size, padding });
        let x = sized(&mut room.x, n * extent[0] * extent[1] * self.stem.n_out);
        self.stem.forward(pixels, Frame { size, padding }, x, &mut room.patches);
        size = extent;
        for block in &self.blocks {
            size = block.forward(n, size, room);
        }
        let places = size[0] * size[1];
        let (x, wide) = (&room.x[..n * places * self.head.n_in], sized(&mut room.wide, n * places * WIDTH));
        self.head.forward(x, Frame::bare(size), wide, &mut room.patches);
        for (x, y) in wide.chunks_exact(places * WIDTH).zip(vectors.chunks_exact_mut(WIDTH)) {
            mean_of_places(x, y);
        }
        vectors
    }
}

fn sized(buffer: &mut Vec<f32>, n: usize) -> &mut [f32] {
    if buffer.len() < n {
        buffer.resize(n, 0.0);
    }
    &mut buffer[..n]
}

impl Block {
    // `n` images of `size` from `room.x` to `room.x`; gives their new size.
    fn forward(&self, n: usize, size: Extent, room: &mut Room) -> Extent {
        let n_wide = self.depthwise.bias.len();
        let n_in = self.expand.as_ref().map_or(n_wide, |expand| expand.n_in);
        let padding = Padding::same(size, self.depthwise.kernel, self.depthwise.stride);
        let extent = self.depthwise.extent(Frame { size, padding });
        let [places, places_out] = [size, extent].map(|size| size[0] * size[1]);
        let Room { x: all, wide, filtered, next, patches } = room;
        let group = (WIDE_VALUES / (places * n_wide)).clamp(1, n);
        let x = &all[..n * places * n_in];
        let y = sized(next, n * places_out * self.project.n_out);
        let groups =
            x.chunks(group * places * n_in).zip(y.chunks_mut(group * places_out * self.project.n_out));
        for (x, y) in groups {
            let n = x.len() / (places * n_in);
            let input = match &self.expand {
                Some(expand) => {
                    let wide = sized(wide, n * places * n_wide);
                    expand.forward(x, Frame::bare(size), wide, patches);
                    wide
                }
                None => x,
            };
            let filtered = sized(filtered, n * places_out * n_wide);
            self.depthwise.forward(input, Frame { size, padding }, filtered);
            self.project.forward(filtered, Frame::bare(extent), y, patches);
            if self.is_residual {
                add_scaled(y, 1.0, x);
            }
        }
        std::mem::swap(all, next);
        extent
    }
}

/// Sizes of a convolution.
#[derive(Clone, Copy)]
struct Filters {
    n_in: usize,
    n_out: usize,
    kernel: usize,
    stride: usize,
}

impl Filters {
    fn place_by_place(n_in: usize, n_out: usize) -> Self {
        Self { n_in, n_out, kernel: 1, stride: 1 }
    }
}

struct Layers<'a, 'r> {
    read: &'a mut Read<'r>,
}

impl Layers<'_, '_> {
    fn norm(&mut self, name: &str, n: usize) -> Result<ScaleShift, EncoderError> {
        let mut part = |part: &str| (self.read)(&format!("{name}.{part}"), &[n]);
        let [gain, bias, mean, variance] =
            [part("weight")?, part("bias")?, part("running_mean")?, part("running_var")?];
        Ok(ScaleShift::of_batch_norm([&gain, &bias, &mean, &variance], EPSILON))
    }

    fn convolution(
        &mut self,
        name: &str,
        norm: &str,
        filters: Filters,
        activation: Activation,
    ) -> Result<Convolution, EncoderError> {
        let Filters { n_in, n_out, kernel, stride } = filters;
        let weight = (self.read)(&format!("{name}.weight"), &[n_out, n_in, kernel, kernel])?;
        let mut weight = Convolution::weight_of_torch(&weight, n_out, n_in, [kernel, kernel]);
        let mut bias = vec![0.0; n_out];
        self.norm(norm, n_out)?.fold_into(&mut weight, &mut bias);
        Ok(Convolution { kernel: [kernel, kernel], stride, n_in, n_out, weight, bias, activation })
    }

    fn block(&mut self, name: &str, filters: Filters, widening: usize) -> Result<Block, EncoderError> {
        let Filters { n_in, n_out, kernel, stride } = filters;
        let part = |part: &str| format!("{name}.{part}");
        let n_wide = n_in * widening;
        let expand = if widening == 1 {
            None
        } else {
            let filters = Filters::place_by_place(n_in, n_wide);
            Some(self.convolution(&part("_expand_conv"), &part("_bn0"), filters, Activation::Relu6)?)
        };
        let weight = (self.read)(&part("_depthwise_conv.weight"), &[n_wide, 1, kernel, kernel])?;
        // One channel in, `n_wide` out: the order is that of a depthwise layer, `[kernel, kernel, n_wide]`.
        let mut weight = Convolution::weight_of_torch(&weight, n_wide, 1, [kernel, kernel]);
        let mut bias = vec![0.0; n_wide];
        self.norm(&part("_bn1"), n_wide)?.fold_into(&mut weight, &mut bias);
        let depthwise =
            Depthwise { kernel: [kernel, kernel], stride, weight, bias, activation: Activation::Relu6 };
        let filters = Filters::place_by_place(n_wide, n_out);
        let project =
            self.convolution(&part("_project_conv"), &part("_bn2"), filters, Activation::Identity)?;
        Ok(Block { expand, depthwise, project, is_residual: stride == 1 && n_in == n_out })
    }
}
