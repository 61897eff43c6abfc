//! A random Hugging Face folder that is small enough to look at.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use safetensors::tensor::{Dtype, TensorView};
use serde_json::{Value, json};

pub(crate) const WIDTH: usize = 8;
const HIDDEN: usize = 12;
const WORDS: [&str; 9] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "red", "blue", "fox", "sea", "runs"];

/// A folder that is removed in the end.
pub(crate) struct TinyModel {
    pub(crate) folder: PathBuf,
    pub(crate) config: Value,
    pub(crate) prefix: &'static str,
    pub(crate) dtype: Dtype,
    pub(crate) left_out: Option<&'static str>,
    /// Whether the tokenizer has a mask token, the last one.
    pub(crate) masks: bool,
}

impl TinyModel {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("segue-tiny-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let config = json!({
            "model_type": "bert", "vocab_size": WORDS.len(), "hidden_size": WIDTH, "num_hidden_layers": 2,
            "num_attention_heads": 2, "intermediate_size": HIDDEN, "max_position_embeddings": 16,
            "type_vocab_size": 2, "layer_norm_eps": 1e-5, "hidden_act": "gelu"
        });
        let folder = std::env::temp_dir().join(name);
        Self { folder, config, prefix: "", dtype: Dtype::F32, left_out: None, masks: false }
    }

    pub(crate) fn with(change: impl FnOnce(&mut Self)) -> Self {
        let mut model = Self::new();
        change(&mut model);
        model
    }

    /// One whose tokenizer has a mask token.
    pub(crate) fn with_mask() -> Self {
        Self::with(|model| {
            model.masks = true;
            model.config["vocab_size"] = json!(WORDS.len() + 1);
        })
    }

    fn words(&self) -> Vec<&'static str> {
        WORDS.into_iter().chain(self.masks.then_some("[MASK]")).collect()
    }

    pub(crate) fn write(&self) -> &Path {
        fs::create_dir_all(self.folder.join("1_Pooling")).expect("the test's own data");
        self.put("config.json", &self.config);
        self.put(
            "modules.json",
            &json!([
                { "path": "", "type": "sentence_transformers.models.Transformer" },
                { "path": "1_Pooling", "type": "sentence_transformers.models.Pooling" },
                { "path": "2_Normalize", "type": "sentence_transformers.models.Normalize" }
            ]),
        );
        self.put("1_Pooling/config.json", &json!({ "pooling_mode_mean_tokens": true }));
        self.put("tokenizer.json", &tokenizer(&self.words()));
        fs::write(self.folder.join("model.safetensors"), self.weights()).expect("the test's own data");
        &self.folder
    }

    pub(crate) fn put(&self, name: &str, content: &Value) {
        fs::write(self.folder.join(name), content.to_string()).expect("the test's own data");
    }

    fn weights(&self) -> Vec<u8> {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let mut arrays: Vec<(String, Vec<usize>, Vec<u8>)> = Vec::new();
        for (name, shape) in names(self.words().len()) {
            let n = shape.iter().product();
            let center = if name.contains("LayerNorm.weight") { 1.0 } else { 0.0 };
            let values = (0..n).map(|_| center + rng.random_range(-0.6..0.6f32));
            let bytes = match self.dtype {
                // The upper half of a float is a bf16.
                Dtype::BF16 => values.flat_map(|x| [x.to_le_bytes()[2], x.to_le_bytes()[3]]).collect(),
                _ => values.flat_map(f32::to_le_bytes).collect(),
            };
            if self.left_out != Some(name.as_str()) {
                arrays.push((format!("{}{name}", self.prefix), shape, bytes));
            }
        }
        let views = arrays.iter().map(|(name, shape, bytes)| {
            (name.as_str(), TensorView::new(self.dtype, shape.clone(), bytes).expect("the test's own data"))
        });
        safetensors::serialize(views.collect::<Vec<_>>(), None).expect("the test's own data")
    }
}

impl Drop for TinyModel {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn names(n_words: usize) -> Vec<(String, Vec<usize>)> {
    let mut names: Vec<(String, Vec<usize>)> = vec![
        ("embeddings.word_embeddings.weight".into(), vec![n_words, WIDTH]),
        ("embeddings.position_embeddings.weight".into(), vec![16, WIDTH]),
        ("embeddings.token_type_embeddings.weight".into(), vec![2, WIDTH]),
    ];
    let mut pair = |name: String, weight: Vec<usize>| {
        let n_out = weight[0];
        names.push((format!("{name}.weight"), weight));
        names.push((format!("{name}.bias"), vec![n_out]));
    };
    pair("embeddings.LayerNorm".into(), vec![WIDTH]);
    for layer in 0..2 {
        let name = |part: &str| format!("encoder.layer.{layer}.{part}");
        for part in
            ["attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"]
        {
            pair(name(part), vec![WIDTH, WIDTH]);
        }
        pair(name("attention.output.LayerNorm"), vec![WIDTH]);
        pair(name("intermediate.dense"), vec![HIDDEN, WIDTH]);
        pair(name("output.dense"), vec![WIDTH, HIDDEN]);
        pair(name("output.LayerNorm"), vec![WIDTH]);
    }
    names
}

// Whole words; truncation to 4 and padding to 9 are on, as in the file of all-MiniLM-L6-v2, and must not count.
fn tokenizer(words: &[&str]) -> Value {
    let vocabulary: serde_json::Map<String, Value> =
        words.iter().enumerate().map(|(at, word)| ((*word).to_owned(), json!(at))).collect();
    let special = |name: &str| json!({ "SpecialToken": { "id": name, "type_id": 0 } });
    let known = |name: &str, id: usize| json!({ "id": name, "ids": [id], "tokens": [name] });
    json!({
        "version": "1.0",
        "truncation": { "direction": "Right", "max_length": 4, "strategy": "LongestFirst", "stride": 0 },
        "padding": { "strategy": { "Fixed": 9 }, "direction": "Right", "pad_to_multiple_of": null, "pad_id": 0,
            "pad_type_id": 0, "pad_token": "[PAD]" },
        "added_tokens": [], "normalizer": null, "pre_tokenizer": { "type": "Whitespace" },
        "post_processor": { "type": "TemplateProcessing",
            "single": [special("[CLS]"), { "Sequence": { "id": "A", "type_id": 0 } }, special("[SEP]")],
            "pair": [{ "Sequence": { "id": "A", "type_id": 0 } }, { "Sequence": { "id": "B", "type_id": 0 } }],
            "special_tokens": { "[CLS]": known("[CLS]", 2), "[SEP]": known("[SEP]", 3) } },
        "decoder": null,
        "model": { "type": "WordLevel", "vocab": vocabulary, "unk_token": "[UNK]" }
    })
}
