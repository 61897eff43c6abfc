//! What of an item is encoded: its text, its image or its sound.

use serde::Serialize;

/// A modality of items.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Modality {
    /// Titles, categories, descriptions
    Text,
    /// Pictures
    Image,
    /// Sound
    Audio,
}

impl Modality {
    /// The name, as `--modality` takes it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Image => "image",
            Self::Audio => "audio",
        }
    }

    /// Where the vectors lie in a data set folder.
    pub(crate) fn vectors_file(self) -> &'static str {
        match self {
            Self::Text => "text-vectors.safetensors",
            Self::Image => "image-vectors.safetensors",
            Self::Audio => "audio-vectors.safetensors",
        }
    }
}
