//! `segue graph train`: facts to a model folder.

use std::path::PathBuf;

use anyhow::{Context, Result};
use segue_data::{Facts, LinkData};
use segue_models::graph_links::{GraphConfig, ScoreFunction};
use segue_models::range;
use segue_recommend::GraphArtifact;
use segue_recommend::graph_artifact::About;
use segue_train::Keeping;
use segue_train::graph_fit::{GraphEnsemble, GraphMaterial, GraphPlan, fit_members};
use segue_train::learn::Epoch;

use crate::interrupt;
use crate::screen::Screen;
use segue::failure::{closest, usage};
use segue_report::number::{count, value};

/// Arguments of `segue graph train`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Folder with train.txt, valid.txt and test.txt (head, relation, tail between tabs), or a data set folder: its graph and the values of its item fields
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
    /// Folder for the model
    #[arg(long, value_name = "MODEL")]
    out: PathBuf,
    /// Score function: complex, distmult, rotate or transe
    #[arg(long, default_value = "complex", value_name = "NAME")]
    model: String,
    /// Models trained from different seeds and put together, their scores averaged: better, at so many times the cost
    #[arg(long, default_value_t = 1, value_name = "N")]
    members: usize,
    /// Choose the pass by an MRR that is filtered by the facts of train and valid only; published figures filter by those of test, too
    #[arg(long)]
    strict: bool,
    #[command(flatten)]
    settings: Settings,
}

/// Numbers of the training; the default depends on the score function where it says so.
#[derive(Debug, clap::Args)]
struct Settings {
    /// Numbers per entity, complex ones for complex and rotate [default: 500; rotate and transe 200]
    #[arg(long, value_name = "N")]
    dim: Option<usize>,
    /// Learning rate of Adagrad [default: 0.1; rotate and transe 0.05]
    #[arg(long, value_name = "RATE")]
    rate: Option<f32>,
    /// Questions per step; one question has up to 8 answers
    #[arg(long, default_value_t = GraphPlan::default().batch, value_name = "N")]
    batch: usize,
    /// Weight of the regularization: the cube of moduli, of transe the square [default: 0.01; rotate and transe 0]
    #[arg(long, value_name = "WEIGHT")]
    n3: Option<f32>,
    /// Weight of relation prediction beside entity prediction
    #[arg(long, default_value_t = GraphPlan::default().config.relation_weight, value_name = "WEIGHT")]
    relation_weight: f32,
    /// Share of the values of anchor and relation that are dropped
    #[arg(long, default_value_t = GraphPlan::default().config.dropout, value_name = "SHARE")]
    dropout: f32,
    /// Most passes
    #[arg(long, default_value_t = GraphPlan::default().epochs, value_name = "N")]
    epochs: usize,
    /// Passes without a better MRR on valid after which training stops
    #[arg(long, default_value_t = GraphPlan::default().patience, value_name = "N")]
    patience: usize,
    /// Seed of start, order and dropout, and of the split of a data set folder
    #[arg(long, default_value_t = 0, value_name = "N")]
    seed: u64,
}

fn plan(args: &Args) -> Result<GraphPlan> {
    let function = ScoreFunction::named(&args.model).ok_or_else(|| {
        let names = ScoreFunction::ALL.map(ScoreFunction::name);
        let meant = closest(&args.model, names).map(|name| format!("did you mean `{name}`? "));
        let remedy = format!("{}models: {}", meant.unwrap_or_default(), names.join(", "));
        usage(format!("there is no model `{}`", args.model), remedy)
    })?;
    let default = GraphPlan::of(function);
    let Settings { dim, rate, batch, n3, relation_weight, dropout, epochs, patience, seed } = args.settings;
    let config = GraphConfig {
        function,
        dim: dim.unwrap_or(default.config.dim),
        n3: n3.unwrap_or(default.config.n3),
        relation_weight,
        dropout,
    };
    let rate = rate.unwrap_or(default.rate);
    let plan = GraphPlan { config, rate, batch, epochs, patience, seed, ..default };
    // Each member is a model of its own in memory.
    match plan.problem().or_else(|| range::outside("--members", args.members, 1..=64)) {
        Some(problem) => Err(usage(problem, "`segue graph train --help` says what each number means")),
        None => Ok(plan),
    }
}

/// Trains and writes the folder.
pub(crate) fn run(args: &Args, screen: Screen) -> Result<()> {
    let plan = plan(args)?;
    if args.out.exists() {
        let problem = format!("`{}` exists already", args.out.display());
        return Err(usage(problem, "choose another folder with --out, or remove that one"));
    }
    let data = LinkData::open(&args.folder, plan.seed)?;
    let (n_entities, n_relations) = (data.entities.len(), data.relations.len());
    let [train, valid, test] = data.parts().map(|(_, facts)| count(facts.len()));
    screen.say(format!(
        "{} entities, {} relations; facts: {train} train, {valid} valid, {test} test",
        count(n_entities),
        count(n_relations)
    ))?;
    let keeping = Keeping { stop: interrupt::listen()?, ..Keeping::nothing() };
    let filter = if args.strict {
        Facts::of(data.train.iter().chain(&data.valid).copied())
    } else {
        Facts::of(data.all())
    };
    let (train, valid) = (data.train.as_slice(), data.valid.as_slice());
    let material = GraphMaterial { n_entities, n_relations, train, valid, filter: &filter };
    let GraphEnsemble { model, curves, valid_mrr } = watched(&plan, args.members, material, keeping, screen)?;
    let epochs: Vec<usize> = curves.iter().map(|curve| kept(curve)).collect();
    let about = About { seed: plan.seed, rate: plan.rate, batch: plan.batch, epochs, valid_mrr };
    let artifact = GraphArtifact { model, data, about };
    artifact.write(&args.out).context("cannot write the model")?;
    let valid = valid_mrr.map_or("no valid facts".to_owned(), |mrr| format!("MRR on valid {}", value(mrr)));
    let made = |(curve, kept): (&Vec<Epoch>, &usize)| format!("pass {kept} of {} made", curve.len());
    let passes: Vec<String> = curves.iter().zip(&artifact.about.epochs).map(made).collect();
    screen.say(format!("{valid}, {}", passes.join(", ")))?;
    screen.say(format!(
        "model in {}; next: segue graph evaluate {} {}",
        args.out.display(),
        args.out.display(),
        args.folder.display()
    ))?;
    let document = serde_json::json!({
        "model": args.out, "config": artifact.model.config, "about": artifact.about, "curves": curves
    });
    screen.document(&document)
}

fn watched(
    plan: &GraphPlan,
    n_members: usize,
    material: GraphMaterial<'_>,
    keeping: Keeping<'_>,
    screen: Screen,
) -> Result<GraphEnsemble> {
    let bar = screen.bar(plan.epochs.saturating_mul(n_members), "train");
    let mut best = (0, 0.0);
    let fitted = fit_members(plan, n_members, material, keeping, |member, epoch| {
        if best.0 != member {
            best = (member, 0.0);
            bar.set_position((plan.epochs * member) as u64);
        }
        best.1 = epoch.metric.unwrap_or(0.0).max(best.1);
        bar.inc(1);
        bar.set_message(format!("loss {:.4}, MRR on valid {:.4}", epoch.loss, best.1));
    })?;
    bar.finish_and_clear();
    Ok(fitted)
}

// The pass whose model is kept: the first of the best, without valid the newest.
fn kept(curve: &[Epoch]) -> usize {
    let best = curve.iter().filter_map(|pass| pass.metric).reduce(f64::max);
    let kept = curve.iter().find(|pass| pass.metric == best).or(curve.last());
    kept.map_or(0, |pass| pass.epoch)
}
