//! Other programs' weight files to a model folder: `config.json` and `model.safetensors`.
//!
//! Readers take bytes that anyone may have made: nothing in them is executed, and every size is held against the bytes that are
//! there before memory is taken. Files in reading order: this one, `pickle`, `torch_legacy`,
//! `tf_bundle`.

use std::fs;
use std::path::Path;

use safetensors::tensor::{Dtype, TensorView};
use segue_data::hash;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::encoder::EncoderError;

mod pickle;
mod tf_bundle;
mod torch_legacy;

/// An array of a weight file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Array {
    /// Its name there.
    pub(crate) name: String,
    /// Row-major shape.
    pub(crate) shape: Vec<usize>,
    /// As many as the shape says.
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
    let written = fs::create_dir_all(folder).and_then(|()| fs::write(&to, bytes));
    written
        .and_then(|()| fs::File::open(&to)?.sync_all())
        .map_err(|source| EncoderError::Write { path: to.clone(), source })
}

/// Hash of a model folder's weights and config, and of how its inputs are made.
pub(crate) fn folder_sha256(folder: &Path, rule: &str) -> Result<String, EncoderError> {
    let mut hasher = Sha256::new();
    for name in ["config.json", "model.safetensors"] {
        let path = folder.join(name);
        let mut file = fs::File::open(&path).map_err(|e| EncoderError::io(&path, e))?;
        std::io::copy(&mut file, &mut hasher).map_err(|e| EncoderError::io(&path, e))?;
    }
    hasher.update(rule);
    Ok(hash::of_bytes(&hasher.finalize()))
}
