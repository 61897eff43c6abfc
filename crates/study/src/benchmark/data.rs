//! A data set of a protocol with all that is known about its items: what problems are posed on.

use std::path::Path;

use anyhow::Result;
use segue::encode::{Provider, encode_items, read_media};
use segue::{Observer, Problem};
use segue_data::protocol::ProtocolData;
use segue_data::{DomainIdx, ItemGraph};
use segue_models::item_vectors::TextFields;
use segue_models::{ItemVectors, MediaVectors};
use segue_train::judge::JudgeRule;

/// A data set of a protocol with the vectors and the graph of its items.
pub struct BenchmarkData {
    /// Items, domains, text and the published split.
    pub data: ProtocolData,
    /// Vectors of the items' texts.
    pub text: Option<ItemVectors>,
    /// Vectors of the items' images and sounds.
    pub media: MediaVectors,
    /// What is stated about the items.
    graph: Option<ItemGraph>,
}

impl BenchmarkData {
    /// Puts a data set and the vectors of its items together.
    pub fn new(data: ProtocolData, text: Option<ItemVectors>, media: MediaVectors) -> Self {
        let graph = ItemGraph::of(&data.dataset);
        Self { data, text, media, graph }
    }

    /// Adds to a data set the image and audio vectors that lie in its folder, and the vectors of its texts, encoded or from the cache,
    /// where `encoder` is given.
    ///
    /// # Errors
    /// When a file is damaged, vectors belong to other items, or the texts cannot be encoded.
    pub fn encoded(
        data: ProtocolData,
        folder: &Path,
        encoder: Option<&mut Provider>,
        observer: &dyn Observer,
    ) -> Result<Self> {
        let items = &data.dataset.items;
        let media = read_media(folder, items)?;
        let Some(encoder) = encoder else { return Ok(Self::new(data, None, media)) };
        let (text, figures) = encode_items(encoder, items, TextFields::Short, observer)?;
        // Beside the output, which may be a document.
        observer.warn(&figures.in_words());
        Ok(Self::new(data, Some(text), media))
    }

    /// The question that recommending `target` asks.
    pub fn problem(&self, target: DomainIdx, rule: JudgeRule) -> Problem<'_> {
        Problem {
            items: &self.data.dataset.items,
            domains: &self.data.dataset.domains,
            split: &self.data.split,
            text: self.text.as_ref(),
            media: Some(&self.media),
            graph: self.graph.as_ref(),
            target,
            rule,
        }
    }
}
