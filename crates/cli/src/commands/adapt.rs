//! `segue adapt`: a pretrained encoder learns from events which texts follow which; the outcome is a small folder beside its base.

use std::path::PathBuf;

use anyhow::Result;
use segue::adapt::{AdaptRequest, adapt, tuning_named};
use segue::failure::usage;
use segue_models::range;
use segue_train::encoder_fit::AdaptPlan;

use crate::interrupt;
use crate::screen::Screen;
use crate::terminal::Terminal;

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
            steps_per_pass: self.steps,
            max_passes: self.passes,
            learning_rate: self.rate.unwrap_or(0.0),
            seed: self.seed,
            ..AdaptPlan::default()
        };
        (plan.loss.next_item, plan.loss.simcse, plan.loss.description) =
            (self.next_item, self.simcse, self.description);
        in_range("adapt", self.rate, plan.problem())?;
        Ok(plan)
    }
}

/// Refuses a plan with a problem. In a plan, a learning rate of 0 stands for the tuning's own; as a flag it is a slip.
pub(crate) fn in_range(command: &str, rate: Option<f32>, problem: Option<String>) -> Result<()> {
    let rate = rate.and_then(|rate| range::outside("--rate", rate, range::LEARNING_RATE));
    match rate.or(problem) {
        Some(problem) => Err(usage(problem, format!("`segue {command} --help` says what each number means"))),
        None => Ok(()),
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

/// Adapts and writes the folder.
pub(crate) fn run(args: &Args, screen: Screen) -> Result<()> {
    let request = AdaptRequest {
        data: args.data.clone(),
        model: args.model.clone(),
        to: args.to.clone(),
        plan: args.training.plan(&args.tuning)?,
        domains: args.domains.clone(),
        target: args.target.clone(),
        resume: args.resume,
    };
    let figures = adapt(&request, interrupt::listen()?, &Terminal::new(screen))?;
    screen.say(figures.in_words())?;
    let (data, to) = (args.data.display(), args.to.display());
    screen.say(format!("adaptation in {to}; next: segue encode {data} --model {to}"))?;
    screen.document(&serde_json::json!({ "figures": figures, "folder": args.to }))
}
