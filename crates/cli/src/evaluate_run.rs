//! Measures a run again: the stored model ranks the test split once more, and the figures must come out the same.

use std::path::Path;

use anyhow::{Context, Result};
use segue_recommend::Recommender;
use serde::Serialize;

use crate::config::RunConfig;
use crate::failure::failed;
use crate::figures::{RunFigures, TestFigures};
use crate::measure::Examination;
use crate::report_page;
use crate::run_dir::{RunDir, read_model};
use crate::run_split;
use crate::run_tables;
use crate::screen::Screen;
use crate::tracking;
use crate::train_run::measured_train;

#[derive(Serialize)]
struct Document<'a> {
    run: &'a Path,
    reproduced: bool,
    figures: &'a RunFigures,
}

/// Measures and compares with `metrics.json`.
pub(crate) fn run(path: &Path, report: Option<&Path>, screen: Screen) -> Result<()> {
    let run = RunDir::open(path)?;
    let (config, recorded, manifest) = (run.config()?, run.figures()?, run.manifest()?);
    let recommender = read_model(path)?;
    let mut measured = recorded.clone();
    let tests = measure(&recommender, &config, &recorded, screen)?;
    for (domain, test) in measured.domains.iter_mut().zip(tests) {
        domain.test = test;
    }
    let reproduced = measured == recorded;
    for domain in &measured.domains {
        run_tables::show_test(screen, domain)?;
    }
    run_tables::show_verdicts(screen, &measured)?;
    if let Some(to) = report {
        let passes = tracking::read(path)?;
        let page = report_page::of_run(&recommender, &measured, &config, (&manifest, &passes))?;
        write_page(&page, to)?;
    }
    screen.document(&Document { run: path, reproduced, figures: &measured })?;
    if !reproduced {
        let problem = format!("`{}`: the figures differ from those in metrics.json", path.display());
        return Err(failed(problem, "the run was changed, or made by another version: train again"));
    }
    screen.say("\nall figures are the recorded ones")
}

fn measure(
    recommender: &Recommender,
    config: &RunConfig,
    recorded: &RunFigures,
    screen: Screen,
) -> Result<Vec<TestFigures>> {
    let dataset = &recommender.dataset;
    let split = run_split::cut(dataset, config)?;
    let mut tests = Vec::new();
    for (model, recorded) in recommender.domains.iter().zip(&recorded.domains) {
        let place = (&dataset.items, model.domain);
        let train = measured_train(&split, config);
        let examination = Examination::new(&split.test, train, place, config.table_settings())
            .with_context(|| format!("domain `{}`", recorded.domain))?;
        let bar = screen.bar(Examination::n_systems(model), &recorded.domain);
        let test = examination.measure(model, &recorded.fitted.single_domain, |system| {
            bar.set_message(system.to_owned());
            bar.inc(1);
        })?;
        bar.finish_and_clear();
        tests.push(test);
    }
    Ok(tests)
}

/// Writes a page to `to`.
pub(crate) fn write_page(page: &segue_eval::report::Report, to: &Path) -> Result<()> {
    std::fs::write(to, segue_eval::report::render(page))
        .with_context(|| format!("cannot write `{}`", to.display()))
}
