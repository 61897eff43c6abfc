//! `segue pretrain`: an encoder learns from the items' texts alone; no event is read. The outcome is a folder as `segue adapt` leaves it.

use std::path::PathBuf;

use anyhow::Result;
use segue::adapt::tuning_named;
use segue::failure::usage;
use segue::pretrain::{PretrainRequest, pretrain};
use segue_models::encoder::PretrainConfig;
use segue_train::encoder_pretrain::PretrainPlan;

use crate::commands::adapt::in_range;
use crate::interrupt;
use crate::screen::Screen;
use crate::terminal::Terminal;

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
        let plan = PretrainPlan {
            tuning: tuning_named(tuning)?,
            loss,
            steps_per_pass: self.steps,
            max_passes: self.passes,
            learning_rate: self.rate.unwrap_or(0.0),
            seed: self.seed,
            ..PretrainPlan::default()
        };
        in_range("pretrain", self.rate, plan.problem())?;
        Ok(plan)
    }
}

/// Pretrains and writes the folder.
pub(crate) fn run(args: &Args, screen: Screen) -> Result<()> {
    let request = PretrainRequest {
        data: args.data.clone(),
        model: args.model.clone(),
        to: args.out.clone(),
        plan: args.training.plan(&args.tuning)?,
        domains: args.domains.clone(),
        resume: args.resume,
    };
    let figures = pretrain(&request, interrupt::listen()?, &Terminal::new(screen))?;
    screen.say(figures.in_words())?;
    let (data, out) = (args.data.display(), args.out.display());
    screen.say(format!(
        "encoder in {out}; next: segue encode {data} --model {out}, or segue adapt {data} --model {out}"
    ))?;
    screen.document(&serde_json::json!({ "figures": figures, "folder": args.out }))
}
