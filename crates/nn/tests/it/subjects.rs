//! All layers, each in the forms that take different paths through it. A new public layer is added here.

use std::cell::RefCell;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use segue_nn::attention::{Attention, Mask};
use segue_nn::block::{Block, BlockCache, BlockScratch, BlockShape, Dropping, NormOrder};
use segue_nn::dropout::{DropoutKey, dropout};
use segue_nn::gelu::{gelu, gelu_backward};
use segue_nn::layer_norm::{LayerNorm, RowStats};
use segue_nn::linear::Linear;
use segue_nn::{Gradients, Params};

use crate::losses::losses;
use crate::subject::{Layer, Reach, Subject};

pub(crate) fn subjects() -> Vec<Subject> {
    let mut all = vec![linear(0), linear(1), linear(2), linear_without_bias()];
    all.extend([layer_norm(), elementwise()]);
    all.extend([attention(Mask::Causal), attention(Mask::Bidirectional)]);
    for mask in [Mask::Causal, Mask::Bidirectional] {
        for order in [NormOrder::Pre, NormOrder::Post] {
            all.extend([block(mask, order, 0.0), block(mask, order, 0.3)]);
        }
    }
    all.push(dropped());
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

// ---- attention

impl Layer for Attention {
    fn forward(&self, _: &Params, x: &[f32], lengths: &[usize]) -> Vec<f32> {
        let mut y = vec![f32::NAN; x.len() / 3];
        Self::forward(*self, x, lengths, &mut y, &mut vec![f32::NAN; 3]);
        y
    }

    fn backward(
        &self,
        _: &Params,
        (x, lengths): (&[f32], &[usize]),
        dy: &[f32],
        _: &mut Gradients,
    ) -> Vec<f32> {
        let mut probabilities = Vec::new();
        Self::forward(*self, x, lengths, &mut vec![0.0; x.len() / 3], &mut probabilities);
        let mut dx = vec![f32::NAN; x.len()];
        Self::backward(*self, x, lengths, &probabilities, dy, &mut dx);
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

// ---- block

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
