//! Fused item vectors: from tokens to one vector per item, and back.

use rand::Rng;
use rayon::prelude::*;
use segue_data::{ItemCatalog, TrainSet};
use segue_nn::dropout::DropoutKey;
use segue_nn::fusion::{Fusion, FusionCache, FusionPass, FusionShape, Tokens};
use segue_nn::{Gradients, ParamId, Params};

use super::config::{FusedSettings, FusionConfig, TokenKind};
use super::inputs::{DenseInput, FusionInputs, GraphInput, known_rows, nothing};
use crate::graph_links::network::{Network, NetworkCache, Pass};
use crate::losses::{JointLoss, LossTurns};
use crate::rows::Rows;
use crate::tensors::ModelError;

/// Arrays whose names begin so belong to the graph network: a model that is kept has their outcome in their place.
pub(crate) const GRAPH_ARRAYS: &str = "graph.";

/// Fused vectors of a model's item rows: inputs, structure, and the newest pass.
#[derive(Clone, Debug, PartialEq)]
pub struct FusedItems {
    /// Settings.
    pub config: FusionConfig,
    pub(super) loss: JointLoss,
    width: usize,
    pub(super) inputs: Vec<DenseInput>,
    pub(super) graph: Option<GraphInput>,
    pub(super) known: Vec<bool>, // [n_rows], whose own vectors count
    pub(super) kinds: Vec<TokenKind>,
    pub(super) net: Option<FusionNet>,
    /// Left out for good, to see what they are worth.
    left_out: Vec<TokenKind>,
    pub(super) cache: ItemCache,
}

/// Where the parts stand in the model's [`Params`].
#[derive(Clone, Debug, PartialEq)]
pub(super) struct FusionNet {
    adaptors: Vec<ParamId>, // of the inputs, `[width, dim]`
    own: ParamId,           // `[n_rows, width]`
    fusion: Fusion,
    network: Option<Network>,
}

/// What the newest pass computed.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct ItemCache {
    pub(super) tokens: Vec<f32>,   // [n_rows, n_tokens, width]
    pub(super) present: Vec<bool>, // [n_rows, n_tokens]
    fusion: FusionCache,
    network: NetworkCache,
    key: Option<DropoutKey>,
}

impl FusedItems {
    /// Collects what is known about the items of the rows.
    ///
    /// # Errors
    /// Stands aside when nothing is, or a setting is out of range.
    pub(crate) fn new(
        config: FusedSettings<'_>,
        inputs: &FusionInputs<'_>,
        rows: &Rows,
        train: &TrainSet,
        items: &ItemCatalog,
    ) -> Result<Self, ModelError> {
        if let Some(problem) = config.fusion.problem() {
            return Err(ModelError::StandsAside { expert: "joint", reason: problem });
        }
        let dense = DenseInput::all_of(config.fusion, inputs, rows);
        let graph = inputs.graph.filter(|_| config.fusion.tokens.contains(&TokenKind::Graph));
        let graph = graph.and_then(|graph| GraphInput::learned(graph, rows, train, config.graph));
        let covers = |present: Vec<bool>| present[rows.candidates()].iter().any(|present| *present);
        if !dense.iter().map(DenseInput::present).chain(graph.iter().map(GraphInput::present)).any(covers) {
            return Err(nothing(rows.target));
        }
        Ok(Self::with_inputs(config, dense, graph, known_rows(rows, train, items)))
    }

    pub(super) fn with_inputs(
        config: FusedSettings<'_>,
        inputs: Vec<DenseInput>,
        graph: Option<GraphInput>,
        known: Vec<bool>,
    ) -> Self {
        let mut kinds: Vec<TokenKind> = inputs.iter().map(|input| input.kind).collect();
        kinds.extend(graph.iter().map(|_| TokenKind::Graph));
        kinds.extend(config.fusion.tokens.contains(&TokenKind::Id).then_some(TokenKind::Id));
        Self {
            config: config.fusion.clone(),
            loss: config.loss.clone(),
            width: config.width,
            inputs,
            graph,
            known,
            kinds,
            net: None,
            left_out: Vec::new(),
            cache: ItemCache::default(),
        }
    }

    /// Adds the arrays; `own` are the items' own vectors, which start at zero.
    pub(crate) fn add_arrays(&mut self, own: ParamId, params: &mut Params, rng: &mut impl Rng) {
        let width = self.width;
        let adaptors = self.inputs.iter().map(|input| {
            let name = format!("fused.{}.weight", input.kind.name());
            params.add_values(name, &[width, input.dim], input.initial_adaptor(width, self.config.scale))
        });
        let adaptors = adaptors.collect();
        let shape = FusionShape { n_tokens: self.kinds.len(), width, n_key: self.config.n_key };
        let fusion = Fusion::new(params, "fused.attention", shape, rng);
        let network = match &self.graph {
            Some(GraphInput::Learned { adjacency, config, .. }) => {
                Some(Network::new(config, adjacency, width, params, rng))
            }
            _ => None,
        };
        self.net = Some(FusionNet { adaptors, own, fusion, network });
    }

    /// The arrays, which are trained once for all lanes; the items' own vectors are not among them.
    pub(crate) fn arrays(&self) -> Vec<ParamId> {
        let Some(net) = &self.net else { return Vec::new() };
        let network = net.network.iter().flat_map(Network::arrays);
        net.adaptors.iter().copied().chain(net.fusion.arrays()).chain(network).collect()
    }

    pub(super) fn cache(&self) -> &ItemCache {
        &self.cache
    }

    pub(super) fn width(&self) -> usize {
        self.width
    }

    pub(super) fn n_rows(&self) -> usize {
        self.known.len()
    }

    pub(super) fn has_ids(&self) -> bool {
        self.kinds.last() == Some(&TokenKind::Id)
    }

    /// What is fused, in the order of tokens.
    pub fn kinds(&self) -> &[TokenKind] {
        &self.kinds
    }

    /// How much each token counts in a row's vector, in the order of [`kinds`](Self::kinds): sums to 1, or all 0 for an item of which
    /// nothing is known. Of the newest pass.
    pub fn weights(&self, row: usize) -> &[f32] {
        let n = self.kinds.len();
        self.cache.fusion.weights.get(row * n..(row + 1) * n).unwrap_or(&[])
    }

    /// Leaves a token out from the next pass on, for all items.
    pub(crate) fn leave_out(&mut self, kind: TokenKind) {
        self.left_out.push(kind);
    }

    /// Shortens own vectors (`[n_rows, width]`) to the bound.
    pub(crate) fn bound(&self, own: &mut [f32]) {
        let bound = self.config.id_bound;
        own.par_chunks_mut(self.width).for_each(|own| {
            let length = segue_nn::dot(own, own).sqrt();
            if length > bound {
                own.iter_mut().for_each(|x| *x *= bound / length);
            }
        });
    }

    /// The fused vectors, `[n_rows, width]`; with a key, tokens are left out and neighbors drawn as in that training step.
    ///
    /// The vector is the weighted mean of the tokens present times their number: with even weights, their sum.
    pub(crate) fn forward(&mut self, params: &Params, key: Option<DropoutKey>) -> Vec<f32> {
        let Some(net) = self.net.as_ref() else { return Vec::new() };
        let (n_rows, n_tokens, width) = (self.n_rows(), self.kinds.len(), self.width);
        let mut cache = std::mem::take(&mut self.cache);
        cache.key = key;
        cache.tokens.resize(n_rows * n_tokens * width, 0.0);
        self.mark_present(key, &mut cache.present);
        for (at, (input, adaptor)) in self.inputs.iter().zip(&net.adaptors).enumerate() {
            self.put(&mut cache.tokens, at, &input.tokens(params.get(*adaptor)));
        }
        if let Some(graph) = &self.graph {
            let vectors = self.graph_vectors(params, graph, key, &mut cache.network);
            self.put(&mut cache.tokens, self.inputs.len(), &vectors);
        }
        if self.has_ids() {
            self.put(&mut cache.tokens, n_tokens - 1, params.get(net.own));
        }
        let mut fused = vec![0.0; n_rows * width]; // [n_rows, width]
        let tokens = Tokens { values: &cache.tokens, present: &cache.present };
        net.fusion.forward(params, tokens, &mut fused, &mut cache.fusion);
        times_number_present(&mut fused, &cache.present, n_tokens);
        self.cache = cache;
        fused
    }

    /// A row's vector of the newest pass as it would be without some of the row's tokens, `[width]`: the others share the attention, as
    /// in an item that never had them; 0 where none is left.
    pub(crate) fn row_without(&self, params: &Params, row: usize, gone: &[TokenKind]) -> Vec<f32> {
        let mut fused = vec![0.0; self.width];
        let n = self.kinds.len();
        let Some(net) = &self.net else { return fused };
        let tokens = &self.cache.tokens[row * n * self.width..][..n * self.width]; // [n_tokens, width]
        let was_there = &self.cache.present[row * n..][..n];
        let is_left = |(&there, kind): (&bool, &TokenKind)| there && !gone.contains(kind);
        let present: Vec<bool> = was_there.iter().zip(&self.kinds).map(is_left).collect();
        let tokens = Tokens { values: tokens, present: &present };
        net.fusion.forward(params, tokens, &mut fused, &mut FusionCache::default());
        times_number_present(&mut fused, &present, n);
        fused
    }

    // Vectors `[n_rows, width]` into place `at` of the tokens.
    fn put(&self, tokens: &mut [f32], at: usize, vectors: &[f32]) {
        let width = self.width;
        tokens
            .par_chunks_mut(self.kinds.len() * width)
            .zip(vectors.par_chunks(width))
            .for_each(|(row, vector)| row[at * width..][..width].copy_from_slice(vector));
    }

    // Place `at` of `[n_rows, n_tokens, width]`.
    fn take(&self, tokens: &[f32], at: usize) -> Vec<f32> {
        let width = self.width;
        tokens
            .chunks_exact(self.kinds.len() * width)
            .flat_map(|row| &row[at * width..][..width])
            .copied()
            .collect()
    }

    fn mark_present(&self, key: Option<DropoutKey>, present: &mut Vec<bool>) {
        let (n_rows, n_tokens) = (self.n_rows(), self.kinds.len());
        present.clear();
        present.resize(n_rows * n_tokens, false);
        let mut columns: Vec<Vec<bool>> = self.inputs.iter().map(DenseInput::present).collect();
        columns.extend(self.graph.iter().map(GraphInput::present));
        columns.extend(self.has_ids().then(|| self.known.clone()));
        let is_out = |at: usize| self.left_out.contains(&self.kinds[at]);
        let columns: Vec<&[bool]> = columns.iter().map(Vec::as_slice).collect();
        present.par_chunks_mut(n_tokens).enumerate().for_each(|(row, present)| {
            let there = |at: usize| columns[at][row] && !is_out(at);
            (0..n_tokens).for_each(|at| present[at] = there(at));
            let Some(key) = key else { return };
            let key = key.of(row as u64);
            for (at, (present, kind)) in present.iter_mut().zip(&self.kinds).enumerate() {
                let rate = if *kind == TokenKind::Id {
                    self.config.id_dropout
                } else {
                    self.config.modality_dropout
                };
                // 24 bits are as fine as an f32 can tell.
                let draw = (key.of(at as u64).number() >> 40) as f32 / (1u64 << 24) as f32;
                *present &= draw >= rate;
            }
            if present.iter().all(|present| !present) {
                (0..n_tokens).for_each(|at| present[at] = there(at));
            }
        });
    }

    // `[n_rows, width]`; without a key nothing is left out of the network.
    pub(super) fn graph_vectors(
        &self,
        params: &Params,
        graph: &GraphInput,
        key: Option<DropoutKey>,
        cache: &mut NetworkCache,
    ) -> Vec<f32> {
        let width = self.width;
        let (adjacency, node, network) = match (graph, self.net.as_ref().and_then(|net| net.network.as_ref()))
        {
            (GraphInput::Learned { adjacency, node, .. }, Some(network)) => (adjacency, node, network),
            (GraphInput::Kept { vectors, .. }, _) => return vectors.clone(),
            (GraphInput::Learned { .. }, None) => return vec![0.0; self.n_rows() * width],
        };
        let wanted = distinct(node, adjacency.n_nodes());
        let mut own = vec![0.0; wanted.nodes.len() * width]; // [n_wanted, width]
        let pass = Pass { params, adjacency, key: key.map(|key| key.of(u64::MAX)) };
        network.forward(pass, &wanted.nodes, &mut own, cache);
        let mut vectors = vec![0.0; node.len() * width]; // [n_rows, width]
        for (row, node) in node.iter().enumerate() {
            let Some(node) = node else { continue };
            let place = wanted.place[*node as usize] as usize;
            vectors[row * width..][..width].copy_from_slice(&own[place * width..][..width]);
        }
        vectors
    }

    /// What a step trains.
    pub(crate) fn turn(&self, key: DropoutKey) -> Turn {
        match self.loss.schedule {
            LossTurns::Together => Turn::Both,
            LossTurns::Alternating if key.of(TURN).number() & 1 == 0 => Turn::Task,
            LossTurns::Alternating => Turn::Sides,
        }
    }

    /// From the gradient of [`forward`](Self::forward)'s vectors (`[n_rows, width]`; not read when it is the others' turn), adds those of
    /// all arrays; with them, where it is their turn, the losses of alignment and of the graph, which are returned.
    pub(crate) fn backward(
        &self,
        params: &Params,
        turn: Turn,
        d_fused: &[f32],
        gradients: &mut Gradients,
    ) -> f64 {
        let Some(net) = &self.net else { return 0.0 };
        let (n_tokens, width) = (self.kinds.len(), self.width);
        let cache = &self.cache;
        // [n_rows, n_tokens, width]
        let mut d_tokens = if turn == Turn::Sides {
            vec![0.0; cache.tokens.len()]
        } else {
            let mut d_fused = d_fused.to_vec();
            times_number_present(&mut d_fused, &cache.present, n_tokens);
            let tokens = Tokens { values: &cache.tokens, present: &cache.present };
            let pass = FusionPass { tokens, cache: &cache.fusion };
            net.fusion.backward(params, pass, &d_fused, gradients)
        };
        let key = cache.key.unwrap_or(DropoutKey::new(0)).of(1 << 40);
        let mut loss = 0.0;
        if turn != Turn::Task {
            loss += self.align(key.of(0), &mut d_tokens);
        }
        for (at, (input, adaptor)) in self.inputs.iter().zip(&net.adaptors).enumerate() {
            if let Some(d_adaptor) = gradients.get_mut(*adaptor) {
                input.add_gradient(&self.take(&d_tokens, at), d_adaptor);
            }
        }
        if let (Some(GraphInput::Learned { adjacency, node, .. }), Some(network)) =
            (&self.graph, &net.network)
        {
            let wanted = distinct(node, adjacency.n_nodes());
            let d_rows = self.take(&d_tokens, self.inputs.len());
            let mut d_own = vec![0.0; wanted.nodes.len() * width]; // [n_wanted, width]
            for (node, d) in node.iter().zip(d_rows.chunks_exact(width)) {
                let Some(node) = node else { continue };
                let place = wanted.place[*node as usize] as usize;
                segue_nn::add_scaled(&mut d_own[place * width..][..width], 1.0, d);
            }
            network.backward(params, &cache.network, &d_own, gradients);
            if turn != Turn::Task {
                let pass = Pass { params, adjacency, key: Some(key.of(1)) };
                loss += network.link_loss(pass, self.loss.form, self.loss.graph, gradients);
            }
        }
        if let Some(d_own) = gradients.get_mut(net.own).filter(|_| self.has_ids()) {
            segue_nn::add_scaled(d_own, 1.0, &self.take(&d_tokens, n_tokens - 1));
        }
        loss
    }
}

// Rows of `vectors: [n_rows, width]` times the number of their tokens, `present: [n_rows, n_tokens]`.
fn times_number_present(vectors: &mut [f32], present: &[bool], n_tokens: usize) {
    let width = vectors.len() * n_tokens / present.len().max(1);
    vectors.par_chunks_mut(width.max(1)).zip(present.par_chunks(n_tokens)).for_each(|(row, present)| {
        let n_present = present.iter().filter(|present| **present).count() as f32;
        row.iter_mut().for_each(|x| *x *= n_present);
    });
}

/// The draw that decides whose turn a step is.
const TURN: u64 = 1 << 41;

/// What a step trains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// The next item and what stands beside it.
    Both,
    /// The next item.
    Task,
    /// Links and alignment.
    Sides,
}

/// The nodes that rows stand for, each once, and the place of each.
struct Wanted {
    nodes: Vec<u32>,
    place: Vec<u32>, // [n_nodes]
}

fn distinct(rows: &[Option<u32>], n_nodes: usize) -> Wanted {
    let mut wanted = Wanted { nodes: Vec::new(), place: vec![u32::MAX; n_nodes] };
    for &node in rows.iter().flatten() {
        let place = &mut wanted.place[node as usize];
        if *place == u32::MAX {
            *place = wanted.nodes.len() as u32;
            wanted.nodes.push(node);
        }
    }
    wanted
}
