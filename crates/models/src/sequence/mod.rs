//! Sequence models, the experts `behavior`, `transfer` and `joint`: a causal transformer over a user's events (`SASRec`: Kang and `McAuley`, 2018; trained with full
//! cross-entropy at every position: Klenitskiy and Vasilev, 2023).
//!
//! An event is the sum of the vectors of its item, its place counted from the newest event, its domain, its kind, and the time
//! that passed until the next event or the request. Pre-norm blocks turn the sequence into one vector per position; a
//! candidate's score is the product of its item vector with the newest position's. A new user needs no training: their
//! events are enough, and one more event costs one pass over the newest `max_len`.

mod biases;
mod config;
mod input;
mod negatives;
mod net;
mod profile;
mod start;
mod step;
mod task_predictions;
mod tasks;
mod text;
mod token_effects;
mod tokens;
mod words;

use std::borrow::Cow;

use rayon::prelude::*;
use segue_nn::block::{BlockCache, BlockPass, BlockScratch, Dropping};
use segue_nn::dropout::DropoutKey;
use segue_nn::layer_norm::RowStats;
use segue_nn::{ParamId, Params};

pub use config::{JointConfig, SequenceConfig, SequenceTuning, TransferConfig};
pub use input::ItemInput;
pub use net::Net;
pub use start::Lessons;
pub use step::{Example, NO_TARGET, SequenceStep};
pub use task_predictions::{TaskPrediction, shown_against};
pub use tasks::TaskConfig;
pub use text::{TextInput, TextInputConfig};
pub use token_effects::TokenEffect;
pub use tokens::{N_GAPS, Token, gap_bucket};
pub use words::ItemWords;

use self::biases::RatingBiases;
use self::net::ADAPTOR;
use self::start::{Parts, Zeros};
use crate::fusion::{GRAPH_ARRAYS, TokenKind};
pub use crate::losses::{JointLoss, LossForm, LossTurns};
use crate::query::Query;
pub use crate::rows::Rows;
use crate::tensors::Tensors;

/// A sequence model: its structure and its numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct SequenceModel {
    /// Settings.
    pub config: SequenceConfig,
    /// Which item is which row.
    pub rows: Rows,
    /// Which item has which tags.
    pub words: ItemWords,
    /// What item vectors come from.
    pub input: ItemInput,
    /// Where the arrays stand in `params`.
    pub net: Net,
    /// Everything that is trained.
    pub params: Params,
    /// `[n_rows + n_words + n_values, width]`: items with their tags, the tags, attribute values; see
    /// [`refresh`](Self::refresh).
    vectors: Vec<f32>,
    /// Share of each item among a domain's training targets, by domain; for the sample of a step. Empty in a model that was read.
    pub frequencies: Vec<Vec<f32>>,
    /// What ratings are without taste; empty where they are no task.
    biases: RatingBiases,
}

impl SequenceModel {
    /// Computes the item vectors again; needed whenever the numbers have changed.
    pub fn refresh(&mut self) {
        self.refresh_for(None);
    }

    /// As [`refresh`](Self::refresh) for one training step: items' own vectors are kept within their bound, and those that `key`
    /// says are left out.
    pub fn refresh_step(&mut self, key: DropoutKey) {
        self.input.bound(self.params.get_mut(self.net.items), self.config.width);
        self.refresh_for(Some(key));
    }

    fn refresh_for(&mut self, step: Option<DropoutKey>) {
        let width = self.config.width;
        let words = self.net.words.map_or(&[][..], |words| self.params.get(words));
        let table = self.params.get(self.net.items);
        let own = match (&mut self.input, step) {
            (ItemInput::Fused(fused), step) => Cow::Owned(fused.forward(&self.params, step)),
            (ItemInput::Text(text), Some(key)) => {
                text.without_dropped(table, width, key).map_or(Cow::Borrowed(table), Cow::Owned)
            }
            _ => Cow::Borrowed(table),
        };
        self.words.add_to(&own, words, width, &mut self.vectors);
        if let (ItemInput::Text(text), Some(adaptor)) = (&self.input, self.net.adaptor) {
            text.add_to(self.params.get(adaptor), &mut self.vectors);
        }
        self.vectors.extend_from_slice(self.net.profile.map_or(&[], |profile| self.params.get(profile)));
    }

    /// Counts how often each item is a target, before training.
    pub fn count_targets(&mut self, examples: &[Example]) {
        let mut counts: Vec<Vec<f32>> =
            self.rows.of_domain.iter().map(|range| vec![0.0; range.len()]).collect();
        for &next in examples.iter().flat_map(|example| &example.next).filter(|next| **next != NO_TARGET) {
            let domain = self.rows.domain_of(next as usize);
            counts[domain][next as usize - self.rows.of_domain[domain].start] += 1.0;
        }
        for counts in &mut counts {
            let total = counts.iter().sum::<f32>().max(1.0);
            counts.iter_mut().for_each(|count| *count /= total);
        }
        self.frequencies = counts;
    }

    /// Leaves trainable what `tuning` trains on the target.
    pub fn tune(&mut self, tuning: SequenceTuning) {
        let adapts = self.input.text().is_none_or(|text| text.config.trains_adaptor);
        for array in self.params.arrays_mut() {
            array.trainable = tuning.trains(&array.name) && (adapts || array.name != ADAPTOR);
        }
    }

    /// Forgets what only training needs.
    #[must_use]
    pub fn trained(mut self) -> Self {
        self.frequencies = Vec::new();
        self.input.bound(self.params.get_mut(self.net.items), self.config.width);
        match &mut self.input {
            ItemInput::Fused(_) => return self.without_network(),
            ItemInput::Text(text) => text.forget_duplicates(),
            ItemInput::Ids => {}
        }
        self.refresh();
        self
    }

    // A trained model with fused vectors that keeps the outcome of the graph network in its place.
    fn without_network(self) -> Self {
        let Self { config, rows, words, input, net, params, frequencies, biases, .. } = self;
        let mut model = Self::build(&config, Parts { rows, words, input: input.kept(&params) }, &mut Zeros);
        if let Some(table) = net.profile {
            model.put_profile(params.get(table).to_vec());
        }
        for array in model.params.arrays_mut() {
            if let Some(id) = params.id(&array.name) {
                array.values = params.get(id).to_vec();
            }
        }
        (model.frequencies, model.biases) = (frequencies, biases);
        model.refresh();
        model
    }

    /// Scores all candidates into `scores` (`[n_candidates]`); all 0 for a user without events in scope of whom nothing is known.
    pub fn score(&self, query: &Query<'_>, scores: &mut [f32]) {
        scores.fill(0.0);
        let Some(user) = self.user_vector(query) else { return };
        self.score_vector(&user, scores);
    }

    /// The products of the candidates' vectors with a user's.
    pub fn score_vector(&self, user: &[f32], scores: &mut [f32]) {
        let width = self.config.width;
        let first = self.rows.candidates().start * width;
        let vectors = &self.vectors[first..];
        segue_nn::dot_rows(vectors, user, scores);
    }

    /// The vector of a user at the time of the request, `[width]`: what one more event updates. `None` without
    /// events in scope and without a profile.
    pub fn user_vector(&self, query: &Query<'_>) -> Option<Vec<f32>> {
        let tokens = self.query_tokens(query);
        if tokens.is_empty() {
            return None;
        }
        let width = self.config.width;
        let mut x = Vec::new(); // [T, width]
        self.embed(&tokens, &mut x);
        let (mut cache, mut scratch) = (BlockCache::default(), BlockScratch::default());
        for block in &self.net.blocks {
            let (lengths, dropping) = (&[tokens.len()], Dropping::none());
            let mut pass = BlockPass { params: &self.params, lengths, dropping, scratch: &mut scratch };
            block.forward(&mut pass, &mut x, &mut cache);
        }
        let mut user = vec![0.0; width];
        let newest = &x[x.len() - width..];
        self.net.norm.forward(&self.params, newest, &mut user, &mut RowStats::new());
        self.ask(self.rows.target.at(), &mut user, &mut Vec::new());
        Some(user)
    }

    // Turns vectors `[n, width]` towards a domain's items; leaves `down h` in `inner` (`[n, rank]`).
    fn ask(&self, domain: usize, hidden: &mut [f32], inner: &mut Vec<f32>) {
        let width = self.config.width;
        if let Some(adapter) = self.net.by_domain.get(domain) {
            inner.resize(hidden.len() / width * adapter.down.n_out, 0.0);
            adapter.down.forward(&self.params, hidden, inner);
            let mut turned = vec![0.0; hidden.len()]; // [n, width]
            adapter.up.forward(&self.params, inner, &mut turned);
            segue_nn::add_scaled(hidden, 1.0, &turned);
        }
        let asked = &self.params.get(self.net.asked)[domain * width..][..width];
        hidden.chunks_exact_mut(width).for_each(|row| segue_nn::add_scaled(row, 1.0, asked));
    }

    pub(crate) fn save(&self, tensors: &mut Tensors) {
        self.input.save(&self.params, tensors);
        self.save_biases(tensors);
        let kept = |name: &str| self.input.fused().is_none() || !name.starts_with(GRAPH_ARRAYS);
        for array in self.params.arrays().iter().filter(|array| kept(&array.name)) {
            tensors.put_f32(&array.name, array.values.clone());
        }
    }

    /// The same model without one kind of tokens of all items; `None` where it fuses no such tokens, or nothing else.
    pub fn without_token(&self, kind: TokenKind) -> Option<Self> {
        let kinds = self.input.fused()?.kinds();
        if kinds.len() < 2 || !kinds.contains(&kind) {
            return None;
        }
        let mut model = self.clone();
        if let ItemInput::Fused(fused) = &mut model.input {
            fused.leave_out(kind);
        }
        model.refresh();
        Some(model)
    }

    // The sum of each token's vectors into `x`, `[N, width]`.
    fn embed(&self, tokens: &[Token], x: &mut Vec<f32>) {
        let width = self.config.width;
        x.clear();
        for token in tokens {
            x.extend_from_slice(&self.vectors[token.item as usize * width..][..width]);
        }
        x.par_chunks_mut(64 * width).zip(tokens.par_chunks(64)).for_each(|(x, tokens)| {
            for (x, token) in x.chunks_exact_mut(width).zip(tokens) {
                for (id, row) in self.parts(token) {
                    segue_nn::add_scaled(x, 1.0, &self.params.get(id)[row * width..][..width]);
                }
            }
        });
    }

    // The tables and rows whose vectors are added to a token's item vector.
    fn parts(&self, token: &Token) -> impl Iterator<Item = (ParamId, usize)> + use<> {
        let net = &self.net;
        let has_domain = self.rows.of_domain.len() > 1 && token.domain != tokens::NO_DOMAIN;
        let domain = has_domain.then_some((net.domains, token.domain as usize));
        let kind = (token.kind > 0).then_some((net.kinds, token.kind as usize));
        let gap = (self.config.time_gaps && token.gap > 0).then_some((net.gaps, token.gap as usize));
        std::iter::once((net.positions, token.position as usize)).chain(domain).chain(kind).chain(gap)
    }
}
