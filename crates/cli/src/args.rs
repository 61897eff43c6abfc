//! The command line.

use clap::{Parser, Subcommand};

use crate::commands::query_args::ItemArgs;
use crate::commands::{
    ablate, adapt, benchmark, completions, config, demo, describe, encode, evaluate, few_shot, graph, import,
    model, pretrain, recommend, runs, suggest_labels, train, transfer,
};

const AFTER_HELP: &str = "\
Start with `segue demo`, or: segue import FILE --to DATA · segue train DATA · segue recommend RUN --user ID

Settings: flag > environment (SEGUE_…) > segue.toml > default; `segue config` shows every key and where it was set.
Exit codes: 0 done · 1 a check or an input failed · 2 the command line or the config is wrong · 130 Ctrl-C";

/// Recommendations across domains: what is known about people in one place helps in another, with proof.
#[derive(Debug, Parser)]
#[command(name = "segue", version, about, after_help = AFTER_HELP, disable_help_subcommand = true)]
pub(crate) struct Cli {
    /// Write one JSON document to standard output, and no text
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Show no progress
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
    /// Threads to work with; results do not depend on it [default: all processors]
    #[arg(long, global = true, env = "SEGUE_THREADS", value_name = "N")]
    pub(crate) threads: Option<usize>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Import `MovieLens` 100K as two domains, train, measure, and explain ten recommendations
    Demo(demo::Args),
    /// Turn files into a data set folder
    Import(Box<import::Args>),
    /// Say what a data set folder or a file holds
    Describe(describe::Args),
    /// Fetch and list pretrained text encoders
    Model(model::Args),
    /// Turn the items' texts into vectors, for the expert `encoder`
    Encode(encode::Args),
    /// Pretrain a text encoder on the items' texts alone, without events: masked words and contrasts
    Pretrain(pretrain::Args),
    /// Adapt a text encoder to the data: full, low rank (`lora`, `adalora`), adapter or prefix
    Adapt(adapt::Args),
    /// Train all experts, keep those that help, measure on test, write a run folder
    Train(train::Args),
    /// Measure how good a domain is with 0, 1, 5, … 100 % of its users, with and without the others
    FewShot(few_shot::Args),
    /// Measure which other domain helps which target and how, and refuse those that do not
    Transfer(transfer::Args),
    /// Measure what each part of the recipe adds, by switching it off
    Ablate(ablate::Args),
    /// Say which users or items to ask about next, so that the answers tell most
    SuggestLabels(suggest_labels::Args),
    /// Predict links of a knowledge graph: train, measure, complete facts
    Graph(graph::Args),
    /// Measure a run again, or lists that any tool made
    Evaluate(evaluate::Args),
    /// Recommend items, with the reasons
    Recommend(recommend::Args),
    /// Say what carries an item for a user
    Why(ItemArgs),
    /// Say which stage keeps an item out of a user's list
    WhyNot(ItemArgs),
    /// Reproduce published tables
    Benchmark(benchmark::Args),
    /// List, show and compare runs
    Runs(runs::Args),
    /// Show every setting, its value and where it was set
    Config(config::Args),
    /// Write the completion script of a shell
    Completions(completions::Args),
}
