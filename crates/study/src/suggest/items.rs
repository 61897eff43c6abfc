//! Which items of a domain to ask people about next: those whose answers tell most.

use std::collections::BTreeMap;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use segue_data::{DomainIdx, ItemCatalog, ItemIdx, TrainSet};
use segue_models::content::Content;
use serde::{Deserialize, Serialize};

use segue_train::TrainError;

/// How items are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ItemStrategy {
    /// `ln(popularity) · entropy of the ratings`: known to many, and they disagree. Rashid et al., "Getting to Know You: Learning New User
    /// Preferences in Recommender Systems", IUI 2002, section 3.4. All zero where all ratings are equal.
    PopularityEntropy,
    /// Entropy with "never met" as a rating of its own, which counts half: `−Σ w·p·lg p / Σ w`. Rashid, Karypis and Riedl, "Learning
    /// Preferences of New Users in Recommender Systems", SIGKDD Explorations 10(2), 2008, section 3.1.4. Works for events without ratings.
    Entropy0,
    /// Users who have it.
    Popularity,
    /// Spread out over the texts: each item as unlike as can be to those chosen before (greedy k-center, Gonzalez 1985).
    Coverage,
    /// By chance: the baseline.
    Random,
}

/// An item to ask about.
pub(super) struct SuggestedItem {
    /// The item.
    pub(super) item: ItemIdx,
    /// What the strategy goes by; for coverage the distance to the nearest item chosen before, for chance 0.
    pub(super) value: f64,
    /// Users who have it.
    pub(super) n_users: u32,
}

/// What to choose from.
pub(super) struct ItemPool<'a> {
    /// What is known.
    pub(super) train: &'a TrainSet,
    /// Items of all domains.
    pub(super) items: &'a ItemCatalog,
    /// The domain whose items are asked about.
    pub(super) domain: DomainIdx,
    /// Their texts; needed for coverage.
    pub(super) content: Option<&'a Content>,
}

/// Users by rating, of one item; ratings are rounded.
type Ratings = BTreeMap<i64, u32>;

impl ItemPool<'_> {
    /// At most `n` items, most wanted first. `seed` decides chance and ties.
    ///
    /// # Errors
    /// When coverage is asked for and there are no texts.
    pub(super) fn suggest(
        &self,
        strategy: ItemStrategy,
        n: usize,
        seed: u64,
    ) -> Result<Vec<SuggestedItem>, TrainError> {
        let range = self.items.range(self.domain);
        let (ratings, n_all) = self.ratings();
        let n_users: Vec<u32> = ratings.iter().map(|ratings| ratings.values().sum()).collect();
        let mut order: Vec<usize> = (0..range.len()).collect();
        order.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
        let value = |at: usize| match strategy {
            ItemStrategy::PopularityEntropy => popularity_entropy(&ratings[at]),
            ItemStrategy::Entropy0 => entropy0(&ratings[at], n_all),
            ItemStrategy::Popularity | ItemStrategy::Coverage => f64::from(n_users[at]),
            ItemStrategy::Random => 0.0,
        };
        let mut valued: Vec<(usize, f64)> = order.into_iter().map(|at| (at, value(at))).collect();
        // Stable: equal ones stay in their drawn order.
        valued.sort_by(|a, b| b.1.total_cmp(&a.1));
        if strategy == ItemStrategy::Coverage {
            let order: Vec<usize> = valued.iter().map(|&(at, _)| at).collect();
            valued = self.spread_out(&order, n)?;
        }
        let item = |(at, value): (usize, f64)| SuggestedItem {
            item: ItemIdx((range.start + at) as u32),
            value,
            n_users: n_users[at],
        };
        Ok(valued.into_iter().take(n).map(item).collect())
    }

    /// Whether ratings differ at all: without that, [`ItemStrategy::PopularityEntropy`] is zero for every item.
    pub(super) fn has_ratings(&self) -> bool {
        let inside = self.items.range(self.domain);
        let mut values =
            self.train.sequences.events().iter().filter(|event| inside.contains(&event.item.at()));
        let Some(first) = values.next() else { return false };
        values.any(|event| event.value.round() != first.value.round())
    }

    /// Ratings of each candidate, each user's last one; and the number of users with events in the domain.
    fn ratings(&self) -> (Vec<Ratings>, u32) {
        let range = self.items.range(self.domain);
        let mut ratings = vec![Ratings::new(); range.len()];
        let mut n_all = 0;
        for row in self.train.sequences.rows() {
            let inside = row.iter().filter(|event| range.contains(&event.item.at()));
            let last: BTreeMap<usize, i64> =
                inside.map(|event| (event.item.at() - range.start, event.value.round() as i64)).collect();
            n_all += u32::from(!last.is_empty());
            for (at, rating) in last {
                *ratings[at].entry(rating).or_default() += 1;
            }
        }
        (ratings, n_all)
    }

    /// From the first of `order` on, each as far as can be from those chosen before; ties in order.
    fn spread_out(&self, order: &[usize], n: usize) -> Result<Vec<(usize, f64)>, TrainError> {
        let no_text = || {
            TrainError::request(
                "the items of this domain have no texts to cover",
                "choose another --strategy",
            )
        };
        let content = self.content.ok_or_else(no_text)?;
        let start = self.items.range(self.domain).start;
        let item = |at: usize| ItemIdx((start + at) as u32);
        let mut open: Vec<(usize, f64)> = order.iter().map(|&at| (at, 1.0)).collect();
        let mut chosen = Vec::new();
        while chosen.len() < n && !open.is_empty() {
            let farthest =
                (0..open.len()).rev().max_by(|&a, &b| open[a].1.total_cmp(&open[b].1)).unwrap_or(0);
            let next = open.remove(farthest);
            for (at, nearest) in &mut open {
                let distance = 1.0 - f64::from(content.similarity(item(*at), item(next.0)));
                *nearest = nearest.min(distance.max(0.0));
            }
            chosen.push(next);
        }
        Ok(chosen)
    }
}

fn popularity_entropy(ratings: &Ratings) -> f64 {
    let n: f64 = ratings.values().map(|&count| f64::from(count)).sum();
    if n == 0.0 {
        return 0.0;
    }
    let entropy: f64 = ratings.values().map(|&count| plogp(f64::from(count) / n)).sum();
    n.ln() * entropy
}

/// Weight of "never met" beside 1 for every rating.
const NEVER_MET: f64 = 0.5;

fn entropy0(ratings: &Ratings, n_all: u32) -> f64 {
    let n: u32 = ratings.values().sum();
    if n_all == 0 {
        return 0.0;
    }
    let share = |count: u32| plogp(f64::from(count) / f64::from(n_all));
    let met: f64 = ratings.values().map(|&count| share(count)).sum();
    (met + NEVER_MET * share(n_all - n)) / (NEVER_MET + ratings.len() as f64)
}

/// In bits.
fn plogp(p: f64) -> f64 {
    if p > 0.0 { -p * p.log2() } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disputed_items_come_before_those_all_agree_on_and_those_nobody_knows() {
        let disputed = Ratings::from([(1, 4), (5, 4)]);
        let agreed = Ratings::from([(5, 8)]);
        let unknown = Ratings::new();
        assert!((popularity_entropy(&disputed) - 8f64.ln()).abs() < 1e-12);
        assert_eq!((popularity_entropy(&agreed), popularity_entropy(&unknown)), (0.0, 0.0));
    }

    #[test]
    fn entropy0_counts_never_met_half() {
        // 8 of 16 users have it, all with the same rating: p = ½ for both, −½·lg ½ = ½ each.
        let value = entropy0(&Ratings::from([(1, 8)]), 16);
        assert!((value - (0.5 + 0.5 * 0.5) / 1.5).abs() < 1e-12, "{value}");
        assert_eq!(entropy0(&Ratings::new(), 16), 0.0);
    }
}
