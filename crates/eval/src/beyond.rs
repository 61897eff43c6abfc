//! What accuracy does not see: how many items are shown, how evenly, how popular, how alike, how new.
//!
//! Every function takes the lists already cut at n ([`crate::full_ranking::Rankings::lists_at`]), one per case.
//! Means are over the lists that are not empty. Tools use some of these names for other formulas (`RecBole` divides the
//! entropy by the number of items and counts a padding item in coverage); the formula here is the one stated.

use rayon::prelude::*;

use crate::error::{Error, Result};

/// How often every item of the catalogue is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exposure {
    /// Number of lists that show each item.
    counts: Vec<u64>,
}

impl Exposure {
    /// Counts the items of `lists` over a catalogue of `n_items`.
    ///
    /// # Errors
    /// If no list shows anything, or an item is outside the catalogue.
    pub fn of(lists: &[&[u32]], n_items: usize) -> Result<Self> {
        check(lists, n_items)?;
        let mut counts = vec![0; n_items];
        for &item in lists.iter().copied().flatten() {
            counts[item as usize] += 1;
        }
        Ok(Self { counts })
    }

    /// Share of the catalogue that is shown to anyone: different items / `n_items`.
    pub fn coverage(&self) -> f64 {
        self.counts.iter().filter(|&&count| count > 0).count() as f64 / self.counts.len() as f64
    }

    /// Gini index of the exposure, items that are never shown included: 0 if all are shown equally, towards 1 if one
    /// has everything.
    ///
    /// `sum_i (2i - n - 1) c_i / (n sum_i c_i)` with counts c rising and i from 1.
    pub fn gini(&self) -> f64 {
        let mut rising = self.counts.clone();
        rising.sort_unstable();
        let n = rising.len() as f64;
        let total: u64 = rising.iter().sum();
        let weighted = |(i, &count): (usize, &u64)| (2.0 * (i as f64 + 1.0) - n - 1.0) * count as f64;
        rising.iter().enumerate().map(weighted).sum::<f64>() / (n * total as f64)
    }

    /// Shannon entropy of the exposure in bits, `-sum p log2 p`.
    pub fn entropy(&self) -> f64 {
        let total = self.counts.iter().sum::<u64>() as f64;
        let shown = self.counts.iter().filter(|&&count| count > 0);
        // Counts, not shares, inside the sum: a single item then has entropy 0, not -0.
        shown.map(|&count| count as f64 / total * (total / count as f64).log2()).sum()
    }
}

/// Average recommendation popularity (ARP): the mean over lists of the mean train count of their items.
///
/// # Errors
/// If no list shows anything, or an item is outside the catalogue.
pub fn average_popularity(lists: &[&[u32]], train_counts: &[u32]) -> Result<f64> {
    mean_over_items(lists, train_counts.len(), |item| f64::from(train_counts[item as usize]))
}

/// Popularity lift: how much more popular the lists are than what the users chose themselves,
/// `(ARP(lists) - ARP(histories)) / ARP(histories)`; 0 is faithful.
///
/// `None` if the histories are empty or hold only items without train interactions.
///
/// # Errors
/// If no list shows anything, or an item is outside the catalogue.
pub fn popularity_lift(lists: &[&[u32]], histories: &[&[u32]], train_counts: &[u32]) -> Result<Option<f64>> {
    let shown = average_popularity(lists, train_counts)?;
    if histories.iter().all(|history| history.is_empty()) {
        return Ok(None);
    }
    let chosen = average_popularity(histories, train_counts)?;
    Ok((chosen > 0.0).then(|| (shown - chosen) / chosen))
}

/// Average percentage of long-tail items (APLT, Abdollahpouri et al., 2019): the mean over lists of the share of their
/// items that are in the tail, from 0 to 1.
///
/// # Errors
/// If no list shows anything, or an item is outside the catalogue.
pub fn aplt(lists: &[&[u32]], is_tail: &[bool]) -> Result<f64> {
    mean_over_items(lists, is_tail.len(), |item| f64::from(u8::from(is_tail[item as usize])))
}

/// Mean self-information in bits: the mean over lists of the mean of `-log2(train count / users)`.
///
/// An item without train interactions counts as if it had one, an item with more interactions than there are users as
/// if all had it: the value stays finite and at least 0.
///
/// # Errors
/// If no list shows anything, or an item is outside the catalogue.
pub fn novelty(lists: &[&[u32]], train_counts: &[u32], n_train_users: usize) -> Result<f64> {
    let n_users = n_train_users.max(1) as f64;
    mean_over_items(lists, train_counts.len(), |item| {
        let count = f64::from(train_counts[item as usize]).clamp(1.0, n_users);
        (n_users / count).log2()
    })
}

/// Intra-list diversity (ILD): the mean over lists of the mean distance of their pairs. Lists of one item have no pair
/// and are left out; `None` if all are so short.
///
/// # Errors
/// If a distance is not finite.
pub fn intra_list_diversity(
    lists: &[&[u32]],
    distance: impl Fn(u32, u32) -> f64 + Sync,
) -> Result<Option<f64>> {
    let means: Vec<f64> =
        lists.par_iter().filter(|list| list.len() > 1).map(|list| mean_distance(list, &distance)).collect();
    if let Some((index, &value)) = means.iter().enumerate().find(|(_, mean)| !mean.is_finite()) {
        return Err(Error::NonFiniteValue { name: "mean distance of a list", index, value });
    }
    Ok((!means.is_empty()).then(|| means.iter().sum::<f64>() / means.len() as f64))
}

/// Mean of `distance` over the pairs of a list of at least two items.
fn mean_distance(list: &[u32], distance: impl Fn(u32, u32) -> f64) -> f64 {
    let mut sum = 0.0;
    for (position, &later) in list.iter().enumerate() {
        sum += list[..position].iter().map(|&earlier| distance(earlier, later)).sum::<f64>();
    }
    sum / (list.len() * (list.len() - 1) / 2) as f64
}

/// The mean over lists that are not empty of the mean over their items.
fn mean_over_items(lists: &[&[u32]], n_items: usize, value: impl Fn(u32) -> f64) -> Result<f64> {
    check(lists, n_items)?;
    let mut sum = 0.0;
    let mut n_lists = 0;
    for list in lists.iter().filter(|list| !list.is_empty()) {
        sum += list.iter().map(|&item| value(item)).sum::<f64>() / list.len() as f64;
        n_lists += 1;
    }
    Ok(sum / f64::from(n_lists))
}

/// Refuses lists without any item and items outside the catalogue.
fn check(lists: &[&[u32]], n_items: usize) -> Result<()> {
    let largest = lists.iter().copied().flatten().max().ok_or(Error::Empty { name: "lists" })?;
    let item = *largest as usize;
    if item >= n_items {
        return Err(Error::ItemOutOfRange { item, n_items });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn exposure(counts: &[u64]) -> Exposure {
        Exposure { counts: counts.to_vec() }
    }

    fn close(value: f64, expected: f64) {
        assert!((value - expected).abs() < 1e-12, "{value} instead of {expected}");
    }

    #[test]
    fn exposure_has_the_golden_gini() {
        close(exposure(&[0, 0, 1, 2, 7]).gini(), 0.64);
        close(exposure(&[7, 0, 2, 0, 1]).gini(), 0.64);
        close(exposure(&[3, 3, 3]).gini(), 0.0);
    }

    #[test]
    fn coverage_and_entropy_count_what_is_shown() {
        let exposure = Exposure::of(&[&[0, 1], &[0, 2], &[]], 5).unwrap();
        assert_eq!(exposure.counts, [2, 1, 1, 0, 0]);
        close(exposure.coverage(), 0.6);
        close(exposure.entropy(), 1.5);
        assert!(Exposure::of(&[&[3]], 5).unwrap().entropy().is_sign_positive());
    }

    #[test]
    fn popularity_is_averaged_by_list_then_over_lists() {
        let train_counts = [10, 2, 0, 4];
        let lists: [&[u32]; 3] = [&[0, 1], &[3], &[]];
        close(average_popularity(&lists, &train_counts).unwrap(), 5.0);
        close(popularity_lift(&lists, &[&[1], &[1, 1], &[]], &train_counts).unwrap().unwrap(), 1.5);
        assert_eq!(popularity_lift(&lists, &[&[], &[]], &train_counts).unwrap(), None);
        assert_eq!(popularity_lift(&lists, &[&[2]], &train_counts).unwrap(), None);
        close(aplt(&lists, &[false, true, true, true]).unwrap(), 0.75);
    }

    #[test]
    fn novelty_is_zero_for_what_everybody_has() {
        let train_counts = [8, 1, 0, 99];
        close(novelty(&[&[0]], &train_counts, 8).unwrap(), 0.0);
        close(novelty(&[&[0, 1]], &train_counts, 8).unwrap(), 1.5);
        close(novelty(&[&[2], &[3]], &train_counts, 8).unwrap(), 1.5);
    }

    #[test]
    fn diversity_is_the_mean_distance_of_pairs() {
        let distance = |a: u32, b: u32| f64::from(a.abs_diff(b));
        let diversity = |lists: &[&[u32]]| intra_list_diversity(lists, distance).unwrap();
        close(diversity(&[&[0, 1, 3], &[5], &[2, 2]]).unwrap(), 1.0);
        assert_eq!(diversity(&[&[5], &[]]), None);
        assert!(intra_list_diversity(&[&[0, 1]], |_, _| f64::NAN).is_err());
    }

    #[test]
    fn nothing_shown_is_an_error_not_nan() {
        assert!(matches!(Exposure::of(&[&[]], 3), Err(Error::Empty { .. })));
        assert!(matches!(
            average_popularity(&[&[3]], &[1, 1, 1]),
            Err(Error::ItemOutOfRange { item: 3, .. })
        ));
    }

    proptest! {
        #[test]
        fn shares_are_bounded_and_order_does_not_matter(mut counts in prop::collection::vec(0_u64..50, 1..40)) {
            counts[0] += 1;
            let before = exposure(&counts);
            counts.reverse();
            let after = exposure(&counts);
            let n = counts.len() as f64;
            prop_assert!(0.0 < before.coverage() && before.coverage() <= 1.0);
            prop_assert!((-1e-12..1.0).contains(&before.gini()));
            prop_assert!((0.0..=n.log2() + 1e-9).contains(&before.entropy()));
            prop_assert_eq!(before.gini(), after.gini());
        }
    }
}
