//! The best items of one case, in order: the list a user would see.

use serde::{Deserialize, Serialize};

/// Items compared at once before looking for the one that enters.
const CHUNK: usize = 64;

/// A recommendation list: the items in falling order of score, equal scores in rising order of item.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct TopList {
    /// Item indexes, best first.
    pub items: Vec<u32>,
    /// Their scores.
    pub scores: Vec<f32>,
}

impl TopList {
    /// The `n` best items whose score is not `f32::NEG_INFINITY`; fewer if there are fewer.
    ///
    /// One pass: a chunk of scores is compared with the worst score kept, and only a chunk that beats it is looked
    /// into. Items come in rising order, so an equal later one never enters and ties fall to the lower index.
    /// The caller has checked that no score is NaN.
    pub(crate) fn select(scores: &[f32], n: usize) -> Self {
        if n == 0 {
            return Self::default();
        }
        let mut best: Vec<(f32, u32)> = Vec::with_capacity(n.min(scores.len()) + 1);
        let mut worst_kept = f32::NEG_INFINITY;
        for (chunk_idx, chunk) in scores.chunks(CHUNK).enumerate() {
            let beats = |&score: &f32| u32::from(score > worst_kept);
            if chunk.iter().map(beats).sum::<u32>() == 0 {
                continue;
            }
            for (offset, &score) in chunk.iter().enumerate() {
                if score > worst_kept {
                    let position = best.partition_point(|kept| kept.0 >= score);
                    best.insert(position, (score, (chunk_idx * CHUNK + offset) as u32));
                    best.truncate(n);
                    if best.len() == n {
                        worst_kept = best[n - 1].0;
                    }
                }
            }
        }
        let (scores, items) = best.into_iter().unzip();
        Self { items, scores }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ties_fall_to_the_lower_index_and_masked_items_stay_out() {
        let top = TopList::select(&[1.0, 2.0, f32::NEG_INFINITY, 2.0, 1.0], 4);
        assert_eq!(top.items, [1, 3, 0, 4]);
        assert_eq!(TopList::select(&[1.0, 1.0, 1.0], 2).items, [0, 1]);
        assert_eq!(TopList::select(&[f32::NEG_INFINITY; 3], 2).items, [0_u32; 0]);
        assert_eq!(TopList::select(&[1.0], 0), TopList::default());
    }

    proptest! {
        #[test]
        fn selection_equals_sorting(scores in prop::collection::vec(-20_i8..20, 0..300), n in 0_usize..40) {
            let scores: Vec<f32> = scores.into_iter().map(f32::from).collect();
            let mut order: Vec<u32> = (0..scores.len() as u32).collect();
            order.sort_by(|&a, &b| scores[b as usize].total_cmp(&scores[a as usize]).then(a.cmp(&b)));
            order.truncate(n);
            let top = TopList::select(&scores, n);
            prop_assert!(top.items.iter().zip(&top.scores).all(|(&i, &s)| scores[i as usize] == s));
            prop_assert_eq!(top.items, order);
        }
    }
}
