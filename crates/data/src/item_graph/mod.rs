//! The knowledge graph as the items of a catalog see it: facts of an imported graph and of repeated field values, in one.

mod attributes;
mod named_facts;
mod permuted;
mod same_facts;

use crate::catalog::ItemCatalog;
use crate::dataset::Dataset;
use crate::graph::{KnowledgeGraph, Triple};
use crate::ids::{EntityIdx, ItemIdx, RelationIdx};

/// What an entity is, and so what a person would call it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entity {
    /// The entity of an item: of the first one linked to it, where several are.
    Item(ItemIdx),
    /// An entity of the imported graph that no item is linked to and that has no name, by its raw id.
    Imported(String),
    /// An entity of the imported graph that no item is linked to, by its name.
    Named(String),
    /// A value of an item field.
    Value(String),
}

/// One edge at an entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Edge {
    /// Which relation of the graph, in [`ItemGraph::relations`].
    pub relation: RelationIdx,
    /// Whether the entity asked for is the tail of the fact.
    pub inverse: bool,
    /// The entity at the other end.
    pub to: EntityIdx,
}

/// How many facts of which origin a graph has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GraphCounts {
    /// Facts of the imported graph that are in it.
    pub n_imported: usize,
    /// Facts of the imported graph that say again what another relation says of the same two entities.
    pub n_said_twice: usize,
    /// Facts from item fields.
    pub n_attributes: usize,
    /// Items linked to an entity of the imported graph.
    pub n_linked: usize,
    /// Items with any edge.
    pub n_connected: usize,
}

/// Entities, relations and facts around the items of a catalog.
///
/// Three sources, in this order: the imported graph with its links ([`KnowledgeGraph`]); item fields whose values repeat (categories,
/// brand, lists of attributes), every value that at least two items have an entity, the field's name the relation; items without a
/// link that have such values, as entities of their own. Facts that two relations of the imported graph state of the same pair
/// (`directed_by` and `director.film`) stand there once. The same data set gives the same graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemGraph {
    /// `[n_entities]`.
    pub entities: Vec<Entity>,
    /// Names of relations, `[n_relations]`; a field's name stands as `field:NAME`.
    pub relations: Vec<String>,
    /// Facts, ascending, each once.
    pub triples: Vec<Triple>,
    /// The entity of each item of the catalog, `[n_items]`; `None` for an item about which nothing is stated.
    pub item_entity: Vec<Option<EntityIdx>>,
    /// Where the facts came from.
    pub counts: GraphCounts,
    // Items of every entity, ascending.
    items: Lists<ItemIdx>,
    // Edges of every entity, ascending.
    edges: Lists<Edge>,
}

/// One list per entity, one after another.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Lists<T> {
    offsets: Vec<usize>, // [n + 1]
    values: Vec<T>,
}

impl<T: Copy + Ord> Lists<T> {
    // `pairs` of list and value; lists come out ascending and distinct.
    fn from_pairs(n: usize, mut pairs: Vec<(u32, T)>) -> Self {
        pairs.sort_unstable();
        pairs.dedup();
        let mut offsets = vec![0; n + 1];
        for (list, _) in &pairs {
            offsets[*list as usize + 1] += 1;
        }
        for at in 1..offsets.len() {
            offsets[at] += offsets[at - 1];
        }
        Self { offsets, values: pairs.into_iter().map(|(_, value)| value).collect() }
    }

    fn get(&self, list: usize) -> &[T] {
        if list + 1 >= self.offsets.len() {
            return &[];
        }
        &self.values[self.offsets[list]..self.offsets[list + 1]]
    }
}

impl ItemGraph {
    /// The graph of a data set; `None` when nothing is stated about any item.
    pub fn of(dataset: &Dataset) -> Option<Self> {
        Self::new(&dataset.items, dataset.graph.as_ref())
    }

    /// The graph of a catalog and an imported graph, if there is one; `None` when nothing is stated about any item.
    pub fn new(items: &ItemCatalog, imported: Option<&KnowledgeGraph>) -> Option<Self> {
        let mut graph = Self {
            entities: Vec::new(),
            relations: Vec::new(),
            triples: Vec::new(),
            item_entity: vec![None; items.len()],
            counts: GraphCounts::default(),
            items: Lists::from_pairs(0, Vec::new()),
            edges: Lists::from_pairs(0, Vec::new()),
        };
        if let Some(imported) = imported {
            graph.take_imported(imported);
        }
        graph.take_attributes(items);
        graph.triples.sort_unstable();
        let graph = graph.with_neighbors();
        (graph.counts.n_connected > 0).then_some(graph)
    }

    /// Number of entities.
    pub fn n_entities(&self) -> usize {
        self.entities.len()
    }

    /// Number of relations.
    pub fn n_relations(&self) -> usize {
        self.relations.len()
    }

    /// The edges of an entity in both directions, by relation; empty when out of range.
    pub fn edges(&self, entity: EntityIdx) -> &[Edge] {
        self.edges.get(entity.0 as usize)
    }

    /// The items that an entity stands for, ascending.
    pub fn items_of(&self, entity: EntityIdx) -> &[ItemIdx] {
        self.items.get(entity.0 as usize)
    }

    /// The entity of an item, if anything is stated about it.
    pub fn entity_of(&self, item: ItemIdx) -> Option<EntityIdx> {
        self.item_entity.get(item.at()).copied().flatten()
    }

    /// Whether a fact is stated.
    pub fn states(&self, fact: Triple) -> bool {
        self.triples.binary_search(&fact).is_ok()
    }

    /// The same graph without some facts.
    #[must_use]
    pub fn without(&self, facts: &[Triple]) -> Self {
        let mut kept = self.clone();
        kept.triples.retain(|fact| !facts.contains(fact));
        kept.with_neighbors()
    }

    /// What a person would call an entity, where it has such a name: the title of its item, a field's value, the last part of an
    /// address, or its id where that is words. `None` for ids without meaning (`m.02vxn`, `Q42`, numbers).
    pub fn name<'a>(&'a self, entity: EntityIdx, items: &'a ItemCatalog) -> Option<&'a str> {
        match self.entities.get(entity.0 as usize)? {
            Entity::Item(item) => Some(items.label(*item)),
            Entity::Value(name) | Entity::Named(name) => Some(name),
            Entity::Imported(raw) => readable(raw),
        }
    }

    /// The name of a relation as a person would say it: its last part (`film.film.directed_by` → `directed by`).
    pub fn relation_words(&self, relation: RelationIdx) -> String {
        let raw = self.relations.get(relation.0 as usize).map_or("", String::as_str);
        let last = raw.rsplit(['.', '/', '#', ':']).find(|part| !part.is_empty()).unwrap_or(raw);
        last.replace('_', " ")
    }

    /// What a person would call the head of a fact seen from its tail, where the relation's name says what heads are, as
    /// Freebase's do (`film.producer.film` → `producer`).
    pub fn head_words(&self, relation: RelationIdx) -> Option<String> {
        let raw = self.relations.get(relation.0 as usize)?;
        let parts: Vec<&str> = raw.split('.').collect();
        let is_typed = parts.len() >= 3 && !raw.contains(['/', ':']);
        is_typed.then(|| parts[parts.len() - 2].replace('_', " "))
    }

    fn take_imported(&mut self, graph: &KnowledgeGraph) {
        let entity = |(at, raw): (usize, &str)| match graph.labels.get(at).filter(|label| !label.is_empty()) {
            Some(label) => Entity::Named(label.clone()),
            None => Entity::Imported(raw.to_owned()),
        };
        self.entities = graph.entities.iter().enumerate().map(entity).collect();
        self.relations = graph.relations.iter().map(str::to_owned).collect();
        for link in &graph.links {
            let place = &mut self.item_entity[link.item.at()];
            // Of several links of an item the first one counts.
            if place.is_none() {
                *place = Some(link.entity);
                let entity = &mut self.entities[link.entity.0 as usize];
                if !matches!(entity, Entity::Item(_)) {
                    *entity = Entity::Item(link.item);
                }
                self.counts.n_linked += 1;
            }
        }
        let mut facts = graph.triples.clone();
        facts.sort_unstable();
        facts.dedup();
        facts.retain(|fact| fact.head != fact.tail);
        let is_item = |entity: u32| matches!(self.entities[entity as usize], Entity::Item(_));
        self.counts.n_said_twice = same_facts::merge(&mut facts, self.relations.len(), is_item);
        self.counts.n_imported = facts.len();
        self.triples = facts;
    }

    fn take_attributes(&mut self, items: &ItemCatalog) {
        for field in attributes::repeated_values(items) {
            let relation = RelationIdx(self.relations.len() as u32);
            self.relations.push(format!("{}{}", named_facts::FIELD, field.name));
            for (value, items_with_it) in field.values {
                let tail = self.add(Entity::Value(value.to_owned()));
                for item in items_with_it.into_iter().map(ItemIdx) {
                    let head = match self.item_entity[item.at()] {
                        Some(entity) => entity,
                        None => self.add(Entity::Item(item)),
                    };
                    self.item_entity[item.at()] = Some(head);
                    self.triples.push(Triple { head, relation, tail });
                    self.counts.n_attributes += 1;
                }
            }
        }
        // Two items of one entity may say the same.
        self.triples.sort_unstable();
        self.triples.dedup();
    }

    fn add(&mut self, entity: Entity) -> EntityIdx {
        self.entities.push(entity);
        EntityIdx(self.entities.len() as u32 - 1)
    }

    fn with_neighbors(mut self) -> Self {
        let n = self.entities.len();
        let edge = |fact: &Triple, inverse: bool| {
            let (from, to) = if inverse { (fact.tail, fact.head) } else { (fact.head, fact.tail) };
            (from.0, Edge { relation: fact.relation, inverse, to })
        };
        let edges = self.triples.iter().flat_map(|fact| [edge(fact, false), edge(fact, true)]).collect();
        self.edges = Lists::from_pairs(n, edges);
        let linked = self.item_entity.iter().enumerate();
        let linked =
            linked.filter_map(|(item, entity)| entity.map(|entity| (entity.0, ItemIdx(item as u32))));
        self.items = Lists::from_pairs(n, linked.collect());
        let has_edge = |entity: &&EntityIdx| !self.edges.get(entity.0 as usize).is_empty();
        self.counts.n_connected = self.item_entity.iter().flatten().filter(has_edge).count();
        self
    }
}

// The readable part of a raw id.
fn readable(raw: &str) -> Option<&str> {
    let last = if raw.contains("://") { raw.rsplit(['/', '#']).next().unwrap_or(raw) } else { raw };
    let n_letters = last.chars().filter(|c| c.is_alphabetic()).count();
    let n_digits = last.chars().filter(char::is_ascii_digit).count();
    let freebase = last.starts_with("m.") || last.starts_with("g.") || last.starts_with("/m/");
    (!freebase && n_letters >= 2 && n_letters > n_digits).then_some(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Field;
    use crate::graph::Link;
    use crate::vocabulary::Vocabulary;

    fn films() -> ItemCatalog {
        let ids: Vocabulary = ["1", "2", "3", "4"].iter().collect();
        let texts = |name: &str, values: [&str; 4]| Field {
            name: name.into(),
            values: values.map(str::to_owned).into(),
        };
        let title = texts("title", ["Heat", "Thief", "Alien", "Big"]);
        ItemCatalog::new(vec![ids], vec![title, texts("genres", ["Crime", "Crime", "", "Comedy"])])
    }

    fn imported() -> KnowledgeGraph {
        let mut graph = KnowledgeGraph::of_facts([
            ("heat", "film.directed_by", "Michael_Mann"),
            ("Michael_Mann", "director.film", "heat"),
            ("alien", "film.directed_by", "m.06pj8"),
            ("m.06pj8", "director.film", "alien"),
        ]);
        let link = |item: u32, entity: u32| Link { item: ItemIdx(item), entity: EntityIdx(entity) };
        graph.links = vec![link(0, 0), link(2, 2)];
        graph
    }

    #[test]
    fn an_imported_graph_and_fields_become_one_graph() {
        let items = films();
        let graph = ItemGraph::new(&items, Some(&imported())).unwrap();
        assert_eq!(graph.relations, ["film.directed_by", "director.film", "field:genres"]);
        let expected =
            GraphCounts { n_imported: 2, n_said_twice: 2, n_attributes: 2, n_linked: 2, n_connected: 3 };
        assert_eq!(graph.counts, expected);
        // The only comedy connects nothing.
        assert_eq!(graph.item_entity[3], None);
        let heat = graph.entity_of(ItemIdx(0)).unwrap();
        let named: Vec<_> = graph
            .edges(heat)
            .iter()
            .map(|edge| (graph.relation_words(edge.relation), graph.name(edge.to, &items)))
            .collect();
        assert_eq!(named, [("directed by".into(), Some("Michael_Mann")), ("genres".into(), Some("Crime"))]);
        assert_eq!(graph.head_words(RelationIdx(0)), None, "`film.directed_by` does not say what heads are");
        let alien = graph.entity_of(ItemIdx(2)).unwrap();
        assert_eq!(graph.name(graph.edges(alien)[0].to, &items), None, "a Freebase id is no name");
        let mut labeled = imported();
        labeled.labels = vec![String::new(), String::new(), String::new(), "Ridley Scott".into()];
        let labeled = ItemGraph::new(&items, Some(&labeled)).unwrap();
        let names: Vec<_> = labeled.edges(alien).iter().map(|edge| labeled.name(edge.to, &items)).collect();
        assert_eq!(names, [Some("Ridley Scott")]);
        assert_eq!(graph.items_of(alien), [ItemIdx(2)]);
        for fact in &graph.triples {
            assert!(graph.states(*fact));
        }
    }

    #[test]
    fn a_catalog_without_triples_has_the_graph_of_its_fields_and_one_without_both_has_none() {
        let items = films();
        let graph = ItemGraph::new(&items, None).unwrap();
        assert_eq!((graph.n_entities(), graph.n_relations(), graph.triples.len()), (3, 1, 2));
        assert!(ItemGraph::new(&items.without_text(), None).is_none());
    }

    #[test]
    fn a_fact_that_is_taken_out_is_not_stated_any_more() {
        let graph = ItemGraph::new(&films(), None).unwrap();
        let fact = graph.triples[0];
        let without = graph.without(&[fact]);
        assert!(!without.states(fact) && without.edges(fact.head).is_empty());
        assert_eq!(without.triples.len() + 1, graph.triples.len());
    }

    #[test]
    fn a_permuted_graph_keeps_links_relations_and_degrees_and_says_other_things() {
        let names: Vec<(String, String)> =
            (0..400u32).map(|n| (format!("h{}", n % 80), format!("t{}", n * 7 % 50))).collect();
        let facts: Vec<(&str, &str, &str)> = names
            .iter()
            .enumerate()
            .map(|(n, (head, tail))| (head.as_str(), if n % 3 == 0 { "r" } else { "s" }, tail.as_str()))
            .collect();
        let mut imported = KnowledgeGraph::of_facts(facts);
        imported.links = vec![Link { item: ItemIdx(0), entity: EntityIdx(0) }];
        let graph = ItemGraph::new(&films(), Some(&imported)).unwrap();
        let random = graph.permuted(1);
        assert_eq!(random, graph.permuted(1));
        assert_ne!(random.triples, graph.permuted(2).triples);
        assert_eq!(random.item_entity, graph.item_entity);
        let degrees = |graph: &ItemGraph| {
            let mut ends: Vec<_> = graph
                .triples
                .iter()
                .flat_map(|fact| [(fact.relation, fact.head, false), (fact.relation, fact.tail, true)])
                .collect();
            ends.sort_unstable();
            ends
        };
        assert_eq!(degrees(&random), degrees(&graph));
        let mut distinct = random.triples.clone();
        distinct.dedup();
        assert_eq!(distinct.len(), graph.triples.len(), "no fact stands there twice");
        let same = random.triples.iter().filter(|fact| graph.states(**fact)).count();
        assert!(same * 3 < graph.triples.len(), "{same}");
    }
}
