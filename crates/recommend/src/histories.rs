//! Where people's events come from: a data set offline, a store online. A model holds none of them.

use std::sync::Arc;

use segue_data::{Dataset, DomainIdx, Event, ItemIdx, UserIdx, UserProfiles};
use segue_models::Query;

use crate::catalog::Catalog;
use crate::error::RecommendError;

/// What is known about one person.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Person {
    /// What they did, oldest first, in all domains; items by the model's numbers.
    pub history: Vec<Event>,
    /// Ids of their attribute values, by the model's numbers; empty when nothing is known.
    pub profile: Vec<u32>,
}

impl Person {
    /// The query for items of a domain at a time (`None` when unknown).
    pub fn query(&self, domain: DomainIdx, time: Option<i64>) -> Query<'_> {
        Query { domain, history: &self.history, profile: &self.profile, timestamp: time }
    }
}

/// A source of people's events for one model.
pub trait Histories: Sync {
    /// The person with this raw id, with their events before the second `before` (all of them without it); `None` when nobody has it.
    ///
    /// # Errors
    /// When the source cannot be read.
    fn person(&self, raw_user: &str, before: Option<i64>) -> Result<Option<Person>, RecommendError>;

    /// As [`person`](Self::person), where there must be one.
    ///
    /// # Errors
    /// When nobody has the id, or the source cannot be read.
    fn known(&self, raw_user: &str, before: Option<i64>) -> Result<Person, RecommendError> {
        self.person(raw_user, before)?.ok_or_else(|| {
            RecommendError::request(
                format!("no user `{raw_user}`"),
                "for somebody new, give their events: --history \"item,item,…\"",
            )
        })
    }
}

/// The people of a data set that has the items of a model.
#[derive(Clone, Debug)]
pub struct DatasetHistories<'a> {
    dataset: &'a Dataset,
    // Values by the model's numbers.
    profiles: Arc<UserProfiles>,
}

impl<'a> DatasetHistories<'a> {
    /// Checks that every item has the same number in the data set as in the model: otherwise events would speak of other items. People may
    /// have come and gone since the model was trained.
    ///
    /// # Errors
    /// When the domains or the items are others.
    pub fn new(catalog: &Catalog, dataset: &'a Dataset) -> Result<Self, RecommendError> {
        if let Some(problem) = difference(catalog, dataset) {
            return Err(RecommendError::request(
                format!("data set `{}` does not have the items of the model: {problem}", dataset.name),
                "name the data set that the model was trained on, or train again on this one",
            ));
        }
        let attributes = catalog.attributes().attributes();
        let profiles = if attributes == dataset.profiles.attributes() {
            Arc::clone(&dataset.profiles)
        } else {
            let n_users = dataset.users.len();
            UserProfiles::with_attributes(attributes.to_vec(), &dataset.user_fields, n_users).into()
        };
        Ok(Self { dataset, profiles })
    }

    /// Raw ids of all people, in the order of the data set.
    pub fn people(&self) -> impl ExactSizeIterator<Item = &'a str> + use<'a> {
        let users = &self.dataset.users;
        (0..users.len() as u32).map(|user| users.raw(user).unwrap_or_default())
    }
}

impl Histories for DatasetHistories<'_> {
    fn person(&self, raw_user: &str, before: Option<i64>) -> Result<Option<Person>, RecommendError> {
        let Some(user) = self.dataset.users.get(raw_user).map(UserIdx) else { return Ok(None) };
        let events = self.dataset.sequences.of(user).iter().copied();
        Ok(Some(Person {
            history: events.filter(|event| before.is_none_or(|before| event.timestamp < before)).collect(),
            profile: self.profiles.get(user.at()).to_vec(),
        }))
    }
}

// What makes the numbers of items differ, if they do.
fn difference(catalog: &Catalog, dataset: &Dataset) -> Option<String> {
    let names = |domains: &[segue_data::Domain]| -> Vec<String> {
        domains.iter().map(|domain| domain.name.clone()).collect()
    };
    let (ours, theirs) = (names(catalog.domains()), names(&dataset.domains));
    if ours != theirs {
        return Some(format!("domains {} instead of {}", theirs.join(", "), ours.join(", ")));
    }
    if catalog.event_kinds() != dataset.event_kinds {
        let (ours, theirs) = (catalog.event_kinds().join(", "), dataset.event_kinds.join(", "));
        return Some(format!("kinds of events {theirs} instead of {ours}"));
    }
    let items = catalog.items();
    let ranges = |domain: DomainIdx| (items.range(domain), dataset.items.range(domain));
    for domain in dataset.domain_indexes() {
        let (ours, theirs) = ranges(domain);
        if ours != theirs {
            let name = catalog.domain_name(domain);
            return Some(format!("{} items in `{name}` instead of {}", theirs.len(), ours.len()));
        }
    }
    let all = (0..items.len() as u32).map(ItemIdx);
    let mut moved = all.filter(|&item| items.raw(item) != dataset.items.raw(item));
    moved.next().map(|item| {
        let (ours, theirs) = (items.raw(item), dataset.items.raw(item));
        format!("item {} is `{theirs}` instead of `{ours}`", item.0)
    })
}
