//! A graph neural network over users, items and entities: two layers of [`Neighborhood`] on sampled neighbors, and link prediction
//! on the vectors that it starts from.
//!
//! Attention by relation as in KGAT, messages as in KGIN; each pass draws a few neighbors of every node it needs (`GraphSAGE`,
//! Hamilton et al., 2017), so that a step's cost does not grow with the degree of a hub.

use rand::Rng;
use segue_nn::dropout::DropoutKey;
use segue_nn::neighborhood::{Edges, Neighborhood, NeighborhoodPass, Nodes};
use segue_nn::{Gradients, Init, ParamId, Params};
use serde::{Deserialize, Serialize};

use crate::range::{self, first, outside};

/// Settings of the network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NetworkConfig {
    /// Layers: how many edges a message travels.
    pub n_layers: usize,
    /// Neighbors drawn per node in a training step; four times as many when vectors are computed to be kept.
    pub n_neighbors: usize,
    /// Whether users are nodes, with an edge to everything they touched in training.
    pub users: bool,
    /// Facts whose answers a step predicts.
    pub n_facts: usize,
    /// Entities drawn evenly against each right answer.
    pub n_negatives: usize,
    /// Standard deviation of nodes at the start.
    pub init: f32,
}

impl Default for NetworkConfig {
    fn default() -> Self {
        Self { n_layers: 2, n_neighbors: 8, users: false, n_facts: 512, n_negatives: 256, init: 0.1 }
    }
}

/// The first part of the names of the network's arrays.
pub(crate) const ARRAYS: &str = "graph";

impl NetworkConfig {
    /// What is out of range; `None` when nothing is.
    pub fn problem(&self) -> Option<String> {
        first([
            outside("n_layers", self.n_layers, 1..=64),
            outside("n_neighbors", self.n_neighbors, 1..=100_000),
            outside("n_facts", self.n_facts, range::BATCH),
            outside("n_negatives", self.n_negatives, range::NEGATIVES),
            outside("init", self.init, 0.0..=100.0),
        ])
    }
}

/// One edge, from its node.
pub type Neighbor = (u32, u32);

/// Who is whose neighbor: every edge in both directions, the way back by a relation of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adjacency {
    offsets: Vec<usize>,      // [n_nodes + 1]
    neighbors: Vec<Neighbor>, // relation and node, ascending per node
    facts: Vec<[u32; 3]>,     // head, relation, tail
    n_relations: usize,
    n_entities: usize,
}

impl Adjacency {
    /// Of facts `[head, relation, tail]` among `n_entities` entities, and of `touched`: users and the entities of what they touched.
    /// Users are the nodes behind the entities; what they did is an edge, but no fact to be predicted.
    ///
    /// # Panics
    /// When an entity is out of range: a mistake of the caller.
    pub fn new(n_entities: usize, facts: Vec<[u32; 3]>, touched: &[(u32, u32)]) -> Self {
        let n_stated = facts.iter().map(|fact| fact[1] as usize + 1).max().unwrap_or(0);
        let n_relations = n_stated + usize::from(!touched.is_empty());
        let n_nodes = n_entities + touched.iter().map(|(user, _)| *user as usize + 1).max().unwrap_or(0);
        let by_user =
            touched.iter().map(|(user, entity)| [n_entities as u32 + user, n_stated as u32, *entity]);
        let both = |[head, relation, tail]: [u32; 3]| {
            [(head, (relation, tail)), (tail, (relation + n_relations as u32, head))]
        };
        let mut edges: Vec<(u32, Neighbor)> = facts.iter().copied().chain(by_user).flat_map(both).collect();
        edges.sort_unstable();
        edges.dedup();
        let mut offsets = vec![0; n_nodes + 1];
        edges.iter().for_each(|(node, _)| offsets[*node as usize + 1] += 1);
        for at in 0..n_nodes {
            offsets[at + 1] += offsets[at];
        }
        let neighbors = edges.into_iter().map(|(_, neighbor)| neighbor).collect();
        Self { offsets, neighbors, facts, n_relations, n_entities }
    }

    /// Number of entities: nodes that are not users.
    pub fn n_entities(&self) -> usize {
        self.n_entities
    }

    /// Facts that can be predicted.
    pub fn facts(&self) -> &[[u32; 3]] {
        &self.facts
    }

    /// Number of relations, without those of the way back.
    pub fn n_relations(&self) -> usize {
        self.n_relations
    }

    /// Entities, and users behind them where they are nodes.
    pub fn n_nodes(&self) -> usize {
        self.offsets.len() - 1
    }

    // At most `n` edges of a node, as evenly spread over its relations as its edges are: the k-th of n equal stretches gives one.
    fn sample(&self, node: u32, n: usize, key: DropoutKey, mut take: impl FnMut(Neighbor)) {
        let all = &self.neighbors[self.offsets[node as usize]..self.offsets[node as usize + 1]];
        if all.len() <= n {
            all.iter().for_each(|&edge| take(edge));
            return;
        }
        let start = (key.of(u64::from(node)).number() >> 11) as f64 / (1u64 << 53) as f64; // [0, 1)
        for k in 0..n {
            let at = ((k as f64 + start) * all.len() as f64 / n as f64) as usize;
            take(all[at.min(all.len() - 1)]);
        }
    }
}

/// The network: nodes, relations and layers. All layers share what a relation does to a message, and link prediction uses it too.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    /// Settings.
    pub config: NetworkConfig,
    width: usize,
    nodes: ParamId, // [n_nodes, width]
    layer: Neighborhood,
}

/// One layer of one pass: which nodes it gives, from which.
#[derive(Clone, Debug, Default, PartialEq)]
struct Stage {
    own: Vec<u32>, // [n_out]
    offsets: Vec<usize>,
    neighbors: Vec<u32>,
    relations: Vec<u32>,
    x: Vec<f32>, // [n_in, width], its input
    attention: Vec<f32>,
}

impl Stage {
    fn nodes(&self) -> Nodes<'_> {
        let Self { own, offsets, neighbors, relations, .. } = self;
        Nodes { vectors: &self.x, edges: Edges { own, offsets, neighbors, relations } }
    }
}

/// What a pass reads.
#[derive(Clone, Copy)]
pub struct Pass<'a> {
    /// Arrays of the network and of all that is trained with it.
    pub params: &'a Params,
    /// Whose neighbors are read.
    pub adjacency: &'a Adjacency,
    /// Of a training step: neighbors are drawn anew by it.
    pub key: Option<DropoutKey>,
}

/// What the way back needs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NetworkCache {
    inputs: Vec<u32>,   // nodes whose vectors are read, in the order of the first stage's input
    stages: Vec<Stage>, // from the inputs to the outputs
}

impl Network {
    /// A network over the nodes of `adjacency`; vectors have `width` values.
    pub fn new(
        config: &NetworkConfig,
        adjacency: &Adjacency,
        width: usize,
        params: &mut Params,
        rng: &mut impl Rng,
    ) -> Self {
        let shape = [adjacency.n_nodes(), width];
        let nodes = params.add(format!("{ARRAYS}.nodes"), &shape, Init::Normal(config.init), rng);
        let layer = Neighborhood::new(params, ARRAYS, 2 * adjacency.n_relations, width, rng);
        Self { config: config.clone(), width, nodes, layer }
    }

    /// Of a node's vector, at the start and after every layer.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The arrays of the network: nodes, relations.
    pub fn arrays(&self) -> [ParamId; 2] {
        [self.nodes, self.layer.relations]
    }

    /// Vectors of `wanted` nodes (distinct) into `y` (`[n_wanted, width]`).
    pub fn forward(&self, pass: Pass<'_>, wanted: &[u32], y: &mut [f32], cache: &mut NetworkCache) {
        let Pass { params, adjacency, key } = pass;
        self.plan(adjacency, wanted, key, cache);
        let (width, nodes) = (self.width, params.get(self.nodes));
        let mut x = Vec::with_capacity(cache.inputs.len() * width); // [n_in, width]
        for &node in &cache.inputs {
            x.extend_from_slice(&nodes[node as usize * width..][..width]);
        }
        let n_stages = cache.stages.len();
        for (at, stage) in cache.stages.iter_mut().enumerate() {
            stage.x = x;
            x = vec![0.0; stage.own.len() * width]; // [n_out, width]
            let mut attention = std::mem::take(&mut stage.attention);
            let out = if at + 1 == n_stages { &mut *y } else { x.as_mut_slice() };
            self.layer.forward(params, stage.nodes(), out, &mut attention);
            stage.attention = attention;
        }
        if n_stages == 0 {
            y.copy_from_slice(&x);
        }
    }

    // From the outputs backwards: what each stage gives, and what it needs for that.
    fn plan(&self, adjacency: &Adjacency, wanted: &[u32], key: Option<DropoutKey>, cache: &mut NetworkCache) {
        let n = if key.is_some() { self.config.n_neighbors } else { 4 * self.config.n_neighbors };
        let key = key.unwrap_or(DropoutKey::new(0));
        cache.stages.clear();
        cache.stages.resize_with(self.config.n_layers, Stage::default);
        let mut place = vec![u32::MAX; adjacency.n_nodes()];
        let mut needed = wanted.to_vec();
        needed.iter().enumerate().for_each(|(at, node)| place[*node as usize] = at as u32);
        for (depth, stage) in cache.stages.iter_mut().rev().enumerate() {
            let outputs = needed.len();
            stage.own = (0..outputs as u32).collect();
            stage.offsets.push(0);
            for at in 0..outputs {
                adjacency.sample(needed[at], n, key.of(depth as u64), |(relation, node)| {
                    let place = &mut place[node as usize];
                    if *place == u32::MAX {
                        *place = needed.len() as u32;
                        needed.push(node);
                    }
                    stage.neighbors.push(*place);
                    stage.relations.push(relation);
                });
                stage.offsets.push(stage.neighbors.len());
            }
        }
        cache.inputs = needed;
    }

    /// Adds the gradients of nodes and relations, given that of [`forward`](Self::forward)'s output.
    pub fn backward(&self, params: &Params, cache: &NetworkCache, dy: &[f32], gradients: &mut Gradients) {
        let width = self.width;
        let mut d = dy.to_vec();
        for stage in cache.stages.iter().rev() {
            let pass = NeighborhoodPass { nodes: stage.nodes(), attention: &stage.attention };
            d = self.layer.backward(params, pass, &d, gradients); // [n_in, width]
        }
        let Some(d_nodes) = gradients.get_mut(self.nodes) else { return };
        for (node, d) in cache.inputs.iter().zip(d.chunks_exact(width)) {
            segue_nn::add_scaled(&mut d_nodes[*node as usize * width..][..width], 1.0, d);
        }
    }
}
