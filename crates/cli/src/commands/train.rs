//! `segue train`: from a data set folder to a run folder.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Serialize;
use toml::Value;

use crate::commands::config::settled;
use crate::interrupt;
use crate::screen::{self, Screen};
use crate::show::run_tables;
use segue::config::layers::{FlagValue, Resolved};
use segue::config::{RunConfig, SplitName};
use segue::failure::{failed, is_stopped, usage};
use segue::figures::RunFigures;
use segue::prepared::LoadedData;
use segue::run::dir::{self, RunDir};
use segue::run::manifest::RunManifest;
use segue::run::new::NewRun;
use segue::training_run::{FinishedRun, Place, TrainingRun, train_run};
use segue_report::number;

use crate::terminal::Terminal;

/// Arguments of `segue train`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Data set folder, made with `segue import`
    #[arg(value_name = "DATA", required_unless_present = "resume")]
    data: Option<PathBuf>,
    /// Run folder to write [default: runs/<time>-<data>-<hash>]
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
    /// Go on with an interrupted run, with its data and its settings
    #[arg(long, value_name = "RUN", conflicts_with_all = ["data", "to"])]
    resume: Option<PathBuf>,
    #[command(flatten)]
    settings: Settings,
}

/// Settings of a run on the command line; each has a key in the config.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Settings {
    /// Config file [default: segue.toml, if it is there]
    #[arg(long, env = "SEGUE_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Domain to recommend, may be repeated [default: all] (data.targets)
    #[arg(long, value_name = "DOMAIN")]
    target: Vec<String>,
    /// Leave out events with a lower rating or weight (`data.min_value`)
    #[arg(long, value_name = "VALUE")]
    min_value: Option<f64>,
    /// Leave out users and items with fewer events until none is left (`data.k_core`)
    #[arg(long, value_name = "K")]
    k_core: Option<u32>,
    /// How train, valid and test are cut (split.rule)
    #[arg(long, value_parser = split_names(), value_name = "RULE")]
    split: Option<String>,
    /// Settings tried per expert (fit.budget)
    #[arg(long, value_name = "N")]
    budget: Option<u32>,
    /// Seed of the search and the intervals (seed)
    #[arg(long, value_name = "N")]
    seed: Option<u32>,
    /// Use this domain's own events only (`fit.use_sources` = false)
    #[arg(long)]
    single_domain: bool,
    /// Fit the chosen experts again on train and valid before test is measured; the default (fit.refit)
    #[arg(long, overrides_with = "no_refit")]
    refit: bool,
    /// Measure and keep the experts fitted on train only (fit.refit = false)
    #[arg(long)]
    no_refit: bool,
}

fn split_names() -> clap::builder::PossibleValuesParser {
    [
        SplitName::Auto,
        SplitName::GlobalTime,
        SplitName::LeaveOneOut,
        SplitName::LeaveOneOutPerDomain,
        SplitName::Published,
    ]
    .map(SplitName::name)
    .into()
}

impl Settings {
    /// The config: these flags over the environment, the file and the defaults.
    pub(crate) fn resolve(&self) -> Result<Resolved> {
        settled(self.config.as_deref(), self.flags())
    }

    fn flags(&self) -> Vec<FlagValue> {
        let mut flags: Vec<FlagValue> = Vec::new();
        if !self.target.is_empty() {
            let names = self.target.iter().cloned().map(Value::String).collect();
            flags.push(("data.targets", Value::Array(names)));
        }
        flags.extend(self.min_value.map(|value| ("data.min_value", Value::Float(value))));
        flags.extend(self.k_core.map(|k| ("data.k_core", Value::Integer(k.into()))));
        flags.extend(self.split.clone().map(|rule| ("split.rule", Value::String(rule))));
        flags.extend(self.budget.map(|n| ("fit.budget", Value::Integer(n.into()))));
        flags.extend(self.seed.map(|seed| ("seed", Value::Integer(seed.into()))));
        if self.single_domain {
            flags.push(("fit.use_sources", Value::Boolean(false)));
        }
        if self.refit || self.no_refit {
            flags.push(("fit.refit", Value::Boolean(self.refit)));
        }
        flags
    }
}

/// What `segue train --json` writes.
#[derive(Serialize)]
struct Document<'a> {
    run: &'a Path,
    manifest: &'a RunManifest,
    config: &'a RunConfig,
    figures: &'a RunFigures,
}

/// Trains.
pub(crate) fn run(args: &Args, screen: Screen) -> Result<()> {
    let (finished, config) = match &args.resume {
        Some(run) => resumed(args, &dir::locate(run), screen)?,
        None => trained(args, screen)?,
    };
    screen.say(format!("{}: {}", finished.figures.data.name, finished.figures.data.in_words()))?;
    run_tables::show_run(screen, &finished.figures)?;
    show_end(screen, &finished)?;
    screen.document(&Document {
        run: &finished.path,
        manifest: &finished.manifest,
        config: &config,
        figures: &finished.figures,
    })
}

fn trained(args: &Args, screen: Screen) -> Result<(FinishedRun, RunConfig)> {
    let path = args.data.as_deref().context("DATA is required without --resume")?;
    let config = args.settings.resolve()?.config;
    let data = LoadedData::read(path)?;
    let to = match &args.to {
        Some(to) => to.clone(),
        None => dir::default_name(&data.origin.name, &data.origin.sha256, &config)?,
    };
    let place = Place::New { folder: &to, command: screen::command_line() };
    let job = TrainingRun { data, config: &config, to: place, stop: interrupt::listen()? };
    let finished = train_run(job, &Terminal::new(screen)).map_err(|error| with_way_on(error, &to))?;
    Ok((finished, config))
}

fn resumed(args: &Args, path: &Path, screen: Screen) -> Result<(FinishedRun, RunConfig)> {
    if let Some((key, _)) = args.settings.flags().first() {
        let problem = format!("`{key}` cannot be set for a run that was begun: it has its settings");
        return Err(usage(problem, "leave all settings out, or train anew with `segue train DATA`"));
    }
    let run = NewRun::resume(path)?;
    let config = RunDir { path: path.to_owned() }.config()?;
    let before = run.manifest().data.clone();
    let data = LoadedData::read(&before.find().unwrap_or_else(|| PathBuf::from(&before.path)))
        .with_context(|| format!("the data of `{}`, read at the place where it was then", path.display()))?;
    if data.origin.sha256 != before.sha256 {
        let problem = format!("`{}` has changed since `{}` was begun", before.path, path.display());
        return Err(failed(problem, "put the old data back, or train anew with `segue train DATA`"));
    }
    let (to, stop) = (Place::Resumed(Box::new(run)), interrupt::listen()?);
    let job = TrainingRun { data, config: &config, to, stop };
    let finished = train_run(job, &Terminal::new(screen)).map_err(|error| with_way_on(error, path))?;
    Ok((finished, config))
}

fn with_way_on(error: anyhow::Error, run: &Path) -> anyhow::Error {
    if !is_stopped(&error) {
        return error;
    }
    let way_on = format!("interrupted\n  hint: resume it with `segue train --resume {}`", run.display());
    error.context(way_on)
}

/// Where the run is and what it took.
pub(crate) fn show_end(screen: Screen, finished: &FinishedRun) -> Result<()> {
    let seconds: f64 = finished.manifest.timings.iter().map(|timing| timing.wall_seconds).sum();
    let memory = finished
        .manifest
        .peak_memory_bytes
        .map_or_else(String::new, |n| format!(", {} of memory", number::bytes(n)));
    screen.say(format!(
        "\nrun     {}\nreport  {}\ntook    {}{memory}",
        finished.path.display(),
        finished.path.join("report.html").display(),
        number::duration(seconds)
    ))
}
