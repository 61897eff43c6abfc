//! The commands, one file each.

pub(crate) mod ablate;
pub(crate) mod adapt;
pub(crate) mod benchmark;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod demo;
pub(crate) mod describe;
pub(crate) mod encode;
pub(crate) mod evaluate;
pub(crate) mod few_shot;
pub(crate) mod graph;
pub(crate) mod import;
pub(crate) mod model;
pub(crate) mod pretrain;
pub(crate) mod query_args;
pub(crate) mod recommend;
pub(crate) mod runs;
pub(crate) mod suggest_labels;
pub(crate) mod train;
pub(crate) mod transfer;
pub(crate) mod why;
pub(crate) mod why_not;

use anyhow::{Context, Result};

use crate::args::{Cli, Command};
use crate::screen::Screen;
use segue::failure::usage;

/// Runs the command that was asked for.
pub(crate) fn run(cli: &Cli, screen: Screen) -> Result<()> {
    if let Some(n) = cli.threads {
        if n == 0 {
            return Err(usage(
                "--threads 0",
                "give at least one thread, or leave the flag out for all processors",
            ));
        }
        rayon::ThreadPoolBuilder::new().num_threads(n).build_global().context("cannot start threads")?;
    }
    match &cli.command {
        Command::Demo(args) => demo::run(args, screen),
        Command::Import(args) => import::run(args, screen),
        Command::Describe(args) => describe::run(args, screen),
        Command::Model(args) => model::run(args, screen),
        Command::Encode(args) => encode::run(args, screen),
        Command::Pretrain(args) => pretrain::run(args, screen),
        Command::Adapt(args) => adapt::run(args, screen),
        Command::Train(args) => train::run(args, screen),
        Command::FewShot(args) => few_shot::run(args, screen),
        Command::Transfer(args) => transfer::run(args, screen),
        Command::Ablate(args) => ablate::run(args, screen),
        Command::SuggestLabels(args) => suggest_labels::run(args, screen),
        Command::Graph(args) => graph::run(args, screen),
        Command::Evaluate(args) => evaluate::run(args, screen),
        Command::Recommend(args) => recommend::run(args, screen),
        Command::Why(args) => why::run(args, screen),
        Command::WhyNot(args) => why_not::run(args, screen),
        Command::Benchmark(args) => benchmark::run(args, screen),
        Command::Runs(args) => runs::run(args, screen),
        Command::Config(args) => config::run(args, screen),
        Command::Completions(args) => completions::run(args),
    }
}
