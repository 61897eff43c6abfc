//! A knowledge graph and its links to items.

use serde::{Deserialize, Serialize};

use crate::ids::{EntityIdx, ItemIdx, RelationIdx};
use crate::vocabulary::Vocabulary;

/// One fact: head –relation→ tail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Triple {
    /// Subject.
    pub head: EntityIdx,
    /// Predicate.
    pub relation: RelationIdx,
    /// Object.
    pub tail: EntityIdx,
}

/// The statement that an item and an entity are the same thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Link {
    /// In the catalog.
    pub item: ItemIdx,
    /// In the graph.
    pub entity: EntityIdx,
}

/// Triples over entities and relations, with item ↔ entity links.
#[derive(Clone, Debug, Default)]
pub struct KnowledgeGraph {
    /// Raw entity ids.
    pub entities: Vocabulary,
    /// What a person would call each entity, `[n_entities]`, empty text = unknown; no rows where no source has names.
    pub labels: Vec<String>,
    /// Raw relation ids.
    pub relations: Vocabulary,
    /// Facts, in file order.
    pub triples: Vec<Triple>,
    /// Item ↔ entity links.
    pub links: Vec<Link>,
}

impl KnowledgeGraph {
    /// A graph of facts as head, relation, tail by their raw ids, without links.
    pub fn of_facts<'a>(facts: impl IntoIterator<Item = (&'a str, &'a str, &'a str)>) -> Self {
        let mut graph = Self::default();
        for (head, relation, tail) in facts {
            graph.triples.push(Triple {
                head: EntityIdx(graph.entities.intern(head)),
                relation: RelationIdx(graph.relations.intern(relation)),
                tail: EntityIdx(graph.entities.intern(tail)),
            });
        }
        graph
    }
}
