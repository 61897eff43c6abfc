//! What experts are fitted on: events, items, text vectors.

use segue_data::{ItemCatalog, TrainSet};
use segue_models::{ItemVectors, TextSpace};

/// What experts are fitted on.
#[derive(Clone, Copy, Debug)]
pub struct Material<'a> {
    /// Training events.
    pub train: &'a TrainSet,
    /// Items of all domains.
    pub items: &'a ItemCatalog,
    /// Vectors of their texts; `None` when nothing was encoded.
    pub vectors: Option<&'a ItemVectors>,
    /// Whether vectors are whitened; otherwise only their mean is removed.
    pub whitens: bool,
}

impl<'a> Material<'a> {
    /// Events, items and vectors, to be whitened.
    pub fn new(train: &'a TrainSet, items: &'a ItemCatalog, vectors: Option<&'a ItemVectors>) -> Self {
        Self { train, items, vectors, whitens: true }
    }

    /// The same items and vectors with other events.
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

    // What a model learns item vectors from: an encoder's vectors, or those of words.
    pub(crate) fn learned_space<'b>(self, words: Option<&'b ItemVectors>) -> Option<TextSpace<'b>>
    where
        'a: 'b,
    {
        self.vectors.or(words).and_then(|vectors| self.space(vectors))
    }

    fn space(self, vectors: &ItemVectors) -> Option<TextSpace<'_>> {
        let space = TextSpace::new(vectors, self.train, self.items)?;
        Some(if self.whitens { space } else { space.unwhitened() })
    }
}
