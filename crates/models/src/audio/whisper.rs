//! The encoder of Whisper (Radford et al., 2022): two convolutions over a log-mel spectrogram of 30 seconds, sinusoids, pre-norm blocks.

use std::path::Path;

use segue_nn::activation::Activation;
use segue_nn::add_scaled;
use segue_nn::attention::Mask;
use segue_nn::convolution::{Convolution, Frame, Padding};
use segue_nn::gelu::gelu;
use serde::Deserialize;

use crate::audio::mel::MelSpectrogram;
use crate::encoder::{EncoderError, WeightsFile, read_json};
use crate::tower::{BlockNames, Gelu, Norm, Read, Tower, TowerRoom, TowerShape};

/// Samples between the frames of the spectrogram: 100 frames a second.
const HOP: usize = 160;
const EPSILON: f32 = 1e-5;

const NAMES: BlockNames = BlockNames {
    norms: ["self_attn_layer_norm", "final_layer_norm"],
    feed_forward: ["fc1", "fc2"],
    keys_have_bias: false,
};

#[derive(Deserialize)]
struct ConfigFile {
    d_model: usize,
    encoder_layers: usize,
    encoder_attention_heads: usize,
    encoder_ffn_dim: usize,
    num_mel_bins: usize,
    max_source_positions: usize,
    #[serde(default = "exact")]
    activation_function: String,
    #[serde(default)]
    scale_embedding: bool,
}

fn exact() -> String {
    "gelu".into()
}

/// The encoder, without the decoder.
#[derive(Clone, Debug)]
pub struct Whisper {
    analysis: MelSpectrogram,
    n_bands: usize,
    n_positions: usize,
    width: usize,
    convolutions: [Convolution; 2],
    positions: Vec<f32>, // [n_positions, width]
    tower: Tower,
    norm: Norm,
}

/// Room to work in, reused from chunk to chunk.
#[derive(Clone, Debug, Default)]
pub struct Room {
    sums: Vec<f32>,
    x: Vec<f32>,
    patches: Vec<f32>,
    tower: TowerRoom,
}

impl Whisper {
    /// Opens the folder of a `WhisperModel` or `WhisperForConditionalGeneration`.
    pub(crate) fn open(folder: &Path) -> Result<Self, EncoderError> {
        let path = folder.join("config.json");
        let config: ConfigFile = read_json(&path)?;
        let refused = |what: String| {
            let supported =
                "supported are whisper models as they were published: gelu, positions that are not scaled";
            Err(EncoderError::Unsupported { path: path.clone(), what, supported })
        };
        if config.activation_function != "gelu" || config.scale_embedding {
            let what = format!("activation_function `{}`", config.activation_function);
            return refused(if config.scale_embedding { "scale_embedding".into() } else { what });
        }
        let (width, n_heads) = (config.d_model, config.encoder_attention_heads);
        let sizes = [config.num_mel_bins, config.max_source_positions, config.encoder_ffn_dim, n_heads];
        if sizes.contains(&0)
            || width < 4
            || !width.is_multiple_of(n_heads.max(2))
            || !width.is_multiple_of(2)
        {
            let reason = format!("d_model {width} with {n_heads} heads, and {sizes:?} of the other sizes");
            return Err(EncoderError::damaged(&path, reason));
        }
        let mut file = WeightsFile::open(&folder.join("model.safetensors"))?;
        // Models with a decoder's head keep everything under one name more.
        let whole = file.has("model.encoder.conv1.weight");
        let prefix = if whole { "model.encoder" } else { "encoder" };
        let stored = file.has(&format!("{prefix}.embed_positions.weight"));
        Self::build(&config, prefix, stored, &mut |name, shape| file.read_whole_name(name, shape))
    }

    fn build(
        config: &ConfigFile,
        prefix: &str,
        stored: bool,
        read: &mut Read<'_>,
    ) -> Result<Self, EncoderError> {
        let (width, n_positions, n_bands) =
            (config.d_model, config.max_source_positions, config.num_mel_bins);
        let mut convolution = |name: &str, n_in: usize, stride: usize| {
            let weight = read(&format!("{prefix}.{name}.weight"), &[width, n_in, 3])?;
            Ok::<_, EncoderError>(Convolution {
                kernel: [1, 3],
                stride,
                n_in,
                n_out: width,
                weight: Convolution::weight_of_torch(&weight, width, n_in, [1, 3]),
                bias: read(&format!("{prefix}.{name}.bias"), &[width])?,
                activation: Activation::Identity,
            })
        };
        let convolutions = [convolution("conv1", n_bands, 1)?, convolution("conv2", width, 2)?];
        let positions = if stored {
            read(&format!("{prefix}.embed_positions.weight"), &[n_positions, width])?
        } else {
            sinusoids(n_positions, width)
        };
        let shape = TowerShape {
            width,
            n_hidden: config.encoder_ffn_dim,
            n_heads: config.encoder_attention_heads,
            n_layers: config.encoder_layers,
            mask: Mask::Bidirectional,
            epsilon: EPSILON,
            gelu: Gelu::Exact,
        };
        let tower = Tower::build(shape, &format!("{prefix}.layers"), NAMES, read)?;
        let norm = Norm::build(&format!("{prefix}.layer_norm"), width, EPSILON, read)?;
        let analysis = MelSpectrogram::new(400, HOP, n_bands);
        Ok(Self { analysis, n_bands, n_positions, width, convolutions, positions, tower, norm })
    }

    /// Length of a vector.
    pub fn dim(&self) -> usize {
        self.width
    }

    /// Numbers of a chunk: `[frames, bands]`, [3000, 80] in published models of this size.
    pub fn n_inputs(&self) -> usize {
        2 * self.n_positions * self.n_bands
    }

    /// Chunks of 30 seconds of a sound at 16 kHz, `[n, frames, bands]`; the last one ends in silence.
    pub fn chunks(&self, samples: &[f32]) -> Vec<f32> {
        if samples.is_empty() {
            return Self::log_mel(&self.analysis, samples, 2 * self.n_positions);
        }
        let chunks = samples.chunks(2 * self.n_positions * HOP);
        chunks.flat_map(|samples| Self::log_mel(&self.analysis, samples, 2 * self.n_positions)).collect()
    }

    /// The logarithms of `n_frames` frames, `[n_frames, bands]`, of samples that are followed by silence; values more than 80 dB below the
    /// largest are raised to that, as in training.
    pub fn log_mel(analysis: &MelSpectrogram, samples: &[f32], n_frames: usize) -> Vec<f32> {
        let mut padded = samples.to_vec();
        padded.resize(n_frames * HOP, 0.0);
        let mut values = analysis.power(&padded);
        // The frame that begins where the samples end is not one of them.
        values.truncate(values.len() / (n_frames + 1) * n_frames);
        values.iter_mut().for_each(|power| *power = power.max(1e-10).log10());
        let floor = values.iter().fold(f32::MIN, |max, value| max.max(*value)) - 8.0;
        values.iter_mut().for_each(|value| *value = (value.max(floor) + 4.0) / 4.0);
        values
    }

    /// `chunk: [frames, bands]` → states `[frames / 2, width]`.
    ///
    /// # Panics
    /// When the shape does not fit.
    pub fn embed(&self, chunk: &[f32], room: &mut Room) -> Vec<f32> {
        assert_eq!(chunk.len(), self.n_inputs(), "a chunk");
        let padding = Padding { rows: [0, 0], columns: [1, 1] };
        let Room { sums, x, patches, tower } = room;
        let [first, second] = &self.convolutions;
        let n_frames = 2 * self.n_positions;
        sums.resize(n_frames * self.width, 0.0);
        x.resize(sums.len(), 0.0);
        let frame = Frame { size: [1, n_frames], padding };
        first.forward(chunk, frame, sums, patches);
        gelu(sums, x);
        sums.truncate(self.n_positions * self.width);
        second.forward(x, frame, sums, patches);
        x.truncate(sums.len());
        gelu(sums, x);
        add_scaled(x, 1.0, &self.positions);
        self.tower.forward(x, &[self.n_positions], tower);
        self.norm.forward(x)
    }

    /// The mean of the states that hold sound: a state is 20 milliseconds, and there is one at least.
    pub(crate) fn vector(&self, samples: &[f32], room: &mut Room) -> Vec<f32> {
        let n_states = samples.len().div_ceil(2 * HOP).max(1);
        let mut vector = vec![0.0; self.width];
        let mut left = n_states;
        for chunk in self.chunks(samples).chunks_exact(self.n_inputs()) {
            let states = self.embed(chunk, room);
            for state in states.chunks_exact(self.width).take(left) {
                add_scaled(&mut vector, 1.0 / n_states as f32, state);
            }
            left = left.saturating_sub(self.n_positions);
        }
        vector
    }
}

// Sines in the first half of the width, cosines in the second, of wavelengths from 2π to 10,000 · 2π.
fn sinusoids(n_positions: usize, width: usize) -> Vec<f32> {
    let half = width / 2;
    let step = 10_000f64.ln() / (half as f64 - 1.0).max(1.0);
    let mut positions = Vec::with_capacity(n_positions * width);
    for position in 0..n_positions {
        let angle = |at: usize| position as f64 * (-step * at as f64).exp();
        positions.extend((0..half).map(|at| angle(at).sin() as f32));
        positions.extend((0..half).map(|at| angle(at).cos() as f32));
    }
    positions
}
