//! What a data set holds, in numbers, and what a user should know before training on it, in words.

mod count;
mod warnings;

use std::collections::BTreeMap;

use serde::Serialize;

use self::count::{Counting, filled};
use crate::catalog::Field;
use crate::dataset::Dataset;
use crate::ids::DomainIdx;
use crate::sequences::Event;
use crate::store::DatasetHead;

/// Pairs of more domains than this are not compared.
const COMPARED_DOMAINS_MAX: usize = 64;

/// A data set in numbers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Description {
    /// Name of the data set.
    pub name: String,
    /// Hash over its tables.
    pub data_sha256: String,
    /// All domains together.
    pub total: Part,
    /// Each domain, in index order.
    pub domains: Vec<Part>,
    /// Users of pairs of domains.
    pub overlaps: Vec<Overlap>,
    /// Kinds of events with their number.
    pub event_kinds: Vec<(String, u64)>,
    /// Events in the published train, valid and test part, if the source has a split.
    pub published_split: Option<[u64; 3]>,
    /// Columns about users, with the share of users that have them.
    pub user_fields: Vec<(String, f64)>,
    /// Columns about users that models can read.
    pub user_attributes: Vec<AttributePart>,
    /// The knowledge graph, if there is one.
    pub graph: Option<GraphPart>,
    /// Rows that the import left out.
    pub n_skipped: u64,
    /// What to know before training.
    pub warnings: Vec<String>,
}

/// Numbers of one domain, or of all.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Part {
    /// Name of the domain; empty for all.
    pub name: String,
    /// Users with an event here.
    pub n_users: usize,
    /// Items.
    pub n_items: usize,
    /// Items without any event.
    pub n_items_without_events: usize,
    /// Events.
    pub n_events: usize,
    /// Events per user × item.
    pub density: f64,
    /// Median number of events of the users that have any.
    pub events_per_user_median: usize,
    /// Users with fewer than three events here.
    pub n_users_below_three: usize,
    /// Smallest, mean and largest rating or weight.
    pub value_min_mean_max: [f64; 3],
    /// First and last time, Unix seconds; `None` without times.
    pub time_range: Option<(i64, i64)>,
    /// Events with the same time as the user's event before.
    pub n_ties: u64,
    /// Events with the same user, item, kind and time as the event before.
    pub n_duplicates: u64,
    /// Events with an item that the user had before.
    pub n_repeats: u64,
    /// Share of items with any text.
    pub share_text: f64,
    /// Share of items with an image (a filled column `image` or `images`).
    pub share_image: f64,
    /// Share of items with audio (a filled column `audio`).
    pub share_audio: f64,
    /// Share of items linked to an entity of the graph.
    pub share_graph: f64,
    /// Text columns with the share of items that have them.
    pub fields: Vec<(String, f64)>,
}

/// Users that two domains share.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Overlap {
    /// One domain.
    pub first: String,
    /// Another one.
    pub second: String,
    /// Users with events in both.
    pub n_users: usize,
    /// Their share of the users of `first`.
    pub share_of_first: f64,
    /// Their share of the users of `second`.
    pub share_of_second: f64,
}

/// A column about users as an attribute that models read.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AttributePart {
    /// Name of the column in the source.
    pub name: String,
    /// Its values, or ranges of numbers, that enough users have.
    pub values: Vec<String>,
    /// Whether they are ranges of numbers.
    pub is_numeric: bool,
    /// Share of users who have one of them.
    pub share_known: f64,
}

/// Numbers of a knowledge graph.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GraphPart {
    /// Entities.
    pub n_entities: usize,
    /// Relations.
    pub n_relations: usize,
    /// Triples.
    pub n_triples: usize,
    /// Links from items to entities.
    pub n_links: usize,
}

/// Counts what is in `dataset`; `head` tells where it came from.
pub fn describe(dataset: &Dataset, head: &DatasetHead) -> Description {
    let (total, domains, overlaps) = parts(dataset);
    let share_filled = |field: &Field| (field.name.clone(), filled(field, 0..field.values.len()));
    let mut description = Description {
        name: dataset.name.clone(),
        data_sha256: head.data_sha256(),
        total,
        domains,
        overlaps,
        event_kinds: kinds(dataset),
        published_split: split(dataset),
        user_fields: dataset.user_fields.iter().map(share_filled).collect(),
        user_attributes: attributes(dataset),
        graph: dataset.graph.as_ref().map(|graph| GraphPart {
            n_entities: graph.entities.len(),
            n_relations: graph.relations.len(),
            n_triples: graph.triples.len(),
            n_links: graph.links.len(),
        }),
        n_skipped: head.import.get("n_skipped").and_then(toml::Value::as_integer).unwrap_or(0).unsigned_abs(),
        warnings: Vec::new(),
    };
    description.warnings = warnings::of(&description);
    description
}

// One pass over the users counts for all domains at once.
fn parts(dataset: &Dataset) -> (Part, Vec<Part>, Vec<Overlap>) {
    let mut total = Counting::default();
    let mut counting: Vec<Counting> = dataset.domain_indexes().map(|_| Counting::default()).collect();
    let mut pairs: BTreeMap<(usize, usize), usize> = BTreeMap::new();
    for row in dataset.sequences.rows() {
        total.add_user(row.iter());
        let here = domains_of(dataset, row);
        for &domain in &here {
            let range = dataset.items.range(DomainIdx(domain as u16));
            counting[domain].add_user(row.iter().filter(|event| range.contains(&event.item.at())));
        }
        if dataset.domains.len() <= COMPARED_DOMAINS_MAX {
            for (at, &first) in here.iter().enumerate() {
                for &second in &here[at + 1..] {
                    *pairs.entry((first, second)).or_default() += 1;
                }
            }
        }
    }
    let item_counts = dataset.sequences.item_counts(dataset.n_items());
    let domains: Vec<Part> = dataset
        .domain_indexes()
        .zip(counting)
        .map(|(domain, counting)| {
            let name = &dataset.domains[domain.at()].name;
            counting.finish(name, dataset, dataset.items.range(domain), &item_counts)
        })
        .collect();
    let overlaps = overlaps(dataset, &domains, &pairs);
    (total.finish("", dataset, 0..dataset.n_items(), &item_counts), domains, overlaps)
}

// The domains that a user was in, ascending.
fn domains_of(dataset: &Dataset, row: &[Event]) -> Vec<usize> {
    let mut here: Vec<usize> = Vec::new();
    for event in row {
        let domain = dataset.items.domain_of(event.item).at();
        if !here.contains(&domain) {
            here.push(domain);
        }
    }
    here.sort_unstable();
    here
}

fn overlaps(dataset: &Dataset, parts: &[Part], pairs: &BTreeMap<(usize, usize), usize>) -> Vec<Overlap> {
    if dataset.domains.len() > COMPARED_DOMAINS_MAX {
        return Vec::new();
    }
    let mut overlaps = Vec::new();
    for first in 0..parts.len() {
        for second in first + 1..parts.len() {
            let n_users = pairs.get(&(first, second)).copied().unwrap_or(0);
            overlaps.push(Overlap {
                first: parts[first].name.clone(),
                second: parts[second].name.clone(),
                n_users,
                share_of_first: n_users as f64 / parts[first].n_users.max(1) as f64,
                share_of_second: n_users as f64 / parts[second].n_users.max(1) as f64,
            });
        }
    }
    overlaps
}

fn attributes(dataset: &Dataset) -> Vec<AttributePart> {
    let profiles = &dataset.profiles;
    let part = |(at, attribute): (usize, &crate::profiles::Attribute)| AttributePart {
        name: attribute.name.clone(),
        values: attribute.values.clone(),
        is_numeric: attribute.is_numeric(),
        share_known: profiles.share_known(at),
    };
    profiles.attributes().iter().enumerate().map(part).collect()
}

fn kinds(dataset: &Dataset) -> Vec<(String, u64)> {
    let mut counts = vec![0; dataset.event_kinds.len().max(1)];
    for event in dataset.sequences.events() {
        if let Some(count) = counts.get_mut(usize::from(event.kind)) {
            *count += 1;
        }
    }
    dataset.event_kinds.iter().cloned().zip(counts).collect()
}

fn split(dataset: &Dataset) -> Option<[u64; 3]> {
    if dataset.published_split.is_empty() {
        return None;
    }
    let mut counts = [0; 3];
    for &tag in &dataset.published_split {
        counts[usize::from(tag.min(2))] += 1;
    }
    Some(counts)
}

/// A time as ISO 8601 in UTC; the number itself when it is out of range.
pub fn day(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).map_or_else(|_| seconds.to_string(), |time| time.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builder::{DatasetBuilder, RawInteraction};

    #[test]
    fn a_small_data_set_is_described_by_numbers_that_can_be_counted_by_hand() {
        let mut builder = DatasetBuilder::new("small", 1);
        let books = builder.domain("books").unwrap();
        let films = builder.domain("films").unwrap();
        let rows = [
            ("ann", "b1", books, 10, 1.0),
            ("ann", "b1", books, 10, 1.0),
            ("ann", "f1", films, 20, 3.0),
            ("bob", "b1", books, 30, 5.0),
            ("bob", "b2", books, 30, 5.0),
            ("bob", "b1", books, 40, 5.0),
        ];
        for (user, item, domain, time, value) in rows {
            let row =
                RawInteraction { user, item, domain, timestamp: Some(time), value, kind: 0, split: None };
            builder.interaction(&row);
        }
        builder.describe_item(books, "b1", &[("title", "One")]);
        builder.describe_item(books, "b3", &[("title", "")]);
        builder.triple("e1", "by", "e2");
        builder.link(films, "f1", "e1");
        let (dataset, _) = builder.finish();
        let described = describe(&dataset, &DatasetHead::default());
        let books = &described.domains[0];
        assert_eq!(
            (books.n_users, books.n_items, books.n_events, books.n_items_without_events),
            (2, 3, 5, 1)
        );
        assert_eq!((books.n_ties, books.n_duplicates, books.n_repeats), (2, 1, 2));
        assert_eq!(books.value_min_mean_max, [1.0, 3.4, 5.0]);
        assert!((books.density - 5.0 / 6.0).abs() < 1e-12);
        assert!((books.share_text - 1.0 / 3.0).abs() < 1e-12);
        assert_eq!(books.time_range, Some((10, 40)));
        assert_eq!(described.domains[1].share_graph, 1.0);
        assert_eq!(described.overlaps[0].n_users, 1);
        assert_eq!(described.overlaps[0].share_of_first, 0.5);
        assert_eq!(described.overlaps[0].share_of_second, 1.0);
        assert_eq!(described.total.n_users, 2);
        assert!(described.warnings.iter().any(|warning| warning.contains("`films` has only 1 events")));
    }
}
