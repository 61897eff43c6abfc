//! Pretrained audio encoders: a model folder in, vectors of sounds out.
//!
//! A folder has `config.json` (with `model_type`) and `model.safetensors`. Files in reading order: `decode`, `resample`, `mel`,
//! `musicnn`, `whisper`, this one.

use std::path::Path;

use rayon::prelude::*;

mod decode;
pub mod mel;
pub mod musicnn;
mod resample;
pub mod whisper;

pub use decode::{Sound, SoundLimits, decode_sound};
pub use mel::MelSpectrogram;
pub use musicnn::Musicnn;
pub use resample::resample;
pub use whisper::Whisper;

use crate::convert::folder_sha256;
use crate::encoder::{EncoderError, WeightsFile, model_type};
use crate::media::MediaError;
use crate::whitening::normalize;

/// An audio encoder, ready to run.
#[derive(Clone, Debug)]
pub struct AudioEncoder {
    network: AudioNetwork,
    limits: SoundLimits,
    sha256: String,
}

#[derive(Clone, Debug)]
enum AudioNetwork {
    Musicnn(Box<Musicnn>, MelSpectrogram),
    Whisper(Box<Whisper>),
}

/// Room to work in, reused from sound to sound.
#[derive(Clone, Debug, Default)]
pub struct Room {
    musicnn: musicnn::Room,
    whisper: whisper::Room,
}

const SUPPORTED: &str = "supported audio encoders are musicnn (`segue model pull musicnn`) and whisper (`segue model pull whisper-tiny`)";

impl AudioEncoder {
    /// Opens a model folder; `limits` say how much of a file is heard.
    ///
    /// # Errors
    /// When a file is missing, damaged, or of an architecture that is not supported.
    pub fn open(folder: &Path, limits: SoundLimits) -> Result<Self, EncoderError> {
        let (path, kind) = model_type(folder)?;
        let (network, what) = match kind.as_str() {
            "musicnn" => {
                let mut file = WeightsFile::open(&folder.join("model.safetensors"))?;
                let network = Musicnn::build(&mut |name, shape| file.read_whole_name(name, shape))?;
                (AudioNetwork::Musicnn(Box::new(network), musicnn::analysis()), "penultimate")
            }
            "whisper" => (AudioNetwork::Whisper(Box::new(Whisper::open(folder)?)), "states that hold sound"),
            _ => {
                let what = format!("model_type `{kind}` for audio");
                return Err(EncoderError::Unsupported { path, what, supported: SUPPORTED });
            }
        };
        let sha256 = folder_sha256(folder, &format!("{} seconds of mean {what}", limits.seconds))?;
        Ok(Self { network, limits, sha256 })
    }

    /// Length of a vector.
    pub fn dim(&self) -> usize {
        match &self.network {
            AudioNetwork::Musicnn(..) => musicnn::WIDTH,
            AudioNetwork::Whisper(network) => network.dim(),
        }
    }

    /// Hash of everything that a vector depends on besides its sound.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// How much of a file is heard.
    pub fn limits(&self) -> SoundLimits {
        self.limits
    }

    /// What the network reads of a sound: patches `[n, 187, 96]` of musicnn, chunks `[n, 3000, 80]` of whisper.
    pub fn inputs(&self, sound: &Sound) -> Vec<f32> {
        let samples = resample(&sound.samples, sound.rate, mel::RATE);
        match &self.network {
            AudioNetwork::Musicnn(_, analysis) => musicnn::patches(analysis, &samples),
            AudioNetwork::Whisper(network) => network.chunks(&samples),
        }
    }

    /// Numbers of one input.
    pub fn n_inputs(&self) -> usize {
        match &self.network {
            AudioNetwork::Musicnn(..) => musicnn::N_FRAMES * musicnn::N_BANDS,
            AudioNetwork::Whisper(network) => network.n_inputs(),
        }
    }

    /// The network's output for inputs one behind the other, on one thread: a vector for each patch, or all states of each chunk.
    ///
    /// # Panics
    /// When the shape does not fit.
    pub fn embed(&self, inputs: &[f32], room: &mut Room) -> Vec<f32> {
        let one = |input: &[f32]| match &self.network {
            AudioNetwork::Musicnn(network, _) => network.embed(input, &mut room.musicnn),
            AudioNetwork::Whisper(network) => network.embed(input, &mut room.whisper),
        };
        inputs.chunks(self.n_inputs()).flat_map(one).collect()
    }

    /// Vectors of `n` sounds, of length 1, or why there is none; `sound(i)` gives the i-th and is called from any thread. A sound's
    /// vector is the mean over its patches or states; it does not depend on the number of threads.
    pub fn encode_each(
        &self,
        n: usize,
        sound: &(dyn Fn(usize) -> Result<Sound, MediaError> + Sync),
    ) -> Vec<Result<Vec<f32>, MediaError>> {
        let one = |room: &mut Room, at: usize| {
            let mut vector = self.vector(&sound(at)?, room);
            normalize(&mut vector);
            Ok(vector)
        };
        (0..n).into_par_iter().map_init(Room::default, one).collect()
    }

    fn vector(&self, sound: &Sound, room: &mut Room) -> Vec<f32> {
        match &self.network {
            AudioNetwork::Musicnn(..) => {
                let outputs = self.embed(&self.inputs(sound), room);
                let mut vector = vec![0.0; self.dim()];
                segue_nn::pooling::mean_of_places(&outputs, &mut vector);
                vector
            }
            AudioNetwork::Whisper(network) => {
                network.vector(&resample(&sound.samples, sound.rate, mel::RATE), &mut room.whisper)
            }
        }
    }
}
