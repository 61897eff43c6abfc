//! The score functions: how a fact becomes a number.
//!
//! Each function turns head and relation into a query vector, which is compared with every tail by a product or by a distance.
//! So the work over all entities knows two forms only, and each function is a few lines with their way back.

use segue_nn::distance::Distance;
use serde::{Deserialize, Serialize};

use crate::graph_links::{complex, dist_mult, rotate, trans_e};

/// How a fact is scored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ScoreFunction {
    /// `Re ⟨h, r, t̄⟩` over complex numbers (Trouillon et al., ICML 2016).
    ComplEx,
    /// `⟨h, r, t⟩` (Yang et al., ICLR 2015); blind to direction but for the reciprocal relations.
    DistMult,
    /// `−Σ |h·e^{iθ} − t|` over complex numbers (Sun et al., ICLR 2019).
    RotatE,
    /// `−Σ |h + r − t|` (Bordes et al., NIPS 2013).
    TransE,
}

/// How queries are compared with entities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// By the inner product.
    Product,
    /// By the negated distance.
    Distance(Distance),
}

/// The gradient of a query, and where it goes: those of the head and the relation that it came from.
pub(crate) struct QueryGradients<'a> {
    pub(crate) query: &'a [f32],
    pub(crate) head: &'a mut [f32],
    pub(crate) relation: &'a mut [f32],
}

impl ScoreFunction {
    /// In the order of tables.
    pub const ALL: [Self; 4] = [Self::ComplEx, Self::DistMult, Self::RotatE, Self::TransE];

    /// The name in settings and files.
    pub fn name(self) -> &'static str {
        match self {
            Self::ComplEx => "complex",
            Self::DistMult => "distmult",
            Self::RotatE => "rotate",
            Self::TransE => "transe",
        }
    }

    /// As settings and files name it.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|function| function.name() == name)
    }

    /// Values of an entity's vector; complex numbers stand as all real parts, then all imaginary parts.
    pub fn entity_width(self, dim: usize) -> usize {
        match self {
            Self::ComplEx | Self::RotatE => 2 * dim,
            Self::DistMult | Self::TransE => dim,
        }
    }

    /// Values of a relation's vector; of `RotatE` these are angles.
    pub fn relation_width(self, dim: usize) -> usize {
        match self {
            Self::ComplEx => 2 * dim,
            Self::DistMult | Self::RotatE | Self::TransE => dim,
        }
    }

    /// How queries are compared with entities.
    pub fn comparison(self) -> Comparison {
        match self {
            Self::ComplEx | Self::DistMult => Comparison::Product,
            Self::RotatE => Comparison::Distance(Distance::ComplexModulus),
            Self::TransE => Comparison::Distance(Distance::CityBlock),
        }
    }

    /// The factors of entities and of relations by which the sum of `n` models' scores becomes their mean.
    pub(crate) fn mean_factors(self, n: usize) -> (f32, f32) {
        let share = 1.0 / n as f32;
        match self {
            Self::ComplEx | Self::DistMult => (1.0, share),
            Self::RotatE => (share, 1.0),
            Self::TransE => (share, share),
        }
    }

    /// Whether an entity's values are pairs of real and imaginary parts.
    pub fn is_complex(self) -> bool {
        matches!(self, Self::ComplEx | Self::RotatE)
    }

    /// The query that is compared with every tail.
    pub fn query(self, head: &[f32], relation: &[f32], query: &mut [f32]) {
        match self {
            Self::ComplEx => complex::multiply(head, relation, query),
            Self::DistMult => dist_mult::multiply(head, relation, query),
            Self::RotatE => rotate::rotate(head, relation, query),
            Self::TransE => trans_e::add(head, relation, query),
        }
    }

    /// Adds the gradients of head and relation, given that of the query.
    pub(crate) fn query_backward(self, head: &[f32], relation: &[f32], d: QueryGradients<'_>) {
        let QueryGradients { query: d_query, head: d_head, relation: d_relation } = d;
        match self {
            Self::ComplEx => complex::multiply_backward(head, relation, d_query, d_head, d_relation),
            Self::DistMult => dist_mult::multiply_backward(head, relation, d_query, d_head, d_relation),
            Self::RotatE => rotate::rotate_backward(head, relation, d_query, d_head, d_relation),
            Self::TransE => trans_e::add_backward(d_query, d_head, d_relation),
        }
    }
}
