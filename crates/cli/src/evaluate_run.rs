//! Measures a run again: the stored model ranks the test split once more, and the figures must come out the same.

use std::path::Path;

use anyhow::{Context, Result};
use segue_data::Dataset;
use segue_recommend::Model;
use serde::Serialize;

use crate::screen::Screen;
use crate::show::run_tables;
use crate::terminal::Terminal;
use segue::Problem;
use segue::config::RunConfig;
use segue::failure::failed;
use segue::figures::{RunFigures, TestFigures};
use segue::measure::Examination;
use segue::observer::Task;
use segue::prepared::cut;
use segue::report_page::{self, RunPage};
use segue::run::dir::{RunDir, read_model};
use segue::run::people::People;
use segue::tracking;
use segue_train::judge::JudgeRule;

#[derive(Serialize)]
struct Document<'a> {
    run: &'a Path,
    reproduced: bool,
    figures: &'a RunFigures,
}

/// Measures and compares with `metrics.json`.
pub(crate) fn run(path: &Path, data: Option<&Path>, report: Option<&Path>, screen: Screen) -> Result<()> {
    let run = RunDir::open(path)?;
    let (config, recorded, manifest) = (run.config()?, run.figures()?, run.manifest()?);
    let model = read_model(path)?;
    let people = People::beside(path, data)?.unchanged()?;
    // Refuses a data set whose items have other numbers than the model's.
    people.histories(model.catalog())?;
    let mut measured = recorded.clone();
    let tests = measure(&model, &people.dataset, &config, &recorded, screen)?;
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
        let page = report_page::of_run(&RunPage {
            model: &model,
            dataset: &people.dataset,
            figures: &measured,
            config: &config,
            manifest: &manifest,
            passes: &passes,
        })?;
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
    model: &Model,
    dataset: &Dataset,
    config: &RunConfig,
    recorded: &RunFigures,
    screen: Screen,
) -> Result<Vec<TestFigures>> {
    let recipe = config.recipe();
    let (split, terminal) = (cut(dataset, config)?, Terminal::new(screen));
    let mut tests = Vec::new();
    for (target, recorded) in model.targets().iter().zip(&recorded.domains) {
        let problem = Problem {
            items: &dataset.items,
            domains: &dataset.domains,
            split: &split,
            text: None,
            media: None,
            graph: None,
            target: target.domain,
            rule: JudgeRule::default(),
        };
        let examination = Examination::new(&problem, recipe)?;
        let task = Task::start(&terminal, &recorded.domain, Examination::n_systems(target));
        let single = &recorded.fitted.single_domain;
        tests.push(examination.measure(target, single, |system| task.step(1, || system.to_owned()))?);
    }
    Ok(tests)
}

/// Writes a page to `to`.
pub(crate) fn write_page(page: &segue_report::Report, to: &Path) -> Result<()> {
    std::fs::write(to, segue_report::render(page)).with_context(|| format!("cannot write `{}`", to.display()))
}
