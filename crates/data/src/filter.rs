//! Leaves out events by their value; how many is always told.

use crate::dataset::Dataset;
use crate::sequences::Sequences;

/// Keeps the events whose value is at least `min_value`; users and items stay, possibly without events. Returns how many
/// events were left out.
pub fn keep_values_from(dataset: &mut Dataset, min_value: f32) -> u64 {
    let sequences = &dataset.sequences;
    let keeps: Vec<bool> = sequences.events().iter().map(|event| event.value >= min_value).collect();
    let mut offsets = vec![0];
    for pair in sequences.offsets().windows(2) {
        let n_kept = keeps[pair[0]..pair[1]].iter().filter(|&&keep| keep).count();
        offsets.push(offsets[offsets.len() - 1] + n_kept);
    }
    let events: Vec<_> =
        sequences.events().iter().zip(&keeps).filter(|(_, keep)| **keep).map(|(&event, _)| event).collect();
    let n_dropped = (keeps.len() - events.len()) as u64;
    if !dataset.published_split.is_empty() {
        let mut keep = keeps.iter();
        dataset.published_split.retain(|_| keep.next() == Some(&true));
    }
    dataset.sequences = Sequences::from_parts(offsets, events);
    n_dropped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::ItemIdx;
    use crate::sequences::Event;

    #[test]
    fn low_values_go_with_their_split_tags_and_are_counted() {
        let event = |value| Event { item: ItemIdx(0), value, timestamp: 0, kind: 0 };
        let mut dataset = Dataset {
            sequences: Sequences::from_rows([
                vec![event(1.0), event(5.0)],
                vec![event(2.0)],
                vec![event(4.0)],
            ]),
            published_split: vec![0, 1, 0, 2],
            ..Dataset::default()
        };
        assert_eq!(keep_values_from(&mut dataset, 4.0), 2);
        assert_eq!(dataset.published_split, [1, 2]);
        assert_eq!(dataset.sequences.offsets(), [0, 1, 1, 2]);
    }
}
