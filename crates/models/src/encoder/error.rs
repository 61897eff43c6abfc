//! What can be wrong with a model folder or with a text on its way through.

use std::path::{Path, PathBuf};

/// Why an encoder cannot be loaded or used.
#[derive(Debug, thiserror::Error)]
pub enum EncoderError {
    /// A file cannot be read.
    #[error("cannot read `{}`: {source}\n  hint: {hint}", path.display())]
    Io {
        /// What was to be read.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
        /// What would help.
        hint: &'static str,
    },
    /// A file of the folder is not what it should be.
    #[error("`{}` is damaged: {reason}\n  hint: fetch the model again", path.display())]
    Damaged {
        /// The file that is.
        path: PathBuf,
        /// What is wrong, with the values.
        reason: String,
    },
    /// A model that Segue cannot run.
    #[error("`{}`: {what} is not supported\n  hint: {supported}", path.display())]
    Unsupported {
        /// The file that says so.
        path: PathBuf,
        /// What was asked for.
        what: String,
        /// What can be used instead.
        supported: &'static str,
    },
    /// An array is not in the weights.
    #[error("`{}` has no tensor `{tensor}`\n  hint: the weights belong to another config.json, or the download is not complete", path.display())]
    Missing {
        /// The weights file.
        path: PathBuf,
        /// The array, by its name in the file.
        tensor: String,
    },
    /// An array has another shape than the config says.
    #[error("`{}`: tensor `{tensor}` has shape {received:?}, config.json says {expected:?}\n  hint: the weights belong to another config.json", path.display())]
    Shape {
        /// The weights file.
        path: PathBuf,
        /// The array, by its name in the file.
        tensor: String,
        /// As it is in the file.
        received: Vec<usize>,
        /// As the config asks for it.
        expected: Vec<usize>,
    },
    /// A tuning whose settings do not fit the encoder.
    #[error("this tuning is not possible: {reason}\n  hint: change the setting")]
    Tuning {
        /// The setting, its value, and what it may be.
        reason: String,
    },
    /// An adaptation that is not whole, or was changed.
    #[error("the adaptation `{}` is damaged: {reason}\n  hint: adapt the encoder again", path.display())]
    Delta {
        /// The file of it that is.
        path: PathBuf,
        /// What is wrong, with the values.
        reason: String,
    },
    /// An adaptation of another encoder.
    #[error("the adaptation `{}` belongs to another encoder: to `{base_model}` with SHA-256 {expected}, this one has {received}\n  hint: open the encoder that was adapted, or adapt this one", path.display())]
    OtherBase {
        /// The file that says so.
        path: PathBuf,
        /// Name of the encoder that was adapted.
        base_model: String,
        /// Its hash.
        expected: String,
        /// The hash of the encoder that is open.
        received: String,
    },
    /// A file of an adaptation cannot be written.
    #[error("cannot write `{}`: {source}\n  hint: the folder must exist or be possible to create, and have room", path.display())]
    Write {
        /// Where it was to be.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The tokenizer cannot be read or fails on a text.
    #[error("`{}`: {reason}\n  hint: a `tokenizer.json` of the Hugging Face `tokenizers` library is needed", path.display())]
    Tokenizer {
        /// The `tokenizer.json`.
        path: PathBuf,
        /// What the tokenizer said.
        reason: String,
    },
    /// The tokenizer gave a token that the model does not know.
    #[error(
        "token {token} of `{text}` is beyond the model's {n_tokens} tokens\n  hint: tokenizer.json belongs to another model"
    )]
    Token {
        /// Its number.
        token: u32,
        /// Start of the text.
        text: String,
        /// Rows of the embedding.
        n_tokens: usize,
    },
}

/// What the architectures that can be run have in common, for messages.
pub(crate) const SUPPORTED: &str = "supported are BERT, MiniLM, E5, BGE, RoBERTa, CamemBERT and XLM-RoBERTa encoders \
    (model_type bert, roberta, camembert, xlm-roberta; absolute positions, exact GELU)";

impl EncoderError {
    pub(crate) fn io(path: &Path, source: std::io::Error) -> Self {
        let hint = "a model folder has config.json, tokenizer.json and model.safetensors; `segue model pull NAME` fetches one";
        Self::Io { path: path.to_path_buf(), source, hint }
    }

    pub(crate) fn damaged(path: &Path, reason: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_path_buf(), reason: reason.into() }
    }

    pub(crate) fn unsupported(path: &Path, what: impl Into<String>) -> Self {
        Self::Unsupported { path: path.to_path_buf(), what: what.into(), supported: SUPPORTED }
    }
}
