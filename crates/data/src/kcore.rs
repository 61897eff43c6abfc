//! k-core: the largest part of the data in which every user and every item has at least `k` events.

use crate::sequences::{Event, Sequences};

/// Repeats dropping users and items with fewer than `k` events until none is left; rows stay (possibly empty), so
/// user indexes do not move. Returns the core and how many events were left out.
pub fn k_core(sequences: &Sequences, n_items: usize, k: u32) -> (Sequences, u64) {
    let mut rows: Vec<Vec<Event>> = sequences.rows().map(<[Event]>::to_vec).collect();
    loop {
        let mut item_counts = vec![0u32; n_items];
        for event in rows.iter().flatten() {
            item_counts[event.item.at()] += 1;
        }
        let before: usize = rows.iter().map(Vec::len).sum();
        for row in &mut rows {
            row.retain(|event| item_counts[event.item.at()] >= k);
            if row.len() < k as usize {
                row.clear();
            }
        }
        let after: usize = rows.iter().map(Vec::len).sum();
        if after == before {
            let dropped = (sequences.n_events() - after) as u64;
            return (Sequences::from_rows(rows), dropped);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::ItemIdx;

    #[test]
    fn every_user_and_item_left_has_at_least_k_events() {
        let event = |item| Event { item: ItemIdx(item), value: 1.0, timestamp: 0, kind: 0 };
        let rows = [vec![0, 1, 2], vec![0, 1], vec![0, 3], vec![1, 0, 3]]
            .map(|row| row.into_iter().map(event).collect::<Vec<_>>());
        let (core, dropped) = k_core(&Sequences::from_rows(rows), 4, 2);
        let counts = core.item_counts(4);
        assert!(counts.iter().all(|&n| n == 0 || n >= 2), "{counts:?}");
        assert!(core.rows().all(|row| row.is_empty() || row.len() >= 2));
        assert_eq!(dropped, 1);
    }
}
