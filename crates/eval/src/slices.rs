//! Groups of cases to look at apart: by how popular the target is, and by how active the user is.
//!
//! A mean over all cases is mostly a mean over popular items and active users; a gain there can hide a loss elsewhere.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Train interactions below which a target counts as cold.
pub const COLD_BELOW: u32 = 5;

/// Share of all train interactions held by the head.
const HEAD_SHARE: f64 = 0.5;
/// Share held by head and mid together; what is outside is the long tail (Abdollahpouri et al., 2019).
const MID_SHARE: f64 = 0.8;

/// How popular an item is in train.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PopularityGroup {
    /// The most popular items that together hold half of the train interactions.
    Head,
    /// The next ones, up to 80 % of the interactions.
    Mid,
    /// The rest of the items with any interaction.
    Tail,
    /// Items without train interactions.
    Unseen,
}

impl PopularityGroup {
    /// All groups, from popular to unseen.
    pub const ALL: [Self; 4] = [Self::Head, Self::Mid, Self::Tail, Self::Unseen];

    /// Whether the item is outside the items that hold 80 % of the interactions.
    pub fn is_long_tail(self) -> bool {
        matches!(self, Self::Tail | Self::Unseen)
    }

    fn slice_name(self) -> &'static str {
        match self {
            Self::Head => "target_head",
            Self::Mid => "target_mid",
            Self::Tail => "target_tail",
            Self::Unseen => "target_unseen",
        }
    }
}

/// The group of every item. Items are taken by falling count, equal counts by rising index; one belongs to the head if
/// the items before it hold less than half of the interactions, to the mid if they hold less than 80 %.
///
/// ```
/// use segue_eval::slices::{PopularityGroup::*, popularity_groups};
/// assert_eq!(popularity_groups(&[1, 60, 0, 29, 10]), [Tail, Head, Unseen, Mid, Tail]);
/// ```
pub fn popularity_groups(train_counts: &[u32]) -> Vec<PopularityGroup> {
    let mut by_popularity: Vec<usize> = (0..train_counts.len()).collect();
    by_popularity.sort_by_key(|&item| std::cmp::Reverse(train_counts[item]));
    let total: u64 = train_counts.iter().map(|&count| u64::from(count)).sum();
    let mut groups = vec![PopularityGroup::Unseen; train_counts.len()];
    let mut held_before = 0;
    for item in by_popularity.into_iter().filter(|&item| train_counts[item] > 0) {
        let share = held_before as f64 / total as f64;
        groups[item] = match share {
            _ if share < HEAD_SHARE => PopularityGroup::Head,
            _ if share < MID_SHARE => PopularityGroup::Mid,
            _ => PopularityGroup::Tail,
        };
        held_before += u64::from(train_counts[item]);
    }
    groups
}

/// Some of the cases, under a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slice {
    /// Name, such as `target_tail` or `activity_q1`.
    pub name: String,
    /// Indexes of its cases, rising; may be empty.
    pub cases: Vec<usize>,
}

impl Slice {
    fn new(name: impl Into<String>, n_cases: usize, belongs: impl Fn(usize) -> bool) -> Self {
        Self { name: name.into(), cases: (0..n_cases).filter(|&case| belongs(case)).collect() }
    }
}

/// Slices by the target's popularity in train: `target_head`, `target_mid`, `target_tail`, `target_unseen`, which are
/// disjoint and complete, and `target_cold` (fewer than [`COLD_BELOW`] interactions, the unseen included).
///
/// # Errors
/// If a target is outside the catalogue.
pub fn target_slices(targets: &[u32], train_counts: &[u32]) -> Result<Vec<Slice>> {
    let n_items = train_counts.len();
    if let Some(&item) = targets.iter().find(|&&item| item as usize >= n_items) {
        return Err(Error::ItemOutOfRange { item: item as usize, n_items });
    }
    let groups = popularity_groups(train_counts);
    let of_group = |group: PopularityGroup| {
        Slice::new(group.slice_name(), targets.len(), |case| groups[targets[case] as usize] == group)
    };
    let is_cold = |case: usize| train_counts[targets[case] as usize] < COLD_BELOW;
    let mut slices = PopularityGroup::ALL.map(of_group).to_vec();
    slices.push(Slice::new("target_cold", targets.len(), is_cold));
    Ok(slices)
}

/// Slices by the length of the history: `activity_q1` (shortest) to `activity_q4`, disjoint and complete.
///
/// Cases of equal length are never parted, so quarters are only as equal as the lengths allow: a length belongs to
/// the lowest quarter j for which at least j quarters of the cases are as short or shorter.
pub fn activity_slices(history_lens: &[usize]) -> Vec<Slice> {
    let mut rising = history_lens.to_vec();
    rising.sort_unstable();
    let longest_of = |quarter: usize| rising.get((quarter * rising.len()).div_ceil(4).saturating_sub(1));
    let edges = [1, 2, 3].map(|quarter| longest_of(quarter).copied().unwrap_or(0));
    let quarter_of = |len: usize| 1 + edges.iter().filter(|&&edge| len > edge).count();
    let of_quarter = |quarter: usize| {
        let belongs = |case: usize| quarter_of(history_lens[case]) == quarter;
        Slice::new(format!("activity_q{quarter}"), history_lens.len(), belongs)
    };
    (1..=4).map(of_quarter).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn equal_counts_are_parted_by_index() {
        use PopularityGroup::{Head, Mid, Tail};
        let groups = popularity_groups(&[1; 10]);
        assert_eq!(groups, [Head, Head, Head, Head, Head, Mid, Mid, Mid, Tail, Tail]);
        assert_eq!(popularity_groups(&[0, 0]), [PopularityGroup::Unseen; 2]);
    }

    #[test]
    fn cold_targets_include_unseen_ones() {
        let slices = target_slices(&[0, 1, 2, 3], &[100, COLD_BELOW, COLD_BELOW - 1, 0]).unwrap();
        assert_eq!(slices[3].cases, [3]);
        assert_eq!((slices[4].name.as_str(), &slices[4].cases[..]), ("target_cold", &[2, 3][..]));
        assert!(target_slices(&[4], &[1; 4]).is_err());
    }

    #[test]
    fn quarters_are_equal_where_lengths_allow() {
        let sizes =
            |lens: &[usize]| activity_slices(lens).iter().map(|slice| slice.cases.len()).collect::<Vec<_>>();
        assert_eq!(sizes(&[8, 1, 2, 3, 4, 5, 6, 7]), [2, 2, 2, 2]);
        assert_eq!(sizes(&[5, 5, 5, 5, 5]), [5, 0, 0, 0]);
        assert_eq!(sizes(&[1, 1, 1, 9]), [3, 0, 0, 1]);
        assert_eq!(sizes(&[]), [0, 0, 0, 0]);
    }

    proptest! {
        #[test]
        fn every_case_is_in_one_group_and_one_quarter(
            counts in prop::collection::vec(0_u32..20, 1..30), targets in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
        ) {
            let targets: Vec<u32> = targets.iter().map(|at| at.index(counts.len()) as u32).collect();
            let lens: Vec<usize> = targets.iter().map(|&target| target as usize % 5).collect();
            let by_popularity = &target_slices(&targets, &counts).unwrap()[..4];
            for slices in [by_popularity, &activity_slices(&lens)] {
                let mut cases: Vec<usize> = slices.iter().flat_map(|slice| slice.cases.clone()).collect();
                cases.sort_unstable();
                prop_assert_eq!(cases, (0..targets.len()).collect::<Vec<_>>());
            }
        }
    }
}
