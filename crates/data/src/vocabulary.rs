//! Raw id ↔ dense index.

use std::hash::{BuildHasher, Hasher};
use std::ops::Range;

use foldhash::fast::FixedState;

/// An insertion-ordered set of raw ids; the position of an id is its dense index.
///
/// Raw ids are any UTF-8 and are compared byte by byte (no Unicode normalization). They stand one after another in
/// one string, found by an open-addressing table of (hash, index): 20 M look-ups of an import wait for memory, so
/// few and small cache lines count.
#[derive(Clone, Debug, Default)]
pub struct Vocabulary {
    text: String,
    // End of each id in `text`.
    ends: Vec<usize>,
    // Upper half: upper half of the hash; lower half: index + 1. Zero is free. The length is a power of two.
    slots: Vec<u64>,
    hasher: FixedState,
}

// Ids looked up together, so that their cache misses overlap.
const TOGETHER: usize = 32;
const SLOTS_MIN: usize = 16;

impl Vocabulary {
    /// An empty vocabulary.
    pub fn new() -> Self {
        Self::default()
    }

    /// The index of `raw`, inserting it when new.
    pub fn intern(&mut self, raw: &str) -> u32 {
        self.intern_hashed(raw, self.hash(raw))
    }

    /// The indexes of `ids` in order, inserting the new ones: [`Self::intern`] for many.
    pub fn intern_all<'a>(&mut self, ids: impl IntoIterator<Item = &'a str>) -> Vec<u32> {
        let mut ids = ids.into_iter();
        let mut indexes = Vec::with_capacity(ids.size_hint().0);
        let mut chunk: Vec<(&str, u64)> = Vec::with_capacity(TOGETHER);
        loop {
            chunk.clear();
            chunk.extend(ids.by_ref().take(TOGETHER).map(|id| (id, self.hash(id))));
            if chunk.is_empty() {
                return indexes;
            }
            self.intern_chunk(&chunk, &mut indexes);
        }
    }

    // Loads the slots of all ids, then their places in the text, then compares: independent loads overlap.
    fn intern_chunk(&mut self, chunk: &[(&str, u64)], indexes: &mut Vec<u32>) {
        let mut slots = [0; TOGETHER];
        let mut places = [(0, 0); TOGETHER];
        if !self.slots.is_empty() {
            for (slot, &(_, hash)) in slots.iter_mut().zip(chunk) {
                *slot = self.slots[self.first_slot(hash)];
            }
        }
        for ((place, &slot), &(_, hash)) in places.iter_mut().zip(&slots).zip(chunk) {
            if slot != 0 && slot >> 32 == hash >> 32 {
                let range = self.range(slot as u32 - 1);
                *place = (range.start, range.end);
            }
        }
        for ((&(id, hash), &slot), &(start, end)) in chunk.iter().zip(&slots).zip(&places) {
            let is_same = end > start && self.text.as_bytes()[start..end] == *id.as_bytes();
            indexes.push(if is_same { slot as u32 - 1 } else { self.intern_hashed(id, hash) });
        }
    }

    /// The index of `raw`, if known.
    pub fn get(&self, raw: &str) -> Option<u32> {
        self.find(raw, self.hash(raw)).ok()
    }

    /// The raw id at `index`, if in range.
    pub fn raw(&self, index: u32) -> Option<&str> {
        if index as usize >= self.len() {
            return None;
        }
        Some(&self.text[self.range(index)])
    }

    /// Number of ids.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are no ids.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Raw ids in index order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.len() as u32).map(|index| &self.text[self.range(index)])
    }

    fn hash(&self, raw: &str) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        hasher.write(raw.as_bytes());
        hasher.finish()
    }

    fn first_slot(&self, hash: u64) -> usize {
        hash as usize & (self.slots.len() - 1)
    }

    fn range(&self, index: u32) -> Range<usize> {
        let at = index as usize;
        let start = if at == 0 { 0 } else { self.ends[at - 1] };
        start..self.ends[at]
    }

    // The index of `raw`, or the free slot where it belongs.
    fn find(&self, raw: &str, hash: u64) -> Result<u32, usize> {
        if self.slots.is_empty() {
            return Err(0);
        }
        let mut at = self.first_slot(hash);
        loop {
            let slot = self.slots[at];
            if slot == 0 {
                return Err(at);
            }
            let index = slot as u32 - 1;
            if slot >> 32 == hash >> 32 && self.text.as_bytes()[self.range(index)] == *raw.as_bytes() {
                return Ok(index);
            }
            at = (at + 1) & (self.slots.len() - 1);
        }
    }

    fn intern_hashed(&mut self, raw: &str, hash: u64) -> u32 {
        match self.find(raw, hash) {
            Ok(index) => index,
            Err(at) => self.insert(raw, hash, at),
        }
    }

    fn insert(&mut self, raw: &str, hash: u64, free: usize) -> u32 {
        let index = self.ends.len();
        assert!(index < u32::MAX as usize, "more than {} ids", u32::MAX);
        self.text.push_str(raw);
        self.ends.push(self.text.len());
        // At most half full: probes stay short.
        if (index + 1) * 2 > self.slots.len() {
            self.grow();
        } else {
            self.slots[free] = (hash >> 32) << 32 | (index as u64 + 1);
        }
        index as u32
    }

    fn grow(&mut self) {
        let n_slots = (self.slots.len() * 2).max(SLOTS_MIN);
        self.slots = vec![0; n_slots];
        for index in 0..self.ends.len() {
            let hash = self.hash(&self.text[self.range(index as u32)]);
            let mut at = self.first_slot(hash);
            while self.slots[at] != 0 {
                at = (at + 1) & (n_slots - 1);
            }
            self.slots[at] = (hash >> 32) << 32 | (index as u64 + 1);
        }
    }
}

impl<S: AsRef<str>> FromIterator<S> for Vocabulary {
    fn from_iter<I: IntoIterator<Item = S>>(ids: I) -> Self {
        let mut vocabulary = Self::new();
        for id in ids {
            vocabulary.intern(id.as_ref());
        }
        vocabulary
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interning_twice_gives_the_same_index_and_round_trips() {
        let mut vocabulary = Vocabulary::new();
        let first = vocabulary.intern("B000/é\u{202e}");
        assert_eq!(vocabulary.intern("other"), first + 1);
        assert_eq!(vocabulary.intern("B000/é\u{202e}"), first);
        assert_eq!(vocabulary.raw(first), Some("B000/é\u{202e}"));
        assert_eq!(vocabulary.raw(99), None);
        assert_eq!(vocabulary.get("nobody"), None);
        assert_eq!(vocabulary.len(), 2);
    }

    #[test]
    fn many_ids_at_once_get_the_indexes_that_they_get_one_by_one() {
        // With repetitions, prefixes of each other, an empty id, and several growths of the table.
        let ids: Vec<String> =
            (0..20_000u32).map(|n| (n.wrapping_mul(2_654_435_761) % 7_000).to_string()).collect();
        let ids: Vec<&str> = ids.iter().map(String::as_str).chain(["", "1", "", "12"]).collect();
        let mut one_by_one = Vocabulary::new();
        let expected: Vec<u32> = ids.iter().map(|id| one_by_one.intern(id)).collect();
        let mut together = Vocabulary::new();
        assert_eq!(together.intern_all(ids.iter().copied()), expected);
        assert_eq!(together.iter().collect::<Vec<_>>(), one_by_one.iter().collect::<Vec<_>>());
        for (id, &index) in ids.iter().zip(&expected) {
            assert_eq!(together.get(id), Some(index));
            assert_eq!(together.raw(index), Some(*id));
        }
    }
}
