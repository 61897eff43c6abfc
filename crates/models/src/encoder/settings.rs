//! What a model folder says about itself: sizes, pooling, prefixes, longest text.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::encoder::error::EncoderError;
use crate::model_folder;

/// Sizes of the network.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shape {
    /// Rows of the word embedding.
    pub n_tokens: usize,
    /// Rows of the position embedding.
    pub n_positions: usize,
    /// Rows of the type embedding; 0 = there is none.
    pub n_types: usize,
    /// Row of the first position (2 in `RoBERTa`, where the first two are kept free).
    pub first_position: usize,
    /// Width of the model.
    pub width: usize,
    /// Width inside the feed-forward part.
    pub n_hidden: usize,
    /// Number of attention heads.
    pub n_heads: usize,
    /// Number of blocks.
    pub n_layers: usize,
    /// Added to variances in layer norms.
    pub epsilon: f32,
}

/// How the token vectors of a text become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pooling {
    /// Their mean.
    Mean,
    /// The first one.
    First,
}

/// What stands around the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Usage {
    /// How token vectors become one.
    pub pooling: Pooling,
    /// Whether the vector gets length 1.
    pub normalizes: bool,
    /// Most tokens of a text, with the special ones; the rest is cut off.
    pub max_tokens: usize,
    /// What stands in front of every text of an item.
    pub prefix: String,
}

#[derive(Deserialize)]
struct ConfigFile {
    model_type: Option<String>,
    vocab_size: usize,
    hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    intermediate_size: usize,
    max_position_embeddings: usize,
    #[serde(default)]
    type_vocab_size: usize,
    #[serde(default = "default_epsilon")]
    layer_norm_eps: f32,
    #[serde(default = "default_activation")]
    hidden_act: String,
    #[serde(default = "default_positions")]
    position_embedding_type: String,
    #[serde(default)]
    pad_token_id: Option<usize>,
    #[serde(default)]
    is_decoder: bool,
}

fn default_epsilon() -> f32 {
    1e-12
}

fn default_activation() -> String {
    "gelu".into()
}

fn default_positions() -> String {
    "absolute".into()
}

#[derive(Deserialize)]
struct ModuleFile {
    #[serde(default)]
    path: String,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
#[expect(clippy::struct_excessive_bools, clippy::struct_field_names, reason = "the file's own layout")]
struct PoolingFile {
    pooling_mode: Option<String>,
    pooling_mode_cls_token: bool,
    pooling_mode_mean_tokens: bool,
    pooling_mode_max_tokens: bool,
    pooling_mode_mean_sqrt_len_tokens: bool,
    pooling_mode_weightedmean_tokens: bool,
    pooling_mode_lasttoken: bool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct SentenceFile {
    max_seq_length: Option<usize>,
    prompts: BTreeMap<String, String>,
    default_prompt_name: Option<String>,
}

/// Longest text where a folder of sentence-transformers names none.
const DEFAULT_MAX_TOKENS: usize = 256;

/// The path of a folder's `config.json`, and the `model_type` that it names; empty where it names none.
pub(crate) fn model_type(folder: &Path) -> Result<(PathBuf, String), EncoderError> {
    let path = folder.join("config.json");
    let raw: serde_json::Value = read_json(&path)?;
    let kind = raw.get("model_type").and_then(|kind| kind.as_str()).unwrap_or_default().to_owned();
    Ok((path, kind))
}

/// The sizes that `config.json` names.
pub(crate) fn read_shape(folder: &Path) -> Result<Shape, EncoderError> {
    let path = folder.join("config.json");
    // The architecture first: configs of other ones lack fields, and that message would mislead.
    let raw: serde_json::Value = read_json(&path)?;
    let kind = raw.get("model_type").and_then(|kind| kind.as_str()).unwrap_or("bert").to_owned();
    if !["bert", "roberta", "camembert", "xlm-roberta"].contains(&kind.as_str()) {
        return Err(EncoderError::unsupported(&path, format!("model_type `{kind}`")));
    }
    let config: ConfigFile =
        serde_json::from_value(raw).map_err(|e| EncoderError::damaged(&path, e.to_string()))?;
    if config.hidden_act != "gelu" {
        return Err(EncoderError::unsupported(&path, format!("hidden_act `{}`", config.hidden_act)));
    }
    if config.position_embedding_type != "absolute" || config.is_decoder {
        let what = format!("position_embedding_type `{}`", config.position_embedding_type);
        return Err(EncoderError::unsupported(
            &path,
            if config.is_decoder { "a decoder".into() } else { what },
        ));
    }
    let first_position = match config.model_type.as_deref() {
        None | Some("bert") => 0,
        Some(_) => config.pad_token_id.unwrap_or(1).saturating_add(1),
    };
    let shape = Shape {
        n_tokens: config.vocab_size,
        n_positions: config.max_position_embeddings,
        n_types: config.type_vocab_size,
        first_position,
        width: config.hidden_size,
        n_hidden: config.intermediate_size,
        n_heads: config.num_attention_heads,
        n_layers: config.num_hidden_layers,
        epsilon: config.layer_norm_eps,
    };
    check(&path, shape)
}

fn check(path: &Path, shape: Shape) -> Result<Shape, EncoderError> {
    let wrong = if shape.width == 0 || shape.n_heads == 0 || !shape.width.is_multiple_of(shape.n_heads) {
        format!("hidden_size {} is no multiple of {} heads", shape.width, shape.n_heads)
    } else if shape.n_positions < shape.first_position.saturating_add(3) {
        format!("{} positions are too few", shape.n_positions)
    } else if shape.n_tokens == 0 || shape.n_hidden == 0 || shape.n_layers == 0 {
        "vocab_size, intermediate_size and num_hidden_layers must be at least 1".into()
    } else if !(shape.epsilon > 0.0 && shape.epsilon < 1.0) {
        format!("layer_norm_eps {} is not between 0 and 1", shape.epsilon)
    } else {
        return Ok(shape);
    };
    Err(EncoderError::damaged(path, wrong))
}

/// What the files beside `config.json` say; the customs of sentence-transformers where they are silent.
pub(crate) fn read_usage(folder: &Path, shape: Shape) -> Result<Usage, EncoderError> {
    let path = folder.join("modules.json");
    let modules: Option<Vec<ModuleFile>> = read_json_if_there(&path)?;
    let mut usage = Usage {
        pooling: Pooling::Mean,
        normalizes: modules.is_none(),
        max_tokens: longest(shape),
        prefix: String::new(),
    };
    if modules.is_some() {
        usage.max_tokens = DEFAULT_MAX_TOKENS.min(longest(shape));
    }
    for module in modules.unwrap_or_default() {
        match module.kind.rsplit('.').next().unwrap_or_default() {
            "Transformer" => {}
            "Pooling" => {
                usage.pooling = read_pooling(&inside(folder, &module.path, &path)?.join("config.json"))?;
            }
            "Normalize" => usage.normalizes = true,
            other => {
                return Err(EncoderError::Unsupported {
                    path,
                    what: format!("the module `{other}`"),
                    supported: "supported are Transformer, Pooling and Normalize",
                });
            }
        }
    }
    let sentence: SentenceFile =
        read_json_if_there(&folder.join("sentence_bert_config.json"))?.unwrap_or_default();
    if let Some(max_tokens) = sentence.max_seq_length {
        usage.max_tokens = max_tokens.clamp(3, longest(shape));
    }
    let prompts: SentenceFile =
        read_json_if_there(&folder.join("config_sentence_transformers.json"))?.unwrap_or_default();
    usage.prefix = item_prefix(&prompts);
    Ok(usage)
}

fn longest(shape: Shape) -> usize {
    shape.n_positions - shape.first_position
}

// Items are what is found: the prompt of passages, not of questions.
fn item_prefix(file: &SentenceFile) -> String {
    let names = ["passage", "document", file.default_prompt_name.as_deref().unwrap_or_default()];
    names.into_iter().find_map(|name| file.prompts.get(name)).cloned().unwrap_or_default()
}

fn inside(folder: &Path, part: &str, path: &Path) -> Result<PathBuf, EncoderError> {
    let plain = Path::new(part).components().all(|part| matches!(part, std::path::Component::Normal(_)));
    if !plain {
        return Err(EncoderError::damaged(path, format!("module path `{part}` leaves the folder")));
    }
    Ok(folder.join(part))
}

fn read_pooling(path: &Path) -> Result<Pooling, EncoderError> {
    let file: PoolingFile = read_json(path)?;
    let others = file.pooling_mode_max_tokens
        || file.pooling_mode_mean_sqrt_len_tokens
        || file.pooling_mode_weightedmean_tokens
        || file.pooling_mode_lasttoken;
    match (file.pooling_mode.as_deref(), file.pooling_mode_cls_token, file.pooling_mode_mean_tokens) {
        (Some("mean"), ..) => Ok(Pooling::Mean),
        (Some("cls"), ..) => Ok(Pooling::First),
        (None, false, true) if !others => Ok(Pooling::Mean),
        (None, true, false) if !others => Ok(Pooling::First),
        _ => Err(EncoderError::Unsupported {
            path: path.to_path_buf(),
            what: "this pooling".into(),
            supported: "supported are the mean of the tokens and the first token (cls)",
        }),
    }
}

/// Reads a JSON file of a model folder.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, EncoderError> {
    let bytes = model_folder::read(path).map_err(|e| EncoderError::io(path, e))?;
    serde_json::from_slice(&bytes).map_err(|e| EncoderError::damaged(path, e.to_string()))
}

/// As [`read_json`]; `None` where there is no such file.
pub(crate) fn read_json_if_there<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, EncoderError> {
    if model_folder::has(path) { read_json(path).map(Some) } else { Ok(None) }
}
