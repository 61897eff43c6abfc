//! Negatives drawn uniformly without replacement, for protocols that rank against a sample.

use std::collections::HashSet;

use rand::Rng;

use crate::error::{Error, Result};

/// Draws `n` different items of `0..n_items` outside `exclude`, every such set equally likely, in rising order.
///
/// `exclude` (the target, usually with the user's history) may be unsorted and repeat. Floyd's algorithm (Bentley and
/// Floyd, CACM 1987) draws positions among the items left, which are then mapped to items: exact and never retried.
///
/// ```
/// use rand::SeedableRng;
/// use segue_eval::negatives::sample_negatives;
/// let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(0);
/// assert_eq!(sample_negatives(&mut rng, 5, 3, &[4, 1, 1])?, [0, 2, 3]);
/// # Ok::<(), segue_eval::error::Error>(())
/// ```
///
/// # Errors
/// If fewer than `n` items are left, or an excluded item is outside the catalogue.
pub fn sample_negatives(rng: &mut impl Rng, n_items: u32, n: usize, exclude: &[u32]) -> Result<Vec<u32>> {
    let mut excluded = exclude.to_vec();
    excluded.sort_unstable();
    excluded.dedup();
    if let Some(&item) = excluded.last().filter(|&&item| item >= n_items) {
        return Err(Error::ItemOutOfRange { item: item as usize, n_items: n_items as usize });
    }
    let available = n_items - excluded.len() as u32;
    let n_drawn = u32::try_from(n)
        .ok()
        .filter(|&n| n <= available)
        .ok_or(Error::TooFewItems { requested: n, available: available as usize })?;
    let mut chosen = HashSet::with_capacity(n);
    for last in available - n_drawn..available {
        let drawn = rng.random_range(0..=last);
        if !chosen.insert(drawn) {
            chosen.insert(last);
        }
    }
    let mut positions: Vec<u32> = chosen.into_iter().collect();
    positions.sort_unstable();
    Ok(items_at(&positions, &excluded))
}

/// The items at the given positions of the catalogue without the excluded items; both slices are sorted.
fn items_at(positions: &[u32], excluded: &[u32]) -> Vec<u32> {
    let mut n_skipped = 0;
    let to_item = |&position: &u32| {
        while excluded.get(n_skipped).is_some_and(|&item| item <= position + n_skipped as u32) {
            n_skipped += 1;
        }
        position + n_skipped as u32
    };
    positions.iter().map(to_item).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    proptest! {
        #[test]
        fn negatives_are_distinct_sorted_and_never_excluded(
            n_items in 1_u32..60, exclude in prop::collection::vec(any::<prop::sample::Index>(), 0..30), want in 0_usize..60, seed in any::<u64>(),
        ) {
            let exclude: Vec<u32> = exclude.iter().map(|i| i.index(n_items as usize) as u32).collect();
            let available = (0..n_items).filter(|item| !exclude.contains(item)).count();
            let drawn = sample_negatives(&mut ChaCha8Rng::seed_from_u64(seed), n_items, want, &exclude);
            if want > available {
                prop_assert!(matches!(drawn, Err(Error::TooFewItems { .. })), "{:?}", drawn);
            } else {
                let drawn = drawn.unwrap();
                prop_assert_eq!(drawn.len(), want);
                prop_assert!(drawn.is_sorted_by(|a, b| a < b));
                prop_assert!(drawn.iter().all(|item| *item < n_items && !exclude.contains(item)));
            }
        }
    }

    #[test]
    fn every_item_left_is_drawn_equally_often() {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let mut counts = [0_u32; 10];
        for _ in 0..20_000 {
            for item in sample_negatives(&mut rng, 10, 3, &[2, 9]).unwrap() {
                counts[item as usize] += 1;
            }
        }
        // Each of 8 items is expected 7,500 times with standard deviation 68.
        for (item, &count) in counts.iter().enumerate() {
            let expected = if item == 2 || item == 9 { 0 } else { 7_500 };
            assert!(count.abs_diff(expected) < 340, "item {item}: {count}");
        }
    }
}
