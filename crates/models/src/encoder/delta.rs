//! An adaptation in a folder of its own: the arrays that were added or changed, and what they belong to.
//!
//! `tuning.json` says the tuning, the base model and the hashes; it is written last. `LoRA` and `AdaLoRA` are in the layout of
//! Hugging Face's PEFT (`adapter_model.safetensors`, `adapter_config.json`), which opens the folder too; the others are in
//! `delta.safetensors`: for full tuning under the names of the base model, which may be some of its arrays only.

use std::borrow::Cow;
use std::ops::Range;
use std::path::Path;

use rand::RngCore;
use safetensors::tensor::{Dtype, View};
use segue_data::hash;
use segue_nn::ParamId;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::encoder::error::EncoderError;
use crate::encoder::weights::WeightsFile;
use crate::encoder::{AdaLoraConfig, Base, Target, TextEncoder, Tuning};
use crate::model_folder;

/// Version of the layout.
const FORMAT: &str = "segue-encoder-delta-1";
const HEAD: &str = "tuning.json";
/// No honest head is larger.
const HEAD_BYTES_MAX: u64 = 1 << 20;

/// What an adaptation's folder says about itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeltaHead {
    format: String,
    /// How the encoder was adapted.
    pub tuning: Tuning,
    /// Name or path of the encoder that was adapted.
    pub base_model: String,
    /// Hash of its arrays and its tokenizer.
    pub base_sha256: String,
    /// Hash of the file of arrays.
    pub arrays_sha256: String,
}

impl DeltaHead {
    /// Whether a folder holds an adaptation, and not an encoder of its own.
    pub fn is_in(folder: &Path) -> bool {
        model_folder::has(&folder.join(HEAD))
    }

    /// What a folder says of itself, without its arrays.
    ///
    /// # Errors
    /// When it cannot be read or is of another version.
    pub fn read(folder: &Path) -> Result<Self, EncoderError> {
        let path = folder.join(HEAD);
        let n_bytes = model_folder::n_bytes(&path).map_err(|e| io(&path, e))?;
        if n_bytes > HEAD_BYTES_MAX {
            return Err(damaged(&path, format!("{n_bytes} bytes are too many for it")));
        }
        let bytes = model_folder::read(&path).map_err(|e| io(&path, e))?;
        let head: Self = serde_json::from_slice(&bytes).map_err(|e| damaged(&path, e.to_string()))?;
        if head.format == FORMAT {
            return Ok(head);
        }
        Err(damaged(&path, format!("format `{}` instead of `{FORMAT}`", head.format)))
    }
}

/// One array of the file: a part of one of the encoder's.
struct Entry {
    name: String,
    id: ParamId,
    range: Range<usize>,
    shape: Vec<usize>,
}

impl TextEncoder {
    /// Hash of the encoder before it was adapted: its arrays and its tokenizer.
    pub fn base_sha256(&self) -> &str {
        &self.base.model
    }

    /// Computes [`sha256`](Self::sha256) again from the arrays that were trained; needed when a training has ended, so that vectors of
    /// different adaptations are told apart.
    pub fn refresh_sha256(&mut self) {
        if self.tuning == Tuning::Frozen {
            self.sha256.clone_from(&self.base.vectors);
            self.model_sha256.clone_from(&self.base.model);
            return;
        }
        let mut lines = Vec::new();
        for entry in self.entries() {
            let values = &self.params.get(entry.id)[entry.range];
            let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            lines.push(format!("{} {:?} {}", entry.name, entry.shape, hash::of_bytes(&bytes)));
        }
        let upon = |base: &str| {
            let first = format!("{base} {:?}", self.tuning);
            hash::of_bytes([&[first], lines.as_slice()].concat().join("\n").as_bytes())
        };
        (self.sha256, self.model_sha256) = (upon(&self.base.vectors), upon(&self.base.model));
    }

    /// Makes what it is now the base of further adaptations: their folders then belong to this encoder, not to the one that was opened.
    /// To be called after [`load_delta`](Self::load_delta) and [`merge`](Self::merge).
    ///
    /// # Errors
    /// When it has an adapter or a prefix, which cannot be merged: nothing is changed then.
    pub fn rebase(&mut self) -> Result<(), EncoderError> {
        if !matches!(self.tuning, Tuning::Frozen | Tuning::Full) {
            let reason = format!("an encoder with `{}` parts cannot be adapted further", self.tuning.name());
            return Err(EncoderError::Tuning { reason });
        }
        self.base = Base { model: self.model_sha256.clone(), vectors: self.sha256.clone() };
        self.drop_parts();
        Ok(())
    }

    /// Writes what was added or trained into `folder`, which is created if it is missing. `base_model` names the encoder that was adapted.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn save_delta(&self, folder: &Path, base_model: &str) -> Result<(), EncoderError> {
        let path = folder.join(arrays_file(&self.tuning));
        let entries = self.entries();
        let arrays = entries.iter().map(|entry| {
            let values = &self.params.get(entry.id)[entry.range.clone()];
            (entry.name.as_str(), Slice { values, shape: &entry.shape })
        });
        model_folder::write_arrays(&path, arrays).map_err(|e| write_error(&path, e))?;
        if let Some(config) = self.peft_config(base_model) {
            write_json(&folder.join("adapter_config.json"), &config)?;
        }
        let head = DeltaHead {
            format: FORMAT.to_owned(),
            tuning: self.tuning.clone(),
            base_model: base_model.to_owned(),
            base_sha256: self.base.model.clone(),
            arrays_sha256: hash_of(&path)?,
        };
        write_json(&folder.join(HEAD), &json!(head))
    }

    /// Adapts an encoder as it was opened with what [`save_delta`](Self::save_delta) wrote; further training is possible.
    ///
    /// # Errors
    /// When the folder belongs to another encoder or is damaged; the encoder is then as it was opened, without any adaptation.
    ///
    /// # Panics
    /// When the arrays of the base model were trained or merged since the encoder was opened.
    pub fn load_delta(&mut self, folder: &Path) -> Result<(), EncoderError> {
        assert!(self.tuning != Tuning::Full, "the encoder is not as it was opened");
        let head = DeltaHead::read(folder)?;
        let path = folder.join(HEAD);
        if head.base_sha256 != self.base.model {
            let (base_model, expected, received) =
                (head.base_model, head.base_sha256, self.base.model.clone());
            return Err(EncoderError::OtherBase { path, base_model, expected, received });
        }
        head.tuning.check(&self.network.shape).map_err(|e| damaged(&path, e.to_string()))?;
        let path = folder.join(arrays_file(&head.tuning));
        let received = hash_of(&path)?;
        if received != head.arrays_sha256 {
            let reason = format!("its SHA-256 is {received}, {HEAD} says {}", head.arrays_sha256);
            return Err(damaged(&path, reason));
        }
        self.tune(&head.tuning, &mut Zeros)?;
        let read = self.read_entries(&path);
        let entries = read.inspect_err(|_| self.drop_parts())?;
        let ids: Vec<ParamId> = entries.iter().map(|(entry, _)| entry.id).collect();
        for (entry, values) in entries {
            self.params.get_mut(entry.id)[entry.range].copy_from_slice(&values);
        }
        // Of full tuning, what the file has.
        for (id, array) in self.params.ids().zip(self.params.arrays_mut()) {
            array.trainable = ids.contains(&id);
        }
        self.refresh_sha256();
        Ok(())
    }

    fn read_entries(&self, path: &Path) -> Result<Vec<(Entry, Vec<f32>)>, EncoderError> {
        let mut file = WeightsFile::open(path).map_err(as_delta)?;
        let mut entries = self.entries();
        let names = file.names();
        if self.tuning == Tuning::Full {
            entries.retain(|entry| names.contains(&entry.name));
        }
        if let Some(name) = names.iter().find(|name| entries.iter().all(|entry| entry.name != **name)) {
            return Err(damaged(path, format!("the tensor `{name}` is no part of the tuning")));
        }
        let read = |entry: Entry| {
            let values = file.read(&entry.name, &entry.shape).map_err(as_delta)?;
            Ok((entry, values))
        };
        entries.into_iter().map(read).collect()
    }

    // What the tuning added, or for full tuning the arrays that are trained, one by one as the base model's file has them.
    fn entries(&self) -> Vec<Entry> {
        let arrays = self.params.ids().zip(self.params.arrays());
        let whole = |name: String, id: ParamId, shape: &[usize]| {
            let range = 0..shape.iter().product();
            vec![Entry { name, id, range, shape: shape.to_vec() }]
        };
        match self.tuning {
            Tuning::Frozen => Vec::new(),
            Tuning::Full => {
                let trained = arrays.take(self.n_base_arrays).filter(|(_, array)| array.trainable);
                trained
                    .flat_map(|(id, array)| match array.name.split_once(".qkv.") {
                        Some((start, end)) => parts_of_fused(start, end, id, &array.shape),
                        None => whole(array.name.clone(), id, &array.shape),
                    })
                    .collect()
            }
            Tuning::Lora(_) | Tuning::AdaLora(_) => arrays
                .skip(self.n_base_arrays)
                .flat_map(|(id, array)| whole(format!("base_model.model.{}", array.name), id, &array.shape))
                .collect(),
            Tuning::Adapter { .. } | Tuning::Prefix { .. } => arrays
                .skip(self.n_base_arrays)
                .flat_map(|(id, array)| whole(array.name.clone(), id, &array.shape))
                .collect(),
        }
    }

    // `adapter_config.json` as PEFT writes it.
    fn peft_config(&self, base_model: &str) -> Option<Value> {
        let common = |kind: &str, rank: usize, alpha: f32, targets: &[Target]| {
            json!({
                "peft_type": kind, "task_type": "FEATURE_EXTRACTION", "base_model_name_or_path": base_model,
                "r": rank, "lora_alpha": alpha, "target_modules": self.peft_targets(targets),
                "lora_dropout": 0.0, "bias": "none", "fan_in_fan_out": false, "inference_mode": true,
                "init_lora_weights": true, "modules_to_save": null
            })
        };
        match &self.tuning {
            Tuning::Lora(config) => Some(common("LORA", config.rank, config.alpha, &config.targets)),
            Tuning::AdaLora(config) => {
                let mut all = common("ADALORA", config.initial_rank, config.alpha, &config.targets);
                if let (Some(all), Value::Object(own)) = (all.as_object_mut(), adalora_fields(config)) {
                    all.extend(own);
                }
                Some(all)
            }
            _ => None,
        }
    }

    // PEFT compares the ends of names; `output.dense` alone would be the attention's too.
    fn peft_targets(&self, targets: &[Target]) -> Vec<String> {
        let names = |&target: &Target| match target {
            Target::Down => {
                (0..self.network.blocks.len()).map(|at| format!("layer.{at}.output.dense")).collect()
            }
            other => vec![other.name().to_owned()],
        };
        targets.iter().flat_map(names).collect()
    }
}

// PEFT counts the schedule in steps, of which a folder knows nothing: a thousand stand for all.
fn adalora_fields(config: &AdaLoraConfig) -> Value {
    let steps = |share: f64| (1000.0 * share).round() as usize;
    json!({
        "init_r": config.initial_rank, "target_r": config.target_rank, "total_step": 1000,
        "tinit": steps(config.warmup_share), "tfinal": steps(config.final_share),
        "deltaT": steps(config.interval_share).max(1), "beta1": config.sensitivity_decay,
        "beta2": config.uncertainty_decay, "orth_reg_weight": config.orthogonality, "rank_pattern": null
    })
}

// Query, key and value of a fused array.
fn parts_of_fused(start: &str, end: &str, id: ParamId, shape: &[usize]) -> Vec<Entry> {
    let n: usize = shape.iter().product::<usize>() / 3;
    let shape: Vec<usize> = std::iter::once(shape[0] / 3).chain(shape[1..].iter().copied()).collect();
    let part = |(at, part): (usize, &str)| Entry {
        name: format!("{start}.{part}.{end}"),
        id,
        range: at * n..(at + 1) * n,
        shape: shape.clone(),
    };
    ["query", "key", "value"].into_iter().enumerate().map(part).collect()
}

fn arrays_file(tuning: &Tuning) -> &'static str {
    match tuning {
        Tuning::Lora(_) | Tuning::AdaLora(_) => "adapter_model.safetensors",
        _ => "delta.safetensors",
    }
}

/// An array to be written.
pub(crate) struct Slice<'a> {
    pub(crate) values: &'a [f32],
    pub(crate) shape: &'a [usize],
}

impl View for Slice<'_> {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }
    fn shape(&self) -> &[usize] {
        self.shape
    }
    fn data(&self) -> Cow<'_, [u8]> {
        self.values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>().into()
    }
    fn data_len(&self) -> usize {
        size_of_val(self.values)
    }
}

fn write_json(path: &Path, value: &Value) -> Result<(), EncoderError> {
    model_folder::write(path, format!("{value:#}\n").as_bytes()).map_err(|e| write_error(path, e))
}

pub(crate) fn write_error(path: &Path, source: std::io::Error) -> EncoderError {
    EncoderError::Write { path: path.to_path_buf(), source }
}

fn hash_of(path: &Path) -> Result<String, EncoderError> {
    hash::of_file(path).map_err(|e| damaged(path, e.to_string()))
}

fn io(path: &Path, source: std::io::Error) -> EncoderError {
    let hint = "an adaptation's folder has tuning.json and its arrays";
    EncoderError::Io { path: path.to_path_buf(), source, hint }
}

fn damaged(path: &Path, reason: impl Into<String>) -> EncoderError {
    EncoderError::Delta { path: path.to_path_buf(), reason: reason.into() }
}

// The reader of model folders speaks of those.
fn as_delta(error: EncoderError) -> EncoderError {
    match error {
        EncoderError::Damaged { path, reason } => EncoderError::Delta { path, reason },
        EncoderError::Missing { path, tensor } => damaged(&path, format!("it has no tensor `{tensor}`")),
        EncoderError::Shape { path, tensor, received, expected } => {
            damaged(&path, format!("tensor `{tensor}` has shape {received:?} instead of {expected:?}"))
        }
        other => other,
    }
}

/// For parts whose numbers are read from a file: every draw gives zero.
struct Zeros;

impl RngCore for Zeros {
    fn next_u32(&mut self) -> u32 {
        0
    }
    fn next_u64(&mut self) -> u64 {
        0
    }
    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        bytes.fill(0);
    }
}
