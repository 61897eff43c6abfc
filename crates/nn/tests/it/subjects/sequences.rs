//! Layers over sequences: attention, also behind a prefix, and whole blocks.

use std::cell::RefCell;

use segue_nn::adapter::Adapter;
use segue_nn::attention::{Attention, AttentionGradients, AttentionInput, Mask, PrefixGradients, PrefixRows};
use segue_nn::block::{Block, BlockCache, BlockPass, BlockScratch, BlockShape, Dropping, NormOrder};
use segue_nn::dropout::DropoutKey;
use segue_nn::low_rank::LowRankConfig;
use segue_nn::prefix::Prefix;
use segue_nn::{Gradients, Params};

use crate::subject::{Layer, Reach, Rows, Subject};
use crate::subjects::generator;

// ---- attention

impl Layer for Attention {
    fn forward(&self, _: &Params, x: &[f32], lengths: &[usize]) -> Vec<f32> {
        let mut y = vec![f32::NAN; x.len() / 3];
        let input = AttentionInput { qkv: x, prefix: PrefixRows::none(), lengths };
        Self::forward(*self, input, &mut y, &mut vec![f32::NAN; 3]);
        y
    }

    fn backward(&self, _: &Params, Rows { x, lengths }: Rows<'_>, dy: &[f32], _: &mut Gradients) -> Vec<f32> {
        let input = AttentionInput { qkv: x, prefix: PrefixRows::none(), lengths };
        let mut probabilities = Vec::new();
        Self::forward(*self, input, &mut vec![0.0; x.len() / 3], &mut probabilities);
        let mut dx = vec![f32::NAN; x.len()];
        let to = AttentionGradients { qkv: &mut dx, prefix: PrefixGradients::default() };
        Self::backward(*self, input, &probabilities, dy, to);
        dx
    }
}

fn reach_of(mask: Mask) -> Reach {
    if mask == Mask::Causal { Reach::Past } else { Reach::Sequence }
}

pub(crate) fn attention(mask: Mask) -> Subject {
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
        let input = AttentionInput { qkv: x, prefix: self.prefix.rows(params), lengths };
        self.attention.forward(input, &mut y, &mut vec![f32::NAN; 3]);
        y
    }

    fn backward(
        &self,
        params: &Params,
        Rows { x, lengths }: Rows<'_>,
        dy: &[f32],
        gradients: &mut Gradients,
    ) -> Vec<f32> {
        let input = AttentionInput { qkv: x, prefix: self.prefix.rows(params), lengths };
        let mut probabilities = Vec::new();
        self.attention.forward(input, &mut vec![0.0; x.len() / 3], &mut probabilities);
        let mut dx = vec![f32::NAN; x.len()];
        let to = AttentionGradients { qkv: &mut dx, prefix: self.prefix.gradients(gradients) };
        self.attention.backward(input, &probabilities, dy, to);
        dx
    }
}

pub(crate) fn prefixed_attention(mask: Mask) -> Subject {
    let mut params = Params::new();
    let prefix = Prefix::new(&mut params, "prefix", 3, 6, &mut generator());
    let layer = Box::new(Prefixed { attention: Attention { width: 6, n_heads: 2, mask }, prefix });
    let name = match mask {
        Mask::Causal => "causal attention behind a prefix",
        Mask::Bidirectional => "bidirectional attention behind a prefix",
    };
    Subject { module: "prefix", name, params, n_in: 18, reach: reach_of(mask), layer }.stirred()
}

// ---- block

pub(crate) fn block_with_parts(mask: Mask, order: NormOrder) -> Subject {
    let (mut params, mut rng) = (Params::new(), generator());
    let shape = BlockShape { width: 6, n_heads: 2, n_hidden: 9, mask, order, epsilon: 1e-5 };
    let mut block = Block::new(&mut params, "block", shape, 0.4, &mut rng);
    block.prefix = Some(Prefix::new(&mut params, "prefix", 3, 6, &mut rng));
    block.adapter = Some(Adapter::new(&mut params, "adapter", 6, 4, &mut rng));
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
        let mut pass = BlockPass { params, lengths, dropping: self.dropping, scratch };
        self.block.forward(&mut pass, &mut y, cache);
        y
    }

    fn backward(
        &self,
        params: &Params,
        Rows { x, lengths }: Rows<'_>,
        dy: &[f32],
        gradients: &mut Gradients,
    ) -> Vec<f32> {
        self.forward(params, x, lengths);
        let (cache, scratch) = &mut *self.caches.borrow_mut();
        let mut dx = dy.to_vec();
        let mut pass = BlockPass { params, lengths, dropping: self.dropping, scratch };
        self.block.backward(&mut pass, &mut dx, cache, gradients);
        dx
    }
}

pub(crate) fn block(mask: Mask, order: NormOrder, rate: f32) -> Subject {
    let (mut params, mut rng) = (Params::new(), generator());
    let shape = BlockShape { width: 6, n_heads: 2, n_hidden: 9, mask, order, epsilon: 1e-5 };
    let mut block = Block::new(&mut params, "block", shape, 0.4, &mut rng);
    block.qkv.add_low_rank(&mut params, "query", LowRankConfig { rank: 2, scale: 0.5, rows: 0..6 }, &mut rng);
    block.qkv.add_low_rank(
        &mut params,
        "value",
        LowRankConfig { rank: 2, scale: 0.5, rows: 12..18 },
        &mut rng,
    );
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
