//! Raw rows → [`Dataset`](crate::Dataset): rows in the order of the source are collected here, with numbers in the order
//! of their first sight; `finish.rs` gives items the numbers that they keep, and events their order.

mod finish;

use crate::catalog::Field;
use crate::dataset::Domain;
use crate::error::DataError;
use crate::graph::{KnowledgeGraph, Triple};
use crate::ids::{DomainIdx, EntityIdx, RelationIdx};
use crate::vocabulary::Vocabulary;

/// One interaction as it stands in a source.
#[derive(Clone, Copy, Debug)]
pub struct RawInteraction<'a> {
    /// Raw user id.
    pub user: &'a str,
    /// Raw item id.
    pub item: &'a str,
    /// Domain of the item.
    pub domain: DomainIdx,
    /// Unix seconds, if the source has a time.
    pub timestamp: Option<i64>,
    /// Rating or weight; 1 when there is none.
    pub value: f32,
    /// Index from [`DatasetBuilder::event_kind`].
    pub kind: u8,
    /// Published split (0 train, 1 valid, 2 test), if the source has one.
    pub split: Option<u8>,
}

/// What building noticed. Nothing here was dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BuildCounts {
    /// Adjacent events of a user with the same timestamp (their file order was kept).
    pub n_ties: u64,
    /// Events that repeat the same user, item, timestamp and kind as the event before (kept).
    pub n_duplicates: u64,
    /// Rows of an item table whose id had come before (the first was kept, the rest ignored).
    pub n_duplicate_items: u64,
    /// Links to an item that no source of items or interactions names (left out).
    pub n_links_without_item: u64,
}

#[derive(Clone, Copy)]
struct StagedEvent {
    user: u32,
    item: u32,
    timestamp: i64,
    value: f32,
    domain: u16,
    kind: u8,
    split: u8,
}

const NO_SPLIT: u8 = u8::MAX;

struct StagedField {
    name: String,
    // One column per domain, indexed by the item's staging index; shorter than the domain when the tail is missing.
    per_domain: Vec<Vec<String>>,
}

impl StagedField {
    fn set(&mut self, n_domains: usize, domain: DomainIdx, item: usize, text: &str) {
        if self.per_domain.len() < n_domains {
            self.per_domain.resize(n_domains, Vec::new());
        }
        let column = &mut self.per_domain[domain.at()];
        if column.len() <= item {
            column.resize(item + 1, String::new());
        }
        text.clone_into(&mut column[item]);
    }
}

/// Collects raw rows and builds a [`Dataset`](crate::Dataset).
pub struct DatasetBuilder {
    name: String,
    seed: u64,
    domains: Vec<Domain>,
    users: Vocabulary,
    user_fields: Vec<Field>,
    items: Vec<Vocabulary>,
    described: Vec<Vec<bool>>,
    fields: Vec<StagedField>,
    events: Vec<StagedEvent>,
    event_kinds: Vec<String>,
    any_timestamp: bool,
    graph: KnowledgeGraph,
    links: Vec<(DomainIdx, String, EntityIdx)>,
    counts: BuildCounts,
}

impl DatasetBuilder {
    /// An empty builder; `seed` fixes the renumbering of items.
    pub fn new(name: &str, seed: u64) -> Self {
        Self {
            name: name.to_owned(),
            seed,
            domains: Vec::new(),
            users: Vocabulary::new(),
            user_fields: Vec::new(),
            items: Vec::new(),
            described: Vec::new(),
            fields: Vec::new(),
            events: Vec::new(),
            event_kinds: Vec::new(),
            any_timestamp: false,
            graph: KnowledgeGraph::default(),
            links: Vec::new(),
            counts: BuildCounts::default(),
        }
    }

    /// The domain called `name`, created when new.
    ///
    /// # Errors
    /// When there would be more than 65,535 domains.
    pub fn domain(&mut self, name: &str) -> Result<DomainIdx, DataError> {
        if let Some(at) = self.domains.iter().position(|domain| domain.name == name) {
            return Ok(DomainIdx(at as u16));
        }
        if self.domains.len() >= usize::from(u16::MAX) {
            return Err(DataError::request(
                format!("more than {} domains; the last is `{name}`", u16::MAX),
                "choose a column with fewer values for --domain-by, or group its values",
            ));
        }
        self.domains.push(Domain { name: name.to_owned() });
        self.items.push(Vocabulary::new());
        self.described.push(Vec::new());
        Ok(DomainIdx((self.domains.len() - 1) as u16))
    }

    /// The event kind called `name`, created when new.
    ///
    /// # Errors
    /// When there would be more than 255 kinds.
    pub fn event_kind(&mut self, name: &str) -> Result<u8, DataError> {
        if let Some(at) = self.event_kinds.iter().position(|kind| kind == name) {
            return Ok(at as u8);
        }
        if self.event_kinds.len() >= usize::from(u8::MAX) {
            return Err(DataError::request(
                format!("more than {} kinds of events; the last is `{name}`", u8::MAX),
                "the column given as event type has too many values: name another or none",
            ));
        }
        self.event_kinds.push(name.to_owned());
        Ok((self.event_kinds.len() - 1) as u8)
    }

    /// Adds one event.
    pub fn interaction(&mut self, row: &RawInteraction<'_>) {
        let user = self.users.intern(row.user);
        let item = self.items[row.domain.at()].intern(row.item);
        self.interaction_interned(user, item, row);
    }

    /// Adds one event whose user and item were interned before by [`Self::user`] and [`Self::item`].
    pub fn interaction_interned(&mut self, user: u32, item: u32, row: &RawInteraction<'_>) {
        self.any_timestamp |= row.timestamp.is_some();
        self.events.push(StagedEvent {
            user,
            item,
            timestamp: row.timestamp.unwrap_or(0),
            value: row.value,
            domain: row.domain.0,
            kind: row.kind,
            split: row.split.unwrap_or(NO_SPLIT),
        });
    }

    /// Reserves room for `n` more events.
    pub fn reserve(&mut self, n: usize) {
        self.events.reserve(n);
    }

    /// The staging index of a user, created when new.
    pub fn user(&mut self, raw: &str) -> u32 {
        self.users.intern(raw)
    }

    /// The staging index of an item in its domain, created when new.
    pub fn item(&mut self, domain: DomainIdx, raw: &str) -> u32 {
        self.items[domain.at()].intern(raw)
    }

    /// The vocabularies of users and of a domain's items, to intern both at the same time.
    pub(crate) fn vocabularies(&mut self, domain: DomainIdx) -> (&mut Vocabulary, &mut Vocabulary) {
        (&mut self.users, &mut self.items[domain.at()])
    }

    /// The name of a domain.
    pub fn domain_name(&self, domain: DomainIdx) -> &str {
        &self.domains[domain.at()].name
    }

    /// Number of domains so far.
    pub fn n_domains(&self) -> usize {
        self.domains.len()
    }

    /// Whether the item is known in the domain.
    pub fn has_item(&self, domain: DomainIdx, raw: &str) -> bool {
        self.items[domain.at()].get(raw).is_some()
    }

    /// Adds a row of an item table: `(field, text)` pairs. A second row for the same item is counted and ignored.
    pub fn describe_item(&mut self, domain: DomainIdx, raw: &str, texts: &[(&str, &str)]) {
        let item = self.items[domain.at()].intern(raw) as usize;
        let described = &mut self.described[domain.at()];
        if described.len() <= item {
            described.resize(item + 1, false);
        }
        if described[item] {
            self.counts.n_duplicate_items += 1;
            return;
        }
        described[item] = true;
        let n_domains = self.items.len();
        for &(name, text) in texts {
            self.field_mut(name).set(n_domains, domain, item, text);
        }
    }

    fn field_mut(&mut self, name: &str) -> &mut StagedField {
        let at = self.fields.iter().position(|field| field.name == name).unwrap_or_else(|| {
            self.fields.push(StagedField { name: name.to_owned(), per_domain: Vec::new() });
            self.fields.len() - 1
        });
        &mut self.fields[at]
    }

    /// Sets one column of a user.
    pub fn describe_user(&mut self, raw: &str, field: &str, text: &str) {
        let user = self.users.intern(raw) as usize;
        let at = self.user_fields.iter().position(|known| known.name == field).unwrap_or_else(|| {
            self.user_fields.push(Field { name: field.to_owned(), values: Vec::new() });
            self.user_fields.len() - 1
        });
        let values = &mut self.user_fields[at].values;
        if values.len() <= user {
            values.resize(user + 1, String::new());
        }
        text.clone_into(&mut values[user]);
    }

    /// Adds one fact, always in the order head, relation, tail.
    pub fn triple(&mut self, head: &str, relation: &str, tail: &str) {
        let triple = Triple {
            head: EntityIdx(self.graph.entities.intern(head)),
            relation: RelationIdx(self.graph.relations.intern(relation)),
            tail: EntityIdx(self.graph.entities.intern(tail)),
        };
        self.graph.triples.push(triple);
    }

    /// Says what a person would call an entity; the first name that is not empty stays.
    pub fn label_entity(&mut self, entity: &str, label: &str) {
        let at = self.graph.entities.intern(entity) as usize;
        let labels = &mut self.graph.labels;
        if label.is_empty() || labels.get(at).is_some_and(|known| !known.is_empty()) {
            return;
        }
        if labels.len() <= at {
            labels.resize(at + 1, String::new());
        }
        label.clone_into(&mut labels[at]);
    }

    /// States that an item is an entity of the graph.
    pub fn link(&mut self, domain: DomainIdx, item: &str, entity: &str) {
        let entity = EntityIdx(self.graph.entities.intern(entity));
        self.links.push((domain, item.to_owned(), entity));
    }

    /// Number of events so far.
    pub fn n_events(&self) -> usize {
        self.events.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Dataset;
    use crate::ids::ItemIdx;

    fn row<'a>(user: &'a str, item: &'a str, domain: DomainIdx, timestamp: i64) -> RawInteraction<'a> {
        RawInteraction { user, item, domain, timestamp: Some(timestamp), value: 1.0, kind: 0, split: None }
    }

    fn small(seed: u64) -> (Dataset, BuildCounts) {
        let mut builder = DatasetBuilder::new("small", seed);
        let books = builder.domain("books").unwrap();
        let films = builder.domain("films").unwrap();
        builder.describe_item(films, "f0", &[("title", "Zero")]);
        for n in 0..20 {
            builder.interaction(&row("ann", &format!("b{n}"), books, 100 - n));
        }
        builder.interaction(&row("ann", "f0", films, 50));
        builder.interaction(&row("bob", "f1", films, 7));
        builder.interaction(&row("bob", "f0", films, 7));
        builder.finish()
    }

    #[test]
    fn events_are_in_time_order_and_equal_times_keep_file_order() {
        let (dataset, counts) = small(1);
        let ann = dataset.sequences.of(crate::UserIdx(0));
        assert_eq!(ann.len(), 21);
        assert!(ann.windows(2).all(|pair| pair[0].timestamp <= pair[1].timestamp));
        let bob = dataset.sequences.of(crate::UserIdx(1));
        let raw: Vec<&str> = bob.iter().map(|event| dataset.items.raw(event.item)).collect();
        assert_eq!(raw, ["f1", "f0"]);
        assert_eq!(counts.n_ties, 1);
    }

    #[test]
    fn items_are_renumbered_by_the_seed_within_their_domain_and_keep_their_text() {
        let (first, _) = small(1);
        let (again, _) = small(1);
        let (other, _) = small(2);
        let ids = |dataset: &Dataset| -> Vec<String> {
            (0..dataset.n_items()).map(|i| dataset.items.raw(ItemIdx(i as u32)).to_owned()).collect()
        };
        assert_eq!(ids(&first), ids(&again));
        assert_ne!(ids(&first), ids(&other));
        let films = first.domain("films").unwrap();
        let zero = first.items.get(films, "f0").unwrap();
        assert_eq!(first.items.domain_of(zero), films);
        assert_eq!(first.items.label(zero), "Zero");
        assert!(first.items.range(films).contains(&zero.at()));
    }
}
