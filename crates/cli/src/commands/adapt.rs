//! `segue adapt`: a pretrained encoder learns from events which texts follow which; the outcome is a small folder beside its base.

use std::path::PathBuf;

use anyhow::{Context, Result};
use segue_data::{Dataset, DomainIdx, Split, store};
use segue_models::encoder::Tuning;
use segue_models::item_vectors::TextFields;
use segue_train::encoder_fit::{AdaptMaterial, AdaptPlan, Adapted, adapt_encoder};
use segue_train::learn::Epoch;
use segue_train::{Judge, Keeping, MaskRule, Objective};
use serde::Serialize;

use crate::config::RunConfig;
use crate::encode::{Provider, encode_items};
use crate::failure::{closest, usage};
use crate::interrupt;
use crate::number::count;
use crate::run_split;
use crate::screen::Screen;
use crate::training_folder::TrainingFolder;

/// Arguments of `segue adapt`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Data set folder, made with `segue import`
    #[arg(value_name = "DATA")]
    data: PathBuf,
    /// Known model (`segue model list`) or model folder to start from
    #[arg(long, value_name = "NAME|FOLDER")]
    model: String,
    /// What is trained: full, lora, adalora, adapter or prefix
    #[arg(long, default_value = "lora")]
    tuning: String,
    /// Folder for the adaptation; `segue encode --model FOLDER` reads it
    #[arg(long, value_name = "FOLDER")]
    to: PathBuf,
    /// Domains whose events are lessons, comma-separated; all without the flag
    #[arg(long, value_delimiter = ',', value_name = "DOMAIN")]
    domains: Vec<String>,
    /// Domain whose valid cases choose the best pass; without it all passes are made
    #[arg(long, value_name = "DOMAIN")]
    target: Option<String>,
    #[command(flatten)]
    training: Training,
    /// Go on with an adaptation that was interrupted: the same command with this flag
    #[arg(long)]
    resume: bool,
}

/// How long and with which loss.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Training {
    /// Steps of 32 lessons in a pass
    #[arg(long, default_value_t = AdaptPlan::default().steps_per_pass, value_name = "N")]
    steps: usize,
    /// Most passes
    #[arg(long, default_value_t = AdaptPlan::default().max_passes, value_name = "N")]
    passes: usize,
    /// Learning rate [default: 5e-5 for full, 3e-3 for prefix, else 1e-3]
    #[arg(long, value_name = "RATE")]
    rate: Option<f32>,
    /// Weight of the next item in the loss
    #[arg(long, default_value_t = 1.0, value_name = "WEIGHT")]
    next_item: f32,
    /// Weight of `SimCSE`: a text finds itself under other dropout
    #[arg(long, default_value_t = 0.0, value_name = "WEIGHT")]
    simcse: f32,
    /// Weight of the contrast of a text with its description
    #[arg(long, default_value_t = 0.0, value_name = "WEIGHT")]
    description: f32,
    /// Seed of added parts, order and dropout
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub(crate) seed: u64,
}

impl Training {
    /// The plan with a tuning by name.
    pub(crate) fn plan(&self, tuning: &str) -> Result<AdaptPlan> {
        let tuning = tuning_named(tuning)?;
        let mut plan = AdaptPlan {
            tuning,
            steps_per_pass: self.steps.max(1),
            max_passes: self.passes.max(1),
            learning_rate: self.rate.unwrap_or(0.0),
            seed: self.seed,
            ..AdaptPlan::default()
        };
        (plan.loss.next_item, plan.loss.simcse, plan.loss.description) =
            (self.next_item, self.simcse, self.description);
        Ok(plan)
    }
}

impl Training {
    /// The flags that give these settings to another process, with another seed.
    pub(crate) fn flags(&self, seed: u64) -> Vec<String> {
        let mut flags = vec![format!("--seed={seed}")];
        flags.push(format!("--steps={}", self.steps));
        flags.push(format!("--passes={}", self.passes));
        flags.extend(self.rate.map(|rate| format!("--rate={rate}")));
        flags.push(format!("--next-item={}", self.next_item));
        flags.push(format!("--simcse={}", self.simcse));
        flags.push(format!("--description={}", self.description));
        flags
    }
}

/// A tuning by its name.
pub(crate) fn tuning_named(name: &str) -> Result<Tuning> {
    let names = ["frozen", "full", "lora", "adalora", "adapter", "prefix"];
    Tuning::of_name(name).ok_or_else(|| {
        let meant = closest(name, names).map(|name| format!("did you mean `{name}`? "));
        let remedy = format!("{}tunings: {}", meant.unwrap_or_default(), names.join(", "));
        usage(format!("there is no tuning `{name}`"), remedy)
    })
}

/// What an adaptation gave.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct AdaptFigures {
    /// Name of the tuning.
    pub(crate) tuning: String,
    /// Values that were trained, and all of the encoder.
    pub(crate) n_trained: usize,
    pub(crate) n_values: usize,
    /// Lessons that there were.
    pub(crate) n_lessons: usize,
    /// NDCG@10 of the vectors alone on valid, before.
    pub(crate) valid_before: Option<f64>,
    /// The passes.
    pub(crate) curve: Vec<Epoch>,
}

impl AdaptFigures {
    /// Of an adaptation.
    pub(crate) fn of(adapted: &Adapted) -> Self {
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
    pub(crate) fn in_words(&self) -> String {
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

/// Adapts and writes the folder.
pub(crate) fn run(args: &Args, screen: Screen) -> Result<()> {
    let plan = args.training.plan(&args.tuning)?;
    let folder = TrainingFolder::find(&args.to, args.resume)?;
    let (dataset, head) = store::read(&args.data)?;
    let mut provider = Provider::model(&args.model, None)?;
    let (vectors, figures) = encode_items(&mut provider, (&dataset.items, TextFields::Short), screen)?;
    screen.say(figures.in_words())?;
    let split = run_split::cut(&dataset, &RunConfig::default())?;
    let names: Vec<&str> = dataset.domains.iter().map(|domain| domain.name.as_str()).collect();
    let domains = domains((&dataset.name, &names), &args.domains)?;
    let target = args.target.as_ref().map(|name| domain((&dataset.name, &names), name)).transpose()?;
    let valid = target.map(|target| valid(&dataset, &split, target)).transpose()?;
    let material = AdaptMaterial {
        train: &split.train,
        items: &dataset.items,
        vectors: &vectors,
        domains: &domains,
        valid: valid.as_ref(),
        objective: Objective::Masked,
    };
    let bar = screen.bar(plan.max_passes, "adapt");
    let show = |epoch: &Epoch| {
        bar.inc(1);
        bar.set_message(format!("loss {:.3}", epoch.loss));
    };
    let encoder = provider.encoder()?.clone();
    folder.begin(&serde_json::json!({
        "command": "adapt", "data": head.data_sha256(), "model": encoder.sha256(), "domains": domains,
        "target": target, "plan": plan
    }))?;
    let checkpoints = folder.checkpoints();
    let keeping = Keeping { folder: Some(&checkpoints), every_steps: 0, stop: interrupt::listen()? };
    let adapted = adapt_encoder(encoder, &plan, material, (keeping, show));
    bar.finish_and_clear();
    let adapted = adapted.map_err(|error| folder.after(error.into()))?;
    let figures = AdaptFigures::of(&adapted);
    adapted.encoder.save_delta(&args.to, &args.model).context("cannot write the adaptation")?;
    folder.finish()?;
    screen.say(figures.in_words())?;
    screen.say(format!(
        "adaptation in {}; next: segue encode {} --model {}",
        args.to.display(),
        args.data.display(),
        args.to.display()
    ))?;
    screen.document(&serde_json::json!({ "figures": figures, "folder": args.to }))
}

fn valid<'a>(dataset: &'a Dataset, split: &Split, target: DomainIdx) -> Result<Judge<'a>> {
    Ok(Judge::new(&split.valid.0, &dataset.items, target, MaskRule::Seen, None)
        .context("valid")?
        .sample(4_000))
}

/// Domains of a data set (its name, and those of its domains) by name; all of them when none is named.
pub(crate) fn domains(dataset: (&str, &[&str]), names: &[String]) -> Result<Vec<DomainIdx>> {
    if names.is_empty() {
        return Ok((0..dataset.1.len()).map(|at| DomainIdx(at as _)).collect());
    }
    names.iter().map(|name| domain(dataset, name)).collect()
}

fn domain((dataset, known): (&str, &[&str]), name: &str) -> Result<DomainIdx> {
    let found = known.iter().position(|known| *known == name);
    found.map(|at| DomainIdx(at as _)).ok_or_else(|| {
        usage(
            format!("data set `{dataset}` has no domain `{name}`"),
            format!("its domains: {}", known.join(", ")),
        )
    })
}
