//! An encoder learns from the items' texts alone; no event is read. The outcome is a folder as an adaptation leaves it.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use anyhow::{Context, Result};
use segue_data::store;
use segue_models::encoder::MlmFigures;
use segue_report::number::count;
use segue_train::Keeping;
use segue_train::encoder_pretrain::{
    Counts, PretrainMaterial, PretrainPlan, PretrainProgress, Pretrained, pretrain_encoder,
};
use segue_train::learn::Epoch;
use serde::Serialize;

use crate::adapt::domains;
use crate::encode::{Provider, mlm_head};
use crate::failure::usage;
use crate::observer::{Observer, Task};
use crate::training_folder::TrainingFolder;

/// What is pretrained, to what, on what.
#[derive(Clone, Debug)]
pub struct PretrainRequest {
    /// Data set folder; only its items are read.
    pub data: PathBuf,
    /// Known model or model folder to start from.
    pub model: String,
    /// Folder for the outcome.
    pub to: PathBuf,
    /// The training.
    pub plan: PretrainPlan,
    /// Names of the domains whose texts are read; all when empty.
    pub domains: Vec<String>,
    /// Whether an interrupted pretraining is resumed.
    pub resume: bool,
}

/// What a pretraining gave; `pretrain.json` in its folder.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PretrainFigures {
    /// How it was done.
    pub plan: PretrainPlan,
    /// What there was.
    #[serde(flatten)]
    pub counts: Counts,
    /// Values of the encoder.
    pub n_values: usize,
    /// Whether the model brought a head for masked words.
    pub had_head: bool,
    /// Masked words of held-out texts before training.
    pub before: Option<MlmFigures>,
    /// And by what is in the folder.
    pub after: Option<MlmFigures>,
    /// The passes; their metric is the held-out loss of masked words with a minus in front.
    pub curve: Vec<Epoch>,
}

impl PretrainFigures {
    fn of(pretrained: &Pretrained, plan: &PretrainPlan, had_head: bool) -> Self {
        let arrays = pretrained.encoder.params.arrays();
        Self {
            plan: plan.clone(),
            counts: pretrained.counts,
            n_values: arrays.iter().map(|array| array.values.len()).sum(),
            had_head,
            before: pretrained.before,
            after: pretrained.after,
            curve: pretrained.curve.clone(),
        }
    }

    /// A few lines for people.
    pub fn in_words(&self) -> String {
        let Counts { n_trained, n_texts, n_described, n_held_out } = self.counts;
        let head = if self.had_head { "the model's own head" } else { "a new head" };
        let held_out = self.before.zip(self.after).map_or_else(String::new, |(before, after)| {
            format!(
                "\nmasked words of {} held-out texts, by {head}: loss {:.3} before, {:.3} after; found {:.1} % before, {:.1} % after ({} words)",
                count(n_held_out),
                before.loss,
                after.loss,
                100.0 * before.accuracy,
                100.0 * after.accuracy,
                count(after.n),
            )
        });
        format!(
            "{}: {} of {} values trained ({:.2} %) on {} distinct texts, {} with a description; {} passes{held_out}",
            self.plan.tuning.name(),
            count(n_trained),
            count(self.n_values),
            100.0 * n_trained as f64 / self.n_values.max(1) as f64,
            count(n_texts),
            count(n_described),
            self.curve.len(),
        )
    }
}

/// Pretrains and writes the folder.
///
/// # Errors
/// When the data or the model do not support it, the folder cannot be written, or it was stopped.
pub fn pretrain(
    request: &PretrainRequest,
    stop: &AtomicBool,
    observer: &dyn Observer,
) -> Result<PretrainFigures> {
    let plan = &request.plan;
    if let Some(problem) = plan.problem() {
        return Err(usage(problem, "give a value in that range"));
    }
    let folder = TrainingFolder::find(&request.to, request.resume)?;
    let (items, head) = store::read_catalog(&request.data)?;
    let names: Vec<&str> = head.domains.iter().map(String::as_str).collect();
    let domains = domains(&head.name, &names, &request.domains)?;
    let provider = Provider::model(&request.model, None)?;
    let encoder = provider.encoder()?.clone();
    let mlm_head = mlm_head(&request.model, &encoder.network.shape)?;
    folder.begin(&serde_json::json!({
        "command": "pretrain", "data": head.data_sha256(), "model": encoder.sha256(), "domains": domains,
        "plan": plan
    }))?;
    let task = Task::start(observer, "pretrain", plan.max_passes * plan.steps_per_pass);
    let watch = |progress: PretrainProgress| match progress {
        PretrainProgress::Step(loss) => task.step(1, || format!("loss {loss:.3}")),
        PretrainProgress::Pass(pass) => task.stand_at(pass.epoch * plan.steps_per_pass),
    };
    let material =
        PretrainMaterial { items: &items, domains: &domains, head: mlm_head.as_ref(), observer: &watch };
    let checkpoints = folder.checkpoints();
    let keeping = Keeping { folder: Some(&checkpoints), every_steps: 0, stop };
    let pretrained = pretrain_encoder(encoder, plan, material, keeping);
    drop(task);
    let pretrained = pretrained.map_err(|error| folder.after(error.into()))?;
    let figures = PretrainFigures::of(&pretrained, plan, mlm_head.is_some());
    write(&request.to, &request.model, &pretrained, &figures)?;
    folder.finish()?;
    Ok(figures)
}

fn write(out: &Path, base: &str, pretrained: &Pretrained, figures: &PretrainFigures) -> Result<()> {
    if let Some(head) = &pretrained.head {
        head.save(out)?;
    }
    let path = out.join("pretrain.json");
    std::fs::write(&path, format!("{}\n", serde_json::to_string_pretty(figures)?))
        .with_context(|| format!("cannot write `{}`", path.display()))?;
    pretrained.encoder.save_delta(out, base).context("cannot write the encoder")
}
