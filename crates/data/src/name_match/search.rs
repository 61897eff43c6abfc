//! Finds the most similar names without comparing all with all.

use std::collections::BTreeMap;

use foldhash::{HashMap, HashSet};

use super::name::Name;
use super::{LOWEST, NameMatch, entities};
use crate::catalog::ItemCatalog;
use crate::graph::KnowledgeGraph;
use crate::ids::{EntityIdx, ItemIdx};

/// What years one apart, or a choice by words in brackets, take off; and the most that names can be alike that are not equal.
const DOUBT: f64 = 0.95;

/// Names of items without a link and of entities without an item.
pub(super) struct Names {
    items: Vec<(ItemIdx, Name)>,
    entities: Vec<(EntityIdx, Name)>,
    /// Items without a link, with a name or without.
    pub(super) n_unlinked: usize,
    // Places in `entities`: by the whole form, and by each word.
    by_form: HashMap<String, Vec<u32>>,
    by_word: HashMap<String, Vec<u32>>,
}

/// Entities that fit an item best.
struct Best {
    similarity: f64,
    /// Places in `entities`, ascending.
    places: Vec<u32>,
}

impl Names {
    pub(super) fn of(items: &ItemCatalog, graph: &KnowledgeGraph) -> Self {
        let linked_items: HashSet<u32> = graph.links.iter().map(|link| link.item.0).collect();
        let linked: HashSet<u32> = graph.links.iter().map(|link| link.entity.0).collect();
        let unlinked: Vec<ItemIdx> =
            (0..items.len() as u32).filter(|item| !linked_items.contains(item)).map(ItemIdx).collect();
        let mut names = Self {
            n_unlinked: unlinked.len(),
            items: unlinked.into_iter().filter_map(|item| Some((item, item_name(items, item)?))).collect(),
            entities: Vec::new(),
            by_form: HashMap::default(),
            by_word: HashMap::default(),
        };
        for (at, own) in
            entities::names(graph).iter().enumerate().filter(|(at, _)| !linked.contains(&(*at as u32)))
        {
            for name in own.iter().filter_map(|name| Name::of(name)) {
                let place = names.entities.len() as u32;
                names.by_form.entry(name.form()).or_default().push(place);
                for word in name.word_set() {
                    names.by_word.entry(word.to_owned()).or_default().push(place);
                }
                names.entities.push((EntityIdx(at as u32), name));
            }
        }
        names
    }

    pub(super) fn n_items(&self) -> usize {
        self.items.len()
    }

    pub(super) fn n_entities(&self) -> usize {
        let mut entities: Vec<u32> = self.entities.iter().map(|(entity, _)| entity.0).collect();
        entities.dedup();
        entities.len()
    }

    pub(super) fn matches(&self) -> Vec<NameMatch> {
        let best: Vec<(ItemIdx, Best)> =
            self.items.iter().filter_map(|(item, name)| Some((*item, self.best(name)?))).collect();
        // Items that fit an entity with a similarity.
        let mut claims: BTreeMap<(u32, u64), usize> = BTreeMap::new();
        for (_, found) in &best {
            for entity in self.distinct(&found.places) {
                *claims.entry((entity.0, found.similarity.to_bits())).or_default() += 1;
            }
        }
        let judge = |(item, found): &(ItemIdx, Best)| {
            let entities = self.distinct(&found.places);
            let n_claims = claims[&(entities[0].0, found.similarity.to_bits())];
            let n_alike = entities.len() * n_claims;
            NameMatch {
                item: *item,
                entity: entities[0],
                confidence: found.similarity / n_alike as f64,
                n_alike,
            }
        };
        best.iter().map(judge).filter(|found| found.confidence * found.n_alike as f64 >= LOWEST).collect()
    }

    fn distinct(&self, places: &[u32]) -> Vec<EntityIdx> {
        let mut entities: Vec<EntityIdx> =
            places.iter().map(|&place| self.entities[place as usize].0).collect();
        entities.dedup();
        entities
    }

    fn best(&self, name: &Name) -> Option<Best> {
        let equal = self.by_form.get(&name.form()).map(|places| self.best_of(name, places));
        let best = equal.flatten().or_else(|| self.best_of(name, &self.alike(name)))?;
        if self.distinct(&best.places).len() == 1 {
            return Some(best);
        }
        // Several fit equally well: the one with the same words in brackets, if it is one.
        let same = |place: &&u32| self.entities[**place as usize].1.besides == name.besides;
        let told: Vec<u32> = best.places.iter().filter(same).copied().collect();
        let is_told = self.distinct(&told).len() == 1;
        Some(if is_told { Best { similarity: best.similarity * DOUBT, places: told } } else { best })
    }

    fn best_of(&self, name: &Name, places: &[u32]) -> Option<Best> {
        let mut best = Best { similarity: 0.0, places: Vec::new() };
        for &place in places {
            let similarity = similarity(name, &self.entities[place as usize].1);
            if similarity > best.similarity {
                best = Best { similarity, places: Vec::new() };
            }
            if similarity == best.similarity && similarity >= LOWEST {
                best.places.push(place);
            }
        }
        (!best.places.is_empty()).then_some(best)
    }

    // Places of names that may have enough words in common, ascending.
    fn alike(&self, name: &Name) -> Vec<u32> {
        let mut lists: Vec<&[u32]> = name
            .word_set()
            .into_iter()
            .map(|word| self.by_word.get(word).map_or(&[][..], Vec::as_slice))
            .collect();
        lists.sort_by_key(|list| list.len());
        // A Dice coefficient of t with n words asks for n·t/(2 − t) of them at least: one is among the rarest of the others and one more.
        let n_needed = (lists.len() as f64 * LOWEST / (2.0 - LOWEST)).ceil() as usize;
        lists.truncate(lists.len() + 1 - n_needed.max(1));
        let mut places = lists.concat();
        places.sort_unstable();
        places.dedup();
        places
    }
}

fn item_name(items: &ItemCatalog, item: ItemIdx) -> Option<Name> {
    let label = items.label(item);
    // An id may be a name; a title always is.
    if label == items.raw(item) {
        entities::words_of_id(label).and_then(|name| Name::of(&name))
    } else {
        Name::of(label)
    }
}

fn similarity(item: &Name, entity: &Name) -> f64 {
    let of_years = match (item.year, entity.year) {
        (Some(one), Some(other)) if one.abs_diff(other) > 1 => return 0.0,
        (Some(one), Some(other)) if one != other => DOUBT,
        _ => 1.0,
    };
    if item.words == entity.words {
        return of_years;
    }
    let (one, other) = (item.word_set(), entity.word_set());
    let n_common = one.iter().filter(|word| other.binary_search(word).is_ok()).count();
    of_years * DOUBT * 2.0 * n_common as f64 / (one.len() + other.len()) as f64
}
