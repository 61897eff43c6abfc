//! All layers, each in the forms that take different paths through it. A new public layer is added here.

use std::cell::RefCell;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use segue_nn::adapter::{Adapter, AdapterCache};
use segue_nn::attention::{Attention, Mask, PrefixRows};
use segue_nn::block::{Block, BlockCache, BlockScratch, BlockShape, Dropping, NormOrder};
use segue_nn::distance::{Distance, negated_distances, negated_distances_backward};
use segue_nn::dropout::{DropoutKey, dropout};
use segue_nn::fusion::{Fusion, FusionCache};
use segue_nn::gelu::{gelu, gelu_backward};
use segue_nn::layer_norm::{LayerNorm, RowStats};
use segue_nn::linear::Linear;
use segue_nn::low_rank::LowRank;
use segue_nn::neighborhood::{Edges, Neighborhood};
use segue_nn::prefix::Prefix;
use segue_nn::{Gradients, ParamId, Params};

use crate::losses::losses;
use crate::subject::{Layer, Reach, Subject};

pub(crate) fn subjects() -> Vec<Subject> {
    let mut all = vec![linear(0), linear(1), linear(2), linear_without_bias()];
    all.extend([singular(), orthogonality(), layer_norm(), elementwise(), adapter()]);
    for mask in [Mask::Causal, Mask::Bidirectional] {
        all.extend([attention(mask), prefixed_attention(mask)]);
        all.extend([NormOrder::Pre, NormOrder::Post].map(|order| block_with_parts(mask, order)));
    }
    for mask in [Mask::Causal, Mask::Bidirectional] {
        for order in [NormOrder::Pre, NormOrder::Post] {
            all.extend([block(mask, order, 0.0), block(mask, order, 0.3)]);
        }
    }
    all.push(dropped());
    all.extend([Distance::CityBlock, Distance::ComplexModulus].map(distances));
    all.extend([fusion(false), fusion(true), neighborhood()]);
    all.extend(losses());
    all
}

fn generator() -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(11)
}

// ---- linear

impl Layer for Linear {
    fn forward(&self, params: &Params, x: &[f32], _: &[usize]) -> Vec<f32> {
        let mut y = vec![f32::NAN; x.len() / self.n_in * self.n_out];
        Self::forward(self, params, x, &mut y);
        y
    }

    fn backward(
        &self,
        params: &Params,
        (x, _): (&[f32], &[usize]),
        dy: &[f32],
        gradients: &mut Gradients,
    ) -> Vec<f32> {
        let mut dx = vec![f32::NAN; x.len()];
        Self::backward(self, params, x, dy, Some(&mut dx), gradients);
        dx
    }
}

fn linear(n_deltas: usize) -> Subject {
    let (mut params, mut rng) = (Params::new(), generator());
    let mut layer = Linear::new(&mut params, "linear", (5, 7), 0.4, &mut rng);
    let rows = if n_deltas == 1 { [0..7, 0..0] } else { [0..2, 4..7] };
    for (at, rows) in rows.into_iter().take(n_deltas).enumerate() {
        layer.add_low_rank(&mut params, &format!("delta{at}"), (3, 0.7), rows, &mut rng);
    }
    let name = ["linear", "linear with a delta", "linear with deltas on some rows"][n_deltas];
    Subject { module: "linear", name, params, n_in: 5, reach: Reach::Row, layer: Box::new(layer) }.stirred()
}

fn linear_without_bias() -> Subject {
    let (mut params, mut rng) = (Params::new(), generator());
    let weight = params.add("weight", &[7, 5], segue_nn::Init::Normal(0.4), &mut rng);
    let layer = Linear { weight, bias: None, n_in: 5, n_out: 7, deltas: Vec::new() };
    let name = "linear without bias";
    Subject { module: "linear", name, params, n_in: 5, reach: Reach::Row, layer: Box::new(layer) }
}

// ---- low rank

fn singular() -> Subject {
    let (mut params, mut rng) = (Params::new(), generator());
    let mut layer = Linear::new(&mut params, "linear", (5, 7), 0.4, &mut rng);
    for (at, rows) in [0..2, 4..7].into_iter().enumerate() {
        layer.add_singular(&mut params, &format!("delta{at}"), (3, 0.7), rows, &mut rng);
    }
    let name = "linear with deltas that have singular values";
    Subject { module: "low_rank", name, params, n_in: 5, reach: Reach::Row, layer: Box::new(layer) }.stirred()
}

/// The penalty of a delta, times the sum of the input.
struct Orthogonality(LowRank);

impl Layer for Orthogonality {
    fn forward(&self, params: &Params, x: &[f32], _: &[usize]) -> Vec<f32> {
        let penalty = self.0.add_orthogonality(params, 1.0, &mut params.gradients());
        vec![penalty as f32 * x.iter().sum::<f32>()]
    }

    fn backward(
        &self,
        params: &Params,
        (x, _): (&[f32], &[usize]),
        dy: &[f32],
        gradients: &mut Gradients,
    ) -> Vec<f32> {
        let weight = dy[0] * x.iter().sum::<f32>();
        self.0.add_orthogonality(params, weight, gradients);
        let penalty = self.0.add_orthogonality(params, 1.0, &mut params.gradients());
        vec![dy[0] * penalty as f32; x.len()]
    }
}

fn orthogonality() -> Subject {
    let (mut params, mut rng) = (Params::new(), generator());
    let delta = LowRank::new(&mut params, "delta", (3, 0.7), (5, 0..4), &mut rng);
    let (name, layer) = ("distance from orthonormal", Box::new(Orthogonality(delta)));
    Subject { module: "low_rank", name, params, n_in: 2, reach: Reach::Batch, layer }.stirred()
}

// ---- layer norm

impl Layer for LayerNorm {
    fn forward(&self, params: &Params, x: &[f32], _: &[usize]) -> Vec<f32> {
        let mut y = vec![f32::NAN; x.len()];
        Self::forward(self, params, x, &mut y, &mut RowStats::new());
        y
    }

    fn backward(
        &self,
        params: &Params,
        (x, _): (&[f32], &[usize]),
        dy: &[f32],
        gradients: &mut Gradients,
    ) -> Vec<f32> {
        let mut stats = RowStats::new();
        Self::forward(self, params, x, &mut vec![0.0; x.len()], &mut stats);
        let mut dx = vec![1.0; x.len()]; // it adds
        Self::backward(self, params, (x, &stats), dy, &mut dx, gradients);
        dx.iter().map(|dx| dx - 1.0).collect()
    }
}

fn layer_norm() -> Subject {
    let mut params = Params::new();
    let layer = LayerNorm::new(&mut params, "norm", 19, 1e-5, &mut generator());
    let name = "layer norm";
    Subject { module: "layer_norm", name, params, n_in: 19, reach: Reach::Row, layer: Box::new(layer) }
        .stirred()
}

// ---- GELU

/// GELU of scaled inputs, so that its flat ends are seen.
pub(crate) struct Elementwise {
    pub(crate) scale: f32,
}

impl Layer for Elementwise {
    fn forward(&self, _: &Params, x: &[f32], _: &[usize]) -> Vec<f32> {
        let mut y = vec![f32::NAN; x.len()];
        gelu(&x.iter().map(|x| self.scale * x).collect::<Vec<_>>(), &mut y);
        y
    }

    fn backward(&self, _: &Params, (x, _): (&[f32], &[usize]), dy: &[f32], _: &mut Gradients) -> Vec<f32> {
        let (mut y, mut dx) = (vec![f32::NAN; x.len()], dy.to_vec());
        let x: Vec<f32> = x.iter().map(|x| self.scale * x).collect();
        gelu_backward(&x, &mut y, &mut dx);
        let mut forward = vec![f32::NAN; x.len()];
        gelu(&x, &mut forward);
        assert_eq!(y, forward, "the output given again");
        dx.iter().map(|dx| self.scale * dx).collect()
    }
}

fn elementwise() -> Subject {
    let (name, params) = ("GELU", Params::new());
    Subject {
        module: "gelu",
        name,
        params,
        n_in: 6,
        reach: Reach::Row,
        layer: Box::new(Elementwise { scale: 3.0 }),
    }
}

// ---- adapter

impl Layer for Adapter {
    fn forward(&self, params: &Params, x: &[f32], _: &[usize]) -> Vec<f32> {
        let mut y = x.to_vec();
        Self::forward(self, params, &mut y, &mut AdapterCache::default());
        y
    }

    fn backward(
        &self,
        params: &Params,
        (x, _): (&[f32], &[usize]),
        dy: &[f32],
        gradients: &mut Gradients,
    ) -> Vec<f32> {
        let mut cache = AdapterCache::default();
        Self::forward(self, params, &mut x.to_vec(), &mut cache);
        let mut dx = dy.to_vec();
        Self::backward(self, params, &mut dx, &cache, gradients);
        dx
    }
}

fn adapter() -> Subject {
    let mut params = Params::new();
    let layer = Box::new(Adapter::new(&mut params, "adapter", (6, 4), &mut generator()));
    Subject { module: "adapter", name: "adapter", params, n_in: 6, reach: Reach::Row, layer }.stirred()
}

// ---- attention

impl Layer for Attention {
    fn forward(&self, _: &Params, x: &[f32], lengths: &[usize]) -> Vec<f32> {
        let mut y = vec![f32::NAN; x.len() / 3];
        Self::forward(*self, (x, PrefixRows::none()), lengths, &mut y, &mut vec![f32::NAN; 3]);
        y
    }

    fn backward(
        &self,
        _: &Params,
        (x, lengths): (&[f32], &[usize]),
        dy: &[f32],
        _: &mut Gradients,
    ) -> Vec<f32> {
        let (input, mut probabilities) = ((x, PrefixRows::none()), Vec::new());
        Self::forward(*self, input, lengths, &mut vec![0.0; x.len() / 3], &mut probabilities);
        let mut dx = vec![f32::NAN; x.len()];
        Self::backward(*self, input, lengths, &probabilities, dy, (&mut dx, [None, None]));
        dx
    }
}

fn reach_of(mask: Mask) -> Reach {
    if mask == Mask::Causal { Reach::Past } else { Reach::Sequence }
}

fn attention(mask: Mask) -> Subject {
    let name = if mask == Mask::Causal { "causal attention" } else { "bidirectional attention" };
    let layer = Box::new(Attention { width: 6, n_heads: 2, mask });
    Subject { module: "attention", name, params: Params::new(), n_in: 18, reach: reach_of(mask), layer }
}

// ---- prefix

/// Attention behind a prefix.
pub(crate) struct Prefixed {
    pub(crate) attention: Attention,
    pub(crate) prefix: Prefix,
}

impl Layer for Prefixed {
    fn forward(&self, params: &Params, x: &[f32], lengths: &[usize]) -> Vec<f32> {
        let mut y = vec![f32::NAN; x.len() / 3];
        self.attention.forward((x, self.prefix.rows(params)), lengths, &mut y, &mut vec![f32::NAN; 3]);
        y
    }

    fn backward(
        &self,
        params: &Params,
        (x, lengths): (&[f32], &[usize]),
        dy: &[f32],
        gradients: &mut Gradients,
    ) -> Vec<f32> {
        let (input, mut probabilities) = ((x, self.prefix.rows(params)), Vec::new());
        self.attention.forward(input, lengths, &mut vec![0.0; x.len() / 3], &mut probabilities);
        let mut dx = vec![f32::NAN; x.len()];
        let d_prefix = self.prefix.gradients(gradients);
        self.attention.backward(input, lengths, &probabilities, dy, (&mut dx, d_prefix));
        dx
    }
}

fn prefixed_attention(mask: Mask) -> Subject {
    let mut params = Params::new();
    let prefix = Prefix::new(&mut params, "prefix", (3, 6), &mut generator());
    let layer = Box::new(Prefixed { attention: Attention { width: 6, n_heads: 2, mask }, prefix });
    let name = match mask {
        Mask::Causal => "causal attention behind a prefix",
        Mask::Bidirectional => "bidirectional attention behind a prefix",
    };
    Subject { module: "prefix", name, params, n_in: 18, reach: reach_of(mask), layer }.stirred()
}

// ---- block

fn block_with_parts(mask: Mask, order: NormOrder) -> Subject {
    let (mut params, mut rng) = (Params::new(), generator());
    let shape = BlockShape { width: 6, n_heads: 2, n_hidden: 9, mask, order, epsilon: 1e-5 };
    let mut block = Block::new(&mut params, "block", shape, 0.4, &mut rng);
    block.prefix = Some(Prefix::new(&mut params, "prefix", (3, 6), &mut rng));
    block.adapter = Some(Adapter::new(&mut params, "adapter", (6, 4), &mut rng));
    let name = match order {
        NormOrder::Pre => "block with prefix and adapter, norm first",
        NormOrder::Post => "block with prefix and adapter, norm last",
    };
    let layer = Box::new(BlockInUse { block, dropping: Dropping::none(), caches: RefCell::default() });
    Subject { module: "block", name, params, n_in: 6, reach: reach_of(mask), layer }.stirred()
}

/// A block whose caches live from call to call, as in training.
struct BlockInUse {
    block: Block,
    dropping: Dropping,
    caches: RefCell<(BlockCache, BlockScratch)>,
}

impl Layer for BlockInUse {
    fn forward(&self, params: &Params, x: &[f32], lengths: &[usize]) -> Vec<f32> {
        let (cache, scratch) = &mut *self.caches.borrow_mut();
        let mut y = x.to_vec();
        self.block.forward(params, &mut y, lengths, self.dropping, (cache, scratch));
        y
    }

    fn backward(
        &self,
        params: &Params,
        (x, lengths): (&[f32], &[usize]),
        dy: &[f32],
        gradients: &mut Gradients,
    ) -> Vec<f32> {
        self.forward(params, x, lengths);
        let (cache, scratch) = &mut *self.caches.borrow_mut();
        let mut dx = dy.to_vec();
        self.block.backward(params, &mut dx, lengths, self.dropping, (cache, scratch), gradients);
        dx
    }
}

fn block(mask: Mask, order: NormOrder, rate: f32) -> Subject {
    let (mut params, mut rng) = (Params::new(), generator());
    let shape = BlockShape { width: 6, n_heads: 2, n_hidden: 9, mask, order, epsilon: 1e-5 };
    let mut block = Block::new(&mut params, "block", shape, 0.4, &mut rng);
    block.qkv.add_low_rank(&mut params, "query", (2, 0.5), 0..6, &mut rng);
    block.qkv.add_low_rank(&mut params, "value", (2, 0.5), 12..18, &mut rng);
    let name = match (order, rate > 0.0) {
        (NormOrder::Pre, false) => "block, norm first",
        (NormOrder::Pre, true) => "block, norm first, with dropout",
        (NormOrder::Post, false) => "block, norm last",
        (NormOrder::Post, true) => "block, norm last, with dropout",
    };
    let reach = if rate > 0.0 { Reach::Batch } else { reach_of(mask) };
    let dropping = Dropping { rate, key: DropoutKey::new(3) };
    let layer = Box::new(BlockInUse { block, dropping, caches: RefCell::default() });
    Subject { module: "block", name, params, n_in: 6, reach, layer }.stirred()
}

// ---- dropout

struct Dropped;

impl Layer for Dropped {
    fn forward(&self, _: &Params, x: &[f32], _: &[usize]) -> Vec<f32> {
        let mut y = x.to_vec();
        dropout(0.3, DropoutKey::new(3).of(1), &mut y);
        y
    }

    fn backward(&self, params: &Params, _: (&[f32], &[usize]), dy: &[f32], _: &mut Gradients) -> Vec<f32> {
        self.forward(params, dy, &[])
    }
}

fn dropped() -> Subject {
    let (name, params) = ("dropout", Params::new());
    Subject { module: "dropout", name, params, n_in: 4, reach: Reach::Batch, layer: Box::new(Dropped) }
}

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
        negated_distances(self.distance, 6, (x, items), &mut scores);
        scores
    }

    fn backward(
        &self,
        params: &Params,
        (x, _): (&[f32], &[usize]),
        dy: &[f32],
        gradients: &mut Gradients,
    ) -> Vec<f32> {
        let mut dx = vec![0.0; x.len()];
        let items = params.get(self.items);
        let mut unread = vec![0.0; items.len()];
        let d_items = gradients.get_mut(self.items).unwrap_or(&mut unread);
        negated_distances_backward(self.distance, 6, (x, items), dy, (&mut dx, d_items));
        dx
    }
}

fn distances(distance: Distance) -> Subject {
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
        self.fusion.forward(params, (x, &present), &mut y, &mut FusionCache::default());
        y
    }

    fn backward(
        &self,
        params: &Params,
        (x, _): (&[f32], &[usize]),
        dy: &[f32],
        gradients: &mut Gradients,
    ) -> Vec<f32> {
        let present = self.present(dy.len() / self.fusion.width);
        let mut cache = FusionCache::default();
        self.fusion.forward(params, (x, &present), &mut vec![0.0; dy.len()], &mut cache);
        let mut dx = vec![f32::NAN; x.len()];
        self.fusion.backward(params, (x, &present), (dy, &cache), &mut dx, gradients);
        dx
    }
}

fn fusion(some_absent: bool) -> Subject {
    let mut params = Params::new();
    let fusion = Fusion::new(&mut params, "fusion", (3, 6, 4), &mut generator());
    let (name, reach) =
        if some_absent { ("fusion with absent tokens", Reach::Batch) } else { ("fusion", Reach::Row) };
    let layer = Box::new(Fused { fusion, some_absent });
    Subject { module: "fusion", name, params, n_in: 18, reach, layer }.stirred()
}

// ---- neighborhood

/// Rows are nodes; each hears those before it in its sequence, by two relations.
pub(crate) struct Neighbors(pub(crate) Neighborhood);

/// Own rows, offsets, neighbors, relations.
type EdgeLists = (Vec<u32>, Vec<usize>, Vec<u32>, Vec<u32>);

fn earlier_nodes(lengths: &[usize]) -> EdgeLists {
    let mut edges: EdgeLists = (Vec::new(), vec![0], Vec::new(), Vec::new());
    let mut start = 0u32;
    for &length in lengths {
        for node in 0..length as u32 {
            edges.0.push(start + node);
            edges.2.extend(start..start + node);
            edges.3.extend((0..node).map(|other| (node - other) % 2));
            edges.1.push(edges.2.len());
        }
        start += length as u32;
    }
    edges
}

fn edges_of(lists: &EdgeLists) -> Edges<'_> {
    Edges { own: &lists.0, offsets: &lists.1, neighbors: &lists.2, relations: &lists.3 }
}

impl Layer for Neighbors {
    fn forward(&self, params: &Params, x: &[f32], lengths: &[usize]) -> Vec<f32> {
        let lists = earlier_nodes(lengths);
        let mut y = vec![f32::NAN; x.len()];
        self.0.forward(params, (x, edges_of(&lists)), &mut y, &mut Vec::new());
        y
    }

    fn backward(
        &self,
        params: &Params,
        (x, lengths): (&[f32], &[usize]),
        dy: &[f32],
        gradients: &mut Gradients,
    ) -> Vec<f32> {
        let lists = earlier_nodes(lengths);
        let edges = edges_of(&lists);
        let mut attention = Vec::new();
        self.0.forward(params, (x, edges), &mut vec![0.0; x.len()], &mut attention);
        let mut dx = vec![0.0; x.len()];
        self.0.backward(params, (x, edges, &attention), dy, &mut dx, gradients);
        dx
    }
}

fn neighborhood() -> Subject {
    let mut params = Params::new();
    let layer = Box::new(Neighbors(Neighborhood::new(&mut params, "graph", (2, 6), &mut generator())));
    Subject { module: "neighborhood", name: "neighborhood", params, n_in: 6, reach: Reach::Past, layer }
        .stirred()
}
