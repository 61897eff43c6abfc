//! Other programs' weight files to a model folder: `config.json` and `model.safetensors`.
//!
//! Readers take bytes that may come from anyone: nothing in them is executed, and every size is held against the bytes that are
//! there before memory is taken. Files in reading order: this one, `pickle`, `torch_legacy`,
//! `tf_bundle`, `ctranslate2`.

use std::path::Path;

use safetensors::tensor::{Dtype, TensorView};
use segue_data::hash;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::encoder::EncoderError;
use crate::model_folder;

mod ctranslate2;
mod pickle;
mod tf_bundle;
mod torch_legacy;

/// What readers of all formats return.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Array {
    pub(crate) name: String,
    pub(crate) shape: Vec<usize>,
    /// Row-major, as many as the shape says.
    pub(crate) values: Vec<f32>,
}

/// Writes the folder of an EfficientNet-Lite0 from the weights of `PyTorch`. `path` names the bytes in messages.
///
/// # Errors
/// When the bytes are no such file, or a file cannot be written.
pub fn efficientnet_lite0(bytes: &[u8], path: &Path, folder: &Path) -> Result<(), EncoderError> {
    let arrays = torch_legacy::state_dict(bytes).map_err(|reason| EncoderError::damaged(path, reason))?;
    write_folder(folder, &json!({ "model_type": "efficientnet-lite0" }), &arrays)
}

/// Writes the folder of a musicnn from a TensorFlow checkpoint: its index, and its only data file. `path` names them in messages.
///
/// # Errors
/// When the bytes are no such files, or a file cannot be written.
pub fn musicnn([index, data]: [&[u8]; 2], path: &Path, folder: &Path) -> Result<(), EncoderError> {
    let mut arrays = tf_bundle::arrays(index, data).map_err(|reason| EncoderError::damaged(path, reason))?;
    // The optimizer's arrays stand beside the model's.
    arrays.retain(|array| !array.name.contains("/Adam") && !array.shape.is_empty());
    write_folder(folder, &json!({ "model_type": "musicnn" }), &arrays)
}

/// Writes the folder of a whisper model's encoder from a `model.bin` of `CTranslate2`. `path` names the bytes in messages.
///
/// # Errors
/// When the bytes are no such file, or a file cannot be written.
pub fn whisper(bytes: &[u8], path: &Path, folder: &Path) -> Result<(), EncoderError> {
    let damaged = |reason: String| EncoderError::damaged(path, reason);
    let variables = ctranslate2::variables(bytes).map_err(damaged)?;
    let n_heads = variables.numbers.iter().find(|(name, _)| name == "encoder/num_heads").map(|(_, n)| *n);
    let n_heads = n_heads.ok_or_else(|| damaged("it does not say how many heads the encoder has".into()))?;
    let (arrays, n_layers) = ctranslate2::whisper_encoder(variables.arrays).map_err(damaged)?;
    let shape_of = |name: &str| {
        let array = arrays.iter().find(|array| array.name == format!("model.encoder.{name}"));
        array
            .map(|array| array.shape.clone())
            .ok_or_else(|| damaged(format!("it has no `{name}` of the encoder")))
    };
    let (first, positions) = (shape_of("conv1.weight")?, shape_of("embed_positions.weight")?);
    let (&[width, n_bands, _], &[n_positions, _]) = (&first[..], &positions[..]) else {
        return Err(damaged(format!("conv1 has the shape {first:?}, the positions {positions:?}")));
    };
    let n_hidden = shape_of("layers.0.fc1.weight")?.first().copied();
    let config = json!({
        "model_type": "whisper", "d_model": width, "encoder_layers": n_layers, "encoder_attention_heads": n_heads,
        "encoder_ffn_dim": n_hidden, "num_mel_bins": n_bands, "max_source_positions": n_positions,
        "activation_function": "gelu"
    });
    write_folder(folder, &config, &arrays)
}

/// The number of values of a shape, if it is no more than `most`.
fn n_values(shape: &[usize], most: usize) -> Result<usize, String> {
    let n = shape.iter().try_fold(1usize, |n, size| n.checked_mul(*size)).filter(|&n| n <= most);
    n.ok_or_else(|| format!("shape {shape:?} has more than the {most} values that are there"))
}

fn write_folder(folder: &Path, config: &Value, arrays: &[Array]) -> Result<(), EncoderError> {
    let bytes: Vec<Vec<u8>> = arrays
        .iter()
        .map(|array| array.values.iter().flat_map(|value| value.to_le_bytes()).collect())
        .collect();
    let at = folder.join("model.safetensors");
    let views = arrays.iter().zip(&bytes).map(|(array, bytes)| {
        Ok((array.name.as_str(), TensorView::new(Dtype::F32, array.shape.clone(), bytes)?))
    });
    let weights = views
        .collect::<Result<Vec<_>, safetensors::SafeTensorError>>()
        .and_then(|views| safetensors::serialize(views, None))
        .map_err(|e| EncoderError::damaged(&at, e.to_string()))?;
    write(folder, "model.safetensors", &weights)?;
    write(folder, "config.json", config.to_string().as_bytes())
}

fn write(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), EncoderError> {
    let to = folder.join(name);
    model_folder::write(&to, bytes).map_err(|source| EncoderError::Write { path: to, source })
}

/// Hash of a model folder's weights and config, and of how its inputs are prepared.
pub(crate) fn folder_sha256(folder: &Path, rule: &str) -> Result<String, EncoderError> {
    let mut hasher = Sha256::new();
    for name in ["config.json", "model.safetensors"] {
        let path = folder.join(name);
        let mut file = model_folder::open(&path).map_err(|e| EncoderError::io(&path, e))?;
        std::io::copy(&mut file, &mut hasher).map_err(|e| EncoderError::io(&path, e))?;
    }
    hasher.update(rule);
    Ok(hash::of_bytes(&hasher.finalize()))
}
