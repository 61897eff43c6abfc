//! Pictures and sound of items to vectors; what was encoded before comes from the cache, what is broken is named and left out.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result};
use rayon::prelude::*;
use segue_data::{ItemCatalog, hash};
use segue_models::ItemVectors;
use segue_models::audio::{AudioEncoder, SoundLimits, decode_sound};
use segue_models::media::MediaError;
use segue_models::vision::{ImageEncoder, PictureLimits, decode_picture};
use serde::Serialize;

use super::cache::VectorCache;
use super::media_files::MediaFiles;
use super::{Modality, home, models};
use crate::failure::failed;
use crate::observer::{Observer, Task};
use segue_report::number::count;

/// Files encoded between two writes of the cache: what an interrupted run loses at most.
const FILES_PER_PART: usize = 256;

/// Broken files that are named; all are counted.
const NAMED_MAX: usize = 100;

/// Who turns files into vectors.
pub struct MediaEncoder {
    /// The name or folder that was asked for.
    name: String,
    modality: Modality,
    network: MediaNetwork,
}

enum MediaNetwork {
    Image(Box<ImageEncoder>),
    Audio(Box<AudioEncoder>),
}

/// A file that gave no vector.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BrokenFile {
    /// The file.
    pub file: PathBuf,
    /// Why.
    pub reason: String,
}

/// What encoding took.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MediaFigures {
    /// What was encoded.
    pub modality: Modality,
    /// Who encoded.
    pub model: String,
    /// Its hash.
    pub model_sha256: String,
    /// Length of a vector.
    pub dim: usize,
    /// Items of the catalog.
    pub n_items: usize,
    /// Items without a vector, for want of a file or because it is broken; theirs is zero.
    pub n_without: usize,
    /// Distinct files.
    pub n_files: usize,
    /// Files whose name is no item.
    pub n_of_no_item: usize,
    /// Distinct files that were in the cache.
    pub n_cached: usize,
    /// Files that gave no vector.
    pub n_broken: usize,
    /// The first hundred of them.
    pub broken: Vec<BrokenFile>,
    /// Seconds for reading, decoding and encoding.
    pub seconds: f64,
}

impl MediaFigures {
    /// One line for people.
    pub fn in_words(&self) -> String {
        let encoded = self.n_files - self.n_cached - self.n_broken;
        let speed = if encoded > 0 && self.seconds > 0.0 {
            format!(" in {:.1} s ({:.1} files/s)", self.seconds, encoded as f64 / self.seconds)
        } else {
            String::new()
        };
        format!(
            "{}: {} items, {} distinct files, {} from the cache, {} encoded{speed}, {} broken; {} items without a vector",
            self.model,
            count(self.n_items),
            count(self.n_files),
            count(self.n_cached),
            count(encoded),
            count(self.n_broken),
            count(self.n_without)
        )
    }
}

impl MediaEncoder {
    /// Opens a model by name or folder; `seconds` of every sound are heard.
    ///
    /// # Errors
    /// When there is no such model, or its folder cannot be read.
    pub fn open(name: &str, modality: Modality, seconds: Option<u32>) -> Result<Self> {
        let folder = models::find_for(name, modality)?;
        let opened = match modality {
            Modality::Audio => {
                let usual = SoundLimits::default();
                let limits = SoundLimits { seconds: seconds.unwrap_or(usual.seconds), ..usual };
                AudioEncoder::open(&folder, limits).map(|encoder| MediaNetwork::Audio(Box::new(encoder)))
            }
            Modality::Image | Modality::Text => {
                ImageEncoder::open(&folder).map(|encoder| MediaNetwork::Image(Box::new(encoder)))
            }
        };
        let network = opened.with_context(|| format!("cannot open the encoder in `{}`", folder.display()))?;
        Ok(Self { name: name.to_owned(), modality, network })
    }

    fn sha256(&self) -> &str {
        match &self.network {
            MediaNetwork::Image(encoder) => encoder.sha256(),
            MediaNetwork::Audio(encoder) => encoder.sha256(),
        }
    }

    fn dim(&self) -> usize {
        match &self.network {
            MediaNetwork::Image(encoder) => encoder.dim(),
            MediaNetwork::Audio(encoder) => encoder.dim(),
        }
    }

    // Vectors of files in their order, or why there is none.
    fn encode(&self, paths: &[&Path], observer: &(dyn Fn() + Sync)) -> Vec<Result<Vec<f32>, MediaError>> {
        match &self.network {
            MediaNetwork::Image(encoder) => {
                let limits = PictureLimits::default();
                encoder.encode_each(paths.len(), &|at| {
                    let picture = decode_picture(&read(paths[at], limits.bytes)?, limits);
                    observer();
                    picture
                })
            }
            MediaNetwork::Audio(encoder) => {
                let limits = encoder.limits();
                encoder.encode_each(paths.len(), &|at| {
                    let sound = decode_sound(read(paths[at], limits.bytes)?, limits);
                    observer();
                    sound
                })
            }
        }
    }
}

// A file that is no larger than it may be.
fn read(path: &Path, bytes_max: u64) -> Result<Vec<u8>, MediaError> {
    let received = std::fs::metadata(path).map_err(MediaError::Unreadable)?.len();
    if received > bytes_max {
        return Err(MediaError::TooLarge { received, limit: bytes_max, unit: "bytes" });
    }
    std::fs::read(path).map_err(MediaError::Unreadable)
}

/// Vectors of all items that have a file.
///
/// # Errors
/// When no file gives a vector, or the cache cannot be written.
pub fn encode_files(
    encoder: &MediaEncoder,
    items: &ItemCatalog,
    files: &MediaFiles,
    observer: &dyn Observer,
) -> Result<(ItemVectors, MediaFigures)> {
    let start = Instant::now();
    let (keys, mut broken) = hashes(files, observer);
    let mut cache = VectorCache::open(&home()?.join("vectors").join(&encoder.sha256()[..32]), observer)?;
    // Of files with equal content the first is encoded.
    let distinct: BTreeMap<&str, &Path> =
        keys.iter().rev().map(|(path, key)| (key.as_str(), *path)).collect();
    let missing: Vec<(&str, &Path)> = distinct
        .iter()
        .filter(|(key, _)| cache.get(key).is_none())
        .map(|(key, path)| (*key, *path))
        .collect();
    let n_files = distinct.len() + broken.len();
    let n_cached = distinct.len() - missing.len();
    broken.extend(encode_missing(encoder, &missing, &mut cache, observer)?);
    broken.sort_by(|a, b| a.file.cmp(&b.file));
    let mut values = vec![0.0; items.len() * encoder.dim()]; // [n_items, dim]
    let mut n_without = 0;
    for (row, path) in values.chunks_exact_mut(encoder.dim()).zip(&files.of_items) {
        match path.as_deref().and_then(|path| cache.get(keys.get(path)?)) {
            Some(vector) => row.copy_from_slice(vector),
            None => n_without += 1,
        }
    }
    if n_without == items.len() {
        let first =
            broken.first().map_or(String::new(), |b| format!(": `{}`: {}", b.file.display(), b.reason));
        return Err(failed(format!("none of the {n_files} files gave a vector{first}"), "check the files"));
    }
    let (model, model_sha256) = (encoder.name.clone(), encoder.sha256().to_owned());
    let figures = MediaFigures {
        modality: encoder.modality,
        model: model.clone(),
        model_sha256: model_sha256.clone(),
        dim: encoder.dim(),
        n_items: items.len(),
        n_without,
        n_files,
        n_of_no_item: files.n_of_no_item,
        n_cached,
        n_broken: broken.len(),
        broken: broken.into_iter().take(NAMED_MAX).collect(),
        seconds: start.elapsed().as_secs_f64(),
    };
    Ok((ItemVectors { dim: encoder.dim(), values, model, model_sha256 }, figures))
}

// The hash of every file that can be read, and those that cannot.
fn hashes<'a>(
    files: &'a MediaFiles,
    observer: &dyn Observer,
) -> (BTreeMap<&'a Path, String>, Vec<BrokenFile>) {
    let paths: BTreeSet<&Path> = files.of_items.iter().flatten().map(PathBuf::as_path).collect();
    let paths: Vec<&Path> = paths.into_iter().collect();
    let task = Task::start(observer, "read", paths.len());
    let hash_of = |path: &&Path| {
        task.step(1, String::new);
        hash::of_file(path).map_err(|e| e.to_string())
    };
    let hashes: Vec<Result<String, String>> = paths.par_iter().map(hash_of).collect();
    drop(task);
    let (mut keys, mut broken) = (BTreeMap::new(), Vec::new());
    for (path, hash) in paths.into_iter().zip(hashes) {
        match hash {
            Ok(hash) => drop(keys.insert(path, hash)),
            Err(reason) => broken.push(BrokenFile { file: path.to_path_buf(), reason }),
        }
    }
    (keys, broken)
}

// Encodes and caches; gives the files that are broken.
fn encode_missing(
    encoder: &MediaEncoder,
    missing: &[(&str, &Path)],
    cache: &mut VectorCache,
    observer: &dyn Observer,
) -> Result<Vec<BrokenFile>> {
    let mut broken = Vec::new();
    let task = Task::start(observer, "encode", missing.len());
    for part in missing.chunks(FILES_PER_PART) {
        let paths: Vec<&Path> = part.iter().map(|(_, path)| *path).collect();
        let vectors = encoder.encode(&paths, &|| {
            task.step(1, String::new);
        });
        let (mut done, mut values) = (Vec::new(), Vec::new());
        for ((key, path), vector) in part.iter().zip(vectors) {
            match vector {
                Ok(vector) => {
                    done.push((*key).to_owned());
                    values.extend(vector);
                }
                Err(e) => broken.push(BrokenFile { file: path.to_path_buf(), reason: e.to_string() }),
            }
        }
        if !done.is_empty() {
            cache.add(&done, values, encoder.dim())?;
        }
    }
    drop(task);
    Ok(broken)
}
