//! Counts over the users and items of one domain, or of all.

use std::ops::Range;

use super::Part;
use crate::catalog::Field;
use crate::dataset::Dataset;
use crate::ids::ItemIdx;
use crate::sequences::Event;

/// Counts that grow user by user.
#[derive(Default)]
pub(super) struct Counting {
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
    /// Adds the events of one user, oldest first.
    pub(super) fn add_user<'a>(&mut self, events: impl Iterator<Item = &'a Event>) {
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

    /// The numbers, with those of the items `items`; `counts` are events per item.
    pub(super) fn finish(
        mut self,
        name: &str,
        dataset: &Dataset,
        items: Range<usize>,
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

/// Share of these rows that have a text.
pub(super) fn filled(field: &Field, rows: Range<usize>) -> f64 {
    let n = rows.len().max(1) as f64;
    field.values[rows].iter().filter(|text| !text.is_empty()).count() as f64 / n
}

fn share_linked(dataset: &Dataset, items: &Range<usize>) -> f64 {
    let Some(graph) = &dataset.graph else { return 0.0 };
    let mut linked: Vec<usize> =
        graph.links.iter().map(|link| link.item.at()).filter(|item| items.contains(item)).collect();
    linked.sort_unstable();
    linked.dedup();
    linked.len() as f64 / items.len().max(1) as f64
}
