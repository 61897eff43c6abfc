//! Events of users in time order, stored row-compressed.

use crate::ids::{ItemIdx, UserIdx};

/// One thing a user did. The item fixes the domain.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Event {
    /// What it was done to.
    pub item: ItemIdx,
    /// Rating or weight; 1 when the source has none.
    pub value: f32,
    /// Unix seconds; 0 when the source has no time (see [`crate::Dataset::has_timestamps`]).
    pub timestamp: i64,
    /// Index into [`crate::Dataset::event_kinds`].
    pub kind: u8,
}

/// All events grouped by user (or by case), oldest first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sequences {
    offsets: Vec<usize>,
    events: Vec<Event>,
}

impl Sequences {
    /// Sequences from one list of events per row.
    pub fn from_rows<R: AsRef<[Event]>>(rows: impl IntoIterator<Item = R>) -> Self {
        let mut offsets = vec![0];
        let mut events = Vec::new();
        for row in rows {
            events.extend_from_slice(row.as_ref());
            offsets.push(events.len());
        }
        Self { offsets, events }
    }

    /// Sequences from row offsets (`n_rows + 1`, starting at 0) and all events.
    ///
    /// # Panics
    /// When the offsets do not cover the events.
    pub fn from_parts(offsets: Vec<usize>, events: Vec<Event>) -> Self {
        assert_eq!(offsets.first(), Some(&0));
        assert_eq!(offsets.last(), Some(&events.len()));
        Self { offsets, events }
    }

    /// Number of rows (users).
    pub fn n_rows(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }

    /// Number of events.
    pub fn n_events(&self) -> usize {
        self.events.len()
    }

    /// Events of row `row`, oldest first; empty when out of range.
    pub fn row(&self, row: usize) -> &[Event] {
        if row >= self.n_rows() {
            return &[];
        }
        &self.events[self.offsets[row]..self.offsets[row + 1]]
    }

    /// Events of a user, oldest first.
    pub fn of(&self, user: UserIdx) -> &[Event] {
        self.row(user.at())
    }

    /// Rows in order.
    pub fn rows(&self) -> impl Iterator<Item = &[Event]> {
        self.offsets.windows(2).map(|pair| &self.events[pair[0]..pair[1]])
    }

    /// All events, row after row.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// Row offsets, `[n_rows + 1]`.
    pub fn offsets(&self) -> &[usize] {
        &self.offsets
    }

    /// Events per item, `[n_items]`.
    pub fn item_counts(&self, n_items: usize) -> Vec<u32> {
        let mut counts = vec![0; n_items];
        for event in &self.events {
            counts[event.item.at()] += 1;
        }
        counts
    }
}
