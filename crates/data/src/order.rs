//! Events in the order of a data set: by row (user), then by time, equal times as they came.

use rayon::prelude::*;

use crate::sequences::Event;

// Threads that each scan all events; more would only scan more.
const PARTS_MAX: usize = 8;

/// What happened at a time.
pub(crate) trait Timed: Copy + Send + Sync {
    /// Unix seconds.
    fn time(&self) -> i64;
}

impl Timed for Event {
    fn time(&self) -> i64 {
        self.timestamp
    }
}

/// An event with its published split.
impl Timed for (Event, u8) {
    fn time(&self) -> i64 {
        self.0.timestamp
    }
}

/// Row offsets, `[n_rows + 1]`: counts, then running sums.
pub(crate) fn offsets<S>(staged: &[S], n_rows: usize, row: impl Fn(&S) -> u32) -> Vec<usize> {
    let mut offsets = vec![0; n_rows + 1];
    for event in staged {
        offsets[row(event) as usize + 1] += 1;
    }
    for at in 1..offsets.len() {
        offsets[at] += offsets[at - 1];
    }
    offsets
}

/// A counting sort by row, each thread for a range of rows, then each row by time. Stable, and the same at any
/// number of threads.
pub(crate) fn by_row_and_time<S: Sync, T: Timed>(
    staged: &[S],
    offsets: &[usize],
    row: impl Fn(&S) -> u32 + Sync,
    convert: impl Fn(&S) -> T + Sync,
) -> Vec<T> {
    let Some(first) = staged.first() else { return Vec::new() };
    let mut events = vec![convert(first); staged.len()];
    let n_parts = rayon::current_num_threads().clamp(1, PARTS_MAX);
    let mut parts = Vec::with_capacity(n_parts);
    let (mut rest, mut start) = (events.as_mut_slice(), 0);
    for part in 1..=n_parts {
        let end = if part == n_parts {
            offsets.len() - 1
        } else {
            offsets.partition_point(|&offset| offset < staged.len() * part / n_parts).max(start)
        };
        let (mine, others) = rest.split_at_mut(offsets[end] - offsets[start]);
        parts.push((start..end, mine));
        (rest, start) = (others, end);
    }
    parts.into_par_iter().for_each(|(rows, events)| {
        let base = offsets[rows.start];
        let mut next: Vec<usize> = offsets[rows.clone()].iter().map(|offset| offset - base).collect();
        for event in staged.iter().filter(|event| rows.contains(&(row(event) as usize))) {
            let at = &mut next[row(event) as usize - rows.start];
            events[*at] = convert(event);
            *at += 1;
        }
        for bounds in offsets[rows.start..=rows.end].windows(2) {
            let row = &mut events[bounds[0] - base..bounds[1] - base];
            if !row.is_sorted_by_key(T::time) {
                row.sort_by_key(T::time);
            }
        }
    });
    events
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::ItemIdx;

    #[test]
    fn the_order_is_that_of_a_stable_sort_at_any_number_of_threads() {
        let staged: Vec<(u32, Event)> = (0..5_000u32)
            .map(|n| {
                let timestamp = i64::from(n * 7 % 13);
                (n * n % 97, Event { item: ItemIdx(n), value: 1.0, timestamp, kind: 0 })
            })
            .collect();
        let mut expected = staged.clone();
        expected.sort_by_key(|(row, event)| (*row, event.timestamp));
        let expected: Vec<Event> = expected.into_iter().map(|(_, event)| event).collect();
        let offsets = offsets(&staged, 120, |staged| staged.0);
        for n_threads in [1, 2, 7] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().unwrap();
            let sorted: Vec<Event> =
                pool.install(|| by_row_and_time(&staged, &offsets, |staged| staged.0, |staged| staged.1));
            assert_eq!(sorted, expected);
        }
    }
}
