//! Item texts to vectors: the models folder, the cache, and who encodes.

pub mod cache;
pub mod endpoint;
pub mod given;
pub mod media;
pub mod media_files;
pub mod modality;
pub mod models;

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result};
use segue_data::{ItemCatalog, hash};
use segue_models::encoder::{DeltaHead, MlmWeights, Shape, TextEncoder, Tuning};
use segue_models::item_vectors::{TextFields, item_texts};
use segue_models::vision::ClipText;
use segue_models::{ItemVectors, MediaVectors};
use serde::Serialize;

use crate::failure::{failed, usage};
use crate::observer::{Observer, Task};
use cache::VectorCache;
use endpoint::Endpoint;
pub use modality::Modality;
use segue_report::number::count;

/// Texts encoded between two writes of the cache: what an interrupted run loses at most.
const TEXTS_PER_PART: usize = 1024;

/// Adaptations that may stand upon each other.
const MOST_BASES: usize = 8;

/// Who turns texts into vectors.
pub enum Provider {
    /// A model folder, in this process.
    Model {
        /// The name or folder that was asked for.
        name: String,
        /// The encoder.
        encoder: Box<TextEncoder>,
    },
    /// The text tower of a CLIP folder, in this process.
    Clip {
        /// The name or folder that was asked for.
        name: String,
        /// The encoder.
        encoder: Box<ClipText>,
    },
    /// An embeddings endpoint.
    Endpoint(Endpoint),
}

/// What encoding took.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EncodingFigures {
    /// Who encoded.
    pub model: String,
    /// Its hash.
    pub model_sha256: String,
    /// Length of a vector.
    pub dim: usize,
    /// Items of the catalog.
    pub n_items: usize,
    /// Items without text; their vector is zero.
    pub n_without_text: usize,
    /// Distinct texts.
    pub n_texts: usize,
    /// Distinct texts that were in the cache.
    pub n_cached: usize,
    /// Seconds for the others.
    pub seconds: f64,
    /// Tokens that an endpoint counted; 0 for a model in this process.
    pub endpoint_tokens: u64,
}

impl EncodingFigures {
    /// One line for people.
    pub fn in_words(&self) -> String {
        let encoded = self.n_texts - self.n_cached;
        let speed = if encoded > 0 && self.seconds > 0.0 {
            format!(" in {:.1} s ({:.0} texts/s)", self.seconds, encoded as f64 / self.seconds)
        } else {
            String::new()
        };
        format!(
            "{}: {} items, {} distinct texts, {} from the cache, {} encoded{speed}; {} items without text",
            self.model,
            count(self.n_items),
            count(self.n_texts),
            count(self.n_cached),
            count(encoded),
            count(self.n_without_text)
        )
    }
}

impl Provider {
    /// Opens a model by name or folder.
    ///
    /// # Errors
    /// When there is no such model, or its folder cannot be read.
    pub fn model(name: &str, max_tokens: Option<usize>) -> Result<Self> {
        let folder = models::find(name)?;
        if ClipText::is_in(&folder) {
            if max_tokens.is_some() {
                let remedy = "leave it away: CLIP's own longest text counts";
                return Err(usage(format!("a longest text for `{name}`"), remedy));
            }
            let encoder = ClipText::open(&folder)
                .with_context(|| format!("cannot open the encoder in `{}`", folder.display()))?;
            return Ok(Self::Clip { name: name.to_owned(), encoder: Box::new(encoder) });
        }
        let encoder = open_encoder(name, max_tokens, MOST_BASES)?;
        Ok(Self::Model { name: name.to_owned(), encoder: Box::new(encoder) })
    }

    /// The encoder in this process, to be trained.
    ///
    /// # Errors
    /// When the encoder is not in this process, or cannot be trained further.
    pub fn encoder(&self) -> Result<&TextEncoder> {
        match self {
            Self::Model { name, encoder } => match encoder.tuning() {
                tuning @ (Tuning::Adapter { .. } | Tuning::Prefix { .. }) => Err(failed(
                    format!(
                        "`{name}` has `{}` parts, which cannot be merged: it cannot be trained further",
                        tuning.name()
                    ),
                    "start from its base model, or from one that was trained with full, lora or adalora",
                )),
                _ => Ok(encoder),
            },
            Self::Clip { name, .. } => Err(failed(
                format!("`{name}` is a CLIP model, which cannot be adapted"),
                "take a model of the BERT family",
            )),
            Self::Endpoint(_) => {
                Err(failed("an endpoint's encoder cannot be adapted", "give a model folder"))
            }
        }
    }

    /// The same provider with another encoder.
    pub fn with_encoder(name: String, encoder: TextEncoder) -> Self {
        Self::Model { name, encoder: Box::new(encoder) }
    }

    fn name(&self) -> &str {
        match self {
            Self::Model { name, .. } | Self::Clip { name, .. } => name,
            Self::Endpoint(endpoint) => endpoint.model(),
        }
    }

    fn sha256(&self) -> String {
        match self {
            Self::Model { encoder, .. } => encoder.sha256().to_owned(),
            Self::Clip { encoder, .. } => encoder.sha256().to_owned(),
            Self::Endpoint(endpoint) => endpoint.sha256(),
        }
    }

    fn prefix(&self) -> &str {
        match self {
            Self::Model { encoder, .. } => &encoder.usage.prefix,
            Self::Clip { .. } | Self::Endpoint(_) => "",
        }
    }

    // Vectors of texts with their length; `observer` hears how many texts were done.
    fn encode(&mut self, texts: &[String], observer: &(dyn Fn(usize) + Sync)) -> Result<(Vec<f32>, usize)> {
        match self {
            Self::Model { encoder, .. } => Ok((encoder.encode(texts, observer)?, encoder.dim())),
            Self::Clip { encoder, .. } => Ok((encoder.encode(texts, observer)?, encoder.dim())),
            Self::Endpoint(endpoint) => endpoint.encode(texts, observer),
        }
    }
}

// An encoder, or an adaptation upon what it names as its base, which may be one itself.
fn open_encoder(name: &str, max_tokens: Option<usize>, n_bases_left: usize) -> Result<TextEncoder> {
    let folder = models::find(name)?;
    if !DeltaHead::is_in(&folder) {
        return TextEncoder::open(&folder, max_tokens)
            .with_context(|| format!("cannot open the encoder in `{}`", folder.display()));
    }
    if n_bases_left == 0 {
        let problem = format!("`{}` is an adaptation upon more than {MOST_BASES} others", folder.display());
        return Err(failed(problem, "check `base_model` in their tuning.json: do they name each other?"));
    }
    let head = DeltaHead::read(&folder)?;
    let mut encoder = open_encoder(&head.base_model, max_tokens, n_bases_left - 1)
        .with_context(|| format!("the base of the adaptation `{}`", folder.display()))?;
    encoder.load_delta(&folder)?;
    // Merged, a text costs what it costs the base model.
    encoder.merge();
    if matches!(encoder.tuning(), Tuning::Frozen | Tuning::Full) {
        encoder.rebase()?;
    }
    Ok(encoder)
}

/// The head for masked words that belongs to a model: its own, or that of the model it was adapted from.
///
/// # Errors
/// When a folder or its head is damaged.
pub fn mlm_head(name: &str, shape: &Shape) -> Result<Option<MlmWeights>> {
    let mut folder = models::find(name)?;
    for _ in 0..=MOST_BASES {
        let head = MlmWeights::read(&folder, shape)?;
        if head.is_some() || !DeltaHead::is_in(&folder) {
            return Ok(head);
        }
        folder = models::find(&DeltaHead::read(&folder)?.base_model)?;
    }
    Ok(None)
}

/// Vectors of all items; only texts that the cache does not have are encoded.
///
/// # Errors
/// When the model or endpoint fails, or the cache cannot be written.
pub fn encode_items(
    provider: &mut Provider,
    items: &ItemCatalog,
    fields: TextFields,
    observer: &dyn Observer,
) -> Result<(ItemVectors, EncodingFigures)> {
    let texts: Vec<String> =
        item_texts(items, fields).into_iter().map(|text| with_prefix(provider.prefix(), text)).collect();
    let keys: Vec<String> = texts.iter().map(|text| hash::of_bytes(text.as_bytes())).collect();
    let mut cache = VectorCache::open(&home()?.join("vectors").join(&provider.sha256()[..32]), observer)?;
    let mut missing: Vec<usize> = (0..texts.len()).filter(|&at| !texts[at].is_empty()).collect();
    missing.sort_by(|&a, &b| keys[a].cmp(&keys[b]));
    missing.dedup_by(|a, b| keys[*a] == keys[*b]);
    let n_texts = missing.len();
    missing.retain(|&at| cache.get(&keys[at]).is_none());
    let start = Instant::now();
    let task = Task::start(observer, "encode", missing.len());
    for part in missing.chunks(TEXTS_PER_PART) {
        let own: Vec<String> = part.iter().map(|&at| texts[at].clone()).collect();
        let (vectors, dim) = provider.encode(&own, &|n| task.step(n, String::new))?;
        cache.add(&part.iter().map(|&at| keys[at].clone()).collect::<Vec<_>>(), vectors, dim)?;
    }
    drop(task);
    let figures = EncodingFigures {
        model: provider.name().to_owned(),
        model_sha256: provider.sha256(),
        dim: cache.dim(),
        n_items: items.len(),
        n_without_text: texts.iter().filter(|text| text.is_empty()).count(),
        n_texts,
        n_cached: n_texts - missing.len(),
        seconds: start.elapsed().as_secs_f64(),
        endpoint_tokens: match provider {
            Provider::Endpoint(endpoint) => endpoint.n_tokens(),
            Provider::Model { .. } | Provider::Clip { .. } => 0,
        },
    };
    let mut values = vec![0.0; items.len() * cache.dim()];
    for (row, key) in values.chunks_exact_mut(cache.dim().max(1)).zip(&keys) {
        if let Some(vector) = cache.get(key) {
            row.copy_from_slice(vector);
        }
    }
    let (model, model_sha256) = (figures.model.clone(), figures.model_sha256.clone());
    Ok((ItemVectors { dim: cache.dim(), values, model, model_sha256 }, figures))
}

// An item without text gets no prefix either: it stays without a vector.
fn with_prefix(prefix: &str, text: String) -> String {
    if text.is_empty() { text } else { format!("{prefix}{text}") }
}

/// The text vectors of a data set folder; `None` when it has none.
///
/// # Errors
/// When the file is damaged or of other items.
pub fn read_vectors(folder: &Path, items: &ItemCatalog) -> Result<Option<ItemVectors>> {
    read_vectors_of(folder, Modality::Text, items)
}

/// The vectors of images and sounds of a data set folder, as far as it has them.
///
/// # Errors
/// When a file is damaged or of other items.
pub fn read_media(folder: &Path, items: &ItemCatalog) -> Result<MediaVectors> {
    let image = read_vectors_of(folder, Modality::Image, items)?;
    Ok(MediaVectors { image, audio: read_vectors_of(folder, Modality::Audio, items)? })
}

fn read_vectors_of(folder: &Path, modality: Modality, items: &ItemCatalog) -> Result<Option<ItemVectors>> {
    let path = folder.join(modality.vectors_file());
    if !path.exists() {
        return Ok(None);
    }
    let bytes = std::fs::read(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
    let vectors = ItemVectors::from_bytes(&bytes, items);
    vectors.map(Some).with_context(|| {
        format!("cannot use `{}`: delete it, or make it again with `segue encode`", path.display())
    })
}

/// Writes the vectors into a data set folder, whole or not at all.
///
/// # Errors
/// When the file cannot be written.
pub fn write_vectors(
    folder: &Path,
    modality: Modality,
    items: &ItemCatalog,
    vectors: &ItemVectors,
) -> Result<PathBuf> {
    let path = folder.join(modality.vectors_file());
    write_aside(&path, &vectors.to_bytes(items)?)?;
    Ok(path)
}

fn write_aside(path: &Path, bytes: &[u8]) -> Result<()> {
    let aside = path.with_extension(format!("partial-{}", std::process::id()));
    let write = || {
        std::fs::write(&aside, bytes)?;
        std::fs::File::open(&aside)?.sync_all()?;
        std::fs::rename(&aside, path)
    };
    write().with_context(|| format!("cannot write `{}`", path.display()))
}

/// Where models and cached vectors live: `$SEGUE_HOME`, else `$XDG_CACHE_HOME/segue`, else `~/.cache/segue`.
///
/// # Errors
/// When no variable names a place.
pub fn home() -> Result<PathBuf> {
    let of = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    of("SEGUE_HOME")
        .or_else(|| of("XDG_CACHE_HOME").map(|cache| cache.join("segue")))
        .or_else(|| of("HOME").map(|home| home.join(".cache").join("segue")))
        .context("no place for models and vectors\n  hint: set SEGUE_HOME to a folder")
}
