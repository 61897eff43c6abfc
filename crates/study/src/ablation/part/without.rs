//! What experts are fitted on when a part is left out.

use segue_data::reveal::without_domains;
use segue_data::{ItemCatalog, ItemGraph, TrainSet};
use segue_models::{MediaVectors, TokenKind};
use segue_train::material::Material;

use super::Part;

/// A material without a part; owns what differs from the whole.
pub(super) struct Without<'a> {
    part: Part,
    whole: Material<'a>,
    train: Option<TrainSet>,
    items: Option<ItemCatalog>,
    media: Option<MediaVectors>,
    graph: Option<ItemGraph>,
}

impl<'a> Without<'a> {
    /// Leaves the part out; `seed` is that of the random graph.
    pub(super) fn new(part: Part, whole: Material<'a>, seed: u64) -> Self {
        let mut without = Self { part, whole, train: None, items: None, media: None, graph: None };
        match part {
            Part::Source(domain) => {
                without.train = Some(without_domains(whole.train, whole.items, &[domain]));
            }
            Part::Modality(TokenKind::Text) => without.items = Some(whole.items.clone().without_text()),
            Part::Modality(TokenKind::Image) => {
                without.media =
                    whole.media.map(|media| MediaVectors { image: None, audio: media.audio.clone() });
            }
            Part::Modality(TokenKind::Audio) => {
                without.media =
                    whole.media.map(|media| MediaVectors { audio: None, image: media.image.clone() });
            }
            Part::Facts => without.graph = whole.graph.map(|graph| graph.permuted(seed)),
            _ => {}
        }
        without
    }

    /// What is left.
    pub(super) fn material(&self) -> Material<'_> {
        let Self { part, whole, .. } = self;
        let has_no_vectors = matches!(part, Part::Encoder | Part::Modality(TokenKind::Text));
        Material {
            train: self.train.as_ref().unwrap_or(whole.train),
            items: self.items.as_ref().unwrap_or(whole.items),
            vectors: whole.vectors.filter(|_| !has_no_vectors),
            whitens: whole.whitens && *part != Part::Whitening,
            media: self.media.as_ref().or(whole.media),
            graph: match part {
                Part::Modality(TokenKind::Graph) => None,
                _ => self.graph.as_ref().or(whole.graph),
            },
        }
    }
}
