//! What item vectors come from: the one thing in which `behavior`, `transfer` and `joint` differ.

use std::ops::Range;

use segue_nn::cross_entropy::Excluded;
use segue_nn::{ParamId, Params};

use super::text::TextInput;
use crate::fusion::FusedItems;
use crate::tensors::Tensors;

/// What item vectors come from.
#[derive(Clone, Debug, PartialEq)]
pub enum ItemInput {
    /// Events alone: each item has a vector of its own (the `behavior` expert).
    Ids,
    /// The items' texts (the `transfer` expert).
    Text(TextInput),
    /// All that is known about items, fused (the `joint` expert).
    Fused(Box<FusedItems>),
}

impl ItemInput {
    /// The texts, where vectors come from them.
    pub fn text(&self) -> Option<&TextInput> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// What is fused, where vectors are.
    pub fn fused(&self) -> Option<&FusedItems> {
        if let Self::Fused(fused) = self { Some(fused) } else { None }
    }

    /// Shortens items' own vectors (`[n_rows, width]`) to their bound, where they stand beside content.
    pub(super) fn bound(&self, own: &mut [f32], width: usize) {
        match self {
            Self::Ids => {}
            Self::Text(text) => text.bound(own, width),
            Self::Fused(fused) => fused.bound(own),
        }
    }

    /// Which items of a domain's rows do not compete with which.
    pub(super) fn excluded(&self, rows: Range<usize>) -> Option<Excluded<'_>> {
        self.text().and_then(|text| text.excluded(rows))
    }

    /// The arrays that are trained once for all lanes; the items' own vectors are not among them.
    pub(super) fn arrays(&self) -> Vec<ParamId> {
        self.fused().map_or_else(Vec::new, FusedItems::arrays)
    }

    /// What a trained model keeps: of a graph network, its outcome.
    pub(super) fn kept(self, params: &Params) -> Self {
        match self {
            Self::Fused(fused) => Self::Fused(Box::new(fused.kept(params))),
            other => other,
        }
    }

    pub(super) fn save(&self, params: &Params, tensors: &mut Tensors) {
        match self {
            Self::Ids => {}
            Self::Text(text) => text.save(tensors),
            Self::Fused(fused) => fused.save(params, tensors),
        }
    }
}
