//! One layer of a graph neural network: a node takes up what its neighbors say, each by the relation to it, weighed by attention.
//!
//! `y_j = x_j + Σ_e a_e (x_e ∘ r_e)` over the edges e of node j, with `a = softmax_e (x_j · (x_e ∘ r_e) / √width)`: messages as
//! in KGIN (Wang et al., WWW 2021), attention by relation as in KGAT (Wang et al., KDD 2019) without a matrix per relation.

use rand::Rng;
use rayon::prelude::*;

use crate::params::{Gradients, Init, ParamId, Params};
use crate::simd::{Kernel, exp, sum_of, vectorized};

/// Nodes that one task computes.
const NODES: usize = 64;

/// Weights and width; the arrays stand in a [`Params`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Neighborhood {
    /// Length of a node's vector.
    pub width: usize,
    /// `[n_relations, width]`: what a relation does to a message.
    pub relations: ParamId,
}

/// Which neighbors speak to which nodes; numbers count rows of the layer's input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edges<'a> {
    /// `[n_out]`: the input row of each output node.
    pub own: &'a [u32],
    /// `[n_out + 1]`: where each node's edges begin and end.
    pub offsets: &'a [usize],
    /// `[n_edges]`: input rows.
    pub neighbors: &'a [u32],
    /// `[n_edges]`.
    pub relations: &'a [u32],
}

/// What a layer reads.
#[derive(Clone, Copy, Debug)]
pub struct Nodes<'a> {
    /// `[n_in, width]`.
    pub vectors: &'a [f32],
    /// From these rows to those of the output.
    pub edges: Edges<'a>,
}

/// What a forward pass read, with what it left: the way back starts from both.
#[derive(Clone, Copy, Debug)]
pub struct NeighborhoodPass<'a> {
    /// The nodes it read.
    pub nodes: Nodes<'a>,
    /// `[n_edges]`, its attention.
    pub attention: &'a [f32],
}

impl Neighborhood {
    /// A layer whose relations leave messages nearly as they are.
    pub fn new(
        params: &mut Params,
        name: &str,
        n_relations: usize,
        width: usize,
        rng: &mut impl Rng,
    ) -> Self {
        let relations =
            params.add(format!("{name}.relations"), &[n_relations, width], Init::Normal(0.1), rng);
        params.get_mut(relations).iter_mut().for_each(|x| *x += 1.0);
        Self { width, relations }
    }

    /// `y: [n_out, width]` is overwritten; leaves the attention of every edge in `attention` (`[n_edges]`).
    ///
    /// # Panics
    /// When the shapes do not fit.
    pub fn forward(self, params: &Params, nodes: Nodes<'_>, y: &mut [f32], attention: &mut Vec<f32>) {
        let Nodes { vectors: x, edges } = nodes;
        edges.check(self.width, y);
        attention.clear();
        attention.resize(edges.neighbors.len(), 0.0);
        let relations = params.get(self.relations);
        let parts = split_by_nodes(attention, edges.offsets);
        y.par_chunks_mut(NODES * self.width).zip(parts).enumerate().for_each(|(part, (y, attention))| {
            vectorized(Aggregate {
                width: self.width,
                x,
                edges,
                relations,
                first: part * NODES,
                y,
                attention,
            });
        });
    }

    /// The gradient of the input, `[n_in, width]`, from that of the output (`[n_out, width]`); gradients of the relations are
    /// added.
    ///
    /// # Panics
    /// When the shapes do not fit.
    pub fn backward(
        self,
        params: &Params,
        pass: NeighborhoodPass<'_>,
        dy: &[f32],
        gradients: &mut Gradients,
    ) -> Vec<f32> {
        let NeighborhoodPass { nodes: Nodes { vectors: x, edges }, attention } = pass;
        edges.check(self.width, dy);
        let (width, relations) = (self.width, params.get(self.relations));
        let mut d_messages = vec![0.0; edges.neighbors.len() * width]; // [n_edges, width]
        let mut d_own = dy.to_vec(); // [n_out, width]
        let ends: Vec<usize> = edges.offsets.iter().map(|at| at * width).collect();
        let parts = split_by_nodes(&mut d_messages, &ends);
        d_own.par_chunks_mut(NODES * width).zip(parts).enumerate().for_each(|(part, (d_own, d_messages))| {
            let first = part * NODES;
            vectorized(AggregateBackward {
                width,
                x,
                edges,
                relations,
                attention,
                first,
                dy,
                d_own,
                d_messages,
            });
        });
        let messages = MessageGradients { width, edges, d_messages: &d_messages, d_own: &d_own };
        let mut dx = vec![0.0; x.len()]; // [n_in, width]
        messages.to_nodes(relations, &mut dx);
        if let Some(d_relations) = gradients.get_mut(self.relations) {
            messages.to_relations(x, d_relations);
        }
        dx
    }
}

impl Edges<'_> {
    fn check(&self, width: usize, y: &[f32]) {
        assert_eq!(y.len(), self.own.len() * width, "rows of {width} values");
        assert_eq!(self.offsets.len(), self.own.len() + 1, "offsets of the nodes");
        let ends = self.offsets.last().copied();
        assert!(ends == Some(self.neighbors.len()) && ends == Some(self.relations.len()), "edges");
    }
}

// The parts of `values` that belong to [`NODES`] nodes each.
fn split_by_nodes<'a>(values: &'a mut [f32], offsets: &[usize]) -> Vec<&'a mut [f32]> {
    let mut rest = values;
    let mut parts = Vec::new();
    let n_nodes = offsets.len() - 1;
    for first in (0..n_nodes).step_by(NODES) {
        let size = offsets[(first + NODES).min(n_nodes)] - offsets[first];
        let (part, others) = rest.split_at_mut(size);
        parts.push(part);
        rest = others;
    }
    parts
}

struct Aggregate<'a> {
    width: usize,
    x: &'a [f32],
    edges: Edges<'a>,
    relations: &'a [f32],
    first: usize,
    y: &'a mut [f32],
    attention: &'a mut [f32],
}

impl Kernel for Aggregate<'_> {
    #[inline(always)]
    fn run(self) {
        let Self { width, x, edges, relations, first, y, attention } = self;
        let scale = 1.0 / (width as f32).sqrt();
        let from = edges.offsets[first];
        for (node, y) in y.chunks_exact_mut(width).enumerate() {
            let node = first + node;
            let own = &x[edges.own[node] as usize * width..][..width];
            y.copy_from_slice(own);
            let range = edges.offsets[node]..edges.offsets[node + 1];
            let weights = &mut attention[range.start - from..range.end - from];
            let mut largest = f32::NEG_INFINITY;
            for (weight, edge) in weights.iter_mut().zip(range.clone()) {
                let other = &x[edges.neighbors[edge] as usize * width..][..width];
                let relation = &relations[edges.relations[edge] as usize * width..][..width];
                *weight = scale * sum_of(width, |k| own[k] * other[k] * relation[k]);
                largest = largest.max(*weight);
            }
            let mut sum = 0.0;
            for weight in weights.iter_mut() {
                *weight = exp(*weight - largest);
                sum += *weight;
            }
            for (weight, edge) in weights.iter_mut().zip(range) {
                *weight /= sum;
                let other = &x[edges.neighbors[edge] as usize * width..][..width];
                let relation = &relations[edges.relations[edge] as usize * width..][..width];
                for k in 0..width {
                    y[k] = (*weight * other[k]).mul_add(relation[k], y[k]);
                }
            }
        }
    }
}

struct AggregateBackward<'a> {
    width: usize,
    x: &'a [f32],
    edges: Edges<'a>,
    relations: &'a [f32],
    attention: &'a [f32],
    first: usize,
    dy: &'a [f32],
    d_own: &'a mut [f32],      // starts as `dy`
    d_messages: &'a mut [f32], // of the edges of these nodes
}

impl Kernel for AggregateBackward<'_> {
    #[inline(always)]
    fn run(self) {
        let Self { width, x, edges, relations, attention, first, dy, d_own, d_messages } = self;
        let scale = 1.0 / (width as f32).sqrt();
        let from = edges.offsets[first];
        for (node, d_own) in d_own.chunks_exact_mut(width).enumerate() {
            let node = first + node;
            let own = &x[edges.own[node] as usize * width..][..width];
            let dy = &dy[node * width..][..width];
            let range = edges.offsets[node]..edges.offsets[node + 1];
            // `Σ_e a_e (dy · message_e)`, which the softmax takes from every score.
            let mut mean = 0.0;
            for edge in range.clone() {
                let other = &x[edges.neighbors[edge] as usize * width..][..width];
                let relation = &relations[edges.relations[edge] as usize * width..][..width];
                mean += attention[edge] * sum_of(width, |k| dy[k] * other[k] * relation[k]);
            }
            for edge in range {
                let other = &x[edges.neighbors[edge] as usize * width..][..width];
                let relation = &relations[edges.relations[edge] as usize * width..][..width];
                let product = sum_of(width, |k| dy[k] * other[k] * relation[k]);
                let weight = attention[edge];
                let d_score = scale * weight * (product - mean);
                let d_message = &mut d_messages[(edge - from) * width..][..width];
                for k in 0..width {
                    d_message[k] = weight.mul_add(dy[k], d_score * own[k]);
                    d_own[k] = (d_score * other[k]).mul_add(relation[k], d_own[k]);
                }
            }
        }
    }
}

/// Gradients of messages and own rows, to be brought where they came from.
struct MessageGradients<'a> {
    width: usize,
    edges: Edges<'a>,
    d_messages: &'a [f32], // [n_edges, width]
    d_own: &'a [f32],      // [n_out, width]
}

impl MessageGradients<'_> {
    fn to_nodes(&self, relations: &[f32], dx: &mut [f32]) {
        let width = self.width;
        let by_node = Buckets::new(self.edges.neighbors, dx.len() / width);
        let owners = Buckets::new(self.edges.own, dx.len() / width);
        dx.par_chunks_mut(NODES * width).enumerate().for_each(|(part, dx)| {
            for (node, dx) in dx.chunks_exact_mut(width).enumerate() {
                let node = part * NODES + node;
                for &owner in owners.get(node) {
                    crate::simd::add(dx, &self.d_own[owner as usize * width..][..width]);
                }
                let edges = by_node.get(node);
                vectorized(Gather {
                    width,
                    edges,
                    of: self.edges.relations,
                    factors: relations,
                    messages: self,
                    out: dx,
                });
            }
        });
    }

    fn to_relations(&self, x: &[f32], d_relations: &mut [f32]) {
        let width = self.width;
        let by_relation = Buckets::new(self.edges.relations, d_relations.len() / width);
        d_relations.par_chunks_mut(width).enumerate().for_each(|(relation, out)| {
            let edges = by_relation.get(relation);
            vectorized(Gather { width, edges, of: self.edges.neighbors, factors: x, messages: self, out });
        });
    }
}

/// `out += Σ_e d_message_e ∘ factor_e`.
struct Gather<'a> {
    width: usize,
    edges: &'a [u32],
    of: &'a [u32],
    factors: &'a [f32],
    messages: &'a MessageGradients<'a>,
    out: &'a mut [f32],
}

impl Kernel for Gather<'_> {
    #[inline(always)]
    fn run(self) {
        let Self { width, edges, of, factors, messages, out } = self;
        for &edge in edges {
            let d = &messages.d_messages[edge as usize * width..][..width];
            let factor = &factors[of[edge as usize] as usize * width..][..width];
            for k in 0..width {
                out[k] = d[k].mul_add(factor[k], out[k]);
            }
        }
    }
}

/// Places of each number in a list, ascending.
struct Buckets {
    offsets: Vec<usize>,
    places: Vec<u32>,
}

impl Buckets {
    fn new(numbers: &[u32], n: usize) -> Self {
        let mut offsets = vec![0usize; n + 1];
        numbers.iter().for_each(|&number| offsets[number as usize + 1] += 1);
        for at in 0..n {
            offsets[at + 1] += offsets[at];
        }
        let mut next = offsets.clone();
        let mut places = vec![0u32; numbers.len()];
        for (place, &number) in numbers.iter().enumerate() {
            places[next[number as usize]] = place as u32;
            next[number as usize] += 1;
        }
        Self { offsets, places }
    }

    fn get(&self, number: usize) -> &[u32] {
        &self.places[self.offsets[number]..self.offsets[number + 1]]
    }
}
