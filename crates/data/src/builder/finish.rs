//! From collected rows to the data set: items are renumbered by a seed, so that no model can read the order of a file from
//! an id, and events are ordered by time.

use std::sync::Arc;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::{BuildCounts, DatasetBuilder, NO_SPLIT, StagedEvent};
use crate::catalog::{Field, ItemCatalog};
use crate::dataset::Dataset;
use crate::graph::Link;
use crate::ids::{DomainIdx, ItemIdx};
use crate::order;
use crate::profiles::UserProfiles;
use crate::sequences::{Event, Sequences};
use crate::vocabulary::Vocabulary;

impl DatasetBuilder {
    /// Renumbers items, orders events, and gives the data set with what was noticed.
    pub fn finish(mut self) -> (Dataset, BuildCounts) {
        let permutations = self.permutations();
        let items = self.catalog(&permutations);
        self.resolve_links(&items);
        let (sequences, published_split) = self.sequences(&permutations, &items);
        self.count_ties(&sequences);
        let n_users = self.users.len();
        for field in &mut self.user_fields {
            field.values.resize(n_users, String::new());
        }
        if !self.graph.labels.is_empty() {
            self.graph.labels.resize(self.graph.entities.len(), String::new());
        }
        if self.event_kinds.is_empty() {
            self.event_kinds.push("event".to_owned());
        }
        let has_graph = !self.graph.triples.is_empty() || !self.graph.links.is_empty();
        let profiles = Arc::new(UserProfiles::of(&self.user_fields, n_users));
        let dataset = Dataset {
            name: self.name,
            domains: self.domains,
            users: self.users,
            user_fields: self.user_fields,
            profiles,
            items,
            sequences,
            published_split,
            event_kinds: self.event_kinds,
            has_timestamps: self.any_timestamp,
            graph: has_graph.then_some(self.graph),
        };
        (dataset, self.counts)
    }

    // permutation[domain][staging index] = index within the domain
    fn permutations(&self) -> Vec<Vec<u32>> {
        let shuffled = |(domain, vocabulary): (usize, &Vocabulary)| {
            let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
            rng.set_stream(domain as u64 + 1);
            let mut order: Vec<u32> = (0..vocabulary.len() as u32).collect();
            order.shuffle(&mut rng);
            order
        };
        self.items.iter().enumerate().map(shuffled).collect()
    }

    fn catalog(&mut self, permutations: &[Vec<u32>]) -> ItemCatalog {
        let mut vocabularies = Vec::with_capacity(self.items.len());
        for (vocabulary, permutation) in self.items.iter().zip(permutations) {
            let mut raw = vec![""; vocabulary.len()];
            for (id, &to) in vocabulary.iter().zip(permutation) {
                raw[to as usize] = id;
            }
            vocabularies.push(raw.into_iter().collect::<Vocabulary>());
        }
        let mut fields = Vec::with_capacity(self.fields.len());
        for mut staged in std::mem::take(&mut self.fields) {
            // Domains created after the field's last text have no column yet.
            staged.per_domain.resize(permutations.len(), Vec::new());
            let mut values = Vec::new();
            for (column, permutation) in staged.per_domain.into_iter().zip(permutations) {
                let start = values.len();
                values.resize(start + permutation.len(), String::new());
                for (from, text) in column.into_iter().enumerate() {
                    values[start + permutation[from] as usize] = text;
                }
            }
            fields.push(Field { name: staged.name, values });
        }
        ItemCatalog::new(vocabularies, fields)
    }

    fn resolve_links(&mut self, items: &ItemCatalog) {
        for (domain, raw, entity) in std::mem::take(&mut self.links) {
            match items.get(domain, &raw) {
                Some(item) => self.graph.links.push(Link { item, entity }),
                None => self.counts.n_links_without_item += 1,
            }
        }
    }

    fn sequences(&mut self, permutations: &[Vec<u32>], items: &ItemCatalog) -> (Sequences, Vec<u8>) {
        let staged = std::mem::take(&mut self.events);
        let starts: Vec<u32> = (0..permutations.len())
            .map(|domain| items.range(DomainIdx(domain as u16)).start as u32)
            .collect();
        let renumbered = |event: &StagedEvent| {
            let domain = usize::from(event.domain);
            Event {
                item: ItemIdx(starts[domain] + permutations[domain][event.item as usize]),
                value: event.value,
                timestamp: event.timestamp,
                kind: event.kind,
            }
        };
        let offsets = order::offsets(&staged, self.users.len(), |event| event.user);
        if staged.iter().all(|event| event.split == NO_SPLIT) {
            let events = order::by_row_and_time(&staged, &offsets, |event| event.user, renumbered);
            return (Sequences::from_parts(offsets, events), Vec::new());
        }
        let tagged = |event: &StagedEvent| (renumbered(event), event.split.min(2));
        let tagged: Vec<(Event, u8)> = order::by_row_and_time(&staged, &offsets, |event| event.user, tagged);
        let (events, split) = tagged.into_iter().unzip();
        (Sequences::from_parts(offsets, events), split)
    }

    fn count_ties(&mut self, sequences: &Sequences) {
        if !self.any_timestamp {
            return;
        }
        let of_row = |bounds: &[usize]| {
            let mut counts = (0, 0);
            for pair in sequences.events()[bounds[0]..bounds[1]].windows(2) {
                let same_time = pair[0].timestamp == pair[1].timestamp;
                let same_thing = pair[0].item == pair[1].item && pair[0].kind == pair[1].kind;
                counts.0 += u64::from(same_time);
                counts.1 += u64::from(same_time && same_thing);
            }
            counts
        };
        let rows = sequences.offsets().par_windows(2).with_min_len(1 << 12);
        let (n_ties, n_duplicates) = rows.map(of_row).reduce(|| (0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
        self.counts.n_ties += n_ties;
        self.counts.n_duplicates += n_duplicates;
    }
}
