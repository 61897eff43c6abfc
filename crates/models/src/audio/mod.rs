//! Pretrained audio encoders: a model folder in, vectors of sounds out.
//!
//! A folder has `config.json` (with `model_type`) and `model.safetensors`. Files in reading order: `decode`, `resample`, `mel`,
//! `musicnn`, this one.

use std::path::Path;

use rayon::prelude::*;

mod decode;
pub mod mel;
pub mod musicnn;
mod resample;

pub use decode::{Sound, SoundLimits, decode_sound};
pub use mel::MelSpectrogram;
pub use musicnn::Musicnn;
pub use resample::resample;

use crate::convert::folder_sha256;
use crate::encoder::{EncoderError, WeightsFile, model_type};
use crate::media::MediaError;
use crate::whitening::normalize;

/// An audio encoder, ready to run.
#[derive(Clone, Debug)]
pub struct AudioEncoder {
    network: Musicnn,
    analysis: MelSpectrogram,
    limits: SoundLimits,
    sha256: String,
}

const SUPPORTED: &str = "supported audio encoders are musicnn (`segue model pull musicnn`)";

impl AudioEncoder {
    /// Opens a model folder; `limits` say how much of a file is heard.
    ///
    /// # Errors
    /// When a file is missing, damaged, or of an architecture that is not supported.
    pub fn open(folder: &Path, limits: SoundLimits) -> Result<Self, EncoderError> {
        let (path, kind) = model_type(folder)?;
        if kind != "musicnn" {
            let what = format!("model_type `{kind}` for audio");
            return Err(EncoderError::Unsupported { path, what, supported: SUPPORTED });
        }
        let mut file = WeightsFile::open(&folder.join("model.safetensors"))?;
        let network = Musicnn::build(&mut |name, shape| file.read_whole_name(name, shape))?;
        let sha256 = folder_sha256(folder, &format!("{} seconds of mean penultimate", limits.seconds))?;
        Ok(Self { network, analysis: musicnn::analysis(), limits, sha256 })
    }

    /// Length of a vector.
    pub fn dim(&self) -> usize {
        musicnn::WIDTH
    }

    /// Hash of everything that a vector depends on besides its sound.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// How much of a file is heard.
    pub fn limits(&self) -> SoundLimits {
        self.limits
    }

    /// What the network reads of a sound, `[n, 187, 96]`.
    pub fn patches(&self, sound: &Sound) -> Vec<f32> {
        musicnn::patches(&self.analysis, &resample(&sound.samples, sound.rate, mel::RATE))
    }

    /// The network's output for each patch, `[n, 187, 96]` → `[n, dim]`, on one thread.
    ///
    /// # Panics
    /// When the shape does not fit.
    pub fn embed(&self, patches: &[f32], room: &mut musicnn::Room) -> Vec<f32> {
        let patches = patches.chunks(musicnn::N_FRAMES * musicnn::N_BANDS);
        patches.flat_map(|patch| self.network.embed(patch, room)).collect()
    }

    /// Vectors of `n` sounds, of length 1, or why there is none; `sound(i)` gives the i-th and is called from any thread. A sound's
    /// vector is the mean over its patches; it does not depend on the number of threads.
    pub fn encode_each(
        &self,
        n: usize,
        sound: &(dyn Fn(usize) -> Result<Sound, MediaError> + Sync),
    ) -> Vec<Result<Vec<f32>, MediaError>> {
        let one = |room: &mut musicnn::Room, at: usize| {
            let outputs = self.embed(&self.patches(&sound(at)?), room);
            let mut vector = vec![0.0; self.dim()];
            segue_nn::pooling::mean_of_places(&outputs, &mut vector);
            normalize(&mut vector);
            Ok(vector)
        };
        (0..n).into_par_iter().map_init(musicnn::Room::default, one).collect()
    }
}
