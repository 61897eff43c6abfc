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
}

impl<'a> Material<'a> {
    /// The same items and vectors with other events.
    #[must_use]
    pub fn with_train(self, train: &'a TrainSet) -> Self {
        Self { train, ..self }
    }

    pub(crate) fn text_space(self) -> Option<TextSpace<'a>> {
        self.vectors.and_then(|vectors| TextSpace::new(vectors, self.train, self.items))
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
        self.vectors.or(words).and_then(|vectors| TextSpace::new(vectors, self.train, self.items))
    }
}
