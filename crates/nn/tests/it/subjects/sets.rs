//! Layers between rows and others: distances to items, fusion of tokens, neighbors in a graph.

use segue_nn::distance::{Distance, DistanceScores};
use segue_nn::fusion::{Fusion, FusionCache, FusionPass, FusionShape, Tokens};
use segue_nn::neighborhood::{Edges, Neighborhood, NeighborhoodPass, Nodes};
use segue_nn::{Gradients, ParamId, Params};

use crate::subject::{Layer, Reach, Rows, Subject};
use crate::subjects::generator;

// ---- distances

/// The items are a parameter.
struct Distances {
    distance: Distance,
    items: ParamId,
}

impl Layer for Distances {
    fn forward(&self, params: &Params, x: &[f32], _: &[usize]) -> Vec<f32> {
        let items = params.get(self.items);
        let mut scores = vec![f32::NAN; x.len() / 6 * (items.len() / 6)];
        DistanceScores { distance: self.distance, width: 6, queries: x, items }.forward(&mut scores);
        scores
    }

    fn backward(
        &self,
        params: &Params,
        Rows { x, .. }: Rows<'_>,
        dy: &[f32],
        gradients: &mut Gradients,
    ) -> Vec<f32> {
        let mut dx = vec![0.0; x.len()];
        let items = params.get(self.items);
        let mut unread = vec![0.0; items.len()];
        let d_items = gradients.get_mut(self.items).unwrap_or(&mut unread);
        let scores = DistanceScores { distance: self.distance, width: 6, queries: x, items };
        scores.backward(dy, &mut dx, d_items);
        dx
    }
}

pub(crate) fn distances(distance: Distance) -> Subject {
    let mut params = Params::new();
    let items = params.add("items", &[21, 6], segue_nn::Init::Normal(0.7), &mut generator());
    if distance == Distance::CityBlock {
        // Outside of the input's range: finite differences must not step over the kink at zero.
        params.get_mut(items).iter_mut().for_each(|x| *x += 1.1f32.copysign(*x));
    }
    let name = match distance {
        Distance::CityBlock => "city block distances",
        Distance::ComplexModulus => "distances of complex numbers",
    };
    let layer = Box::new(Distances { distance, items });
    Subject { module: "distance", name, params, n_in: 6, reach: Reach::Row, layer }
}

// ---- fusion

/// Three tokens a row; with `some_absent`, every other row lacks one, and one row lacks all.
pub(crate) struct Fused {
    pub(crate) fusion: Fusion,
    pub(crate) some_absent: bool,
}

impl Fused {
    fn present(&self, n_rows: usize) -> Vec<bool> {
        let m = self.fusion.n_tokens;
        let is_there = |at: usize| {
            let (row, token) = (at / m, at % m);
            !self.some_absent || (row != 3 && (row.is_multiple_of(2) || token != row % m))
        };
        (0..n_rows * m).map(is_there).collect()
    }
}

impl Layer for Fused {
    fn forward(&self, params: &Params, x: &[f32], _: &[usize]) -> Vec<f32> {
        let mut y = vec![f32::NAN; x.len() / self.fusion.n_tokens];
        let present = self.present(y.len() / self.fusion.width);
        let tokens = Tokens { values: x, present: &present };
        self.fusion.forward(params, tokens, &mut y, &mut FusionCache::default());
        y
    }

    fn backward(
        &self,
        params: &Params,
        Rows { x, .. }: Rows<'_>,
        dy: &[f32],
        gradients: &mut Gradients,
    ) -> Vec<f32> {
        let present = self.present(dy.len() / self.fusion.width);
        let mut cache = FusionCache::default();
        let tokens = Tokens { values: x, present: &present };
        self.fusion.forward(params, tokens, &mut vec![0.0; dy.len()], &mut cache);
        self.fusion.backward(params, FusionPass { tokens, cache: &cache }, dy, gradients)
    }
}

pub(crate) fn fusion(some_absent: bool) -> Subject {
    let mut params = Params::new();
    let fusion =
        Fusion::new(&mut params, "fusion", FusionShape { n_tokens: 3, width: 6, n_key: 4 }, &mut generator());
    let (name, reach) =
        if some_absent { ("fusion with absent tokens", Reach::Batch) } else { ("fusion", Reach::Row) };
    let layer = Box::new(Fused { fusion, some_absent });
    Subject { module: "fusion", name, params, n_in: 18, reach, layer }.stirred()
}

// ---- neighborhood

/// Rows are nodes; each hears those before it in its sequence, by two relations.
pub(crate) struct Neighbors(pub(crate) Neighborhood);

/// Edges with lists of their own.
#[derive(Default)]
struct EdgeLists {
    own: Vec<u32>,
    offsets: Vec<usize>,
    neighbors: Vec<u32>,
    relations: Vec<u32>,
}

impl EdgeLists {
    fn of_earlier_nodes(lengths: &[usize]) -> Self {
        let mut lists = Self { offsets: vec![0], ..Self::default() };
        let mut start = 0u32;
        for &length in lengths {
            for node in 0..length as u32 {
                lists.own.push(start + node);
                lists.neighbors.extend(start..start + node);
                lists.relations.extend((0..node).map(|other| (node - other) % 2));
                lists.offsets.push(lists.neighbors.len());
            }
            start += length as u32;
        }
        lists
    }

    fn edges(&self) -> Edges<'_> {
        let Self { own, offsets, neighbors, relations } = self;
        Edges { own, offsets, neighbors, relations }
    }
}

impl Layer for Neighbors {
    fn forward(&self, params: &Params, x: &[f32], lengths: &[usize]) -> Vec<f32> {
        let lists = EdgeLists::of_earlier_nodes(lengths);
        let mut y = vec![f32::NAN; x.len()];
        self.0.forward(params, Nodes { vectors: x, edges: lists.edges() }, &mut y, &mut Vec::new());
        y
    }

    fn backward(
        &self,
        params: &Params,
        Rows { x, lengths }: Rows<'_>,
        dy: &[f32],
        gradients: &mut Gradients,
    ) -> Vec<f32> {
        let lists = EdgeLists::of_earlier_nodes(lengths);
        let nodes = Nodes { vectors: x, edges: lists.edges() };
        let mut attention = Vec::new();
        self.0.forward(params, nodes, &mut vec![0.0; x.len()], &mut attention);
        self.0.backward(params, NeighborhoodPass { nodes, attention: &attention }, dy, gradients)
    }
}

pub(crate) fn neighborhood() -> Subject {
    let mut params = Params::new();
    let layer = Box::new(Neighbors(Neighborhood::new(&mut params, "graph", 2, 6, &mut generator())));
    Subject { module: "neighborhood", name: "neighborhood", params, n_in: 6, reach: Reach::Past, layer }
        .stirred()
}
