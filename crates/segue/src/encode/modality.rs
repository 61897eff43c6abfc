//! What of an item is encoded: its text, its image or its sound.

use serde::Serialize;

/// A modality of items.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Modality {
    /// Titles, categories, descriptions
    Text,
    /// Pictures
    Image,
    /// Sound
    Audio,
}

impl Modality {
    /// All, in the order of tables.
    pub const ALL: [Self; 3] = [Self::Text, Self::Image, Self::Audio];

    /// The name, as `--modality` takes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Image => "image",
            Self::Audio => "audio",
        }
    }

    /// Where the vectors lie in a data set folder.
    pub fn vectors_file(self) -> &'static str {
        match self {
            Self::Text => "text-vectors.safetensors",
            Self::Image => "image-vectors.safetensors",
            Self::Audio => "audio-vectors.safetensors",
        }
    }
}
