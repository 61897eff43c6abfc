//! A pretrained encoder learns from events which texts follow which; the outcome is a small folder beside its base.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use anyhow::{Context, Result};
use segue_data::{DomainIdx, store};
use segue_models::encoder::Tuning;
use segue_models::item_vectors::TextFields;
use segue_report::number::count;
use segue_train::encoder_fit::{AdaptMaterial, AdaptPlan, Adapted, adapt_encoder};
use segue_train::learn::Epoch;
use segue_train::{Judge, Keeping, MaskRule, Objective};
use serde::Serialize;

use crate::config::RunConfig;
use crate::encode::{Provider, encode_items};
use crate::failure::{closest, usage};
use crate::observer::{Observer, Task};
use crate::prepared::cut;
use crate::training_folder::TrainingFolder;

/// What is adapted, to what, on what.
#[derive(Clone, Debug)]
pub struct AdaptRequest {
    /// Data set folder.
    pub data: PathBuf,
    /// Known model or model folder to start from.
    pub model: String,
    /// Folder for the adaptation.
    pub to: PathBuf,
    /// The training.
    pub plan: AdaptPlan,
    /// Names of the domains whose events are lessons; all when empty.
    pub domains: Vec<String>,
    /// The domain whose valid cases choose the best pass; without it all passes are made.
    pub target: Option<String>,
    /// Whether an interrupted adaptation is resumed.
    pub resume: bool,
}

/// Valid cases that are ranked after every pass.
const CASES_PER_PASS: usize = 4_000;

/// Adapts and writes the folder.
///
/// # Errors
/// When the data or the model do not support it, the folder cannot be written, or it was stopped.
pub fn adapt(request: &AdaptRequest, stop: &AtomicBool, observer: &dyn Observer) -> Result<AdaptFigures> {
    if let Some(problem) = request.plan.problem() {
        return Err(usage(problem, "give a value in that range"));
    }
    let folder = TrainingFolder::find(&request.to, request.resume)?;
    let (dataset, head) = store::read(&request.data)?;
    let mut provider = Provider::model(&request.model, None)?;
    let (vectors, figures) = encode_items(&mut provider, &dataset.items, TextFields::Short, observer)?;
    observer.note(&figures.in_words());
    let split = cut(&dataset, &RunConfig::default())?;
    let names: Vec<&str> = dataset.domains.iter().map(|domain| domain.name.as_str()).collect();
    let domains = domains(&dataset.name, &names, &request.domains)?;
    let target = request.target.as_ref().map(|name| domain(&dataset.name, &names, name)).transpose()?;
    let valid = target
        .map(|target| Judge::new(&split.valid.0, &dataset.items, target, MaskRule::Seen, None))
        .transpose()
        .context("valid")?
        .map(|valid| valid.sample(CASES_PER_PASS));
    let material = AdaptMaterial {
        train: &split.train,
        items: &dataset.items,
        vectors: &vectors,
        domains: &domains,
        valid: valid.as_ref(),
        objective: Objective::Masked,
    };
    let encoder = provider.encoder()?.clone();
    folder.begin(&serde_json::json!({
        "command": "adapt", "data": head.data_sha256(), "model": encoder.sha256(), "domains": domains,
        "target": target, "plan": request.plan
    }))?;
    let checkpoints = folder.checkpoints();
    let keeping = Keeping { folder: Some(&checkpoints), every_steps: 0, stop };
    let task = Task::start(observer, "adapt", request.plan.max_passes);
    let show = |epoch: &Epoch| task.step(1, || format!("loss {:.3}", epoch.loss));
    let adapted = adapt_encoder(encoder, &request.plan, material, keeping, show);
    drop(task);
    let adapted = adapted.map_err(|error| folder.after(error.into()))?;
    adapted.encoder.save_delta(&request.to, &request.model).context("cannot write the adaptation")?;
    folder.finish()?;
    Ok(AdaptFigures::of(&adapted))
}

/// A tuning by its name.
///
/// # Errors
/// When there is no tuning of that name.
pub fn tuning_named(name: &str) -> Result<Tuning> {
    let names = ["frozen", "full", "lora", "adalora", "adapter", "prefix"];
    Tuning::named(name).ok_or_else(|| {
        let meant = closest(name, names).map(|name| format!("did you mean `{name}`? "));
        let remedy = format!("{}tunings: {}", meant.unwrap_or_default(), names.join(", "));
        usage(format!("there is no tuning `{name}`"), remedy)
    })
}

/// What an adaptation gave.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AdaptFigures {
    /// Name of the tuning.
    pub tuning: String,
    /// Values that were trained.
    pub n_trained: usize,
    /// All values of the encoder.
    pub n_values: usize,
    /// Lessons that there were.
    pub n_lessons: usize,
    /// NDCG@10 of the vectors alone on valid, before.
    pub valid_before: Option<f64>,
    /// The passes.
    pub curve: Vec<Epoch>,
}

impl AdaptFigures {
    /// Of an adaptation.
    pub fn of(adapted: &Adapted) -> Self {
        let arrays = adapted.encoder.params.arrays();
        Self {
            tuning: adapted.encoder.tuning().name().to_owned(),
            n_trained: adapted.n_trained,
            n_values: arrays.iter().map(|array| array.values.len()).sum(),
            n_lessons: adapted.n_lessons,
            valid_before: adapted.before,
            curve: adapted.curve.clone(),
        }
    }

    /// One line for people.
    pub fn in_words(&self) -> String {
        let best = self.curve.iter().filter_map(|pass| pass.metric).fold(f64::MIN, f64::max);
        let valid = self.valid_before.map_or(String::new(), |before| {
            format!("; NDCG@10 of the vectors alone on valid {before:.4} before, {best:.4} at the best of {} passes", self.curve.len())
        });
        format!(
            "{}: {} of {} values trained ({:.2} %), {} lessons{valid}",
            self.tuning,
            count(self.n_trained),
            count(self.n_values),
            100.0 * self.n_trained as f64 / self.n_values.max(1) as f64,
            count(self.n_lessons),
        )
    }
}

/// Domains of the data set called `dataset`, whose domains are `known`, by name; all of them when none is named.
///
/// # Errors
/// When a name is not known.
pub fn domains(dataset: &str, known: &[&str], names: &[String]) -> Result<Vec<DomainIdx>> {
    if names.is_empty() {
        return Ok((0..known.len()).map(|at| DomainIdx(at as _)).collect());
    }
    names.iter().map(|name| domain(dataset, known, name)).collect()
}

fn domain(dataset: &str, known: &[&str], name: &str) -> Result<DomainIdx> {
    let found = known.iter().position(|known| *known == name);
    found.map(|at| DomainIdx(at as _)).ok_or_else(|| {
        usage(
            format!("data set `{dataset}` has no domain `{name}`"),
            format!("its domains: {}", known.join(", ")),
        )
    })
}
