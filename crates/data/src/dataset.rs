//! A data set in memory: domains, users, items, events, graph.

use std::sync::Arc;

use crate::catalog::{Field, ItemCatalog};
use crate::graph::KnowledgeGraph;
use crate::ids::DomainIdx;
use crate::profiles::UserProfiles;
use crate::sequences::Sequences;
use crate::vocabulary::Vocabulary;

/// A part of the catalog that is recommended on its own: books, films, a country, a shop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Domain {
    /// The name used in queries and reports.
    pub name: String,
}

/// Everything that was imported, indexed. Items were numbered by a seeded permutation within their domain, so
/// that no model can read the order of a file from an id.
#[derive(Clone, Debug, Default)]
pub struct Dataset {
    /// Name of the data set.
    pub name: String,
    /// Domains in index order.
    pub domains: Vec<Domain>,
    /// Raw user ids; users are shared between domains.
    pub users: Vocabulary,
    /// Columns about users (age, gender, …), one value per user; empty string = missing.
    pub user_fields: Vec<Field>,
    /// The same as attributes that models read.
    pub profiles: Arc<UserProfiles>,
    /// Items of all domains.
    pub items: ItemCatalog,
    /// Events per user, oldest first; equal timestamps keep file order.
    pub sequences: Sequences,
    /// Published split of each event (0 train, 1 valid, 2 test), `[n_events]`; empty when the source has none.
    pub published_split: Vec<u8>,
    /// Names of the kinds of events (`rating`, `view`, …).
    pub event_kinds: Vec<String>,
    /// Whether timestamps are real; otherwise only the order counts.
    pub has_timestamps: bool,
    /// Knowledge graph, if imported.
    pub graph: Option<KnowledgeGraph>,
}

impl Dataset {
    /// The index of the domain called `name`.
    pub fn domain(&self, name: &str) -> Option<DomainIdx> {
        let at = self.domains.iter().position(|domain| domain.name == name)?;
        Some(DomainIdx(at as u16))
    }

    /// All domain indexes.
    pub fn domain_indexes(&self) -> impl Iterator<Item = DomainIdx> + use<> {
        (0..self.domains.len() as u16).map(DomainIdx)
    }

    /// Number of items over all domains.
    pub fn n_items(&self) -> usize {
        self.items.len()
    }
}
