//! An [`ItemGraph`] as facts by raw ids, for link prediction.

use super::{Entity, ItemGraph};
use crate::dataset::Dataset;
use crate::graph::KnowledgeGraph;
use crate::ids::{EntityIdx, ItemIdx};
use crate::vocabulary::Vocabulary;

/// Relations of item fields are called so.
pub(super) const FIELD: &str = "field:";

impl ItemGraph {
    /// The same facts with ids that a person can type: items by their raw ids (`DOMAIN/ID` where there are several domains), values of
    /// fields as `FIELD=VALUE`, others as in the imported graph; and the title of every entity that is an item, `[n_entities]`, empty
    /// where there is none. Entities keep their indexes.
    pub fn named_facts(&self, dataset: &Dataset) -> (KnowledgeGraph, Vec<String>) {
        let mut entities = Vocabulary::new();
        for (at, entity) in self.entities.iter().enumerate() {
            let (mut id, kind) = match entity {
                Entity::Imported(raw) => (raw.clone(), "entity"),
                Entity::Item(item) => (item_id(dataset, *item), "item"),
                Entity::Value(value) => (self.value_id(EntityIdx(at as u32), value), "value"),
            };
            // An item and an entity of the graph may have the same id and be two things.
            while entities.get(&id).is_some() {
                id = format!("{kind}:{id}");
            }
            entities.intern(&id);
        }
        let name = |entity: &Entity| match entity {
            Entity::Item(item) if dataset.items.label(*item) != dataset.items.raw(*item) => {
                dataset.items.label(*item).to_owned()
            }
            _ => String::new(),
        };
        let graph = KnowledgeGraph {
            entities,
            relations: self.relations.iter().map(String::as_str).collect(),
            triples: self.triples.clone(),
            links: Vec::new(),
        };
        (graph, self.entities.iter().map(name).collect())
    }

    fn value_id(&self, entity: EntityIdx, value: &str) -> String {
        let relation =
            self.edges(entity).first().and_then(|edge| self.relations.get(edge.relation.0 as usize));
        match relation.and_then(|relation| relation.strip_prefix(FIELD)) {
            Some(field) => format!("{field}={value}"),
            None => value.to_owned(),
        }
    }
}

fn item_id(dataset: &Dataset, item: ItemIdx) -> String {
    let raw = dataset.items.raw(item);
    match dataset.domains.as_slice() {
        [_] => raw.to_owned(),
        domains => format!("{}/{raw}", domains[dataset.items.domain_of(item).at()].name),
    }
}
