//! One training run from prepared data to a run folder: fit every target, measure, write.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use anyhow::{Context, Result};
use segue_data::{Dataset, DomainIdx, leak};
use segue_recommend::{Catalog, DomainModel, Model};
use segue_train::judge::JudgeRule;
use segue_train::{Keeping, Progress, Session};

use crate::clock::Stopwatch;
use crate::config::RunConfig;
use crate::facts::DataFacts;
use crate::failure::{check_stop, is_stopped};
use crate::figures::{DomainFigures, Regime, RunFigures, TestFigures};
use crate::measure::Examination;
use crate::observer::{Observer, Task};
use crate::pipeline::{self, Chosen, Recipe};
use crate::prepared::{LoadedData, PreparedData, targets};
use crate::problem::Problem;
use crate::report_page::{self, RunPage};
use crate::run::manifest::RunManifest;
use crate::run::new::NewRun;
use crate::tracking::{Record, Recorder};

/// What to train on and where to put it.
pub struct TrainingRun<'a> {
    /// The data, before filters.
    pub data: LoadedData,
    /// The settings.
    pub config: &'a RunConfig,
    /// The run folder.
    pub to: Place<'a>,
    /// Once it is set, the work stops where it can be resumed.
    pub stop: &'a AtomicBool,
}

/// Where a run goes.
pub enum Place<'a> {
    /// To a new folder.
    New {
        /// The folder, which must not exist.
        folder: &'a Path,
        /// The command or call that asked for the run, for its manifest.
        command: Vec<String>,
    },
    /// To the folder of an interrupted run, whose trainings resume.
    Resumed(Box<NewRun>),
}

/// Steps between two checkpoints within a pass: about a minute of work.
const STEPS_PER_CHECKPOINT: u64 = 500;

/// A run that is on disk.
pub struct FinishedRun {
    /// The folder.
    pub path: PathBuf,
    /// The model.
    pub model: Model,
    /// The people that it was trained on, after filters, with the items.
    pub dataset: Dataset,
    /// The figures.
    pub figures: RunFigures,
    /// The manifest.
    pub manifest: RunManifest,
}

/// Trains, measures and writes.
///
/// # Errors
/// When the data do not support a target, something cannot be written, or it was stopped; what was stopped can be resumed.
pub fn train_run(job: TrainingRun<'_>, observer: &dyn Observer) -> Result<FinishedRun> {
    let TrainingRun { data, config, to, stop } = job;
    let domains = targets(&data.dataset, config)?;
    let mut run = match to {
        Place::New { folder, command } => NewRun::create(folder, data.origin.clone(), config, command)?,
        Place::Resumed(run) => *run,
    };
    let trained = train_and_write(&run, data, &domains, Surroundings { config, observer, stop });
    if let Err(error) = &trained
        && is_stopped(error)
    {
        run.keep();
    }
    let Trained { model, dataset, figures, manifest } = trained?;
    Ok(FinishedRun { path: run.publish(&manifest)?, model, dataset, figures, manifest })
}

#[derive(Clone, Copy)]
struct Surroundings<'a> {
    config: &'a RunConfig,
    observer: &'a dyn Observer,
    stop: &'a AtomicBool,
}

fn train_and_write(
    run: &NewRun,
    data: LoadedData,
    domains: &[DomainIdx],
    around: Surroundings<'_>,
) -> Result<Trained> {
    let mut stopwatch = Stopwatch::start();
    let config = around.config;
    let recorder = Recorder::open(run.path(), format!("Segue: {}", run.manifest().name))?;
    let data = PreparedData::new(data, config)?;
    data.notes.iter().for_each(|note| around.observer.note(note));
    stopwatch.lap("filter and split");
    let recipe = config.recipe();
    // A target without cases ends the run before hours of work, not after them.
    for &domain in domains {
        let problem = data.problem(domain, JudgeRule::default());
        problem.valid().and_then(|_| problem.test())?;
    }
    let (mut models, mut figures) = (Vec::new(), Vec::new());
    for &domain in domains {
        let checkpoints = run.checkpoints().join(domain.at().to_string());
        let folder = run.is_resumable().then_some(&*checkpoints);
        let target = Target {
            problem: data.problem(domain, JudgeRule::default()),
            recipe,
            keeping: Keeping { folder, every_steps: STEPS_PER_CHECKPOINT, stop: around.stop },
            recorder: &recorder,
            observer: around.observer,
        };
        let (model, measured) = target
            .fit(&mut stopwatch)
            .with_context(|| format!("domain `{}`", data.dataset.domains[domain.at()].name))?;
        models.push(model);
        figures.push(measured);
    }
    let figures = RunFigures {
        data: DataFacts::of(&data.dataset),
        split: data.split.description.clone(),
        regime: if recipe.refit { Regime::TrainValid } else { Regime::Train },
        leaks: leak::count(
            recipe.measured_train(&data.split),
            data.split.test.open_for_measurement(),
            data.dataset.n_items(),
            data.dataset.has_timestamps,
        ),
        domains: figures,
    };
    let passes = recorder.finish(&figures)?;
    let model = Model::new(Catalog::of(&data.dataset), models);
    let written = Written { model: &model, dataset: &data.dataset, figures: &figures, passes: &passes };
    let manifest = write(run, &written, config, stopwatch)?;
    Ok(Trained { model, dataset: data.dataset, figures, manifest })
}

struct Trained {
    model: Model,
    dataset: Dataset,
    figures: RunFigures,
    manifest: RunManifest,
}

struct Written<'a> {
    model: &'a Model,
    dataset: &'a Dataset,
    figures: &'a RunFigures,
    passes: &'a [Record],
}

fn write(
    run: &NewRun,
    written: &Written<'_>,
    config: &RunConfig,
    mut stopwatch: Stopwatch,
) -> Result<RunManifest> {
    let &Written { model, dataset, figures, passes } = written;
    run.put_json("metrics.json", figures)?;
    let artifact = run.put_artifact(model, config.seed())?;
    stopwatch.lap("write");
    let manifest = RunManifest::of(run.manifest(), config, artifact, &stopwatch)?;
    let report =
        report_page::of_run(&RunPage { model, dataset, figures, config, manifest: &manifest, passes })?;
    run.put("report.html", &segue_report::render(&report))?;
    Ok(manifest)
}

struct Target<'a> {
    problem: Problem<'a>,
    recipe: &'a Recipe,
    keeping: Keeping<'a>,
    recorder: &'a Recorder,
    observer: &'a dyn Observer,
}

impl Target<'_> {
    fn fit(&self, stopwatch: &mut Stopwatch) -> Result<(DomainModel, DomainFigures)> {
        let (problem, recipe, name) = (&self.problem, self.recipe, self.problem.target_name());
        let valid = problem.valid()?;
        let watch = |progress: &Progress| {
            self.observer.progress(name, progress);
            self.recorder.see(name, progress);
        };
        let session = Session { observer: &watch, keeping: self.keeping };
        let chosen = pipeline::choose(problem, recipe, &valid, session);
        stopwatch.lap(format!("{name}: choose"));
        let served = chosen.and_then(|chosen| {
            let served = pipeline::refit(problem, recipe, &chosen, session)?;
            Ok((chosen, served))
        });
        self.observer.ended(name);
        let (chosen, model) = served?;
        stopwatch.lap(format!("{name}: refit"));
        check_stop(self.keeping.stop)?;
        let test = self.measure(&model, &chosen)?;
        check_stop(self.keeping.stop)?;
        stopwatch.lap(format!("{name}: test"));
        let figures = DomainFigures {
            domain: name.to_owned(),
            n_candidates: model.n_candidates(),
            fitted: chosen.fit.fitted,
            trials: chosen.fit.trials,
            aside: chosen.fit.aside,
            curves: chosen.fit.curves,
            pseudo_labels: chosen.pseudo_labels,
            test,
        };
        Ok((model, figures))
    }

    fn measure(&self, model: &DomainModel, chosen: &Chosen) -> Result<TestFigures> {
        let examination = Examination::new(&self.problem, self.recipe)?;
        let name = format!("{}: test", self.problem.target_name());
        let task = Task::start(self.observer, name, Examination::n_systems(model));
        examination.measure(model, &chosen.fit.fitted.single_domain, |system| {
            task.step(1, || system.to_owned());
        })
    }
}
