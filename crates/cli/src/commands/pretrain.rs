//! `segue pretrain`: an encoder learns from the items' texts alone; no event is read. The outcome is a folder as `segue adapt` leaves it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use segue_data::store;
use segue_models::encoder::{MlmFigures, PretrainConfig};
use segue_train::Keeping;
use segue_train::encoder_pretrain::{
    Counts, PretrainMaterial, PretrainPlan, PretrainProgress, Pretrained, pretrain_encoder,
};
use segue_train::learn::Epoch;
use serde::Serialize;

use super::adapt::{domains, tuning_named};
use crate::encode::{Provider, mlm_head};
use crate::failure::usage;
use crate::interrupt;
use crate::number::count;
use crate::screen::Screen;
use crate::training_folder::TrainingFolder;

/// Arguments of `segue pretrain`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Data set folder, made with `segue import`; only its items are read
    #[arg(value_name = "DATA")]
    data: PathBuf,
    /// Known model (`segue model list`) or model folder to start from
    #[arg(long, value_name = "NAME|FOLDER")]
    model: String,
    /// What is trained: full, lora, adalora, adapter or prefix
    #[arg(long, default_value = "lora")]
    tuning: String,
    /// Folder for the outcome; `segue encode --model FOLDER` and `segue adapt --model FOLDER` read it
    #[arg(long, visible_alias = "to", value_name = "FOLDER")]
    out: PathBuf,
    /// Domains whose texts are read, comma-separated; all without the flag
    #[arg(long, value_delimiter = ',', value_name = "DOMAIN")]
    domains: Vec<String>,
    #[command(flatten)]
    training: Training,
    /// Go on with a pretraining that was interrupted: the same command with this flag
    #[arg(long)]
    resume: bool,
}

/// How long and with which loss.
#[derive(Clone, Debug, clap::Args)]
struct Training {
    /// Weight of masked words: 15 % of the tokens are to be found from the others
    #[arg(long, default_value_t = PretrainConfig::default().mlm, value_name = "WEIGHT")]
    mlm: f32,
    /// Weight of `SimCSE`: a text finds itself under other dropout
    #[arg(long, default_value_t = PretrainConfig::default().simcse, value_name = "WEIGHT")]
    simcse: f32,
    /// Weight of the contrast of a text with its description, where there is one
    #[arg(long, default_value_t = PretrainConfig::default().description, value_name = "WEIGHT")]
    description: f32,
    /// Steps of 32 texts in a pass
    #[arg(long, default_value_t = PretrainPlan::default().steps_per_pass, value_name = "N")]
    steps: usize,
    /// Most passes; held-out texts choose the best one
    #[arg(long, default_value_t = PretrainPlan::default().max_passes, value_name = "N")]
    passes: usize,
    /// Learning rate [default: 5e-5 for full, 3e-3 for prefix, else 1e-3]
    #[arg(long, value_name = "RATE")]
    rate: Option<f32>,
    /// Seed of added parts, held-out texts, order, masks and dropout
    #[arg(long, default_value_t = 0, value_name = "N")]
    seed: u64,
}

impl Training {
    fn plan(&self, tuning: &str) -> Result<PretrainPlan> {
        if tuning == "frozen" {
            return Err(usage(
                "--tuning frozen trains nothing",
                "choose full, lora, adalora, adapter or prefix",
            ));
        }
        let loss = PretrainConfig {
            mlm: self.mlm,
            simcse: self.simcse,
            description: self.description,
            ..PretrainConfig::default()
        };
        Ok(PretrainPlan {
            tuning: tuning_named(tuning)?,
            loss,
            steps_per_pass: self.steps.max(1),
            max_passes: self.passes.max(1),
            learning_rate: self.rate.unwrap_or(0.0),
            seed: self.seed,
            ..PretrainPlan::default()
        })
    }
}

/// What a pretraining gave; `pretrain.json` in its folder.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct PretrainFigures {
    /// How it was done.
    plan: PretrainPlan,
    /// What there was.
    #[serde(flatten)]
    counts: Counts,
    /// Values of the encoder.
    n_values: usize,
    /// Whether the model brought a head for masked words.
    had_head: bool,
    /// Masked words of held-out texts before training.
    before: Option<MlmFigures>,
    /// And by what is in the folder.
    after: Option<MlmFigures>,
    /// The passes; their metric is the held-out loss of masked words with a minus in front.
    curve: Vec<Epoch>,
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

    fn in_words(&self) -> String {
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
pub(crate) fn run(args: &Args, screen: Screen) -> Result<()> {
    let plan = args.training.plan(&args.tuning)?;
    let folder = TrainingFolder::find(&args.out, args.resume)?;
    let (items, head) = store::read_catalog(&args.data)?;
    let names: Vec<&str> = head.domains.iter().map(String::as_str).collect();
    let domains = domains((&head.name, &names), &args.domains)?;
    let provider = Provider::model(&args.model, None)?;
    let encoder = provider.encoder()?.clone();
    let mlm_head = mlm_head(&args.model, &encoder.network.shape)?;
    folder.begin(&serde_json::json!({
        "command": "pretrain", "data": head.data_sha256(), "model": encoder.sha256(), "domains": domains,
        "plan": plan
    }))?;
    let bar = screen.bar(plan.max_passes * plan.steps_per_pass, "pretrain");
    let observer = |progress: PretrainProgress| match progress {
        PretrainProgress::Step(loss) => {
            bar.inc(1);
            bar.set_message(format!("loss {loss:.3}"));
        }
        PretrainProgress::Pass(pass) => bar.set_position((pass.epoch * plan.steps_per_pass) as u64),
    };
    let material =
        PretrainMaterial { items: &items, domains: &domains, head: mlm_head.as_ref(), observer: &observer };
    let checkpoints = folder.checkpoints();
    let keeping = Keeping { folder: Some(&checkpoints), every_steps: 0, stop: interrupt::listen()? };
    let pretrained = pretrain_encoder(encoder, &plan, material, keeping);
    bar.finish_and_clear();
    let pretrained = pretrained.map_err(|error| folder.after(error.into()))?;
    let figures = PretrainFigures::of(&pretrained, &plan, mlm_head.is_some());
    write(&args.out, &args.model, (&pretrained, &figures))?;
    folder.finish()?;
    screen.say(figures.in_words())?;
    let (data, out) = (args.data.display(), args.out.display());
    screen.say(format!(
        "encoder in {out}; next: segue encode {data} --model {out}, or segue adapt {data} --model {out}"
    ))?;
    screen.document(&serde_json::json!({ "figures": figures, "folder": args.out }))
}

fn write(out: &Path, base: &str, (pretrained, figures): (&Pretrained, &PretrainFigures)) -> Result<()> {
    if let Some(head) = &pretrained.head {
        head.save(out)?;
    }
    let path = out.join("pretrain.json");
    std::fs::write(&path, format!("{}\n", serde_json::to_string_pretty(figures)?))
        .with_context(|| format!("cannot write `{}`", path.display()))?;
    pretrained.encoder.save_delta(out, base).context("cannot write the encoder")
}
