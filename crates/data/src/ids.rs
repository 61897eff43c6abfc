//! Dense indexes. Raw ids are strings and live in a [`crate::Vocabulary`]; everything else uses these.

use serde::{Deserialize, Serialize};

/// Dense index of a user, `0..n_users`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct UserIdx(pub u32);

/// Dense index of an item, `0..n_items` over all domains; the items of one domain are contiguous.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ItemIdx(pub u32);

/// Dense index of a domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DomainIdx(pub u16);

/// Dense index of a knowledge-graph entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EntityIdx(pub u32);

/// Dense index of a knowledge-graph relation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RelationIdx(pub u32);

impl UserIdx {
    /// The index as `usize`, for slices.
    pub fn at(self) -> usize {
        self.0 as usize
    }
}

impl ItemIdx {
    /// The index as `usize`, for slices.
    pub fn at(self) -> usize {
        self.0 as usize
    }
}

impl DomainIdx {
    /// The index as `usize`, for slices.
    pub fn at(self) -> usize {
        self.0 as usize
    }
}
