//! The `behavior` expert: a causal transformer over a user's events (`SASRec`: Kang and `McAuley`, 2018; trained with full
//! cross-entropy at every position: Klenitskiy and Vasilev, 2023).
//!
//! An event is the sum of the vectors of its item, its place counted from the newest event, its domain, its kind, and the time
//! that passed until the next event or the request. Pre-norm blocks turn the sequence into one vector per position; a
//! candidate's score is the product of its item vector with the newest position's. A new user needs no training: their
//! events are enough, and one more event costs one pass over the newest `max_len`.

mod biases;
mod config;
mod negatives;
mod profile;
mod step;
mod tasks;
mod text;
mod token_effects;
mod tokens;
mod words;

use rand::{Rng, RngCore};
use rayon::prelude::*;
use segue_data::{DomainIdx, ItemCatalog, TrainSet};
use segue_nn::attention::Mask;
use segue_nn::block::{Block, BlockCache, BlockPass, BlockScratch, BlockShape, Dropping, NormOrder};
use segue_nn::dropout::DropoutKey;
use segue_nn::layer_norm::{LayerNorm, RowStats};
use segue_nn::linear::Linear;
use segue_nn::{Init, ParamId, Params};

pub use config::{
    BehaviorConfig, JointConfig, JointLoss, LossForm, Schedule, SequenceTuning, TransferConfig,
};
pub use step::{BehaviorStep, Example, NO_TARGET};
pub(crate) use tasks::contrast;
pub use tasks::{TaskConfig, TaskPrediction, shown_against};
pub use text::{TextInput, TextInputConfig};
pub use token_effects::TokenEffect;
pub use tokens::{N_GAPS, Rows, Token, gap_bucket};
pub use words::ItemWords;

use self::biases::RatingBiases;
use self::tasks::TaskHeads;
use crate::fusion::{FusedItems, FusionInputs, GRAPH_ARRAYS, TokenKind};
use crate::item_vectors::TextSpace;
use crate::query::{Query, Scope};
use crate::tensors::{ModelError, Tensors};

/// Where the parts of the model stand in its [`Params`].
#[derive(Clone, Debug, PartialEq)]
pub struct Net {
    /// `[n_rows, width]`: input and output vectors are the same.
    pub items: ParamId,
    /// `[n_words, width]`: tags, part of the vectors of the items that have them; `None` without text.
    words: Option<ParamId>,
    /// `[max_len + 1, width]`.
    positions: ParamId,
    /// `[n_domains, width]`.
    domains: ParamId,
    /// `[n_kinds, width]`.
    kinds: ParamId,
    /// `[N_GAPS, width]`.
    gaps: ParamId,
    /// `[n_domains, width]`, added to the last vector when a domain's items are asked for.
    asked: ParamId,
    blocks: Vec<Block>,
    norm: LayerNorm,
    /// `[width, dim]`: from texts to item vectors; `None` without text input.
    adaptor: Option<ParamId>,
    /// Each domain's own low-rank adapter behind the blocks: `h + asked + up (down h)`.
    by_domain: Vec<DomainAdapter>,
    /// `[n_values, width]`: attribute values of users; `None` when profiles are not read.
    profile: Option<ParamId>,
    /// Heads of what is learned besides the next item.
    tasks: TaskHeads,
}

/// `down: [rank, width]` and `up: [width, rank]`; `up` starts at zero.
#[derive(Clone, Debug, PartialEq)]
struct DomainAdapter {
    down: Linear,
    up: Linear,
}

impl Net {
    fn new(
        config: &BehaviorConfig,
        rows: &Rows,
        (n_words, text, starts_empty): (usize, Option<&TextInput>, bool),
        params: &mut Params,
        rng: &mut impl Rng,
    ) -> Self {
        let width = config.width;
        let n_domains = rows.of_domain.len();
        let small = Init::Normal(config.init);
        // With content, items start as that alone.
        let own = if starts_empty { Init::Zeros } else { small };
        let items = params.add("items", &[rows.n_rows(), width], own, rng);
        let mut table = |name: &str, n: usize| params.add(name, &[n, width], small, rng);
        let positions = table("positions", config.max_len + 1);
        let words = (n_words > 0).then(|| table("words", n_words));
        let (domains, kinds) = (table("domains", n_domains), table("kinds", N_KINDS));
        let (gaps, asked) = (table("gaps", N_GAPS), table("asked", n_domains));
        let shape = BlockShape {
            width,
            n_heads: config.n_heads,
            n_hidden: config.hidden_factor * width,
            mask: Mask::Causal,
            order: NormOrder::Pre,
            epsilon: 1e-6,
        };
        let deviation = 1.0 / (width as f32).sqrt() / 2.0;
        let blocks = (0..config.n_layers)
            .map(|at| Block::new(params, &format!("blocks.{at}"), shape, deviation, rng))
            .collect();
        let norm = LayerNorm::new(params, "norm", width, 1e-6, rng);
        let adaptor =
            text.map(|text| params.add_values(ADAPTOR, &[width, text.dim()], text.initial_adaptor(width)));
        let rank = text.map_or(0, |text| text.config.domain_rank);
        let n_adapters = if rank > 0 && n_domains > 1 { n_domains } else { 0 };
        let by_domain =
            (0..n_adapters).map(|at| DomainAdapter::new(params, at, (rank, width), rng)).collect();
        let tasks = TaskHeads::new(&config.tasks, (n_domains, width), params, rng);
        Self {
            items,
            words,
            positions,
            domains,
            kinds,
            gaps,
            asked,
            blocks,
            norm,
            adaptor,
            by_domain,
            profile: None,
            tasks,
        }
    }
}

impl DomainAdapter {
    fn new(params: &mut Params, domain: usize, (rank, width): (usize, usize), rng: &mut impl Rng) -> Self {
        let deviation = 1.0 / (width as f32).sqrt();
        let mut linear = |part: &str, (n_in, n_out), init| {
            let name = format!("domains.{domain}.{part}.weight");
            let weight = params.add(name, &[n_out, n_in], init, rng);
            Linear { weight, bias: None, n_in, n_out, deltas: Vec::new() }
        };
        let down = linear("down", (width, rank), Init::Normal(deviation));
        Self { down, up: linear("up", (rank, width), Init::Zeros) }
    }
}

const ADAPTOR: &str = "adaptor.weight";

/// Kinds of events that are told apart.
const N_KINDS: usize = 256;

/// A behavior model: its structure and its numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Behavior {
    /// Settings.
    pub config: BehaviorConfig,
    /// Which item is which row.
    pub rows: Rows,
    /// Which item has which tags.
    pub words: ItemWords,
    /// The items' texts, where their vectors come from texts (the `transfer` expert).
    pub text: Option<TextInput>,
    /// All that is known about items, where their vectors are fused from it (the `joint` expert).
    pub fused: Option<FusedItems>,
    /// Structure.
    pub net: Net,
    /// Numbers.
    pub params: Params,
    /// `[n_rows + n_words + n_values, width]`: items with their tags, the tags, attribute values; see
    /// [`refresh`](Self::refresh).
    vectors: Vec<f32>,
    /// Share of each item among a domain's training targets, by domain; for the sample of a step. Empty in a model that was read.
    pub frequencies: Vec<Vec<f32>>,
    /// What ratings are without taste; empty where they are no task.
    biases: RatingBiases,
}

impl Behavior {
    /// A model before training whose item vectors are learned from events (and tags);
    /// [`read_profiles`](Self::read_profiles) adds what is known about users.
    ///
    /// # Errors
    /// When the settings contradict each other, or for [`Scope::Sources`]: other domains are read in [`Scope::All`].
    pub fn new(
        config: &BehaviorConfig,
        items: &ItemCatalog,
        (target, scope): (DomainIdx, Scope),
        rng: &mut impl Rng,
    ) -> Result<Self, ModelError> {
        check(config, scope)?;
        let rows = Rows::new(items, target, scope);
        let words = ItemWords::of(items, &rows);
        Ok(Self::build(config, rows, (words, None, None), rng))
    }

    /// A model before training whose item vectors are fused from all that is known about items.
    ///
    /// # Errors
    /// As [`new`](Self::new), and when nothing is known about any candidate.
    pub fn with_fusion(
        config: &JointConfig,
        (items, inputs, train): (&ItemCatalog, &FusionInputs<'_>, &TrainSet),
        (target, scope): (DomainIdx, Scope),
        rng: &mut impl Rng,
    ) -> Result<Self, ModelError> {
        check(&config.sequence, scope)?;
        let rows = Rows::new(items, target, scope);
        let fused = FusedItems::new(config, inputs, (&rows, train, items))?;
        let words = if config.fusion.tags { ItemWords::of(items, &rows) } else { ItemWords::default() };
        Ok(Self::build(&joint_sequence(config), rows, (words, None, Some(fused)), rng))
    }

    /// A model before training whose item vectors come from texts.
    ///
    /// # Errors
    /// As [`new`](Self::new), and when no candidate has text.
    pub fn with_text(
        config: &TransferConfig,
        (items, space): (&ItemCatalog, &TextSpace<'_>),
        (target, scope): (DomainIdx, Scope),
        rng: &mut impl Rng,
    ) -> Result<Self, ModelError> {
        check(&config.sequence, scope)?;
        let rows = Rows::new(items, target, scope);
        let text = TextInput::new(&config.text, space, &rows)?;
        let words = tags(&config.text, items, &rows);
        Ok(Self::build(&config.sequence, rows, (words, Some(text), None), rng))
    }

    fn build(
        config: &BehaviorConfig,
        rows: Rows,
        (words, text, fused): (ItemWords, Option<TextInput>, Option<FusedItems>),
        rng: &mut impl Rng,
    ) -> Self {
        let (mut params, mut fused) = (Params::new(), fused);
        let content = (words.n_words(), text.as_ref(), text.is_some() || fused.is_some());
        let net = Net::new(config, &rows, content, &mut params, rng);
        if let Some(fused) = &mut fused {
            fused.add_arrays(net.items, &mut params, rng);
        }
        let mut model = Self {
            config: config.clone(),
            rows,
            words,
            text,
            fused,
            net,
            params,
            vectors: Vec::new(),
            frequencies: Vec::new(),
            biases: RatingBiases::default(),
        };
        model.tune(SequenceTuning::Joint);
        model.refresh();
        model
    }

    /// Computes the item vectors again; needed whenever the numbers have changed.
    pub fn refresh(&mut self) {
        self.refresh_for(None);
    }

    /// As [`refresh`](Self::refresh) for one training step: items' own vectors are kept within their bound, and those that `key`
    /// says are left out.
    pub fn refresh_step(&mut self, key: DropoutKey) {
        if let Some(text) = &self.text {
            text.bound(self.params.get_mut(self.net.items), self.config.width);
        }
        if let Some(fused) = &self.fused {
            fused.bound(self.params.get_mut(self.net.items));
        }
        self.refresh_for(Some(key));
    }

    fn refresh_for(&mut self, step: Option<DropoutKey>) {
        let width = self.config.width;
        let words = self.net.words.map_or(&[][..], |words| self.params.get(words));
        let fused = self.fused.as_mut().map(|fused| fused.forward(&self.params, step));
        let own = fused.as_deref().unwrap_or(self.params.get(self.net.items));
        let left_out = match (&self.text, step) {
            (Some(text), Some(key)) => text.without_dropped(own, width, key),
            _ => None,
        };
        self.words.add_to(left_out.as_deref().unwrap_or(own), words, width, &mut self.vectors);
        if let (Some(text), Some(adaptor)) = (&self.text, self.net.adaptor) {
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
        let adapts = self.text.as_ref().is_none_or(|text| text.config.trains_adaptor);
        for array in self.params.arrays_mut() {
            array.trainable = tuning.trains(&array.name) && (adapts || array.name != ADAPTOR);
        }
    }

    /// Forgets what only training needs.
    #[must_use]
    pub fn trained(mut self) -> Self {
        self.frequencies = Vec::new();
        if let Some(text) = &mut self.text {
            text.bound(self.params.get_mut(self.net.items), self.config.width);
            text.forget_duplicates();
        }
        if self.fused.is_some() {
            return self.without_network();
        }
        self.refresh();
        self
    }

    // A trained model with fused vectors that keeps what the graph network made of the items in place of the network.
    fn without_network(self) -> Self {
        let Self { config, rows, words, text, fused, net, mut params, frequencies, biases, .. } = self;
        let fused = fused.map(|fused| {
            fused.bound(params.get_mut(net.items));
            fused.kept(&params)
        });
        let mut model = Self::build(&config, rows, (words, text, fused), &mut Zeros);
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
        if let Some(text) = &self.text {
            text.save(tensors);
        }
        if let Some(fused) = &self.fused {
            fused.save(&self.params, tensors);
        }
        self.save_biases(tensors);
        let kept = |name: &str| self.fused.is_none() || !name.starts_with(GRAPH_ARRAYS);
        for array in self.params.arrays().iter().filter(|array| kept(&array.name)) {
            tensors.put_f32(&array.name, array.values.clone());
        }
    }

    pub(crate) fn load(
        config: &BehaviorConfig,
        items: &ItemCatalog,
        (target, scope): (DomainIdx, Scope),
        tensors: &mut Tensors,
    ) -> Result<Self, ModelError> {
        Self::new(config, items, (target, scope), &mut Zeros)?.filled(tensors)
    }

    pub(crate) fn load_with_text(
        config: &TransferConfig,
        items: &ItemCatalog,
        (target, scope): (DomainIdx, Scope),
        tensors: &mut Tensors,
    ) -> Result<Self, ModelError> {
        check(&config.sequence, scope)?;
        let rows = Rows::new(items, target, scope);
        let text = TextInput::load(&config.text, &rows, tensors)?;
        let words = tags(&config.text, items, &rows);
        Self::build(&config.sequence, rows, (words, Some(text), None), &mut Zeros).filled(tensors)
    }

    pub(crate) fn load_with_fusion(
        config: &JointConfig,
        items: &ItemCatalog,
        (target, scope): (DomainIdx, Scope),
        tensors: &mut Tensors,
    ) -> Result<Self, ModelError> {
        check(&config.sequence, scope)?;
        let rows = Rows::new(items, target, scope);
        let fused = FusedItems::load(config, &rows, tensors)?;
        let words = if config.fusion.tags { ItemWords::of(items, &rows) } else { ItemWords::default() };
        let config = joint_sequence(config);
        Self::build(&config, rows, (words, None, Some(fused)), &mut Zeros).filled(tensors)
    }

    /// The same model without one kind of tokens of all items; `None` where it fuses no such tokens, or nothing else.
    pub fn without_token(&self, kind: TokenKind) -> Option<Self> {
        let kinds = self.fused.as_ref()?.kinds();
        if kinds.len() < 2 || !kinds.contains(&kind) {
            return None;
        }
        let mut model = self.clone();
        model.fused.as_mut()?.leave_out(kind);
        model.refresh();
        Some(model)
    }

    fn filled(self, tensors: &mut Tensors) -> Result<Self, ModelError> {
        let mut model = self;
        for array in model.params.arrays_mut() {
            let values = tensors.take_f32(&array.name)?;
            if values.len() != array.values.len() {
                return Err(ModelError::Inconsistent {
                    tensor: array.name.clone(),
                    expected: format!("{} values", array.values.len()),
                });
            }
            array.values = values;
        }
        model.load_profile(tensors)?;
        model.load_biases(tensors)?;
        model.refresh();
        Ok(model)
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

fn tags(config: &TextInputConfig, items: &ItemCatalog, rows: &Rows) -> ItemWords {
    if config.tags { ItemWords::of(items, rows) } else { ItemWords::default() }
}

// The sequence model as the form of the losses wants it.
fn joint_sequence(config: &JointConfig) -> BehaviorConfig {
    let mut sequence = config.sequence.clone();
    sequence.tasks.squared_error = match config.loss.form {
        LossForm::Rank => 0.0,
        LossForm::Mse => config.loss.behavior,
    };
    sequence
}

fn check(config: &BehaviorConfig, scope: Scope) -> Result<(), ModelError> {
    let reason = if scope == Scope::Sources {
        "it reads other domains as part of one mixed sequence (scope `all`)".to_owned()
    } else if config.width == 0 || config.n_heads == 0 || !config.width.is_multiple_of(config.n_heads) {
        format!("width {} is not a multiple of n_heads {}", config.width, config.n_heads)
    } else if config.max_len == 0 || config.max_len > usize::from(u16::MAX) {
        format!("max_len {} is not between 1 and {}", config.max_len, u16::MAX)
    } else if !(0.0..1.0).contains(&config.dropout) {
        format!("dropout {} is not in [0, 1)", config.dropout)
    } else if !profile::is_valid(config) {
        format!("profile_dropout {} is not in [0, 1)", config.profile_dropout)
    } else if !config.tasks.is_valid() {
        "a task's weight is negative or not finite, next_item is 0, or click_negatives is 0".to_owned()
    } else {
        return Ok(());
    };
    Err(ModelError::StandsAside { expert: "behavior", reason })
}

/// For a model whose numbers are read from a file: every draw gives zero.
struct Zeros;

impl RngCore for Zeros {
    fn next_u32(&mut self) -> u32 {
        0
    }
    fn next_u64(&mut self) -> u64 {
        0
    }
    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        bytes.fill(0);
    }
}
