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
    /// fields as `FIELD=VALUE`, others as in the imported graph. Titles of items and names of entities are its labels. Entities keep
    /// their indexes.
    pub fn named_facts(&self, dataset: &Dataset) -> KnowledgeGraph {
        let imported = |at: u32| dataset.graph.as_ref().and_then(|graph| graph.entities.raw(at));
        let mut entities = Vocabulary::new();
        for (at, entity) in self.entities.iter().enumerate() {
            let at = at as u32;
            let (mut id, kind) = match (entity, imported(at)) {
                (Entity::Item(item), _) => (item_id(dataset, *item), "item"),
                (_, Some(raw)) => (raw.to_owned(), "entity"),
                (Entity::Value(name) | Entity::Named(name) | Entity::Imported(name), None) => {
                    (self.value_id(EntityIdx(at), name), "value")
                }
            };
            // An item and an entity of the graph may have the same id and be two things.
            while entities.get(&id).is_some() {
                id = format!("{kind}:{id}");
            }
            entities.intern(&id);
        }
        let label = |entity: &Entity| match entity {
            Entity::Item(item) if dataset.items.label(*item) != dataset.items.raw(*item) => {
                dataset.items.label(*item).to_owned()
            }
            Entity::Named(name) => name.clone(),
            _ => String::new(),
        };
        let mut labels: Vec<String> = self.entities.iter().map(label).collect();
        if labels.iter().all(String::is_empty) {
            labels.clear();
        }
        KnowledgeGraph {
            entities,
            labels,
            relations: self.relations.iter().map(String::as_str).collect(),
            triples: self.triples.clone(),
            links: Vec::new(),
        }
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
