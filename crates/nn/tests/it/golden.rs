//! Outputs and gradients against `PyTorch`'s (`tests/golden/generate.py`; the versions stand in the file that it writes).

use std::path::Path;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use segue_nn::adapter::Adapter;
use segue_nn::attention::{Attention, Mask};
use segue_nn::block::{Block, BlockCache, BlockPass, BlockScratch, BlockShape, Dropping, NormOrder};
use segue_nn::fusion::{Fusion, FusionShape};
use segue_nn::layer_norm::LayerNorm;
use segue_nn::linear::{Linear, LinearShape};
use segue_nn::low_rank::LowRankConfig;
use segue_nn::neighborhood::Neighborhood;
use segue_nn::prefix::Prefix;
use segue_nn::{Gradients, Params};
use serde_json::Value;

use crate::subject::{Layer, Rows, relative_distance};
use crate::subjects::{Elementwise, Fused, Neighbors, Prefixed};

/// Between an array of ours and theirs, as vectors; 1e-4 is asked for.
const TOLERANCE: f64 = 1e-5;

pub(crate) struct Case {
    name: &'static str,
    pub(crate) fields: Value,
}

impl Case {
    pub(crate) fn read(name: &'static str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/layers.json");
        let mut file: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        Self { name, fields: file["cases"][name].take() }
    }

    pub(crate) fn floats(&self, pointer: &str) -> Vec<f32> {
        let list = self.fields.pointer(pointer).and_then(Value::as_array);
        let list = list.unwrap_or_else(|| panic!("{}: no {pointer}", self.name));
        list.iter().map(|x| x.as_f64().unwrap() as f32).collect()
    }

    pub(crate) fn integers(&self, pointer: &str) -> Vec<u32> {
        self.floats(pointer).into_iter().map(|x| x as u32).collect()
    }

    pub(crate) fn same(&self, what: &str, received: &[f32], expected: &[f32]) {
        let apart = relative_distance(received, expected);
        assert!(apart < TOLERANCE, "{}: {what} is {apart:.1e} away", self.name);
    }

    fn arrays(&self) -> impl Iterator<Item = &str> {
        self.fields["arrays"].as_object().unwrap().keys().map(String::as_str)
    }

    /// Runs the layer with the case's arrays and compares all that comes out.
    pub(crate) fn check(&self, params: &mut Params, layer: &dyn Layer) {
        assert_eq!(self.arrays().count(), params.arrays().len(), "{}", self.name);
        for name in self.arrays() {
            let id = params.id(name).unwrap_or_else(|| panic!("{}: no `{name}`", self.name));
            params.get_mut(id).copy_from_slice(&self.floats(&format!("/arrays/{name}/values")));
        }
        let lengths: Vec<usize> = self.integers("/lengths").iter().map(|&t| t as usize).collect();
        let (x, dy) = (self.floats("/x"), self.floats("/dy"));
        self.same("the output", &layer.forward(params, &x, &lengths), &self.floats("/y"));
        let mut gradients = params.gradients();
        let dx = layer.backward(params, Rows { x: &x, lengths: &lengths }, &dy, &mut gradients);
        self.same("the gradient of the input", &dx, &self.floats("/dx"));
        for name in self.arrays() {
            let gradient = gradients.get(params.id(name).unwrap());
            self.same(name, gradient, &self.floats(&format!("/arrays/{name}/gradient")));
        }
    }
}

fn generator() -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(1)
}

#[test]
fn linear_equals_pytorch() {
    let mut params = Params::new();
    let mut layer =
        Linear::new(&mut params, "linear", LinearShape { n_in: 5, n_out: 7 }, 1.0, &mut generator());
    Case::read("linear").check(&mut params, &layer);
    for (at, rows) in [0..2, 4..7].into_iter().enumerate() {
        layer.add_low_rank(
            &mut params,
            &format!("delta{at}"),
            LowRankConfig { rank: 3, scale: 0.7, rows },
            &mut generator(),
        );
    }
    Case::read("low_rank").check(&mut params, &layer);
}

/// A layer whose deltas also have `AdaLoRA`'s penalty.
struct Penalized(Linear);

impl Layer for Penalized {
    fn forward(&self, params: &Params, x: &[f32], lengths: &[usize]) -> Vec<f32> {
        Layer::forward(&self.0, params, x, lengths)
    }

    fn backward(&self, params: &Params, input: Rows<'_>, dy: &[f32], gradients: &mut Gradients) -> Vec<f32> {
        for delta in &self.0.deltas {
            delta.add_orthogonality(params, 0.3, gradients);
        }
        Layer::backward(&self.0, params, input, dy, gradients)
    }
}

#[test]
fn deltas_with_singular_values_and_their_penalty_equal_pytorch() {
    let mut params = Params::new();
    let mut layer =
        Linear::new(&mut params, "linear", LinearShape { n_in: 5, n_out: 7 }, 1.0, &mut generator());
    for (at, rows) in [0..2, 4..7].into_iter().enumerate() {
        layer.add_singular(
            &mut params,
            &format!("delta{at}"),
            LowRankConfig { rank: 3, scale: 0.7, rows },
            &mut generator(),
        );
    }
    let (case, layer) = (Case::read("singular"), Penalized(layer));
    case.check(&mut params, &layer);
    let mut gradients = params.gradients();
    let penalties = layer.0.deltas.iter().map(|delta| delta.add_orthogonality(&params, 0.3, &mut gradients));
    let expected = case.fields["penalty"].as_f64().unwrap();
    assert!((penalties.sum::<f64>() / expected - 1.0).abs() < TOLERANCE, "{expected}");
}

#[test]
fn merged_deltas_give_the_same_outputs() {
    let (mut params, mut rng) = (Params::new(), generator());
    let mut layer = Linear::new(&mut params, "linear", LinearShape { n_in: 5, n_out: 7 }, 1.0, &mut rng);
    layer.add_low_rank(&mut params, "one", LowRankConfig { rank: 3, scale: 0.7, rows: 0..2 }, &mut rng);
    layer.add_singular(&mut params, "other", LowRankConfig { rank: 2, scale: 0.4, rows: 4..7 }, &mut rng);
    for array in params.arrays_mut() {
        array.values.iter_mut().enumerate().for_each(|(at, value)| *value += (at as f32).sin());
    }
    let x: Vec<f32> = (0..20).map(|at| (at as f32).cos()).collect();
    let before = Layer::forward(&layer, &params, &x, &[]);
    layer.merge(&mut params);
    assert!(layer.deltas.is_empty());
    assert!(relative_distance(&Layer::forward(&layer, &params, &x, &[]), &before) < TOLERANCE);
}

#[test]
fn adapter_and_prefix_equal_pytorch() {
    let mut params = Params::new();
    let layer = Adapter::new(&mut params, "adapter", 8, 3, &mut generator());
    Case::read("adapter").check(&mut params, &layer);
    for (name, mask) in [("prefix_causal", Mask::Causal), ("prefix_bidirectional", Mask::Bidirectional)] {
        let mut params = Params::new();
        let prefix = Prefix::new(&mut params, "prefix", 3, 8, &mut generator());
        let attention = Attention { width: 8, n_heads: 2, mask };
        Case::read(name).check(&mut params, &Prefixed { attention, prefix });
    }
}

#[test]
fn layer_norm_and_gelu_equal_pytorch() {
    let mut params = Params::new();
    let layer = LayerNorm::new(&mut params, "norm", 19, 1e-5, &mut generator());
    Case::read("layer_norm").check(&mut params, &layer);
    Case::read("gelu").check(&mut Params::new(), &Elementwise { scale: 1.0 });
}

#[test]
fn packed_attention_equals_padded_attention_in_pytorch() {
    for (name, mask) in [("attention_causal", Mask::Causal), ("attention_bidirectional", Mask::Bidirectional)]
    {
        Case::read(name).check(&mut Params::new(), &Attention { width: 8, n_heads: 2, mask });
    }
}

fn pass<'a>(params: &'a Params, lengths: &'a [usize], scratch: &'a mut BlockScratch) -> BlockPass<'a> {
    BlockPass { params, lengths, dropping: Dropping::none(), scratch }
}

/// Blocks one after the other.
struct Stack(Vec<Block>);

impl Stack {
    fn run(&self, params: &Params, x: &[f32], lengths: &[usize]) -> (Vec<f32>, Vec<BlockCache>) {
        let mut scratch = BlockScratch::default();
        let mut stream = x.to_vec();
        let mut caches = vec![BlockCache::default(); self.0.len()];
        for (block, cache) in self.0.iter().zip(&mut caches) {
            block.forward(&mut pass(params, lengths, &mut scratch), &mut stream, cache);
        }
        (stream, caches)
    }
}

impl Layer for Stack {
    fn forward(&self, params: &Params, x: &[f32], lengths: &[usize]) -> Vec<f32> {
        self.run(params, x, lengths).0
    }

    fn backward(
        &self,
        params: &Params,
        Rows { x, lengths }: Rows<'_>,
        dy: &[f32],
        gradients: &mut Gradients,
    ) -> Vec<f32> {
        let (_, caches) = self.run(params, x, lengths);
        let (mut dx, mut scratch) = (dy.to_vec(), BlockScratch::default());
        for (block, cache) in self.0.iter().zip(&caches).rev() {
            block.backward(&mut pass(params, lengths, &mut scratch), &mut dx, cache, gradients);
        }
        dx
    }
}

#[test]
fn packed_blocks_equal_padded_transformer_layers_in_pytorch() {
    let cases = [
        ("block_pre_causal", 1, NormOrder::Pre, Mask::Causal),
        ("block_post_bidirectional", 1, NormOrder::Post, Mask::Bidirectional),
        ("transformer_pre_causal", 2, NormOrder::Pre, Mask::Causal),
    ];
    for (name, n_blocks, order, mask) in cases {
        let mut params = Params::new();
        let shape = BlockShape { width: 8, n_heads: 2, n_hidden: 12, mask, order, epsilon: 1e-5 };
        let mut block = |at| Block::new(&mut params, &format!("blocks.{at}"), shape, 1.0, &mut generator());
        let stack = Stack((0..n_blocks).map(&mut block).collect());
        Case::read(name).check(&mut params, &stack);
    }
}

#[test]
fn fusion_and_neighborhood_equal_pytorch() {
    let mut params = Params::new();
    let fusion =
        Fusion::new(&mut params, "fusion", FusionShape { n_tokens: 3, width: 6, n_key: 4 }, &mut generator());
    Case::read("fusion").check(&mut params, &Fused { fusion, some_absent: true });
    let mut params = Params::new();
    let layer = Neighborhood::new(&mut params, "graph", 2, 6, &mut generator());
    Case::read("neighborhood").check(&mut params, &Neighbors(layer));
}
