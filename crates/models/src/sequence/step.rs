//! One training step of the behavior model: a batch of sequences in, loss and gradients out.

use rayon::prelude::*;
use segue_data::TrainSet;
use segue_nn::block::{BlockCache, BlockPass, BlockScratch, Dropping};
use segue_nn::cross_entropy::{Denominator, FullSoftmax, SoftmaxScratch};
use segue_nn::dropout::{DropoutKey, dropout};
use segue_nn::layer_norm::{NormInput, RowStats};
use segue_nn::{Gradients, ParamId, Params};

use super::input::ItemInput;
use super::negatives::{Catalog, NegativeSample};
use super::tasks::{DomainPart, TaskLosses};
use super::tokens::Token;
use super::{Net, SequenceConfig, SequenceModel};
use crate::fusion::Turn;
use crate::losses::contrast::contrast;
use crate::query::event_time;

/// In place of a row: a position that is not trained.
pub const NO_TARGET: u32 = u32::MAX;

/// A sequence to learn from: at each position, the item that came next.
#[derive(Clone, Debug, PartialEq)]
pub struct Example {
    /// What was seen.
    pub tokens: Vec<Token>,
    /// Row of the next item, per token; [`NO_TARGET`] where there is nothing to learn.
    pub next: Vec<u32>,
    /// What the means of item and user leave of the next event's value, per token; 0 where ratings are no task.
    pub values: Vec<f32>,
}

impl Example {
    /// Training sequences in scope, cut into stretches of at most `max_len + 1` events. One with a single event teaches nothing,
    /// unless something is known about its user: the first event is predicted from that.
    pub fn all_of(train: &TrainSet, model: &SequenceModel) -> Vec<Self> {
        let (rows, max_len) = (&model.rows, model.config.max_len);
        let mut examples = Vec::new();
        for (user, events) in train.sequences.rows().enumerate() {
            let profile: Vec<Token> = model.profile_tokens(train.profiles.get(user)).collect();
            let fewest = if profile.is_empty() { 2 } else { 1 };
            let kept: Vec<_> = events.iter().filter(|event| rows.row(event).is_some()).copied().collect();
            let values_of_all = model.rating_residuals(&kept); // [kept]
            // From the newest backwards, so that the newest stretch is whole.
            let mut end = kept.len();
            while end >= fewest {
                let start = end.saturating_sub(max_len + 1);
                let stretch = &kept[start..end];
                let newest = stretch[stretch.len() - 1];
                let own = rows.tokens(&kept[..end - 1], event_time(&newest), max_len, &model.words);
                let tokens: Vec<Token> = profile.iter().copied().chain(own).collect();
                let mut next = vec![NO_TARGET; tokens.len() + 1 - stretch.len()];
                let mut values = vec![0.0; next.len()];
                if start == 0 && !profile.is_empty() {
                    next[profile.len() - 1] = rows.row(&stretch[0]).map_or(NO_TARGET, |row| row as u32);
                    values[profile.len() - 1] = values_of_all[0];
                }
                next.extend(stretch[1..].iter().filter_map(|event| rows.row(event)).map(|row| row as u32));
                values.extend_from_slice(&values_of_all[start + 1..end]);
                examples.push(Self { tokens, next, values });
                end = start + usize::from(start > 0);
            }
        }
        examples
    }

    /// Of examples, those that teach something about a domain's items, and only that.
    pub fn towards(examples: Vec<Self>, items: &std::ops::Range<usize>) -> Vec<Self> {
        let other = |next: &&mut u32| !items.contains(&(**next as usize));
        let mut examples = examples;
        for example in &mut examples {
            example.next.iter_mut().filter(other).for_each(|next| *next = NO_TARGET);
        }
        examples.retain(|example| example.next.iter().any(|next| *next != NO_TARGET));
        examples
    }
}

/// Parts of a batch that are computed side by side: a fixed number, so that sums have one order at any thread count.
const N_LANES: usize = 4;

/// Buffers of the training step, reused from step to step.
#[derive(Debug, Default)]
pub struct SequenceStep {
    lanes: Vec<Lane>,
    heads: Vec<Head>,
    softmax: SoftmaxScratch,
    sample: NegativeSample,
    d_vectors: Vec<f32>, // [n_rows + n_words + n_values, width]
}

#[derive(Debug, Default)]
pub(super) struct Lane {
    pub(super) tokens: Vec<Token>,
    pub(super) next: Vec<u32>,
    pub(super) values: Vec<f32>,
    lengths: Vec<usize>,
    places: Vec<usize>, // per sequence: its place in the batch
    x: Vec<f32>,        // [n, width]
    hidden: Vec<f32>,   // [n, width]
    d_x: Vec<f32>,      // [n, width]
    stats: RowStats,    // [n]
    caches: Vec<BlockCache>,
    scratch: BlockScratch,
    gradients: Option<Gradients>,
    key: Option<DropoutKey>,
}

/// The positions whose next item lies in one domain.
#[derive(Debug, Default)]
pub(super) struct Head {
    places: Vec<(usize, usize)>, // lane, position
    pub(super) targets: Vec<u32>,
    pub(super) values: Vec<f32>,
    pub(super) hidden: Vec<f32>,   // [n, width]
    pub(super) d_hidden: Vec<f32>, // [n, width]
    before: Vec<f32>,              // [n, width], before the domain was asked for
    inner: Vec<f32>,               // [n, rank], of the domain's adapter
}

impl SequenceStep {
    /// Mean loss per position (in nats, weighted by domain), with its gradients added to `gradients`.
    ///
    /// `key` decides the dropout of this step; with text input the model must have been refreshed for the same key.
    pub fn losses(
        &mut self,
        model: &SequenceModel,
        batch: &[&Example],
        key: DropoutKey,
        gradients: &mut Gradients,
    ) -> f64 {
        if let Some(fused) = model.input.fused().filter(|fused| fused.turn(key) == Turn::Sides) {
            return fused.backward(&model.params, Turn::Sides, &[], gradients);
        }
        let contrast = model.config.tasks.contrast;
        if contrast > 0.0 {
            // Two views, which differ by what is dropped: no lane has both of a sequence.
            self.fill_lanes(&[batch, batch].concat(), model, key);
        } else {
            self.fill_lanes(batch, model, key);
        }
        self.lanes.par_iter_mut().for_each(|lane| lane.forward(model));
        self.d_vectors.clear();
        self.d_vectors.resize(model.vectors.len(), 0.0);
        let mut loss = self.heads_of(model, key.of(N_LANES as u64), gradients);
        if contrast > 0.0 {
            loss += self.contrast_views(batch.len(), model.config.width, contrast);
        }
        self.lanes.par_iter_mut().for_each(|lane| lane.backward(model));
        loss + self.gather(model, key, gradients)
    }

    fn fill_lanes(&mut self, batch: &[&Example], model: &SequenceModel, key: DropoutKey) {
        self.lanes.resize_with(N_LANES, Lane::default);
        let per_lane = batch.len().div_ceil(N_LANES).max(1);
        let mut parts = batch.chunks(per_lane);
        for (at, lane) in self.lanes.iter_mut().enumerate() {
            let own_key = key.of(N_LANES as u64 + 1).of(at as u64);
            lane.fill(parts.next().unwrap_or_default(), at * per_lane, model, own_key);
            lane.key = Some(key.of(at as u64));
            lane.caches.resize_with(model.config.n_layers, BlockCache::default);
        }
    }

    // Cross-entropy of each domain's positions over that domain's items; leaves the gradient of `hidden` in the lanes.
    fn heads_of(&mut self, model: &SequenceModel, key: DropoutKey, gradients: &mut Gradients) -> f64 {
        let (width, rows) = (model.config.width, &model.rows);
        self.heads.resize_with(rows.of_domain.len(), Head::default);
        self.heads.iter_mut().for_each(Head::clear);
        for (at, lane) in self.lanes.iter_mut().enumerate() {
            lane.d_x.clear();
            lane.d_x.resize(lane.x.len(), 0.0);
            for (position, &next) in lane.next.iter().enumerate().filter(|(_, next)| **next != NO_TARGET) {
                let domain = rows.domain_of(next as usize);
                let head = &mut self.heads[domain];
                head.places.push((at, position));
                head.targets.push(next - rows.of_domain[domain].start as u32);
                head.values.push(lane.values[position]);
            }
        }
        let weight = |domain: usize| model.config.weight_of(domain, rows.target.at());
        let weights =
            self.heads.iter().enumerate().map(|(domain, head)| weight(domain) * head.targets.len() as f32);
        let scale = 1.0 / weights.sum::<f32>().max(f32::MIN_POSITIVE);
        let task_weights = model.task_weights();
        let mut losses = TaskLosses::default();
        for (domain, head) in self.heads.iter_mut().enumerate().filter(|(_, head)| !head.targets.is_empty()) {
            let scale = scale * weight(domain);
            head.gather(&self.lanes, width);
            head.before.clone_from(&head.hidden);
            model.ask(domain, &mut head.hidden, &mut head.inner);
            let range = rows.of_domain[domain].start * width..rows.of_domain[domain].end * width;
            let items = &model.vectors[range.clone()];
            let d_items = &mut self.d_vectors[range];
            let frequency = &model.frequencies[domain];
            let excluded = model.input.excluded(rows.of_domain[domain].clone());
            let sampled =
                self.sample.draw(&head.targets, frequency, model.config.n_negatives, key.of(domain as u64));
            // In squared-error form, users of all domains are `L_U`, and cross-entropy is the target's own task.
            let is_own_task = model.config.tasks.squared_error == 0.0 || domain == rows.target.at();
            let own_scale = if is_own_task { scale * task_weights.next_item } else { 0.0 };
            let sum = if sampled {
                let catalog = Catalog { vectors: items, width, excluded };
                self.sample.cross_entropy(catalog, head, own_scale, d_items)
            } else {
                let denominator = Denominator { bias: None, excluded };
                let (hidden, targets) = (head.hidden.as_slice(), head.targets.as_slice());
                let softmax = FullSoftmax { hidden, items, targets, scale: own_scale, denominator };
                softmax.run(&mut head.d_hidden, Some(&mut *d_items), &mut self.softmax)
            };
            losses.next_item += if is_own_task { f64::from(scale) * sum } else { 0.0 };
            let key = key.of((rows.of_domain.len() + domain) as u64);
            let mut part =
                DomainPart { domain, scale, head: &mut *head, d_items, gradients: &mut *gradients };
            losses += model.add_tasks(&mut part, task_weights, key);
            head.ask_backward(model, domain, gradients);
            head.scatter(&mut self.lanes, width);
        }
        losses.total(&model.net, &model.params, task_weights, gradients)
    }

    // Contrasts the newest positions of the two views of every sequence; `n` sequences.
    fn contrast_views(&mut self, n: usize, width: usize, weight: f32) -> f64 {
        // By place in the batch of both views: lane and newest position.
        let mut newest: Vec<Option<(usize, usize)>> = vec![None; 2 * n];
        for (at, lane) in self.lanes.iter().enumerate() {
            let mut end = 0;
            for (place, length) in lane.places.iter().zip(&lane.lengths) {
                end += length;
                newest[*place] = Some((at, end - 1));
            }
        }
        let (first, second) = newest.split_at(n);
        let whole = first.iter().zip(second).filter_map(|(a, b)| a.zip(*b));
        let (first, second): (Vec<_>, Vec<_>) = whole.unzip();
        let places = [first, second].concat();
        let of = |&(lane, position): &(usize, usize)| &self.lanes[lane].hidden[position * width..][..width];
        let views: Vec<f32> = places.iter().flat_map(of).copied().collect(); // [2 n, width]
        let mut d_views = vec![0.0; views.len()];
        let loss = contrast(&views, width, weight, &mut d_views);
        for (&(lane, position), d) in places.iter().zip(d_views.chunks_exact(width)) {
            segue_nn::add_scaled(&mut self.lanes[lane].d_x[position * width..][..width], 1.0, d);
        }
        loss
    }

    // The lanes' gradients into one, in the order of the lanes; then those of the embedded rows, and of items and tags. Losses of fused
    // items, which come on the way, are returned.
    fn gather(&mut self, model: &SequenceModel, key: DropoutKey, gradients: &mut Gradients) -> f64 {
        let parts: Vec<&Gradients> = self.lanes.iter().filter_map(|lane| lane.gradients.as_ref()).collect();
        gradients.arrays_mut().par_iter_mut().enumerate().for_each(|(at, own)| {
            for part in parts.iter().map(|part| &part.arrays()[at]) {
                own.iter_mut().zip(part).for_each(|(own, part)| *own += part);
            }
        });
        let width = model.config.width;
        for lane in &self.lanes {
            for (token, d) in lane.tokens.iter().zip(lane.d_x.chunks_exact(width)) {
                segue_nn::add_scaled(&mut self.d_vectors[token.item as usize * width..][..width], 1.0, d);
                for (id, row) in model.parts(token) {
                    if let Some(gradient) = gradients.get_mut(id) {
                        segue_nn::add_scaled(&mut gradient[row * width..][..width], 1.0, d);
                    }
                }
            }
        }
        let [d_items, d_words] = gradients.pair_mut(model.net.items, model.net.words);
        let (of_items, behind) = self.d_vectors.split_at(model.rows.n_rows() * width);
        if let Some(d_items) = d_items.filter(|_| model.input.fused().is_none()) {
            let chunks = d_items.par_chunks_mut(4096).zip(of_items.par_chunks(4096));
            chunks.for_each(|(sums, d)| segue_nn::add_scaled(sums, 1.0, d));
        }
        if let Some(d_words) = d_words {
            model.words.add_gradients(of_items, behind, width, d_words);
        }
        model.add_profile_gradient(&self.d_vectors, gradients);
        match &model.input {
            ItemInput::Ids => 0.0,
            ItemInput::Text(text) => {
                if let Some(d_items) = gradients.get_mut(model.net.items) {
                    text.drop_gradients(d_items, width, key);
                }
                if let Some(d_adaptor) = model.net.adaptor.and_then(|adaptor| gradients.get_mut(adaptor)) {
                    text.add_gradient(&self.d_vectors, d_adaptor);
                }
                0.0
            }
            ItemInput::Fused(fused) => fused.backward(&model.params, fused.turn(key), of_items, gradients),
        }
    }
}

impl Lane {
    fn fill(&mut self, examples: &[&Example], first: usize, model: &SequenceModel, key: DropoutKey) {
        self.tokens.clear();
        self.next.clear();
        self.values.clear();
        self.lengths.clear();
        self.places.clear();
        for (at, example) in examples.iter().enumerate() {
            let from = self.tokens.len();
            model.push_example(example, key.of(at as u64), self);
            // Nothing is left of a single event whose user's attributes were left out.
            if self.tokens.len() > from {
                self.lengths.push(self.tokens.len() - from);
                self.places.push(first + at);
            }
        }
    }

    fn dropping(&self, config: &SequenceConfig) -> Dropping {
        Dropping { rate: config.dropout, key: self.key.unwrap_or(DropoutKey::new(0)) }
    }

    fn forward(&mut self, model: &SequenceModel) {
        let (net, params) = (&model.net, &model.params);
        let dropping = self.dropping(&model.config);
        model.embed(&self.tokens, &mut self.x);
        dropout(dropping.rate, dropping.key, &mut self.x);
        for (at, (block, cache)) in net.blocks.iter().zip(&mut self.caches).enumerate() {
            let dropping = dropping.of(at as u64 + 1);
            let (lengths, scratch) = (self.lengths.as_slice(), &mut self.scratch);
            block.forward(&mut BlockPass { params, lengths, dropping, scratch }, &mut self.x, cache);
        }
        self.hidden.resize(self.x.len(), 0.0);
        net.norm.forward(params, &self.x, &mut self.hidden, &mut self.stats);
    }

    // `d_x` holds the gradient of `hidden`, afterwards that of the embedded tokens.
    fn backward(&mut self, model: &SequenceModel) {
        let (net, params) = (&model.net, &model.params);
        let dropping = self.dropping(&model.config);
        let inputs = model.input.arrays();
        let gradients = self.gradients.get_or_insert_with(|| net.block_gradients(params, &inputs));
        gradients.clear();
        self.hidden.fill(0.0);
        let input = NormInput { x: &self.x, stats: &self.stats };
        net.norm.parameter_gradients(input, &self.d_x, gradients);
        net.norm.add_input_gradient(params, input, &self.d_x, &mut self.hidden);
        std::mem::swap(&mut self.d_x, &mut self.hidden);
        for (at, (block, cache)) in net.blocks.iter().zip(&self.caches).enumerate().rev() {
            let dropping = dropping.of(at as u64 + 1);
            let (lengths, scratch) = (self.lengths.as_slice(), &mut self.scratch);
            let mut pass = BlockPass { params, lengths, dropping, scratch };
            block.backward(&mut pass, &mut self.d_x, cache, gradients);
        }
        dropout(dropping.rate, dropping.key, &mut self.d_x);
    }
}

impl Net {
    // Gradients of everything but the embedding tables, whose rows are added once for all lanes.
    fn block_gradients(&self, params: &Params, inputs: &[ParamId]) -> Gradients {
        let tables = [self.items, self.positions, self.domains, self.kinds, self.gaps, self.asked];
        let adapters = self.by_domain.iter().flat_map(|adapter| [adapter.down.weight, adapter.up.weight]);
        let others =
            tables.into_iter().chain(self.words).chain(self.adaptor).chain(self.profile).chain(adapters);
        let others = others.chain(self.tasks.arrays()).chain(inputs.iter().copied());
        params.gradients_but(&others.collect::<Vec<_>>())
    }
}

impl Head {
    fn clear(&mut self) {
        self.places.clear();
        self.targets.clear();
        self.values.clear();
    }

    fn gather(&mut self, lanes: &[Lane], width: usize) {
        self.hidden.clear();
        for &(lane, position) in &self.places {
            self.hidden.extend_from_slice(&lanes[lane].hidden[position * width..][..width]);
        }
        self.d_hidden.resize(self.hidden.len(), 0.0);
    }

    // The way back through `SequenceModel::ask`: `d_hidden` becomes the gradient of what was asked.
    fn ask_backward(&mut self, model: &SequenceModel, domain: usize, gradients: &mut Gradients) {
        let width = model.config.width;
        if let Some(all) = gradients.get_mut(model.net.asked) {
            let d_asked = &mut all[domain * width..][..width];
            self.d_hidden.chunks_exact(width).for_each(|d| segue_nn::add_scaled(d_asked, 1.0, d));
        }
        let Some(adapter) = model.net.by_domain.get(domain) else { return };
        let mut d_inner = vec![0.0; self.inner.len()]; // [n, rank]
        adapter.up.parameter_gradients(&model.params, &self.inner, &self.d_hidden, gradients);
        adapter.up.input_gradient(&model.params, &self.d_hidden, &mut d_inner);
        let mut d_before = vec![0.0; self.d_hidden.len()]; // [n, width]
        adapter.down.parameter_gradients(&model.params, &self.before, &d_inner, gradients);
        adapter.down.input_gradient(&model.params, &d_inner, &mut d_before);
        segue_nn::add_scaled(&mut self.d_hidden, 1.0, &d_before);
    }

    fn scatter(&self, lanes: &mut [Lane], width: usize) {
        for (&(lane, position), d) in self.places.iter().zip(self.d_hidden.chunks_exact(width)) {
            lanes[lane].d_x[position * width..][..width].copy_from_slice(d);
        }
    }
}
