//! `segue graph`: link prediction in a knowledge graph.

mod evaluate;
mod names;
mod predict;
mod train;

use anyhow::Result;
use clap::Subcommand;

use crate::screen::Screen;

/// Arguments of `segue graph`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Train a model of a graph; the filtered MRR on valid chooses the pass
    Train(train::Args),
    /// Measure a model: filtered MRR and Hits@1/3/10, tails and heads
    Evaluate(evaluate::Args),
    /// Complete facts: the likeliest tails of a head, or heads of a tail
    Predict(predict::Args),
    /// How well names alone find the stated links of items; nothing is written
    Names(names::Args),
}

/// Does what was asked for.
pub(crate) fn run(args: &Args, screen: Screen) -> Result<()> {
    match &args.action {
        Action::Train(args) => train::run(args, screen),
        Action::Evaluate(args) => evaluate::run(args, screen),
        Action::Predict(args) => predict::run(args, screen),
        Action::Names(args) => names::run(args, screen),
    }
}
