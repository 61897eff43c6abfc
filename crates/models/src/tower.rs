//! A stack of pre-norm transformer blocks that only runs forward, as Whisper and CLIP have it.

use segue_nn::Params;
use segue_nn::add_scaled;
use segue_nn::attention::{Attention, AttentionInput, Mask, PrefixRows};
use segue_nn::gelu::{gelu, quick_gelu};
use segue_nn::layer_norm::{LayerNorm, RowStats};
use segue_nn::linear::Linear;

use crate::encoder::EncoderError;

/// Sizes of a stack.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct TowerShape {
    /// Width of the model.
    pub(crate) width: usize,
    /// Width inside the feed-forward part.
    pub(crate) n_hidden: usize,
    /// Number of attention heads.
    pub(crate) n_heads: usize,
    /// Number of blocks.
    pub(crate) n_layers: usize,
    /// What a position may look at.
    pub(crate) mask: Mask,
    /// Added to variances in layer norms.
    pub(crate) epsilon: f32,
    /// The function inside the feed-forward part.
    pub(crate) gelu: Gelu,
}

/// The function inside the feed-forward part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gelu {
    /// `x · Φ(x)`.
    Exact,
    /// `x · σ(1.702 x)`.
    Quick,
}

impl Gelu {
    /// By its Hugging Face name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name {
            "gelu" => Some(Self::Exact),
            "quick_gelu" => Some(Self::Quick),
            _ => None,
        }
    }
}

/// How an architecture calls the parts of a block.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BlockNames {
    /// The norms before attention and before the feed-forward part.
    pub(crate) norms: [&'static str; 2],
    /// The two layers of the feed-forward part.
    pub(crate) feed_forward: [&'static str; 2],
    /// Whether keys have a bias.
    pub(crate) keys_have_bias: bool,
}

/// The blocks, with their arrays.
#[derive(Clone, Debug)]
pub(crate) struct Tower {
    shape: TowerShape,
    params: Params,
    blocks: Vec<Block>,
}

#[derive(Clone, Debug)]
struct Block {
    norm1: LayerNorm,
    qkv: Linear,
    out: Linear,
    norm2: LayerNorm,
    up: Linear,
    down: Linear,
}

/// Room to work in, reused from pass to pass.
#[derive(Clone, Debug, Default)]
pub(crate) struct TowerRoom {
    a: Vec<f32>,             // [N, width]
    qkv: Vec<f32>,           // [N, 3 · width]
    probabilities: Vec<f32>, // Σ [heads, T, T]
    hidden: Vec<f32>,        // [N, n_hidden]
    active: Vec<f32>,        // [N, n_hidden]
    stats: RowStats,
}

/// `read(name, shape)` gives an array of a weight file.
pub(crate) type Read<'r> = dyn FnMut(&str, &[usize]) -> Result<Vec<f32>, EncoderError> + 'r;

impl Tower {
    /// Builds the blocks `PREFIX.0`, `PREFIX.1`, …
    pub(crate) fn build(
        shape: TowerShape,
        prefix: &str,
        names: BlockNames,
        read: &mut Read<'_>,
    ) -> Result<Self, EncoderError> {
        let mut layers = Layers { params: Params::new(), width: shape.width, epsilon: shape.epsilon, read };
        let (width, n_hidden) = (shape.width, shape.n_hidden);
        let mut blocks = Vec::new();
        for at in 0..shape.n_layers {
            let name = |part: &str| format!("{prefix}.{at}.{part}");
            blocks.push(Block {
                norm1: layers.norm(&name(names.norms[0]))?,
                qkv: layers.qkv(&name("self_attn"), names.keys_have_bias)?,
                out: layers.linear(&name("self_attn.out_proj"), width, width)?,
                norm2: layers.norm(&name(names.norms[1]))?,
                up: layers.linear(&name(names.feed_forward[0]), width, n_hidden)?,
                down: layers.linear(&name(names.feed_forward[1]), n_hidden, width)?,
            });
        }
        Ok(Self { shape, params: layers.params, blocks })
    }

    /// `x: [N, width]`, in place; sequences of these lengths one behind the other, N their sum.
    pub(crate) fn forward(&self, x: &mut [f32], lengths: &[usize], room: &mut TowerRoom) {
        let (shape, params) = (self.shape, &self.params);
        let attention = Attention { width: shape.width, n_heads: shape.n_heads, mask: shape.mask };
        let TowerRoom { a, qkv, probabilities, hidden, active, stats } = room;
        a.resize(x.len(), 0.0);
        qkv.resize(3 * x.len(), 0.0);
        hidden.resize(x.len() / shape.width * shape.n_hidden, 0.0);
        active.resize(hidden.len(), 0.0);
        for block in &self.blocks {
            block.norm1.forward(params, x, a, stats);
            block.qkv.forward(params, a, qkv);
            let input = AttentionInput { qkv, prefix: PrefixRows::none(), lengths };
            attention.forward(input, a, probabilities);
            let sums = &mut qkv[..x.len()];
            block.out.forward(params, a, sums);
            add_scaled(x, 1.0, sums);
            block.norm2.forward(params, x, a, stats);
            block.up.forward(params, a, hidden);
            match shape.gelu {
                Gelu::Exact => gelu(hidden, active),
                Gelu::Quick => quick_gelu(hidden, active),
            }
            block.down.forward(params, active, a);
            add_scaled(x, 1.0, a);
        }
    }
}

/// A layer norm that stands alone.
#[derive(Clone, Debug)]
pub(crate) struct Norm {
    params: Params,
    layer: LayerNorm,
}

impl Norm {
    /// Reads `NAME.weight` and `NAME.bias`.
    pub(crate) fn build(
        name: &str,
        width: usize,
        epsilon: f32,
        read: &mut Read<'_>,
    ) -> Result<Self, EncoderError> {
        let mut layers = Layers { params: Params::new(), width, epsilon, read };
        let layer = layers.norm(name)?;
        Ok(Self { params: layers.params, layer })
    }

    /// `x: [N, width]` → `[N, width]`.
    pub(crate) fn forward(&self, x: &[f32]) -> Vec<f32> {
        let mut y = vec![0.0; x.len()];
        self.layer.forward(&self.params, x, &mut y, &mut RowStats::new());
        y
    }
}

struct Layers<'a, 'r> {
    params: Params,
    width: usize,
    epsilon: f32,
    read: &'a mut Read<'r>,
}

impl Layers<'_, '_> {
    fn norm(&mut self, name: &str) -> Result<LayerNorm, EncoderError> {
        let width = self.width;
        let mut array = |part: &str| {
            let name = format!("{name}.{part}");
            let values = (self.read)(&name, &[width])?;
            Ok::<_, EncoderError>(self.params.add_values(name, &[width], values))
        };
        Ok(LayerNorm { gain: array("weight")?, bias: array("bias")?, width, epsilon: self.epsilon })
    }

    fn linear(&mut self, name: &str, n_in: usize, n_out: usize) -> Result<Linear, EncoderError> {
        let (weight, bias) = (format!("{name}.weight"), format!("{name}.bias"));
        let values = (self.read)(&weight, &[n_out, n_in])?;
        let weight = self.params.add_values(weight, &[n_out, n_in], values);
        let values = (self.read)(&bias, &[n_out])?;
        let bias = Some(self.params.add_values(bias, &[n_out], values));
        Ok(Linear { weight, bias, n_in, n_out, deltas: Vec::new() })
    }

    // Query, key and value as one layer.
    fn qkv(&mut self, name: &str, keys_have_bias: bool) -> Result<Linear, EncoderError> {
        let width = self.width;
        let (mut weight, mut bias) = (Vec::new(), Vec::new());
        for part in ["q", "k", "v"] {
            weight.extend((self.read)(&format!("{name}.{part}_proj.weight"), &[width, width])?);
            if part == "k" && !keys_have_bias {
                bias.resize(bias.len() + width, 0.0);
            } else {
                bias.extend((self.read)(&format!("{name}.{part}_proj.bias"), &[width])?);
            }
        }
        let weight = self.params.add_values(format!("{name}.qkv.weight"), &[3 * width, width], weight);
        let bias = Some(self.params.add_values(format!("{name}.qkv.bias"), &[3 * width], bias));
        Ok(Linear { weight, bias, n_in: width, n_out: 3 * width, deltas: Vec::new() })
    }
}
