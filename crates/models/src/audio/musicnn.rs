//! musicnn (Pons and Serra, 2019), trained on `MagnaTagATune`: filters across bands and across time, dense layers, pooling over time.

use segue_nn::activation::{Activation, ScaleShift};
use segue_nn::add_scaled;
use segue_nn::convolution::{Convolution, Frame, Padding};
use segue_nn::pooling::{max_of_places, mean_of_places};

use crate::audio::mel::MelSpectrogram;
use crate::encoder::EncoderError;

/// Length of the vector: the last layer before the tags.
pub const WIDTH: usize = 200;
/// Frames of a patch: 3 seconds.
pub const N_FRAMES: usize = 187;
/// Mel bands.
pub const N_BANDS: usize = 96;
/// Samples between frames.
const HOP: usize = 256;
const EPSILON: f32 = 1e-3;
/// Frames whose filters run together: their products stay near the processor.
const FRAMES_TOGETHER: usize = 8;

const N_TIMBRAL: usize = 204;
const N_TEMPORAL: usize = 51;
const N_FRONT: usize = 2 * N_TIMBRAL + 3 * N_TEMPORAL;
const N_MID: usize = 64;
const N_FEATURES: usize = N_FRONT + 3 * N_MID;

/// The network without its tags.
#[derive(Clone, Debug)]
pub struct Musicnn {
    norm: ScaleShift,
    timbral: Vec<Layer>,
    temporal: Vec<Layer>,
    mid: Vec<Layer>,
    flat: ScaleShift,
    dense: Layer,
}

/// A convolution with `ReLU` and the batch norm behind it, which cannot be a part of the weights for that reason.
#[derive(Clone, Debug)]
struct Layer {
    convolution: Convolution,
    norm: ScaleShift,
}

/// Room to work in, reused from patch to patch.
#[derive(Clone, Debug, Default)]
pub struct Room {
    out: Vec<f32>,
    patches: Vec<f32>,
}

type Read<'r> = dyn FnMut(&str, &[usize]) -> Result<Vec<f32>, EncoderError> + 'r;

/// The analysis that the network was trained on.
pub fn analysis() -> MelSpectrogram {
    MelSpectrogram::new(512, HOP, N_BANDS)
}

/// Patches of a sound at 16 kHz, `[n, 187, 96]`: `log10(10⁴ · power + 1)`, one behind the other; what is left at the end is not
/// heard. A sound of less than 3 seconds is repeated, as it was in training.
pub fn patches(analysis: &MelSpectrogram, samples: &[f32]) -> Vec<f32> {
    const N_SAMPLES: usize = (N_FRAMES - 1) * HOP;
    let repeated: Vec<f32>;
    let samples = if samples.is_empty() || samples.len() >= N_SAMPLES {
        samples
    } else {
        repeated = samples.iter().copied().cycle().take(N_SAMPLES).collect();
        &repeated
    };
    let mut values = analysis.power(samples);
    values.truncate(values.len() / (N_FRAMES * N_BANDS) * N_FRAMES * N_BANDS);
    values.iter_mut().for_each(|power| *power = (10_000.0 * *power + 1.0).log10());
    values
}

impl Musicnn {
    /// Builds the network; `read(name, shape)` gives its arrays by the names of the checkpoint.
    pub(crate) fn build(read: &mut Read<'_>) -> Result<Self, EncoderError> {
        let mut layers = Layers { read, n_norms: 0, n_convolutions: 0 };
        let norm = layers.norm(1)?;
        let timbral = [38, 67].map(|bands| layers.layer([7, bands], 1, N_TIMBRAL));
        let timbral = timbral.into_iter().collect::<Result<_, _>>()?;
        let temporal = [128, 64, 32].map(|frames| layers.layer([frames, 1], 1, N_TEMPORAL));
        let temporal = temporal.into_iter().collect::<Result<Vec<Layer>, _>>()?;
        // Over time they run along rows of one band each.
        let temporal = temporal.into_iter().map(|mut layer| {
            layer.convolution.kernel = [1, layer.convolution.kernel[0]];
            layer
        });
        let temporal = temporal.collect();
        let mid = [N_FRONT, N_MID, N_MID].map(|n_in| layers.across_features(n_in));
        let mid = mid.into_iter().collect::<Result<_, _>>()?;
        let flat = layers.norm(2 * N_FEATURES)?;
        let dense = layers.dense()?;
        Ok(Self { norm, timbral, temporal, mid, flat, dense })
    }

    /// `patch: [187, 96]` → `[200]`.
    ///
    /// # Panics
    /// When the shape does not fit.
    pub fn embed(&self, patch: &[f32], room: &mut Room) -> Vec<f32> {
        assert_eq!(patch.len(), N_FRAMES * N_BANDS, "a patch");
        let mut x = patch.to_vec();
        self.norm.apply(&mut x);
        let mut features = vec![0.0; N_FRAMES * N_FEATURES]; // [T, front | mid]
        let mut first = 0;
        for layer in &self.timbral {
            layer.across_bands(&x, &mut features, first, room);
            first += N_TIMBRAL;
        }
        for layer in &self.temporal {
            layer.across_time(&x, &mut features, first, room);
            first += N_TEMPORAL;
        }
        self.middle(&mut features, room);
        let (mut largest, mut mean) = (vec![0.0; N_FEATURES], vec![0.0; N_FEATURES]);
        max_of_places(&features, &mut largest);
        mean_of_places(&features, &mut mean);
        let mut pooled: Vec<f32> =
            largest.iter().zip(&mean).flat_map(|(largest, mean)| [*largest, *mean]).collect();
        self.flat.apply(&mut pooled);
        self.dense.run(&pooled, Frame::bare([1, 1]), room);
        room.out.clone()
    }

    // Three layers over time, each on the last; the second and third add what they got.
    fn middle(&self, features: &mut [f32], room: &mut Room) {
        let rows = |features: &[f32]| {
            features.chunks_exact(N_FEATURES).flat_map(|row| row[..N_FRONT].to_vec()).collect::<Vec<f32>>()
        };
        let mut x = rows(features); // [T, n_in]
        for (at, layer) in self.mid.iter().enumerate() {
            let padding = Padding { rows: [3, 3], columns: [0, 0] };
            layer.run(&x, Frame { size: [N_FRAMES, 1], padding }, room);
            if at > 0 {
                add_scaled(&mut room.out, 1.0, &x);
            }
            x.clone_from(&room.out);
            put_columns(features, N_FRONT + at * N_MID, &x, N_MID);
        }
    }
}

// Writes `x: [T, width]` as columns of the features.
fn put_columns(features: &mut [f32], first: usize, x: &[f32], width: usize) {
    for (row, x) in features.chunks_exact_mut(N_FEATURES).zip(x.chunks_exact(width)) {
        row[first..first + width].copy_from_slice(x);
    }
}

impl Layer {
    // Into `room.out`.
    fn run(&self, x: &[f32], frame: Frame, room: &mut Room) {
        let image = frame.size[0] * frame.size[1] * self.convolution.n_in;
        let extent = self.convolution.extent(frame);
        room.out.resize(x.len() / image * extent[0] * extent[1] * self.convolution.n_out, 0.0);
        self.convolution.forward(x, frame, &mut room.out, &mut room.patches);
        self.norm.apply(&mut room.out);
    }

    // Windows of 7 frames; the largest over the bands.
    fn across_bands(&self, x: &[f32], features: &mut [f32], first: usize, room: &mut Room) {
        let n_out = self.convolution.n_out;
        let mut padded = vec![0.0; (N_FRAMES + 6) * N_BANDS];
        padded[3 * N_BANDS..(N_FRAMES + 3) * N_BANDS].copy_from_slice(x);
        for frame in (0..N_FRAMES).step_by(FRAMES_TOGETHER) {
            let n = FRAMES_TOGETHER.min(N_FRAMES - frame);
            let rows = &padded[frame * N_BANDS..(frame + n + 6) * N_BANDS];
            self.run(rows, Frame::bare([n + 6, N_BANDS]), room);
            let one = room.out.len() / n;
            for (at, places) in room.out.chunks_exact(one).enumerate() {
                max_of_places(places, &mut features[(frame + at) * N_FEATURES + first..][..n_out]);
            }
        }
    }

    // Windows over time in every band; the largest over the bands.
    fn across_time(&self, x: &[f32], features: &mut [f32], first: usize, room: &mut Room) {
        let mut bands = vec![0.0; x.len()]; // [96, T]
        for (band, row) in bands.chunks_exact_mut(N_FRAMES).enumerate() {
            row.iter_mut().enumerate().for_each(|(frame, y)| *y = x[frame * N_BANDS + band]);
        }
        let size = [1, N_FRAMES];
        let padding = Padding::same(size, self.convolution.kernel, 1);
        self.run(&bands, Frame { size, padding }, room);
        let mut largest = vec![0.0; N_FRAMES * self.convolution.n_out];
        max_of_places(&room.out, &mut largest);
        put_columns(features, first, &largest, self.convolution.n_out);
    }
}

struct Layers<'a, 'r> {
    read: &'a mut Read<'r>,
    n_norms: usize,
    n_convolutions: usize,
}

// TensorFlow numbers layers of a kind; the first has no number.
fn numbered(kind: &str, at: usize) -> String {
    if at == 0 { kind.to_owned() } else { format!("{kind}_{at}") }
}

impl Layers<'_, '_> {
    fn norm(&mut self, n: usize) -> Result<ScaleShift, EncoderError> {
        let name = numbered("batch_normalization", self.n_norms);
        self.n_norms += 1;
        let mut part = |part: &str| (self.read)(&format!("{name}/{part}"), &[n]);
        let [gain, bias, mean, variance] =
            [part("gamma")?, part("beta")?, part("moving_mean")?, part("moving_variance")?];
        Ok(ScaleShift::of_batch_norm([&gain, &bias, &mean, &variance], EPSILON))
    }

    fn layer(&mut self, kernel: [usize; 2], n_in: usize, n_out: usize) -> Result<Layer, EncoderError> {
        let name = numbered("conv2d", self.n_convolutions);
        self.n_convolutions += 1;
        let weight = (self.read)(&format!("{name}/kernel"), &[kernel[0], kernel[1], n_in, n_out])?;
        let bias = (self.read)(&format!("{name}/bias"), &[n_out])?;
        let convolution =
            Convolution { kernel, stride: 1, n_in, n_out, weight, bias, activation: Activation::Relu };
        Ok(Layer { convolution, norm: self.norm(n_out)? })
    }

    // A window of 7 frames and all features; here the features are channels.
    fn across_features(&mut self, n_in: usize) -> Result<Layer, EncoderError> {
        let mut layer = self.layer([7, n_in], 1, N_MID)?;
        (layer.convolution.kernel, layer.convolution.n_in) = ([7, 1], n_in);
        Ok(layer)
    }

    fn dense(&mut self) -> Result<Layer, EncoderError> {
        let weight = (self.read)("dense/kernel", &[2 * N_FEATURES, WIDTH])?;
        let bias = (self.read)("dense/bias", &[WIDTH])?;
        let (n_in, n_out, activation) = (2 * N_FEATURES, WIDTH, Activation::Relu);
        let convolution = Convolution { kernel: [1, 1], stride: 1, n_in, n_out, weight, bias, activation };
        Ok(Layer { convolution, norm: self.norm(WIDTH)? })
    }
}
