//! What a model knows besides its experts: domains, items, what is stated about them, names. No person.

use std::sync::OnceLock;

use segue_data::UserProfiles;
use segue_data::{Dataset, Domain, DomainIdx, Event, ItemCatalog, ItemGraph, ItemIdx, KnowledgeGraph};

use crate::error::RecommendError;

/// The part of a data set that is about no person, and what a model needs of it to answer.
#[derive(Clone, Debug)]
pub struct Catalog {
    name: String,
    domains: Vec<Domain>,
    items: ItemCatalog,
    knowledge: Option<KnowledgeGraph>,
    // Names only: no user has any of these values here.
    attributes: UserProfiles,
    event_kinds: Vec<String>,
    newest: Option<i64>,
    // Built when somebody first asks for reasons: many processes never do.
    graph: OnceLock<Option<ItemGraph>>,
}

impl Catalog {
    /// The catalog of a data set.
    pub fn of(dataset: &Dataset) -> Self {
        let times = dataset.sequences.events().iter().map(|event| event.timestamp);
        let newest = if dataset.has_timestamps { times.filter(|&time| time != 0).max() } else { None };
        Self::with_newest(dataset, newest)
    }

    /// The same with a newest time that is known from elsewhere: the data set may hold no event.
    pub(crate) fn with_newest(dataset: &Dataset, newest: Option<i64>) -> Self {
        Self {
            name: dataset.name.clone(),
            domains: dataset.domains.clone(),
            items: dataset.items.clone(),
            knowledge: dataset.graph.clone(),
            attributes: UserProfiles::with_attributes(dataset.profiles.attributes().to_vec(), &[], 0),
            event_kinds: dataset.event_kinds.clone(),
            newest,
            graph: OnceLock::new(),
        }
    }

    /// A data set of this catalog in which nobody did anything: what an artifact stores.
    pub(crate) fn without_people(&self) -> Dataset {
        Dataset {
            name: self.name.clone(),
            domains: self.domains.clone(),
            profiles: self.attributes.clone().into(),
            items: self.items.clone(),
            event_kinds: self.event_kinds.clone(),
            has_timestamps: self.has_timestamps(),
            graph: self.knowledge.clone(),
            ..Dataset::default()
        }
    }

    /// Name of the data set that the model was trained on.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Domains in index order.
    pub fn domains(&self) -> &[Domain] {
        &self.domains
    }

    /// The name of a domain; `?` for an index that is none.
    pub fn domain_name(&self, domain: DomainIdx) -> &str {
        self.domains.get(domain.at()).map_or("?", |domain| &domain.name)
    }

    /// Items of all domains.
    pub fn items(&self) -> &ItemCatalog {
        &self.items
    }

    /// The imported facts, where there are any.
    pub fn knowledge(&self) -> Option<&KnowledgeGraph> {
        self.knowledge.as_ref()
    }

    /// Names of the users' attributes and of their values; of nobody in particular.
    pub fn attributes(&self) -> &UserProfiles {
        &self.attributes
    }

    /// Names of the kinds of events.
    pub fn event_kinds(&self) -> &[String] {
        &self.event_kinds
    }

    /// Unix seconds of the newest event of the data that the model was made from; `None` where the data has no times.
    pub fn newest(&self) -> Option<i64> {
        self.newest
    }

    /// Whether the data has times; otherwise only the order of events counts.
    pub fn has_timestamps(&self) -> bool {
        self.newest.is_some()
    }

    /// What is stated about the items: the graph that experts were fitted on. Built when it is first asked for.
    pub fn graph(&self) -> Option<&ItemGraph> {
        self.graph.get_or_init(|| ItemGraph::new(&self.items, self.knowledge.as_ref())).as_ref()
    }

    /// The domain called `name`.
    ///
    /// # Errors
    /// When there is none; the message lists the known ones.
    pub fn domain(&self, name: &str) -> Result<DomainIdx, RecommendError> {
        self.find_domain(name).ok_or_else(|| {
            let known: Vec<&str> = self.domains.iter().map(|domain| domain.name.as_str()).collect();
            RecommendError::request(
                format!("no domain `{name}`"),
                format!("known domains: {}", known.join(", ")),
            )
        })
    }

    /// An item from its raw id, which is looked up in all domains, or only in `DOMAIN` where it is written `DOMAIN:ID`.
    ///
    /// # Errors
    /// When it is unknown or ambiguous.
    pub fn item(&self, raw: &str) -> Result<ItemIdx, RecommendError> {
        let everywhere = (0..self.domains.len() as u16).map(DomainIdx);
        let found: Vec<ItemIdx> = everywhere.filter_map(|domain| self.items.get(domain, raw)).collect();
        match found.as_slice() {
            [item] => return Ok(*item),
            [] => {}
            several => return Err(self.ambiguous(raw, several)),
        }
        let qualified =
            raw.split_once(':').and_then(|(name, id)| self.items.get(self.find_domain(name)?, id));
        qualified.ok_or_else(|| {
            RecommendError::request(
                format!("no item `{raw}`"),
                "use the raw id as imported; `segue describe` shows examples",
            )
        })
    }

    /// A history from raw item ids, oldest first, each as in [`item`](Self::item). When these things were done is not known.
    ///
    /// # Errors
    /// When an item is unknown or ambiguous.
    pub fn history(&self, raw: &[&str]) -> Result<Vec<Event>, RecommendError> {
        let event = |id: &&str| {
            let item = self.item(id)?;
            Ok(Event { item, value: 1.0, timestamp: 0, kind: 0 })
        };
        raw.iter().map(event).collect()
    }

    fn find_domain(&self, name: &str) -> Option<DomainIdx> {
        let at = self.domains.iter().position(|domain| domain.name == name)?;
        Some(DomainIdx(at as u16))
    }

    fn ambiguous(&self, raw: &str, several: &[ItemIdx]) -> RecommendError {
        let qualified = |&item: &ItemIdx| format!("{}:{raw}", self.domain_name(self.items.domain_of(item)));
        let names: Vec<String> = several.iter().map(qualified).collect();
        RecommendError::request(
            format!("item `{raw}` stands in several domains"),
            format!("say which: {}", names.join(" or ")),
        )
    }
}
