//! Directed window co-occurrence: what tends to follow what, within a few steps.

use rand::{Rng, RngCore};
use segue_data::{ItemCatalog, ItemIdx, TrainSet};
use serde::{Deserialize, Serialize};

use super::contract::{FitContext, KindFacts, Scorer, Settings};
use super::grid::{self, HALF_LIVES, RECENCY};
use super::{ExpertConfig, ExpertId, ExpertKind, Fitted};
use crate::query::{DAY_S, Fading, Place, Query, Scope};
use crate::similarity::{ItemSimilarity, RowScratch};
use crate::tensors::{ModelError, Tensors};

pub(super) const WINDOW: KindFacts =
    KindFacts::closed_form(ExpertKind::Window, "window", || ExpertConfig::Window(WindowConfig::default()));

/// Settings of [`Window`]; the defaults are the published floor recipe for the S3-Rec data sets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WindowConfig {
    /// Steps between two events that still count, ≥ 1.
    pub window: usize,
    /// Weight of a step relative to the one before, in (0, 1].
    pub decay: f32,
    /// Weight of the pair against the direction of time, in [0, 1].
    pub backward: f32,
    /// Exponent of the count of the history item in the normalization.
    pub from_exponent: f32,
    /// Exponent of the count of the candidate in the normalization.
    pub to_exponent: f32,
    /// Added to the normalization: rare pairs are trusted less.
    pub shrink: f32,
    /// Weight of a history event relative to the next newer one, in (0, 1].
    pub recency: f32,
    /// Days before the request after which a history event counts half; 0 = time does not count.
    #[serde(default)]
    pub half_life_days: f32,
    /// Days between two events after which their pair counts half; 0 = time does not count.
    #[serde(default)]
    pub pair_half_life_days: f32,
    /// Weight of second-order neighbors: what tends to follow the best first-order candidates; 0 = off.
    #[serde(default)]
    pub second_order: f32,
}

impl Default for WindowConfig {
    fn default() -> Self {
        Self {
            window: 20,
            decay: 0.9,
            backward: 0.5,
            from_exponent: 0.7,
            to_exponent: 0.3,
            shrink: 2.0,
            recency: 0.6,
            half_life_days: 0.0,
            pair_half_life_days: 0.0,
            second_order: 0.0,
        }
    }
}

impl Settings for WindowConfig {
    fn fit(&self, id: ExpertId, train: &TrainSet, context: &FitContext<'_>) -> Result<Fitted, ModelError> {
        let place = Place { domain: context.domain, scope: id.scope };
        Ok(Fitted::Window(Window::fit(self, train, context.items, place)))
    }

    fn load(&self, items: &ItemCatalog, place: Place, tensors: &mut Tensors) -> Result<Fitted, ModelError> {
        let target = items.range(place.domain);
        let similarity = ItemSimilarity::load("window", items.len(), target.len(), tensors)?;
        Ok(Fitted::Window(Window::new(similarity, target.start, self.second_order)))
    }

    fn fading(&self) -> Option<Fading> {
        Some(Fading { recency: self.recency, half_life_days: self.half_life_days })
    }

    // Symmetric and cautious: sparse data with repeats; forward and sharp: dense sequences.
    fn further_starts(&self, _: ExpertKind, _: bool) -> Vec<ExpertConfig> {
        let symmetric = Self {
            window: 10,
            decay: 0.8,
            backward: 1.0,
            from_exponent: 0.5,
            to_exponent: 0.5,
            shrink: 5.0,
            ..self.clone()
        };
        let forward =
            Self { backward: 0.12, from_exponent: 0.5, to_exponent: 0.15, shrink: 10.0, ..self.clone() };
        let far = Self { second_order: 1.0, ..forward.clone() };
        [symmetric, forward, far].map(ExpertConfig::Window).into()
    }

    fn step(&self, _: ExpertKind, rng: &mut dyn RngCore) -> ExpertConfig {
        let mut next = self.clone();
        match rng.random_range(0..10) {
            0 => grid::move_count(&mut next.window, &[3, 5, 10, 20, 40], rng),
            1 => grid::move_on(&mut next.decay, &[0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0], rng),
            2 => grid::move_on(&mut next.backward, &[0.0, 0.12, 0.25, 0.5, 0.75, 1.0], rng),
            3 => grid::move_on(&mut next.from_exponent, &[0.1, 0.3, 0.5, 0.7, 0.9], rng),
            4 => grid::move_on(&mut next.to_exponent, &[0.0, 0.1, 0.2, 0.3, 0.5, 0.7], rng),
            5 => grid::move_on(&mut next.shrink, &[0.0, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0], rng),
            6 => grid::move_on(&mut next.half_life_days, HALF_LIVES, rng),
            7 => grid::move_on(&mut next.pair_half_life_days, HALF_LIVES, rng),
            8 => grid::move_on(&mut next.second_order, &[0.0, 0.25, 0.5, 1.0, 2.0, 4.0], rng),
            _ => grid::move_on(&mut next.recency, RECENCY, rng),
        }
        ExpertConfig::Window(next)
    }

    fn differs_in_scoring_only(&self, other: &ExpertConfig) -> bool {
        let ExpertConfig::Window(other) = other else { return false };
        let Self { recency, half_life_days, second_order, .. } = *other;
        Self { recency, half_life_days, second_order, ..self.clone() } == *other
    }

    fn score_by(&self, model: &mut Fitted) {
        if let Fitted::Window(model) = model {
            model.second_order = self.second_order;
        }
    }
}

/// `S[a, b] = C[a, b] / (cnt_a^α · cnt_b^β + shrink)`, `score(j) = Σ_history recency^age · S[h, j]`.
///
/// With second order, the best [`SECOND_ORDER_TOP`] candidates of the row-normalized first step are followed once more:
/// `score += w · Σ_j top(Σ_history q_h · S[h, j] / (Σ S[h, ·] + .2)) · S[j, ·]`. It reaches items that never stood near the history.
#[derive(Clone, Debug, PartialEq)]
pub struct Window {
    similarity: ItemSimilarity,
    /// Sum of each row, `[n_items]`.
    row_sums: Vec<f32>,
    first_candidate: usize,
    second_order: f32,
}

/// Candidates followed in the second step.
const SECOND_ORDER_TOP: usize = 300;
/// Keeps rows with little evidence from being blown up by the row normalization.
const ROW_SHRINK: f32 = 0.2;

impl Window {
    /// Counts, for candidates of the place's domain, pairs within the window over the events that its scope keeps.
    ///
    /// For `b` after `a` at distance `k ≤ window`: `C[a,b] += decay^(k−1)` and `C[b,a] += backward · decay^(k−1)`.
    /// Counts are of training events.
    pub fn fit(config: &WindowConfig, train: &TrainSet, items: &ItemCatalog, place: Place) -> Self {
        let target = items.range(place.domain);
        let pairs = PairSource::collect(train, items, place);
        let reach = Reach::new(config);
        let count_power =
            |exponent: f32| -> Vec<f32> { pairs.counts.iter().map(|&n| (n as f32).powf(exponent)).collect() };
        let (from, to) = (count_power(config.from_exponent), count_power(config.to_exponent));
        let row = |scratch: &mut RowScratch, a: usize| {
            // With sources only, pairs inside the target say nothing about the other domains.
            if place.scope == Scope::Sources && target.contains(&a) {
                return (Vec::new(), Vec::new());
            }
            for occurrence in pairs.occurrences(a) {
                pairs.add_neighbors(occurrence, &reach, target.start, scratch);
            }
            scratch.take(|b, sum| sum / (from[a] * to[target.start + b as usize] + config.shrink))
        };
        let similarity =
            ItemSimilarity::build(items.len(), target.len(), || RowScratch::new(target.len()), row);
        Self::new(similarity, target.start, config.second_order)
    }

    fn new(similarity: ItemSimilarity, first_candidate: usize, second_order: f32) -> Self {
        let row_sums = (0..similarity.n_rows()).map(|row| similarity.row(row).1.iter().sum()).collect();
        Self { similarity, row_sums, first_candidate, second_order }
    }

    // The best candidates of the first step as items, with their weights.
    fn best(&self, scores: &[f32]) -> Vec<(ItemIdx, f32)> {
        let mut order: Vec<u32> = (0..scores.len() as u32).filter(|&at| scores[at as usize] > 0.0).collect();
        let best_first =
            |a: &u32, b: &u32| scores[*b as usize].total_cmp(&scores[*a as usize]).then(a.cmp(b));
        if order.len() > SECOND_ORDER_TOP {
            order.select_nth_unstable_by(SECOND_ORDER_TOP, best_first);
            order.truncate(SECOND_ORDER_TOP);
        }
        order.sort_unstable();
        let item =
            |&at: &u32| (ItemIdx(self.first_candidate as u32 + at), self.second_order * scores[at as usize]);
        order.iter().map(item).collect()
    }

    /// The item → candidate weights.
    pub fn similarity(&self) -> &ItemSimilarity {
        &self.similarity
    }
}

impl Scorer for Window {
    fn score(&self, _: &Query<'_>, history: &[(ItemIdx, f32)], scores: &mut [f32]) {
        scores.fill(0.0);
        if self.second_order > 0.0 {
            let normalized: Vec<(ItemIdx, f32)> = history
                .iter()
                .map(|&(item, weight)| {
                    (item, weight / (self.row_sums.get(item.at()).unwrap_or(&0.0) + ROW_SHRINK))
                })
                .collect();
            self.similarity.add_weighted(&normalized, scores);
            let best = self.best(scores);
            scores.fill(0.0);
            self.similarity.add_weighted(&best, scores);
        }
        self.similarity.add_weighted(history, scores);
    }

    fn save(&self, tensors: &mut Tensors) {
        self.similarity.save("window", tensors);
    }

    fn item_weights(&self) -> Option<&ItemSimilarity> {
        Some(&self.similarity)
    }
}

/// How far pairs reach, and what a pair counts.
struct Reach<'a> {
    config: &'a WindowConfig,
    /// `[window]`, by distance.
    weights: Vec<f32>,
}

impl<'a> Reach<'a> {
    fn new(config: &'a WindowConfig) -> Self {
        Self { config, weights: (0..config.window).map(|k| config.decay.powi(k as i32)).collect() }
    }
}

/// Sequences of the kept events, and where each item occurs in them.
struct PairSource {
    sequence_items: Vec<u32>,
    times: Vec<i64>,
    /// By item, in the order of the sequences; `occurrence_offsets` has the items' starts.
    occurrences: Vec<Occurrence>,
    occurrence_offsets: Vec<usize>,
    counts: Vec<u32>,
}

/// Where an event stands, and its sequence from start to end.
#[derive(Clone, Copy, Default)]
struct Occurrence {
    start: u32,
    at: u32,
    end: u32,
}

impl PairSource {
    fn collect(train: &TrainSet, items: &ItemCatalog, place: Place) -> Self {
        // Pairs from a source item to a target item need both kinds in one sequence.
        let kept = |item| place.scope != Scope::Target || place.keeps(item, items);
        let mut sequence_items = Vec::new();
        let mut times = Vec::new();
        let mut row_ends = Vec::new();
        for row in train.sequences.rows() {
            sequence_items.extend(row.iter().filter(|event| kept(event.item)).map(|event| event.item.0));
            times.extend(row.iter().filter(|event| kept(event.item)).map(|event| event.timestamp));
            row_ends.push(sequence_items.len() as u32);
        }
        let mut counts = vec![0u32; items.len()];
        for &item in &sequence_items {
            counts[item as usize] += 1;
        }
        let mut occurrence_offsets = vec![0; items.len() + 1];
        for (item, &count) in counts.iter().enumerate() {
            occurrence_offsets[item + 1] = occurrence_offsets[item] + count as usize;
        }
        let mut next = occurrence_offsets.clone();
        let mut occurrences = vec![Occurrence::default(); sequence_items.len()];
        let mut start = 0;
        for end in row_ends {
            for at in start..end {
                let place = &mut next[sequence_items[at as usize] as usize];
                occurrences[*place] = Occurrence { start, at, end };
                *place += 1;
            }
            start = end;
        }
        Self { sequence_items, times, occurrences, occurrence_offsets, counts }
    }

    fn occurrences(&self, item: usize) -> &[Occurrence] {
        &self.occurrences[self.occurrence_offsets[item]..self.occurrence_offsets[item + 1]]
    }

    fn add_neighbors(
        &self,
        occurrence: &Occurrence,
        reach: &Reach<'_>,
        first_candidate: usize,
        scratch: &mut RowScratch,
    ) {
        let Reach { config, weights } = reach;
        let (start, at, end) = (occurrence.start as usize, occurrence.at as usize, occurrence.end as usize);
        let column = |item: &u32| (*item as usize).wrapping_sub(first_candidate);
        let (after, before) = (&self.sequence_items[at + 1..end], &self.sequence_items[start..at]);
        let before = if config.backward > 0.0 { before } else { &[] };
        let after = after.iter().map(column).zip(weights.iter().copied());
        let backward = weights.iter().map(|weight| config.backward * weight);
        let before = before.iter().rev().map(column).zip(backward);
        if config.pair_half_life_days > 0.0 {
            let by_time = |time: &i64| {
                let apart = (time - self.times[at]).abs() as f32;
                (-apart / (DAY_S * config.pair_half_life_days)).exp2()
            };
            let fading = |((item, weight), time)| (item, weight * by_time(time));
            scratch.add_all(after.zip(&self.times[at + 1..end]).map(fading));
            scratch.add_all(before.zip(self.times[start..at].iter().rev()).map(fading));
        } else {
            scratch.add_all(after);
            scratch.add_all(before);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use segue_data::{DomainIdx, Event, ItemIdx, Sequences, Vocabulary};

    const TARGET: Place = Place { domain: DomainIdx(0), scope: Scope::Target };

    fn toy() -> (TrainSet, ItemCatalog) {
        let vocabulary = |n: usize, c: char| (0..n).map(|i| format!("{c}{i}")).collect::<Vocabulary>();
        let items = ItemCatalog::new(vec![vocabulary(3, 'a'), vocabulary(2, 'b')], Vec::new());
        let event = |item| Event { item: ItemIdx(item), value: 1.0, timestamp: 0, kind: 0 };
        let rows =
            [vec![0, 1, 3, 2], vec![1, 4, 0]].map(|row| row.into_iter().map(event).collect::<Vec<_>>());
        (TrainSet { sequences: Sequences::from_rows(rows), ..TrainSet::default() }, items)
    }

    #[test]
    fn pairs_follow_the_recipe_by_hand() {
        let (train, items) = toy();
        let config =
            WindowConfig { from_exponent: 0.0, to_exponent: 0.0, shrink: 0.0, ..WindowConfig::default() };
        let model = Window::fit(&config, &train, &items, TARGET);
        // Target sequences: 0 1 2 and 1 0. C[0,1] = 1 (forward) + .5 (backward of 1 0) = 1.5.
        assert!((model.similarity.get(0, 1) - 1.5).abs() < 1e-6);
        assert!((model.similarity.get(0, 2) - 0.9).abs() < 1e-6);
        assert!((model.similarity.get(2, 0) - 0.45).abs() < 1e-6);
        // From the sources' item b0 (index 3): sequence 0 1 b0 2 gives 2 after it, 1 and 0 before it.
        let cross = Window::fit(&config, &train, &items, Place { scope: Scope::Sources, ..TARGET });
        assert!((cross.similarity.get(3, 2) - 1.0).abs() < 1e-6);
        assert!((cross.similarity.get(3, 1) - 0.5).abs() < 1e-6);
        assert_eq!(cross.similarity.get(0, 1), 0.0);
    }

    // The definition, pair by pair.
    fn counted_plainly(config: &WindowConfig, train: &TrainSet, n_items: usize) -> Vec<f32> {
        let mut sums = vec![0.0; n_items * n_items];
        for row in train.sequences.rows() {
            for (at, a) in row.iter().enumerate() {
                for (k, b) in row[at + 1..].iter().enumerate().take(config.window) {
                    let weight = config.decay.powi(k as i32);
                    sums[a.item.at() * n_items + b.item.at()] += weight;
                    sums[b.item.at() * n_items + a.item.at()] += config.backward * weight;
                }
            }
        }
        sums
    }

    #[test]
    fn dense_and_sparse_rows_equal_the_definition() {
        let items = ItemCatalog::new(vec![(0..300).map(|i| i.to_string()).collect()], Vec::new());
        let event = |item| Event { item: ItemIdx(item), value: 1.0, timestamp: 0, kind: 0 };
        // Item 0 is in every sequence, most others are in few.
        let rows = (0..60_u32).map(|row| {
            let item = |at: u32| if at == 3 { 0 } else { (row * 7 + at * at * 13) % 300 };
            (0..5 + row % 30).map(|at| event(item(at))).collect::<Vec<_>>()
        });
        let train = TrainSet { sequences: Sequences::from_rows(rows), ..TrainSet::default() };
        let config =
            WindowConfig { from_exponent: 0.0, to_exponent: 0.0, shrink: 0.0, ..WindowConfig::default() };
        let expected = counted_plainly(&config, &train, 300);
        let model = Window::fit(&config, &train, &items, TARGET);
        for (at, &expected) in expected.iter().enumerate() {
            let received = model.similarity.get(at / 300, (at % 300) as u32);
            assert!((received - expected).abs() < 1e-4, "{at}: {received} instead of {expected}");
        }
    }

    #[test]
    fn the_normalization_uses_counts_of_both_items() {
        let (train, items) = toy();
        let model = Window::fit(&WindowConfig::default(), &train, &items, TARGET);
        let expected = 1.5 / (2f32.powf(0.7) * 2f32.powf(0.3) + 2.0);
        assert!((model.similarity.get(0, 1) - expected).abs() < 1e-6);
    }
}
