//! `segue runs`: lists, shows and compares runs.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Subcommand;
use serde::Serialize;

use crate::grid::Grid;
use crate::screen::Screen;
use crate::show::run_diff::show_diff;
use crate::show::run_tables;
use segue::config::RunConfig;
use segue::figures::{HEADLINE, RunFigures, SystemKind};
use segue::mlflow::{Exported, Server};
use segue::run::diff::RunDiff;
use segue::run::dir::{RUNS, RunDir, locate};
use segue::run::manifest::RunManifest;
use segue::run::state::{self, RunState, UnfinishedManifest};
use segue_report::number;

/// Arguments of `segue runs`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the runs of a folder
    List {
        /// The folder
        #[arg(long, default_value = RUNS, value_name = "DIR")]
        dir: PathBuf,
    },
    /// Show a run: data, weights, figures, verdicts
    Show {
        /// Run folder, or its name under runs/
        run: PathBuf,
    },
    /// Show what two runs differ in: settings, data, figures
    Diff {
        /// The first run
        before: PathBuf,
        /// The second run
        after: PathBuf,
    },
    /// Send a run to an `MLflow` tracking server
    Export {
        /// Run folder, or its name under runs/
        run: PathBuf,
        /// Address of the server, without a path
        #[arg(long, value_name = "URL")]
        mlflow: String,
        /// Experiment that the run joins; made where it is missing
        #[arg(long, default_value = "segue", value_name = "NAME")]
        experiment: String,
    },
}

/// Does what was asked.
pub(crate) fn run(args: &Args, screen: Screen) -> Result<()> {
    match &args.action {
        Action::List { dir } => list(dir, screen),
        Action::Show { run } => show(&RunDir::open(&locate(run))?, screen),
        Action::Diff { before, after } => {
            let (before, after) = (RunDir::open(&locate(before))?, RunDir::open(&locate(after))?);
            show_diff(&RunDiff::of(&before, &after)?, screen)
        }
        Action::Export { run, mlflow, experiment } => {
            export(&RunDir::open(&locate(run))?, mlflow, experiment, screen)
        }
    }
}

fn export(run: &RunDir, address: &str, experiment: &str, screen: Screen) -> Result<()> {
    let Exported { run_id, n_params, n_metrics } = Server::new(address)?.export(run, experiment)?;
    screen.document(&serde_json::json!({
        "run": run.path,
        "run_id": run_id,
        "n_params": n_params,
        "n_metrics": n_metrics,
    }))?;
    screen.say(format!("{n_params} settings and {n_metrics} figures are in `{experiment}` as run {run_id}"))
}

#[derive(Serialize)]
struct ListedRun {
    path: PathBuf,
    state: RunState,
    /// When it was finished, or begun where it is not.
    time: String,
    data: String,
    seed: u64,
    /// NDCG@10 of the blend on test, by domain.
    ndcg_at_10: Vec<(String, f64)>,
}

fn list(dir: &Path, screen: Screen) -> Result<()> {
    let mut runs = Vec::new();
    if dir.is_dir() {
        for entry in std::fs::read_dir(dir).with_context(|| format!("cannot read `{}`", dir.display()))? {
            let path = entry.with_context(|| format!("cannot read `{}`", dir.display()))?.path();
            let is_hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
            if !is_hidden && path.join("manifest.json").is_file() {
                runs.push(listed(RunDir { path })?);
            }
        }
    }
    runs.sort_by(|a, b| (&a.time, &a.path).cmp(&(&b.time, &b.path)));
    screen.document(&runs)?;
    if runs.is_empty() {
        return screen.say(format!("no run in `{}`; make one with `segue train DATA`", dir.display()));
    }
    let mut grid = Grid::new(&["run", "state", "time", "data", ">seed", "blend, NDCG@10 on test"]);
    for run in &runs {
        let figures: Vec<String> = run
            .ndcg_at_10
            .iter()
            .map(|(domain, value)| format!("{domain} {}", number::value(*value)))
            .collect();
        grid.row(&[
            run.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
            run.state.name().to_owned(),
            run.time.clone(),
            run.data.clone(),
            run.seed.to_string(),
            figures.join(" · "),
        ]);
    }
    screen.say(grid.text())?;
    match runs.iter().find(|run| run.state == RunState::Interrupted) {
        Some(run) => screen.say(format!("resume it with `segue train --resume {}`", run.path.display())),
        None => Ok(()),
    }
}

fn listed(run: RunDir) -> Result<ListedRun> {
    let state = state::read(&run.path)?;
    if state != RunState::Finished {
        let UnfinishedManifest { started, data, seed, .. } = run.unfinished_manifest()?;
        return Ok(ListedRun {
            path: run.path,
            state,
            time: started,
            data: data.name,
            seed,
            ndcg_at_10: vec![],
        });
    }
    let (manifest, figures) = (run.manifest()?, run.figures()?);
    let headline = |domain: &segue::figures::DomainFigures| {
        let value = domain.test.system(SystemKind::Blend)?.summary.masked.mean(HEADLINE)?;
        Some((domain.domain.clone(), value))
    };
    Ok(ListedRun {
        path: run.path,
        state,
        time: manifest.finished,
        data: manifest.data.name,
        seed: manifest.seed,
        ndcg_at_10: figures.domains.iter().filter_map(headline).collect(),
    })
}

#[derive(Serialize)]
struct ShownRun<'a> {
    run: &'a Path,
    manifest: &'a RunManifest,
    config: &'a RunConfig,
    figures: &'a RunFigures,
}

fn show(run: &RunDir, screen: Screen) -> Result<()> {
    let (manifest, config, figures) = (run.manifest()?, run.config()?, run.figures()?);
    screen.document(&ShownRun { run: &run.path, manifest: &manifest, config: &config, figures: &figures })?;
    screen.heading(&manifest.name)?;
    screen
        .say(format!("{} · seed {} · segue {}", manifest.finished, manifest.seed, manifest.versions.segue))?;
    screen.say(format!("{}: {}", figures.data.name, figures.data.in_words()))?;
    run_tables::show_run(screen, &figures)?;
    screen.say(format!("\nreport  {}", run.report().display()))
}
