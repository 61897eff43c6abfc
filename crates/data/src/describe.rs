//! What a data set holds, in numbers, and what a user should know before training on it, in words.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::catalog::Field;
use crate::dataset::Dataset;
use crate::ids::{DomainIdx, ItemIdx};
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
    let everything = 0..dataset.n_items();
    let mut total = Counting::default();
    let mut counting: Vec<Counting> = dataset.domain_indexes().map(|_| Counting::default()).collect();
    let mut pairs: BTreeMap<(usize, usize), usize> = BTreeMap::new();
    for row in dataset.sequences.rows() {
        total.add_user(row.iter());
        let mut here: Vec<usize> = Vec::new();
        for event in row {
            let domain = dataset.items.domain_of(event.item).at();
            if !here.contains(&domain) {
                here.push(domain);
            }
        }
        here.sort_unstable();
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
    let part = |name: &str, counting: Counting, items: std::ops::Range<usize>| {
        counting.finish(name, dataset, items, &item_counts)
    };
    let domains: Vec<Part> = dataset
        .domain_indexes()
        .zip(counting)
        .map(|(domain, counting)| {
            part(&dataset.domains[domain.at()].name, counting, dataset.items.range(domain))
        })
        .collect();
    let total = part("", total, everything);
    let overlaps = overlaps(dataset, &domains, &pairs);
    let mut description = Description {
        name: dataset.name.clone(),
        data_sha256: head.data_sha256(),
        total,
        domains,
        overlaps,
        event_kinds: kinds(dataset),
        published_split: split(dataset),
        user_fields: dataset
            .user_fields
            .iter()
            .map(|f| (f.name.clone(), filled(f, 0..f.values.len())))
            .collect(),
        graph: dataset.graph.as_ref().map(|graph| GraphPart {
            n_entities: graph.entities.len(),
            n_relations: graph.relations.len(),
            n_triples: graph.triples.len(),
            n_links: graph.links.len(),
        }),
        n_skipped: head.import.get("n_skipped").and_then(toml::Value::as_integer).unwrap_or(0).unsigned_abs(),
        warnings: Vec::new(),
    };
    description.warnings = warnings(&description);
    description
}

#[derive(Default)]
struct Counting {
    events_per_user: Vec<usize>,
    n_events: usize,
    sum: f64,
    smallest: f32,
    largest: f32,
    times: Option<(i64, i64)>,
    n_ties: u64,
    n_duplicates: u64,
    n_repeats: u64,
    // Scratch.
    seen: Vec<ItemIdx>,
}

impl Counting {
    fn add_user<'a>(&mut self, events: impl Iterator<Item = &'a Event>) {
        let mut before: Option<&Event> = None;
        self.seen.clear();
        for event in events {
            if self.n_events == 0 {
                (self.smallest, self.largest) = (event.value, event.value);
            }
            self.n_events += 1;
            self.sum += f64::from(event.value);
            self.smallest = self.smallest.min(event.value);
            self.largest = self.largest.max(event.value);
            let (first, last) = self.times.unwrap_or((event.timestamp, event.timestamp));
            self.times = Some((first.min(event.timestamp), last.max(event.timestamp)));
            if let Some(before) = before.filter(|before| before.timestamp == event.timestamp) {
                self.n_ties += 1;
                self.n_duplicates += u64::from(before.item == event.item && before.kind == event.kind);
            }
            self.seen.push(event.item);
            before = Some(event);
        }
        if self.seen.is_empty() {
            return;
        }
        self.events_per_user.push(self.seen.len());
        self.seen.sort_unstable();
        self.n_repeats += self.seen.windows(2).filter(|pair| pair[0] == pair[1]).count() as u64;
    }

    fn finish(
        mut self,
        name: &str,
        dataset: &Dataset,
        items: std::ops::Range<usize>,
        counts: &[u32],
    ) -> Part {
        self.events_per_user.sort_unstable();
        let n_users = self.events_per_user.len();
        let cells = (n_users as f64 * items.len() as f64).max(1.0);
        let fields = dataset.items.fields();
        let any = |is_wanted: &dyn Fn(&str) -> bool| {
            let wanted: Vec<&Field> = fields.iter().filter(|field| is_wanted(&field.name)).collect();
            let has = |&item: &usize| wanted.iter().any(|field| !field.values[item].is_empty());
            items.clone().filter(has).count() as f64 / items.len().max(1) as f64
        };
        let has_times = dataset.has_timestamps;
        Part {
            name: name.to_owned(),
            n_users,
            n_items: items.len(),
            n_items_without_events: counts[items.clone()].iter().filter(|&&n| n == 0).count(),
            n_events: self.n_events,
            density: self.n_events as f64 / cells,
            events_per_user_median: self.events_per_user.get(n_users / 2).copied().unwrap_or(0),
            n_users_below_three: self.events_per_user.partition_point(|&n| n < 3),
            value_min_mean_max: [
                f64::from(self.smallest),
                self.sum / self.n_events.max(1) as f64,
                f64::from(self.largest),
            ],
            time_range: self.times.filter(|_| has_times),
            n_ties: if has_times { self.n_ties } else { 0 },
            n_duplicates: if has_times { self.n_duplicates } else { 0 },
            n_repeats: self.n_repeats,
            share_text: any(&|name| !is_image(name) && !is_audio(name)),
            share_image: any(&is_image),
            share_audio: any(&is_audio),
            share_graph: share_linked(dataset, &items),
            fields: fields.iter().map(|field| (field.name.clone(), filled(field, items.clone()))).collect(),
        }
    }
}

fn is_image(field: &str) -> bool {
    matches!(field, "image" | "images")
}

fn is_audio(field: &str) -> bool {
    field == "audio"
}

fn filled(field: &Field, rows: std::ops::Range<usize>) -> f64 {
    let n = rows.len().max(1) as f64;
    field.values[rows].iter().filter(|text| !text.is_empty()).count() as f64 / n
}

fn share_linked(dataset: &Dataset, items: &std::ops::Range<usize>) -> f64 {
    let Some(graph) = &dataset.graph else { return 0.0 };
    let mut linked: Vec<usize> =
        graph.links.iter().map(|link| link.item.at()).filter(|item| items.contains(item)).collect();
    linked.sort_unstable();
    linked.dedup();
    linked.len() as f64 / items.len().max(1) as f64
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

fn warnings(description: &Description) -> Vec<String> {
    let mut warnings = Vec::new();
    let total = &description.total;
    let n = total.n_events;
    if description.n_skipped > 0 {
        warnings.push(format!(
            "the import left out {} rows: see [import] in dataset.toml",
            description.n_skipped
        ));
    }
    if n == 0 {
        warnings.push("there are no events: only the graph can be used".to_owned());
        return warnings;
    }
    if let Some((first, last)) = total.time_range {
        if first < 0 {
            warnings.push(format!("the first event is dated {}: check the time column", day(first)));
        }
        if last > 4_102_444_800 {
            warnings
                .push(format!("the last event is dated {}: check the time column and its unit", day(last)));
        }
    } else {
        warnings.push(
            "no times: only the order of events counts, and a split by time is not possible".to_owned(),
        );
    }
    if total.n_ties * 10 > n as u64 {
        let share = percent(total.n_ties as usize, n);
        warnings.push(format!(
            "{share} of events have the time of the event before: their order is that of the file"
        ));
    }
    if total.n_duplicates * 100 > n as u64 {
        let share = percent(total.n_duplicates as usize, n);
        warnings.push(format!("{share} of events say the same as the event before them, at the same time"));
    }
    description.domains.iter().for_each(|part| warnings.extend(of_domain(part)));
    for overlap in description.overlaps.iter().filter(|overlap| overlap.n_users == 0) {
        let (first, second) = (&overlap.first, &overlap.second);
        let text =
            format!("no user has events in both `{first}` and `{second}`: only content can carry over");
        warnings.push(text);
    }
    warnings
}

fn of_domain(part: &Part) -> Vec<String> {
    let name = &part.name;
    let mut warnings = Vec::new();
    if part.n_events < 1_000 {
        warnings
            .push(format!("`{name}` has only {} events: measurements on it will be noisy", part.n_events));
    }
    if part.n_items_without_events * 2 > part.n_items {
        let share = percent(part.n_items_without_events, part.n_items);
        warnings.push(format!(
            "{share} of the items of `{name}` have no event: check that item ids of all files agree"
        ));
    }
    if part.n_users_below_three * 2 > part.n_users {
        let share = percent(part.n_users_below_three, part.n_users);
        warnings.push(format!("{share} of the users of `{name}` have fewer than three events there"));
    }
    if part.share_text < 0.5 && part.n_items > 0 {
        let without =
            percent(part.n_items - (part.share_text * part.n_items as f64).round() as usize, part.n_items);
        warnings.push(format!("{without} of the items of `{name}` have no text: content cannot help there"));
    }
    warnings
}

fn percent(part: usize, whole: usize) -> String {
    format!("{:.0} %", 100.0 * part as f64 / whole.max(1) as f64)
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
