//! The two towers of CLIP (Radford et al., 2021), whose vectors of pictures and of texts stand in one space.

use std::path::{Path, PathBuf};

use rayon::prelude::*;
use segue_nn::activation::Activation;
use segue_nn::attention::Mask;
use segue_nn::convolution::{Convolution, Frame};
use segue_nn::{Matrix, MatrixMut, add_scaled, matmul};
use serde::Deserialize;
use serde_json::Value;

use crate::convert::folder_sha256;
use crate::encoder::{EncoderError, Tokens, WeightsFile, model_type, read_json, read_json_if_there};
use crate::model_folder;
use crate::tower::{BlockNames, Gelu, Norm, Read, Tower, TowerRoom, TowerShape};
use crate::vision::pixels::{PixelFilter, PixelRule};
use crate::whitening::normalize;

const NAMES: BlockNames = BlockNames {
    norms: ["layer_norm1", "layer_norm2"],
    feed_forward: ["mlp.fc1", "mlp.fc2"],
    keys_have_bias: true,
};

const SUPPORTED: &str =
    "supported are CLIP models as OpenAI published them: gelu or quick_gelu, square pictures, a projection";

/// Of `config.json`; what it leaves out is as in ViT-B/32.
#[derive(Deserialize)]
#[serde(default)]
struct Sizes {
    hidden_size: usize,
    intermediate_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    layer_norm_eps: f32,
    hidden_act: String,
    projection_dim: usize,
    image_size: usize,
    patch_size: usize,
    vocab_size: usize,
    max_position_embeddings: usize,
    eos_token_id: Option<u32>,
}

impl Default for Sizes {
    fn default() -> Self {
        Self {
            hidden_size: 768,
            intermediate_size: 3072,
            num_hidden_layers: 12,
            num_attention_heads: 12,
            layer_norm_eps: 1e-5,
            hidden_act: "quick_gelu".into(),
            projection_dim: 512,
            image_size: 224,
            patch_size: 32,
            vocab_size: 49_408,
            max_position_embeddings: 77,
            eos_token_id: None,
        }
    }
}

#[derive(Deserialize)]
struct Preprocessor {
    image_mean: Option<[f32; 3]>,
    image_std: Option<[f32; 3]>,
    resample: Option<u32>,
}

/// The tower of pictures.
#[derive(Clone, Debug)]
pub struct ClipVision {
    rule: PixelRule,
    n_patches: usize,
    width: usize,
    patches: Convolution,
    class: Vec<f32>,     // [width]
    positions: Vec<f32>, // [1 + n_patches, width]
    before: Norm,
    tower: Tower,
    after: Norm,
    projection: Projection,
}

/// A linear layer without bias, `[n_out, n_in]`.
#[derive(Clone, Debug)]
struct Projection {
    weight: Vec<f32>,
    n_in: usize,
    n_out: usize,
}

impl Projection {
    // `x: [N, n_in]` → `[N, n_out]`.
    fn forward(&self, x: &[f32]) -> Vec<f32> {
        let n = x.len() / self.n_in;
        let mut y = vec![0.0; n * self.n_out];
        let weight = Matrix::new(&self.weight, self.n_out, self.n_in, self.n_in);
        matmul(MatrixMut::new(&mut y, self.n_out), 1.0, Matrix::new(x, n, self.n_in, self.n_in), weight.t());
        y
    }
}

/// Room to work in, reused from batch to batch.
#[derive(Clone, Debug, Default)]
pub struct Room {
    patches: Vec<f32>,
    windows: Vec<f32>,
    tower: TowerRoom,
}

// The sizes of one tower: a part of `config.json`, or all of it where the folder holds that tower alone.
fn sizes(folder: &Path, part: &str, alone: &str) -> Result<(PathBuf, Sizes), EncoderError> {
    let path = folder.join("config.json");
    let mut config: Value = read_json(&path)?;
    let kind = config.get("model_type").and_then(Value::as_str).unwrap_or_default().to_owned();
    let own = if kind == alone {
        config
    } else {
        let mut own = config.get_mut(part).map_or_else(|| serde_json::json!({}), Value::take);
        // The whole model's projection counts, not what the part repeats.
        if let (Some(own), Some(dim)) = (own.as_object_mut(), config.get("projection_dim")) {
            own.insert("projection_dim".into(), dim.clone());
        }
        own
    };
    let damaged = |reason: String| EncoderError::damaged(&path, reason);
    let given = |name: &str| own.get(name).is_some();
    let (has_width, has_hidden, has_heads) =
        (given("hidden_size"), given("intermediate_size"), given("num_attention_heads"));
    let mut sizes: Sizes = serde_json::from_value(own).map_err(|e| damaged(e.to_string()))?;
    if part == "text_config" {
        // Texts have other customs.
        sizes.hidden_size = if has_width { sizes.hidden_size } else { 512 };
        sizes.intermediate_size = if has_hidden { sizes.intermediate_size } else { 2048 };
        sizes.num_attention_heads = if has_heads { sizes.num_attention_heads } else { 8 };
    }
    let (width, heads) = (sizes.hidden_size, sizes.num_attention_heads);
    let others = [sizes.intermediate_size, sizes.num_hidden_layers, sizes.projection_dim, sizes.patch_size];
    if width == 0 || heads == 0 || !width.is_multiple_of(heads) || others.contains(&0) {
        return Err(damaged(format!("hidden_size {width} with {heads} heads, other sizes {others:?}")));
    }
    Ok((path, sizes))
}

impl Sizes {
    fn tower(&self, path: &Path, mask: Mask) -> Result<TowerShape, EncoderError> {
        let gelu = Gelu::named(&self.hidden_act).ok_or_else(|| EncoderError::Unsupported {
            path: path.to_path_buf(),
            what: format!("hidden_act `{}`", self.hidden_act),
            supported: SUPPORTED,
        })?;
        Ok(TowerShape {
            width: self.hidden_size,
            n_hidden: self.intermediate_size,
            n_heads: self.num_attention_heads,
            n_layers: self.num_hidden_layers,
            mask,
            epsilon: self.layer_norm_eps,
            gelu,
        })
    }
}

impl ClipVision {
    /// Opens the folder of a `CLIPModel` or `CLIPVisionModelWithProjection`.
    pub(crate) fn open(folder: &Path) -> Result<Self, EncoderError> {
        let (path, sizes) = sizes(folder, "vision_config", "clip_vision_model")?;
        let shape = sizes.tower(&path, Mask::Bidirectional)?;
        let rule = pixel_rule(folder, &sizes)?;
        let mut file = WeightsFile::open(&folder.join("model.safetensors"))?;
        Self::build(&sizes, shape, rule, &mut |name, shape| file.read_whole_name(name, shape))
    }

    fn build(
        sizes: &Sizes,
        shape: TowerShape,
        rule: PixelRule,
        read: &mut Read<'_>,
    ) -> Result<Self, EncoderError> {
        let (width, side) = (sizes.hidden_size, sizes.patch_size);
        let n_patches = (sizes.image_size / side).pow(2);
        let weight = read("vision_model.embeddings.patch_embedding.weight", &[width, 3, side, side])?;
        let patches = Convolution {
            kernel: [side, side],
            stride: side,
            n_in: 3,
            n_out: width,
            weight: Convolution::weight_of_torch(&weight, width, 3, [side, side]),
            bias: vec![0.0; width],
            activation: Activation::Identity,
        };
        let class = read("vision_model.embeddings.class_embedding", &[width])?;
        let positions = read("vision_model.embeddings.position_embedding.weight", &[1 + n_patches, width])?;
        // The published name has this letter too many.
        let before = Norm::build("vision_model.pre_layrnorm", width, sizes.layer_norm_eps, read)?;
        let tower = Tower::build(shape, "vision_model.encoder.layers", NAMES, read)?;
        let after = Norm::build("vision_model.post_layernorm", width, sizes.layer_norm_eps, read)?;
        let n_out = sizes.projection_dim;
        let weight = read("visual_projection.weight", &[n_out, width])?;
        let projection = Projection { weight, n_in: width, n_out };
        Ok(Self { rule, n_patches, width, patches, class, positions, before, tower, after, projection })
    }

    /// Length of a vector.
    pub fn dim(&self) -> usize {
        self.projection.n_out
    }

    /// How pictures become numbers.
    pub fn rule(&self) -> PixelRule {
        self.rule
    }

    /// `pixels: [n, side, side, 3]` → `[n, dim]`, the projected state of the class token.
    ///
    /// # Panics
    /// When the shape does not fit.
    pub fn embed(&self, pixels: &[f32], room: &mut Room) -> Vec<f32> {
        let (side, width) = (self.rule.side as usize, self.width);
        let n = pixels.len() / (side * side * 3);
        assert_eq!(pixels.len(), n * side * side * 3, "pictures");
        if n == 0 {
            return Vec::new();
        }
        let Room { patches, windows, tower } = room;
        patches.resize(n * self.n_patches * width, 0.0);
        self.patches.forward(pixels, Frame::bare([side, side]), patches, windows);
        let mut x = Vec::with_capacity(patches.len() + n * width); // [n · (1 + n_patches), width]
        for patches in patches.chunks_exact(self.n_patches * width) {
            let first = x.len();
            x.extend_from_slice(&self.class);
            x.extend_from_slice(patches);
            add_scaled(&mut x[first..], 1.0, &self.positions);
        }
        let mut x = self.before.forward(&x);
        self.tower.forward(&mut x, &vec![1 + self.n_patches; n], tower);
        let rows = x.chunks_exact((1 + self.n_patches) * width);
        let classes: Vec<f32> = rows.flat_map(|rows| rows[..width].iter().copied()).collect(); // [n, width]
        self.projection.forward(&self.after.forward(&classes))
    }
}

// As `preprocessor_config.json` says, where there is one; the size is the network's.
fn pixel_rule(folder: &Path, sizes: &Sizes) -> Result<PixelRule, EncoderError> {
    let path = folder.join("preprocessor_config.json");
    let file: Option<Preprocessor> = read_json_if_there(&path)?;
    let file = file.unwrap_or(Preprocessor { image_mean: None, image_std: None, resample: None });
    let deviation = file.image_std.unwrap_or([0.268_629_54, 0.261_302_6, 0.275_777_1]);
    if deviation.iter().any(|deviation| *deviation <= 0.0) {
        return Err(EncoderError::damaged(&path, format!("image_std {deviation:?} is not above 0")));
    }
    // Pillow's numbers of its filters.
    let filter = match file.resample.unwrap_or(3) {
        2 => PixelFilter::Linear,
        3 => PixelFilter::Cubic,
        other => {
            let what = format!("resample {other}");
            return Err(EncoderError::Unsupported {
                path,
                what,
                supported: "supported are 2 (linear) and 3 (cubic)",
            });
        }
    };
    let side = sizes.image_size;
    if side < sizes.patch_size || side > 4096 || !side.is_multiple_of(sizes.patch_size) {
        let path = folder.join("config.json");
        return Err(EncoderError::damaged(
            &path,
            format!("image_size {side} with patches of {}", sizes.patch_size),
        ));
    }
    let mean = file.image_mean.unwrap_or([0.481_454_66, 0.457_827_5, 0.408_210_73]);
    Ok(PixelRule { short_side: side as u32, side: side as u32, filter, mean, deviation })
}

/// The tower of texts, ready to run.
#[derive(Clone, Debug)]
pub struct ClipText {
    width: usize,
    words: Vec<f32>,     // [n_tokens, width]
    positions: Vec<f32>, // [n_positions, width]
    tower: Tower,
    norm: Norm,
    projection: Projection,
    tokens: Tokens,
    end: Option<u32>,
    sha256: String,
}

/// Texts that one thread takes at a time.
const TEXTS_TOGETHER: usize = 8;

impl ClipText {
    /// Whether a folder's `config.json` speaks of a tower of texts.
    pub fn is_in(folder: &Path) -> bool {
        model_type(folder).is_ok_and(|(_, kind)| ["clip", "clip_text_model"].contains(&kind.as_str()))
    }

    /// Opens the folder of a `CLIPModel` or `CLIPTextModelWithProjection`.
    ///
    /// # Errors
    /// When a file is missing, damaged, or of an architecture that is not supported.
    pub fn open(folder: &Path) -> Result<Self, EncoderError> {
        let (path, sizes) = sizes(folder, "text_config", "clip_text_model")?;
        let shape = sizes.tower(&path, Mask::Causal)?;
        let (width, n_tokens, n_positions) =
            (sizes.hidden_size, sizes.vocab_size, sizes.max_position_embeddings);
        if n_tokens == 0 || n_positions < 3 {
            return Err(EncoderError::damaged(
                &path,
                format!("{n_tokens} tokens at {n_positions} positions"),
            ));
        }
        let tokens = Tokens::open(folder, n_tokens, n_positions)?;
        let mut file = WeightsFile::open(&folder.join("model.safetensors"))?;
        let read: &mut Read<'_> = &mut |name, shape| file.read_whole_name(name, shape);
        let words = read("text_model.embeddings.token_embedding.weight", &[n_tokens, width])?;
        let positions = read("text_model.embeddings.position_embedding.weight", &[n_positions, width])?;
        let tower = Tower::build(shape, "text_model.encoder.layers", NAMES, read)?;
        let norm = Norm::build("text_model.final_layer_norm", width, sizes.layer_norm_eps, read)?;
        let n_out = sizes.projection_dim;
        let projection =
            Projection { weight: read("text_projection.weight", &[n_out, width])?, n_in: width, n_out };
        let tokenizer = folder.join("tokenizer.json");
        let bytes = model_folder::read(&tokenizer).map_err(|e| EncoderError::io(&tokenizer, e))?;
        let sha256 = folder_sha256(folder, &format!("text {}", segue_data::hash::of_bytes(&bytes)))?;
        // Old configs say 2, which is no end: there the greatest token is the end.
        let end = sizes.eos_token_id.or(Some(49_407)).filter(|&end| end != 2);
        Ok(Self { width, words, positions, tower, norm, projection, tokens, end, sha256 })
    }

    /// Length of a vector.
    pub fn dim(&self) -> usize {
        self.projection.n_out
    }

    /// Hash of everything that a vector depends on besides its text.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// Vectors of texts, of length 1, `[n, dim]`, in parallel; longer texts are cut. `observer` hears of every finished batch.
    ///
    /// # Errors
    /// When a text cannot be tokenized.
    pub fn encode<T: AsRef<str> + Sync>(
        &self,
        texts: &[T],
        observer: &(dyn Fn(usize) + Sync),
    ) -> Result<Vec<f32>, EncoderError> {
        let tokens = self.tokens.of(texts)?;
        let one = |room: &mut TowerRoom, tokens: &[Vec<u32>]| {
            let mut vectors = self.embed(tokens, room);
            vectors.chunks_exact_mut(self.dim()).for_each(normalize);
            observer(tokens.len());
            vectors
        };
        let parts: Vec<Vec<f32>> =
            tokens.par_chunks(TEXTS_TOGETHER).map_init(TowerRoom::default, one).collect();
        Ok(parts.concat())
    }

    /// Vectors of texts that are tokens already, as the network gives them, `[n, dim]`, on one thread: the projected state of the first
    /// end of text.
    ///
    /// # Panics
    /// When a text has no token, one that the model does not know, or more than the network has positions.
    pub fn embed_tokens(&self, tokens: &[Vec<u32>]) -> Vec<f32> {
        self.embed(tokens, &mut TowerRoom::default())
    }

    fn embed(&self, tokens: &[Vec<u32>], room: &mut TowerRoom) -> Vec<f32> {
        let width = self.width;
        let mut x = Vec::new(); // [N, width]
        for text in tokens {
            assert!(!text.is_empty(), "a text without tokens");
            let first = x.len();
            text.iter()
                .for_each(|&token| x.extend_from_slice(&self.words[token as usize * width..][..width]));
            add_scaled(&mut x[first..], 1.0, &self.positions[..text.len() * width]);
        }
        let lengths: Vec<usize> = tokens.iter().map(Vec::len).collect();
        self.tower.forward(&mut x, &lengths, room);
        let mut ends = Vec::with_capacity(tokens.len() * width); // [n, width]
        let mut row = 0;
        for text in tokens {
            let greatest = text.iter().max();
            let end = self.end.as_ref().or(greatest);
            let at = text.iter().position(|token| Some(token) == end).unwrap_or(0);
            ends.extend_from_slice(&x[(row + at) * width..][..width]);
            row += text.len();
        }
        self.projection.forward(&self.norm.forward(&ends))
    }
}
