//! Pretrained image encoders: a model folder in, vectors of pictures out.
//!
//! A folder has `config.json` (with `model_type`) and `model.safetensors`. Files in reading order: `decode`, `pixels`,
//! `efficientnet`, `clip`, this one.

use std::path::Path;

use ::image::RgbImage;
use rayon::prelude::*;

pub mod clip;
mod decode;
pub mod efficientnet;
mod pixels;

pub use clip::{ClipText, ClipVision};
pub use decode::{PictureLimits, decode_picture};
pub use efficientnet::EfficientNetLite0;
pub use pixels::{PixelFilter, PixelRule};

/// A decoded picture, red, green and blue.
pub use ::image::RgbImage as Picture;

use crate::convert::folder_sha256;
use crate::encoder::{EncoderError, WeightsFile, model_type};
use crate::media::MediaError;
use crate::whitening::normalize;

/// An image encoder, ready to run.
#[derive(Clone, Debug)]
pub struct ImageEncoder {
    network: ImageNetwork,
    sha256: String,
}

#[derive(Clone, Debug)]
enum ImageNetwork {
    EfficientNetLite0(Box<EfficientNetLite0>),
    Clip(Box<ClipVision>),
}

/// Room to work in, reused from batch to batch.
#[derive(Clone, Debug, Default)]
pub struct Room {
    efficientnet: efficientnet::Room,
    clip: clip::Room,
}

const SUPPORTED: &str = "supported image encoders are efficientnet-lite0 (`segue model pull efficientnet-lite0`) and CLIP (model_type clip, clip_vision_model)";

/// Pictures that one thread takes at a time: the last layers' weights are read once for them all.
const TOGETHER: usize = 4;

impl ImageEncoder {
    /// Opens a model folder.
    ///
    /// # Errors
    /// When a file is missing, damaged, or of an architecture that is not supported.
    pub fn open(folder: &Path) -> Result<Self, EncoderError> {
        let (path, kind) = model_type(folder)?;
        let network = match kind.as_str() {
            "efficientnet-lite0" => {
                let mut file = WeightsFile::open(&folder.join("model.safetensors"))?;
                let network = EfficientNetLite0::build(&mut |name, shape| file.read_whole_name(name, shape))?;
                ImageNetwork::EfficientNetLite0(Box::new(network))
            }
            "clip" | "clip_vision_model" => ImageNetwork::Clip(Box::new(ClipVision::open(folder)?)),
            _ => {
                let what = format!("model_type `{kind}` for images");
                return Err(EncoderError::Unsupported { path, what, supported: SUPPORTED });
            }
        };
        let sha256 = folder_sha256(folder, &format!("{:?}", network.rule()))?;
        Ok(Self { network, sha256 })
    }

    /// Length of a vector.
    pub fn dim(&self) -> usize {
        match &self.network {
            ImageNetwork::EfficientNetLite0(_) => efficientnet::WIDTH,
            ImageNetwork::Clip(network) => network.dim(),
        }
    }

    /// Hash of everything that a vector depends on besides its picture.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// How pictures become numbers.
    pub fn rule(&self) -> PixelRule {
        self.network.rule()
    }

    /// Vectors of `n` pictures, of length 1, or why there is none; `picture(i)` gives the i-th and is called from any thread.
    /// Vectors do not depend on the number of threads.
    pub fn encode_each(
        &self,
        n: usize,
        picture: &(dyn Fn(usize) -> Result<RgbImage, MediaError> + Sync),
    ) -> Vec<Result<Vec<f32>, MediaError>> {
        let groups: Vec<Vec<Result<Vec<f32>, MediaError>>> = (0..n.div_ceil(TOGETHER))
            .into_par_iter()
            .map_init(Room::default, |room, group| {
                let mut pixels = Vec::new(); // [pictures, side, side, 3]
                let mut one = |at| picture(at).map(|picture| self.rule().append(&picture, &mut pixels));
                let read: Vec<Result<(), MediaError>> =
                    (group * TOGETHER..n.min((group + 1) * TOGETHER)).map(&mut one).collect();
                let vectors = self.embed(&pixels, room);
                let mut vectors = vectors.chunks_exact(self.dim());
                let vector = |read: Result<(), MediaError>| {
                    read.map(|()| {
                        let mut vector = vectors.next().unwrap_or_default().to_vec();
                        normalize(&mut vector);
                        vector
                    })
                };
                read.into_iter().map(vector).collect()
            })
            .collect();
        groups.into_iter().flatten().collect()
    }

    /// Vectors of pixels, `[n, side, side, 3]` → `[n, dim]`, as the network gives them, on one thread.
    ///
    /// # Panics
    /// When the shape does not fit.
    pub fn embed(&self, pixels: &[f32], room: &mut Room) -> Vec<f32> {
        match &self.network {
            ImageNetwork::EfficientNetLite0(network) => network.embed(pixels, &mut room.efficientnet),
            ImageNetwork::Clip(network) => network.embed(pixels, &mut room.clip),
        }
    }
}

impl ImageNetwork {
    fn rule(&self) -> PixelRule {
        match self {
            Self::EfficientNetLite0(_) => efficientnet::PIXELS,
            Self::Clip(network) => network.rule(),
        }
    }
}
