//! Texts to tokens.

use std::path::{Path, PathBuf};

use rayon::prelude::*;
use tokenizers::{Tokenizer, TruncationParams};

use crate::encoder::error::EncoderError;
use crate::model_folder;

/// Names of special tokens in BERT's and `RoBERTa`'s vocabularies.
const SPECIAL: [&str; 10] =
    ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "<pad>", "<unk>", "<s>", "</s>", "<mask>"];

/// A tokenizer with the model's own longest text; truncation and padding of `tokenizer.json` do not count.
#[derive(Clone, Debug)]
pub struct Tokens {
    path: PathBuf,
    tokenizer: Tokenizer,
    vocabulary: usize,
}

impl Tokens {
    /// Reads `tokenizer.json`; tokens must be below `n_tokens`.
    pub(crate) fn open(folder: &Path, n_tokens: usize, max_tokens: usize) -> Result<Self, EncoderError> {
        let path = folder.join("tokenizer.json");
        let bytes = model_folder::read(&path).map_err(|e| EncoderError::io(&path, e))?;
        let failed =
            |e: tokenizers::Error| EncoderError::Tokenizer { path: path.clone(), reason: e.to_string() };
        let mut tokenizer = Tokenizer::from_bytes(bytes).map_err(failed)?;
        tokenizer.with_padding(None);
        let truncation = TruncationParams { max_length: max_tokens, ..TruncationParams::default() };
        tokenizer.with_truncation(Some(truncation)).map_err(failed)?;
        Ok(Self { path, tokenizer, vocabulary: n_tokens })
    }

    /// Tokens that the model knows.
    pub(crate) fn n_tokens(&self) -> usize {
        self.tokenizer.get_vocab_size(true).min(self.vocabulary)
    }

    /// The token that hides another one.
    pub(crate) fn mask(&self) -> Option<u32> {
        ["[MASK]", "<mask>"].into_iter().find_map(|name| self.tokenizer.token_to_id(name))
    }

    /// Tokens that stand for no text: those the tokenizer calls special, and those that go by a special token's name.
    pub(crate) fn special(&self) -> Vec<u32> {
        let added = self.tokenizer.get_added_tokens_decoder();
        let mut special: Vec<u32> =
            added.into_iter().filter(|(_, token)| token.special).map(|(id, _)| id).collect();
        special.extend(SPECIAL.iter().filter_map(|name| self.tokenizer.token_to_id(name)));
        special
    }

    pub(crate) fn unsupported(&self, what: &str) -> EncoderError {
        EncoderError::Unsupported {
            path: self.path.clone(),
            what: what.to_owned(),
            supported: "masked words need the mask token of the model; leave that term out (weight 0), or take another model",
        }
    }

    /// Tokens of each text, special ones included, in parallel; at least one per text.
    ///
    /// # Errors
    /// When the tokenizer fails or gives a token that the model does not know.
    pub fn of<T: AsRef<str> + Sync>(&self, texts: &[T]) -> Result<Vec<Vec<u32>>, EncoderError> {
        texts.par_iter().map(|text| self.of_text(text.as_ref())).collect()
    }

    fn of_text(&self, text: &str) -> Result<Vec<u32>, EncoderError> {
        let encoding = self.tokenizer.encode_fast(text, true).map_err(|e| EncoderError::Tokenizer {
            path: self.path.clone(),
            reason: format!("`{}`: {e}", start_of(text)),
        })?;
        let tokens = encoding.get_ids();
        if let Some(&token) = tokens.iter().find(|&&token| token as usize >= self.vocabulary) {
            return Err(EncoderError::Token { token, text: start_of(text), n_tokens: self.vocabulary });
        }
        // A tokenizer without special tokens gives nothing for an empty text; row 0 is always there.
        Ok(if tokens.is_empty() { vec![0] } else { tokens.to_vec() })
    }
}

fn start_of(text: &str) -> String {
    text.chars().take(60).collect()
}
