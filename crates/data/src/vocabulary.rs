//! Raw id ↔ dense index.

use foldhash::fast::FixedState;
use indexmap::IndexSet;

/// An insertion-ordered set of raw ids; the position of an id is its dense index.
///
/// Raw ids are any UTF-8 and are compared byte by byte (no Unicode normalization).
#[derive(Clone, Debug, Default)]
pub struct Vocabulary {
    raw: IndexSet<Box<str>, FixedState>,
}

impl Vocabulary {
    /// An empty vocabulary.
    pub fn new() -> Self {
        Self::default()
    }

    /// The index of `raw`, inserting it when new.
    pub fn intern(&mut self, raw: &str) -> u32 {
        if let Some(index) = self.raw.get_index_of(raw) {
            return index as u32;
        }
        self.raw.insert_full(raw.into()).0 as u32
    }

    /// The index of `raw`, if known.
    pub fn get(&self, raw: &str) -> Option<u32> {
        self.raw.get_index_of(raw).map(|index| index as u32)
    }

    /// The raw id at `index`, if in range.
    pub fn raw(&self, index: u32) -> Option<&str> {
        self.raw.get_index(index as usize).map(AsRef::as_ref)
    }

    /// Number of ids.
    pub fn len(&self) -> usize {
        self.raw.len()
    }

    /// Whether there are no ids.
    pub fn is_empty(&self) -> bool {
        self.raw.is_empty()
    }

    /// Raw ids in index order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.raw.iter().map(AsRef::as_ref)
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
        assert_eq!(vocabulary.len(), 2);
    }
}
