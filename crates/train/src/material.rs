//! What experts are fitted on, and in which form each kind reads it.

use segue_data::{DomainIdx, ItemCatalog, ItemGraph, TrainSet};
use segue_models::{FitContext, FusionInputs, ItemSimilarity, ItemVectors, MediaVectors, TextSpace};

/// What experts are fitted on.
#[derive(Clone, Copy, Debug)]
pub struct Material<'a> {
    /// Of all domains, target and sources.
    pub train: &'a TrainSet,
    /// Items of all domains.
    pub items: &'a ItemCatalog,
    /// Vectors of their texts; `None` when nothing was encoded.
    pub vectors: Option<&'a ItemVectors>,
    /// Whether vectors are whitened; otherwise only their mean is removed.
    pub whitens: bool,
    /// Vectors of images and sounds.
    pub media: Option<&'a MediaVectors>,
    /// What is stated about the items.
    pub graph: Option<&'a ItemGraph>,
}

/// What is known about the items: vectors with their spectra, of every modality, and the graph.
#[derive(Clone, Debug, Default)]
pub(crate) struct Spaces<'a> {
    pub(crate) text: Option<TextSpace<'a>>,
    pub(crate) image: Option<TextSpace<'a>>,
    pub(crate) audio: Option<TextSpace<'a>>,
    pub(crate) graph: Option<&'a ItemGraph>,
}

impl<'a> Spaces<'a> {
    /// All that item vectors can be fused from.
    pub(crate) fn inputs(&'a self) -> FusionInputs<'a> {
        FusionInputs {
            text: self.text.as_ref(),
            image: self.image.as_ref(),
            audio: self.audio.as_ref(),
            graph: self.graph,
        }
    }

    /// What an expert in closed form is fitted on; `text_neighbors` are those of the content expert, once there is one.
    pub(crate) fn context(
        &'a self,
        items: &'a ItemCatalog,
        domain: DomainIdx,
        text_neighbors: Option<&'a ItemSimilarity>,
    ) -> FitContext<'a> {
        FitContext {
            items,
            domain,
            text_neighbors,
            text_space: self.text.as_ref(),
            image_space: self.image.as_ref(),
            audio_space: self.audio.as_ref(),
            graph: self.graph,
        }
    }
}

impl<'a> Material<'a> {
    /// Events, items and vectors, to be whitened; no graph.
    pub fn new(train: &'a TrainSet, items: &'a ItemCatalog, vectors: Option<&'a ItemVectors>) -> Self {
        Self { train, items, vectors, whitens: true, media: None, graph: None }
    }

    /// The same with what items look and sound like.
    #[must_use]
    pub fn with_media(self, media: Option<&'a MediaVectors>) -> Self {
        Self { media, ..self }
    }

    /// The same with what is stated about the items.
    #[must_use]
    pub fn with_graph(self, graph: Option<&'a ItemGraph>) -> Self {
        Self { graph, ..self }
    }

    /// The same items, vectors and graph with other events.
    #[must_use]
    pub fn with_train(self, train: &'a TrainSet) -> Self {
        Self { train, ..self }
    }

    pub(crate) fn text_space(self) -> Option<TextSpace<'a>> {
        self.vectors.and_then(|vectors| self.space(vectors))
    }

    // Vectors of the items' words, for models that need some where nothing was encoded.
    pub(crate) fn vectors_of_words(self) -> Option<ItemVectors> {
        if self.vectors.is_some() { None } else { ItemVectors::of_words(self.items) }
    }

    // What a model learns item vectors from: an encoder's vectors, or those of words; images, sounds.
    pub(crate) fn learned_spaces<'b>(self, words: Option<&'b ItemVectors>) -> Spaces<'b>
    where
        'a: 'b,
    {
        let text = self.vectors.or(words).and_then(|vectors| self.space(vectors));
        Spaces { text, ..self.media_spaces() }
    }

    // An encoder's vectors of texts, images and sounds.
    pub(crate) fn spaces(self) -> Spaces<'a> {
        Spaces { text: self.text_space(), ..self.media_spaces() }
    }

    fn media_spaces(self) -> Spaces<'a> {
        let space_of = |vectors: Option<&'a ItemVectors>| vectors.and_then(|vectors| self.space(vectors));
        let (image, audio) =
            self.media.map_or((None, None), |media| (media.image.as_ref(), media.audio.as_ref()));
        Spaces { text: None, image: space_of(image), audio: space_of(audio), graph: self.graph }
    }

    fn space(self, vectors: &ItemVectors) -> Option<TextSpace<'_>> {
        let space = TextSpace::new(vectors, self.train, self.items)?;
        Some(if self.whitens { space } else { space.unwhitened() })
    }
}
