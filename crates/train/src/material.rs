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
}
