//! Which users without events in a domain to ask about next.
//!
//! The default follows Zhdanov, "Diverse mini-batch Active Learning" (arXiv:1901.05954): the most uncertain candidates first, a fixed
//! multiple of what is wanted, then a spread-out choice among them. Uncertainty is the entropy of the blend's softmax
//! (Settles, "Active Learning Literature Survey", 2009, section 3.1). The spread-out choice is greedy k-center (Gonzalez, 1985; as a
//! core-set in Sener and Savarese, ICLR 2018, arXiv:1708.00489, algorithm 1) in place of Zhdanov's k-means.

use std::collections::BTreeMap;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use segue_data::{Event, ItemCatalog, TrainSet, UserProfiles};
use segue_models::Query;
use segue_models::query::event_time;
use segue_recommend::DomainModel;
use serde::{Deserialize, Serialize};

use segue_train::confidence::confidence;

/// How users are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UserStrategy {
    /// The most uncertain, spread out.
    UncertainDiverse,
    /// The most uncertain.
    Uncertain,
    /// Spread out: each as far as can be from those known and those chosen before.
    Diverse,
    /// Those who did most elsewhere: they have the most to tell.
    Active,
    /// By chance: the baseline.
    Random,
}

/// A user to ask about.
pub(crate) struct SuggestedUser {
    /// The user.
    pub(crate) row: u32,
    /// Entropy of the blend's softmax over its largest value, in [0, 1].
    pub(super) uncertainty: f64,
    /// Cosine distance to the nearest user that is known or was chosen before, in [0, 1]; 1 without any.
    pub(super) distance: f64,
}

/// Whom to choose from.
pub(crate) struct UserPool<'a> {
    /// The blend as it is now.
    model: &'a DomainModel,
    /// Items of all domains.
    items: &'a ItemCatalog,
    /// What is known about users besides events.
    profiles: &'a UserProfiles,
    /// Users without events in the domain.
    pub(super) unknown: Vec<Unknown<'a>>,
    /// Events of users who have some in the domain.
    known: Vec<&'a [Event]>,
}

/// A user without events in the domain.
pub(super) struct Unknown<'a> {
    row: u32,
    /// Events elsewhere, at least one.
    events: &'a [Event],
}

/// Uncertain candidates per user wanted, among whom the spread-out choice is made: Zhdanov's β.
const PREFILTER: usize = 10;
/// Known users that distances are measured to; more are thinned evenly.
const KNOWN_MAX: usize = 500;

impl<'a> UserPool<'a> {
    /// All rows of `train` with events, parted by whether any of these is in the model's domain.
    pub(crate) fn new(model: &'a DomainModel, train: &'a TrainSet, items: &'a ItemCatalog) -> Self {
        let inside = items.range(model.domain);
        let (mut unknown, mut known) = (Vec::new(), Vec::new());
        for (row, events) in train.sequences.rows().enumerate().filter(|(_, events)| !events.is_empty()) {
            if events.iter().any(|event| inside.contains(&event.item.at())) {
                known.push(events);
            } else {
                unknown.push(Unknown { row: row as u32, events });
            }
        }
        Self { model, items, profiles: &train.profiles, unknown, known }
    }

    /// Leaves out of the choice whose row does not pass.
    pub(crate) fn retain(&mut self, passes: impl Fn(u32) -> bool) {
        self.unknown.retain(|user| passes(user.row));
    }

    /// At most `n` users, most wanted first. `seed` decides chance and ties.
    pub(crate) fn suggest(&self, strategy: UserStrategy, n: usize, seed: u64) -> Vec<SuggestedUser> {
        let mut candidates: Vec<usize> = (0..self.unknown.len()).collect();
        candidates.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
        let uncertainty = self.uncertainties();
        if matches!(strategy, UserStrategy::Uncertain | UserStrategy::UncertainDiverse) {
            // Stable: equal ones stay in their drawn order.
            candidates.sort_by(|&a, &b| uncertainty[b].total_cmp(&uncertainty[a]));
        }
        if strategy == UserStrategy::Active {
            candidates.sort_by_key(|&at| std::cmp::Reverse(self.unknown[at].events.len()));
        }
        let in_order = match strategy {
            UserStrategy::UncertainDiverse => n.saturating_mul(PREFILTER),
            UserStrategy::Diverse => candidates.len(),
            UserStrategy::Uncertain | UserStrategy::Active | UserStrategy::Random => n,
        };
        candidates.truncate(in_order);
        let is_spread = matches!(strategy, UserStrategy::Diverse | UserStrategy::UncertainDiverse);
        let chosen = self.take(&candidates, n, is_spread);
        let suggested = |(at, distance): (usize, f64)| SuggestedUser {
            row: self.unknown[at].row,
            uncertainty: uncertainty[at],
            distance,
        };
        chosen.into_iter().map(suggested).collect()
    }

    fn uncertainties(&self) -> Vec<f64> {
        let uncertainty = |buffers: &mut _, &Unknown { row, events: history }: &Unknown<'_>| {
            let timestamp = history.last().and_then(event_time);
            let profile = self.profiles.get(row as usize);
            let query = Query { domain: self.model.domain, history, timestamp, profile };
            confidence(self.model, &query, self.items, buffers).uncertainty
        };
        self.unknown.par_iter().map_init(Default::default, uncertainty).collect()
    }

    /// In the given order, or greedily the farthest from all centers so far; with distances at the time of the choice.
    fn take(&self, candidates: &[usize], n: usize, is_spread: bool) -> Vec<(usize, f64)> {
        let tastes = Tastes::new(self, candidates);
        let mut nearest = vec![1.0; candidates.len()];
        for center in &tastes.known {
            tastes.approach(center, &mut nearest);
        }
        let mut is_taken = vec![false; candidates.len()];
        let mut chosen = Vec::new();
        while chosen.len() < n.min(candidates.len()) {
            let open = (0..candidates.len()).filter(|&at| !is_taken[at]);
            // The last maximum of a reversed order: the first of equals.
            let farthest = open.clone().rev().max_by(|&a, &b| nearest[a].total_cmp(&nearest[b]));
            let next = if is_spread { farthest } else { open.clone().next() };
            let Some(next) = next else { break };
            is_taken[next] = true;
            chosen.push((candidates[next], nearest[next]));
            tastes.approach(&tastes.unknown[next], &mut nearest);
        }
        chosen
    }
}

/// A user's distinct items with weights `ln(1 + n / n_users_of_item)`, of length 1, by item.
type Taste = Vec<(u32, f64)>;

struct Tastes {
    unknown: Vec<Taste>,
    known: Vec<Taste>,
    n_items: usize,
}

impl Tastes {
    fn new(pool: &UserPool<'_>, candidates: &[usize]) -> Self {
        let inside = pool.items.range(pool.model.domain);
        // Those who are asked about have no events in the domain, so only events elsewhere can be compared.
        let elsewhere = |events: &[Event]| {
            let mut items: Vec<u32> = events
                .iter()
                .map(|event| event.item.0)
                .filter(|&item| !inside.contains(&(item as usize)))
                .collect();
            items.sort_unstable();
            items.dedup();
            items
        };
        let unknown: Vec<Vec<u32>> =
            candidates.iter().map(|&at| elsewhere(pool.unknown[at].events)).collect();
        let n_known = pool.known.len().min(KNOWN_MAX);
        let known: Vec<Vec<u32>> =
            (0..n_known).map(|place| elsewhere(pool.known[place * pool.known.len() / n_known])).collect();
        let mut n_users: BTreeMap<u32, f64> = BTreeMap::new();
        for &item in unknown.iter().chain(&known).flatten() {
            *n_users.entry(item).or_default() += 1.0;
        }
        let n = (unknown.len() + known.len()) as f64;
        let taste = |items: &Vec<u32>| {
            let weights: Vec<f64> = items.iter().map(|item| (1.0 + n / n_users[item]).ln()).collect();
            let length = weights.iter().map(|weight| weight * weight).sum::<f64>().sqrt();
            items.iter().zip(weights).map(|(&item, weight)| (item, weight / length)).collect()
        };
        Self {
            unknown: unknown.iter().map(taste).collect(),
            known: known.iter().map(taste).collect(),
            n_items: pool.items.len(),
        }
    }

    /// Distances after one more center.
    fn approach(&self, center: &Taste, nearest: &mut [f64]) {
        let mut dense = vec![0.0; self.n_items]; // [n_items]
        center.iter().for_each(|&(item, weight)| dense[item as usize] = weight);
        nearest.par_iter_mut().zip(&self.unknown).for_each(|(nearest, taste)| {
            let cosine: f64 = taste.iter().map(|&(item, weight)| weight * dense[item as usize]).sum();
            *nearest = nearest.min((1.0 - cosine).max(0.0));
        });
    }
}
