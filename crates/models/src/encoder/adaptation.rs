//! What adapts an encoder to recommending: the loss of a batch of lessons, whose gradient reaches the encoder through the items of the
//! batch.
//!
//! A lesson is a history and the item that came next. Both are read in whitened text vectors: `u = normalize(P (v − μ))`, where mean and
//! whitening are those of the vectors before training. The history's vectors, fading with age, are the query; the softmax runs over
//! the targets of the batch and a sample of the catalog. Only the newest events and the targets pass through the encoder; other
//! vectors come from a memory that holds each item's last one (He et al., 2020, keep such a queue), so that a step costs a
//! few dozen texts, not hundreds.

use rayon::prelude::*;
use segue_nn::cross_entropy::{Denominator, Excluded, FullSoftmax, SoftmaxScratch};
use segue_nn::dropout::DropoutKey;
use segue_nn::info_nce::{Directions, InfoNce};
use segue_nn::{Gradients, Matrix, MatrixMut, add_scaled, matmul};
use serde::{Deserialize, Serialize};

use crate::encoder::{EncoderStep, TextEncoder};
use crate::whitening::{Spectrum, Whitening};

/// A history and what came next, all of one domain; items by catalog index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lesson {
    /// Oldest first, without the target.
    pub history: Vec<u32>,
    /// What came next.
    pub target: u32,
}

/// Settings of [`Adaptation`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdaptationConfig {
    /// Newest events of a history that pass through the encoder.
    pub n_live: usize,
    /// Weight of an event relative to the next newer one, in (0, 1].
    pub recency: f32,
    /// Divides the cosines.
    pub temperature: f32,
    /// Items of the catalog in a step's softmax beside the targets.
    pub n_negatives: usize,
    /// Items whose whitened texts have at least this cosine with the target's do not compete with it.
    pub duplicate_cosine: f32,
    /// Probability that a value is dropped in the encoder, in [0, 1).
    pub dropout: f32,
    /// Weight of the next item (`L_fin` through the encoder).
    pub next_item: f32,
    /// Weight of `SimCSE` (Gao et al., 2021): a text finds itself under other dropout. Needs `dropout`.
    pub simcse: f32,
    /// Weight of the contrast of an item's text with its description.
    pub description: f32,
}

impl Default for AdaptationConfig {
    fn default() -> Self {
        Self {
            n_live: 1,
            recency: 0.6,
            temperature: 0.05,
            n_negatives: 1024,
            duplicate_cosine: 0.9,
            dropout: 0.1,
            next_item: 1.0,
            simcse: 0.0,
            description: 0.0,
        }
    }
}

/// What is read of every item.
#[derive(Clone, Debug, Default)]
pub struct ItemTokens {
    /// Tokens of every item's text; empty without text.
    pub texts: Vec<Vec<u32>>,
    /// Tokens of every item's description; empty without one.
    pub descriptions: Vec<Vec<u32>>,
}

/// The items' tokens, what is remembered of their vectors, and the buffers of a step.
#[derive(Debug)]
pub struct Adaptation {
    config: AdaptationConfig,
    /// Tokens of every item's text; empty without text.
    pub texts: Vec<Vec<u32>>,
    /// Tokens of every item's description; empty without one.
    pub descriptions: Vec<Vec<u32>>,
    /// `[n_items, dim]`: each item's last vector.
    pub memory: Vec<f32>,
    mean: Vec<f32>,      // [dim]
    transform: Vec<f32>, // [k, dim]
    k: usize,
    domains: Vec<std::ops::Range<u32>>,
    step: EncoderStep,
    softmax: SoftmaxScratch,
}

// Rows of a step: those that pass through the encoder first, then those from memory.
struct Rows {
    live: Vec<u32>,
    all: Vec<u32>,
}

impl Rows {
    fn at(&self, item: u32) -> usize {
        let found = self.live.binary_search(&item);
        let rest = &self.all[self.live.len()..];
        found.unwrap_or_else(|_| self.live.len() + rest.partition_point(|&other| other < item))
    }
}

// Whitened vectors of length 1 with the lengths they had, and the gradient that has come back to them.
struct Whitened {
    unit: Vec<f32>,    // [n, k]
    d_unit: Vec<f32>,  // [n, k]
    lengths: Vec<f32>, // [n]
}

impl Adaptation {
    /// Before the first step; `memory` are the items' vectors now (`[n_items, dim]`), `domains` the catalog's ranges.
    pub fn new(
        config: &AdaptationConfig,
        tokens: ItemTokens,
        memory: Vec<f32>,
        spectrum: &Spectrum,
        domains: Vec<std::ops::Range<u32>>,
    ) -> Self {
        let (transform, k) = spectrum.transform(Whitening { n_components: 0, regularization: 0.1 });
        Self {
            step: EncoderStep::new(config.dropout),
            config: config.clone(),
            texts: tokens.texts,
            descriptions: tokens.descriptions,
            memory,
            mean: spectrum.mean().to_vec(),
            transform,
            k,
            domains,
            softmax: SoftmaxScratch::default(),
        }
    }

    /// Mean loss per lesson, its gradients added to `gradients`; the vectors of the batch's items are remembered.
    ///
    /// # Panics
    /// When an item is not below the number of texts.
    pub fn losses(
        &mut self,
        encoder: &TextEncoder,
        lessons: &[&Lesson],
        key: DropoutKey,
        gradients: &mut Gradients,
    ) -> f64 {
        let rows = self.rows_of(lessons, key);
        let extra = self.extra_rows(lessons);
        let texts = rows.live.iter().map(|&item| &self.texts[item as usize]);
        let again = extra.iter().map(|extra| match extra {
            Extra::Again(item) => &self.texts[*item as usize],
            Extra::Description(item) => &self.descriptions[*item as usize],
        });
        let tokens: Vec<&[u32]> = texts.chain(again).map(Vec::as_slice).collect();
        let dim = encoder.dim();
        let vectors = self.step.forward(encoder, &tokens, key).to_vec(); // [live + extra, dim]
        for (&item, vector) in rows.live.iter().zip(vectors.chunks_exact(dim)) {
            self.memory[item as usize * dim..][..dim].copy_from_slice(vector);
        }
        let n_live = rows.live.len();
        let mut values = vectors[..n_live * dim].to_vec(); // [all, dim]
        for &item in &rows.all[n_live..] {
            values.extend_from_slice(&self.memory[item as usize * dim..][..dim]);
        }
        let mut whitened = self.whiten(&values); // [all, k]
        let mut loss = f64::from(self.config.next_item) * self.next_item(lessons, &rows, &mut whitened);
        let mut again = self.whiten(&vectors[n_live * dim..]); // [extra, k]
        loss += self.contrasts(&extra, &rows, &mut whitened, &mut again);
        let mut d_vectors = self.whiten_backward(&whitened, n_live);
        d_vectors.extend(self.whiten_backward(&again, extra.len()));
        self.step.backward(encoder, &d_vectors, gradients);
        loss
    }

    // The items of a step: targets and newest events live; older events and a sample of each target's domain from memory.
    fn rows_of(&self, lessons: &[&Lesson], key: DropoutKey) -> Rows {
        let mut live: Vec<u32> = lessons.iter().map(|lesson| lesson.target).collect();
        live.extend(lessons.iter().flat_map(|lesson| lesson.history.iter().rev().take(self.config.n_live)));
        live.sort_unstable();
        live.dedup();
        let mut rest: Vec<u32> = lessons.iter().flat_map(|lesson| lesson.history.iter().copied()).collect();
        for (at, range) in self.domains_of(lessons).into_iter().enumerate() {
            let n = u64::from(range.end - range.start);
            let draw = |at: u64| range.start + (key.of(1 << 20 | at).number() % n) as u32;
            let first = (at * self.config.n_negatives) as u64;
            let drawn = (first..first + self.config.n_negatives as u64).map(draw);
            rest.extend(drawn.filter(|&item| !self.texts[item as usize].is_empty()));
        }
        rest.sort_unstable();
        rest.dedup();
        rest.retain(|item| live.binary_search(item).is_err());
        let all = live.iter().chain(&rest).copied().collect();
        Rows { live, all }
    }

    fn domains_of(&self, lessons: &[&Lesson]) -> Vec<std::ops::Range<u32>> {
        let asked =
            |range: &&std::ops::Range<u32>| lessons.iter().any(|lesson| range.contains(&lesson.target));
        self.domains.iter().filter(asked).cloned().collect()
    }

    // What is read a second time: the targets for `SimCSE`, their descriptions for the other contrast.
    fn extra_rows(&self, lessons: &[&Lesson]) -> Vec<Extra> {
        let mut targets: Vec<u32> = lessons.iter().map(|lesson| lesson.target).collect();
        targets.sort_unstable();
        targets.dedup();
        let mut extra = Vec::new();
        if self.config.simcse > 0.0 {
            extra.extend(targets.iter().map(|&item| Extra::Again(item)));
        }
        if self.config.description > 0.0 {
            let described = targets.iter().filter(|&&item| !self.descriptions[item as usize].is_empty());
            extra.extend(described.map(|&item| Extra::Description(item)));
        }
        extra
    }

    // Cross-entropy of every lesson's target among its domain's rows; adds to their gradient.
    fn next_item(&mut self, lessons: &[&Lesson], rows: &Rows, whitened: &mut Whitened) -> f64 {
        let k = self.k;
        let mut loss = 0.0;
        for range in self.domains_of(lessons) {
            let own: Vec<&&Lesson> = lessons.iter().filter(|lesson| range.contains(&lesson.target)).collect();
            let keys: Vec<usize> = (0..rows.all.len()).filter(|&at| range.contains(&rows.all[at])).collect();
            let mut place = vec![u32::MAX; rows.all.len()];
            keys.iter().enumerate().for_each(|(at, &row)| place[row] = at as u32);
            let targets: Vec<u32> = own.iter().map(|lesson| place[rows.at(lesson.target)]).collect();
            let items: Vec<f32> =
                keys.iter().flat_map(|&row| &whitened.unit[row * k..][..k]).copied().collect(); // [keys, k]
            let queries: Vec<Query> = own.iter().map(|lesson| self.query(lesson, rows, whitened)).collect();
            let hidden: Vec<f32> = queries.iter().flat_map(|query| &query.scaled).copied().collect();
            let (offsets, excluded) = self.alike(&items, &targets);
            let excluded = Some(Excluded { offsets: &offsets, items: &excluded });
            let (mut d_hidden, mut d_items) = (vec![0.0; hidden.len()], vec![0.0; items.len()]);
            let scale = self.config.next_item / lessons.len() as f32;
            let denominator = Denominator { bias: None, excluded };
            let softmax =
                FullSoftmax { hidden: &hidden, items: &items, targets: &targets, scale, denominator };
            let sum = softmax.run(&mut d_hidden, Some(&mut d_items), &mut self.softmax);
            loss += sum / lessons.len() as f64;
            for (&row, d) in keys.iter().zip(d_items.chunks_exact(k)) {
                add_scaled(&mut whitened.d_unit[row * k..][..k], 1.0, d);
            }
            for (query, d) in queries.iter().zip(d_hidden.chunks_exact(k)) {
                query.backward(d, self.config.temperature, &mut whitened.d_unit);
            }
        }
        loss
    }

    // The fading sum of a history, of length 1, over the temperature.
    fn query(&self, lesson: &Lesson, rows: &Rows, whitened: &Whitened) -> Query {
        let k = self.k;
        let mut sum = vec![0.0; k];
        let mut weight = 1.0;
        let mut parts = Vec::new();
        for &item in lesson.history.iter().rev() {
            let row = rows.at(item);
            add_scaled(&mut sum, weight, &whitened.unit[row * k..][..k]);
            parts.push((row, weight));
            weight *= self.config.recency;
        }
        let length = sum.iter().map(|x| x * x).sum::<f32>().sqrt().max(1e-6);
        let scaled = sum.iter().map(|x| x / (length * self.config.temperature)).collect();
        Query { parts, length, scaled }
    }

    // For each target, the keys that are the same thing in all but name.
    fn alike(&self, items: &[f32], targets: &[u32]) -> (Vec<usize>, Vec<u32>) {
        let k = self.k;
        let n = items.len() / k;
        let mut lists: Vec<Vec<u32>> = vec![Vec::new(); n];
        lists.par_iter_mut().enumerate().filter(|(at, _)| targets.contains(&(*at as u32))).for_each(
            |(at, list)| {
                let mut cosines = vec![0.0; n];
                segue_nn::dot_rows(items, &items[at * k..][..k], &mut cosines);
                let alike = |(other, &cosine): (usize, &f32)| {
                    (other != at && cosine >= self.config.duplicate_cosine).then_some(other as u32)
                };
                list.extend(cosines.iter().enumerate().filter_map(alike));
            },
        );
        let mut offsets = vec![0];
        for list in &lists {
            offsets.push(offsets[offsets.len() - 1] + list.len());
        }
        (offsets, lists.concat())
    }

    fn contrasts(&self, extra: &[Extra], rows: &Rows, own: &mut Whitened, again: &mut Whitened) -> f64 {
        let is_again = |extra: &Extra| matches!(extra, Extra::Again(_));
        let n_again = extra.iter().filter(|extra| is_again(extra)).count();
        let parts = [(0..n_again, self.config.simcse), (n_again..extra.len(), self.config.description)];
        let k = self.k;
        let mut loss = 0.0;
        for (range, weight) in parts.into_iter().filter(|(range, _)| range.len() > 1) {
            let places: Vec<usize> = extra[range.clone()].iter().map(|extra| rows.at(extra.item())).collect();
            let queries: Vec<f32> =
                places.iter().flat_map(|&row| &own.unit[row * k..][..k]).copied().collect();
            let keys = &again.unit[range.start * k..range.end * k];
            let contrast = InfoNce {
                width: k,
                temperature: self.config.temperature,
                directions: Directions::Both,
                false_negatives: None,
            };
            let (mut d_queries, mut d_keys) = (vec![0.0; queries.len()], vec![0.0; keys.len()]);
            loss += f64::from(weight) * contrast.run(&queries, keys, &mut d_queries, &mut d_keys);
            for (&row, d) in places.iter().zip(d_queries.chunks_exact(k)) {
                add_scaled(&mut own.d_unit[row * k..][..k], weight, d);
            }
            add_scaled(&mut again.d_unit[range.start * k..range.end * k], weight, &d_keys);
        }
        loss
    }

    fn whiten(&self, vectors: &[f32]) -> Whitened {
        let dim = self.mean.len();
        let n = vectors.len() / dim;
        let mut centered = vectors.to_vec();
        centered.chunks_exact_mut(dim).for_each(|row| add_scaled(row, -1.0, &self.mean));
        let mut unit = vec![0.0; n * self.k]; // [n, k]
        let transform = Matrix::new(&self.transform, self.k, dim, dim);
        matmul(MatrixMut::new(&mut unit, self.k), 1.0, Matrix::new(&centered, n, dim, dim), transform.t());
        let shorten = |row: &mut [f32]| {
            let length = row.iter().map(|x| x * x).sum::<f32>().sqrt().max(1e-6);
            row.iter_mut().for_each(|x| *x /= length);
            length
        };
        let lengths = unit.chunks_exact_mut(self.k).map(shorten).collect();
        Whitened { d_unit: vec![0.0; unit.len()], unit, lengths }
    }

    // From the gradient of unit vectors to that of the first `n` rows' vectors, `[n, dim]`.
    fn whiten_backward(&self, whitened: &Whitened, n: usize) -> Vec<f32> {
        let (k, dim) = (self.k, self.mean.len());
        let mut d = whitened.d_unit[..n * k].to_vec(); // [n, k], of the vectors before they got length 1
        for ((d, unit), length) in
            d.chunks_exact_mut(k).zip(whitened.unit.chunks_exact(k)).zip(&whitened.lengths)
        {
            let along: f32 = d.iter().zip(unit).map(|(d, u)| d * u).sum();
            d.iter_mut().zip(unit).for_each(|(d, u)| *d = (*d - along * u) / length);
        }
        let mut d_vectors = vec![0.0; n * dim];
        let transform = Matrix::new(&self.transform, k, dim, dim);
        matmul(MatrixMut::new(&mut d_vectors, dim), 1.0, Matrix::new(&d, n, k, k), transform);
        d_vectors
    }
}

#[derive(Clone, Copy, Debug)]
enum Extra {
    Again(u32),
    Description(u32),
}

impl Extra {
    fn item(self) -> u32 {
        match self {
            Self::Again(item) | Self::Description(item) => item,
        }
    }
}

struct Query {
    parts: Vec<(usize, f32)>, // row, weight
    length: f32,
    scaled: Vec<f32>, // [k], of length 1 / temperature
}

impl Query {
    // `d` is the gradient of `scaled`.
    fn backward(&self, d: &[f32], temperature: f32, d_unit: &mut [f32]) {
        let k = d.len();
        let along: f32 =
            d.iter().zip(&self.scaled).map(|(d, q)| d * q).sum::<f32>() * temperature * temperature;
        let d_sum: Vec<f32> =
            d.iter().zip(&self.scaled).map(|(d, q)| (d - along * q) / (self.length * temperature)).collect();
        for &(row, weight) in &self.parts {
            add_scaled(&mut d_unit[row * k..][..k], weight, &d_sum);
        }
    }
}
