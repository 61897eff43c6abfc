//! Pretrained text encoders: a Hugging Face folder in, text vectors out.
//!
//! A folder has `config.json`, `tokenizer.json` and `model.safetensors`, and optionally the files of sentence-transformers
//! (`modules.json`, `1_Pooling/config.json`, `sentence_bert_config.json`, `config_sentence_transformers.json`).
//! Files in reading order: `settings`, `weights`, `network`, `tokens`, this one, `e5_q4`; for an encoder that is adapted
//! `tuning`, `step`, `rank_budget`, `adaptation` (on events), `masking`, `mlm_head`, `pretraining` (on texts alone), `delta`.

use std::path::Path;

use rayon::prelude::*;
use segue_data::hash;
use segue_nn::Params;
use segue_nn::block::Dropping;
use sha2::{Digest, Sha256};

mod adaptation;
pub mod e5_q4;
mod delta;
mod error;
mod masking;
mod mlm_head;
mod network;
mod pretraining;
mod rank_budget;
mod settings;
mod step;
mod tokens;
mod tuning;
mod weights;

pub use adaptation::{Adaptation, AdaptationConfig, ItemTokens, Lesson};
pub use delta::DeltaHead;
pub use error::EncoderError;
pub use masking::{Masked, Masker};
pub use mlm_head::{HiddenTokens, MlmFigures, MlmHead, MlmWeights};
pub(crate) use network::OutputGradients;
pub use network::{BatchPass, Head, Network, Purpose, TokenBatch, Trace};
pub use pretraining::{Described, HeadedEncoder, PretrainConfig, Pretraining};
pub use rank_budget::RankBudget;
pub use settings::{Pooling, Shape, Usage};
pub use step::{EncoderStep, TokenGradients, TokenPlace};
pub use tokens::Tokens;
pub use tuning::{AdaLoraConfig, LoraConfig, Target, Tuning};

pub(crate) use settings::{model_type, read_json, read_json_if_there};
pub(crate) use weights::{WeightsFile, f16_to_f32};

/// A text encoder, ready to run.
#[derive(Clone, Debug)]
pub struct TextEncoder {
    /// All arrays, under their Hugging Face names (query, key and value fused).
    pub params: Params,
    /// Where the arrays stand in `params`.
    pub network: Network,
    /// Pooling, length, prefix.
    pub usage: Usage,
    tokens: Tokens,
    sha256: String,
    model_sha256: String, // as `sha256`, without how texts are cut and pooled
    base: Base,
    tuning: Tuning,
    n_base_arrays: usize,
}

/// Hashes of an encoder before it is adapted.
#[derive(Clone, Debug)]
struct Base {
    /// Arrays and tokenizer.
    model: String,
    /// These, and how texts are cut and pooled.
    vectors: String,
}

/// Tokens of a batch: enough to fill the matrix products, few enough for a batch's layers to stay near the processor.
const BATCH_TOKENS: usize = 512;

impl TextEncoder {
    /// Opens a model folder. `max_tokens` overrules the folder's own longest text.
    ///
    /// # Errors
    /// When a file is missing, damaged, or of an architecture that is not supported.
    pub fn open(folder: &Path, max_tokens: Option<usize>) -> Result<Self, EncoderError> {
        let shape = settings::read_shape(folder)?;
        let mut usage = settings::read_usage(folder, shape)?;
        if let Some(max_tokens) = max_tokens {
            usage.max_tokens = max_tokens.clamp(3, shape.n_positions - shape.first_position);
        }
        let tokens = Tokens::open(folder, shape.n_tokens, usage.max_tokens)?;
        let mut file = WeightsFile::open(&folder.join("model.safetensors"))?;
        let mut params = Params::new();
        let network = Network::build(shape, &mut params, |name, shape| file.read(name, shape))?;
        let base = fingerprint(folder, &params, &usage)?;
        let (sha256, model_sha256) = (base.vectors.clone(), base.model.clone());
        let (tuning, n_base_arrays) = (Tuning::Frozen, params.arrays().len());
        Ok(Self { params, network, usage, tokens, sha256, model_sha256, base, tuning, n_base_arrays })
    }

    /// Length of a vector.
    pub fn dim(&self) -> usize {
        self.network.shape.width
    }

    /// Hash of everything that a vector depends on besides its text: arrays, tokenizer, pooling, longest text, prefix; after training
    /// see [`refresh_sha256`](Self::refresh_sha256).
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// What texts become before they are encoded.
    pub fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    fn head(&self) -> Head {
        Head { pooling: self.usage.pooling, normalizes: self.usage.normalizes }
    }

    /// Vectors of texts as they are (no prefix added), `[n, dim]`, in parallel. A text's vector does not depend on the other
    /// texts beyond 1e-6, and not at all on the number of threads. `observer` hears of every finished batch: texts done.
    ///
    /// # Errors
    /// When a text cannot be tokenized.
    pub fn encode<T: AsRef<str> + Sync>(
        &self,
        texts: &[T],
        observer: &(dyn Fn(usize) + Sync),
    ) -> Result<Vec<f32>, EncoderError> {
        let tokens = self.tokens.of(texts)?;
        let tokens: Vec<&[u32]> = tokens.iter().map(Vec::as_slice).collect();
        Ok(self.encode_tokens(&tokens, observer))
    }

    /// As [`encode`](Self::encode), of texts that are tokens already.
    ///
    /// # Panics
    /// When a text has no token, or more than the network has positions.
    pub fn encode_tokens(&self, tokens: &[&[u32]], observer: &(dyn Fn(usize) + Sync)) -> Vec<f32> {
        let batches = batches(tokens);
        let dim = self.dim();
        let parts: Vec<Vec<f32>> = batches
            .par_iter()
            .map_init(Trace::default, |trace, batch| {
                let lengths = batch.iter().map(|&at| tokens[at].len()).collect();
                let tokens = batch.iter().flat_map(|&at| tokens[at].iter().copied()).collect();
                let batch = TokenBatch { tokens, lengths };
                let pass = BatchPass {
                    params: &self.params,
                    batch: &batch,
                    head: self.head(),
                    dropping: Dropping::none(),
                };
                let out = self.network.forward(pass, Purpose::Vectors, trace).to_vec();
                observer(batch.lengths.len());
                out
            })
            .collect();
        let mut vectors = vec![0.0; tokens.len() * dim];
        for (batch, part) in batches.iter().zip(&parts) {
            for (&at, vector) in batch.iter().zip(part.chunks_exact(dim)) {
                vectors[at * dim..(at + 1) * dim].copy_from_slice(vector);
            }
        }
        vectors
    }
}

// Texts of similar length together, longest first (the last batches to run are short ones).
fn batches(tokens: &[&[u32]]) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..tokens.len()).collect();
    order.sort_by_key(|&at| std::cmp::Reverse(tokens[at].len()));
    let mut batches: Vec<Vec<usize>> = Vec::new();
    let mut n_tokens = usize::MAX / 2;
    for at in order {
        if n_tokens + tokens[at].len() > BATCH_TOKENS {
            batches.push(Vec::new());
            n_tokens = 0;
        }
        n_tokens += tokens[at].len();
        if let Some(batch) = batches.last_mut() {
            batch.push(at);
        }
    }
    batches
}

fn fingerprint(folder: &Path, params: &Params, usage: &Usage) -> Result<Base, EncoderError> {
    let mut hasher = Sha256::new();
    for array in params.arrays() {
        hasher.update(format!("{} {:?}\n", array.name, array.shape));
        let mut bytes = Vec::with_capacity(1 << 16);
        for part in array.values.chunks(1 << 14) {
            bytes.clear();
            part.iter().for_each(|value| bytes.extend(value.to_le_bytes()));
            hasher.update(&bytes);
        }
    }
    let path = folder.join("tokenizer.json");
    hasher.update(crate::model_folder::read(&path).map_err(|e| EncoderError::io(&path, e))?);
    let model = hash::of_bytes(&hasher.clone().finalize());
    hasher.update(format!("{usage:?}"));
    Ok(Base { model, vectors: hash::of_bytes(&hasher.finalize()) })
}
