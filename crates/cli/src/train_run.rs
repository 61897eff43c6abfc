//! One training run from data to folder: filter, split, fit every target, measure, write.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use anyhow::{Context, Result};
use indicatif::ProgressBar;
use segue_data::{Dataset, DomainIdx, ItemGraph, Split, TrainSet, filter, kcore, leak};
use segue_models::ItemVectors;
use segue_recommend::{Blend, DomainModel, Recommender};
use segue_train::pseudo_labels::{refit_with_pseudo_labels, try_pseudo_labels};
use segue_train::{Judge, Keeping, MaskRule, Material, Progress, Session, fit_domain, refit_domain};

use crate::clock::Stopwatch;
use crate::config::{RunConfig, SplitName};
use crate::facts::DataFacts;
use crate::failure::{closest, usage};
use crate::figures::{DomainFigures, Regime, RunFigures, TestFigures};
use crate::fit_bar;
use crate::interrupt;
use crate::manifest::{DataOrigin, RunManifest};
use crate::measure::Examination;
use crate::new_run::NewRun;
use crate::number::count;
use crate::report_page;
use crate::run_split;
use crate::screen::Screen;
use crate::tracking::{Record, Recorder};

/// What to train on and where to put it.
pub(crate) struct Job<'a> {
    /// The data; goes into the artifact.
    pub(crate) dataset: Dataset,
    /// Vectors of its items' texts, if it was encoded.
    pub(crate) vectors: Option<ItemVectors>,
    /// Where it came from.
    pub(crate) origin: DataOrigin,
    /// The settings.
    pub(crate) config: &'a RunConfig,
    /// The run folder.
    pub(crate) to: Place<'a>,
    /// Once it is set, the work stops where it can be gone on with.
    pub(crate) stop: &'a AtomicBool,
}

/// Where a run goes.
pub(crate) enum Place<'a> {
    /// To a folder that must not exist.
    New(&'a Path),
    /// To the folder of an interrupted run, whose trainings go on.
    Again(Box<NewRun>),
}

/// Steps between two checkpoints within a pass: about a minute of work.
const STEPS_PER_CHECKPOINT: u64 = 500;

/// A run that is on disk.
pub(crate) struct FinishedRun {
    /// The folder.
    pub(crate) path: PathBuf,
    /// The model.
    pub(crate) recommender: Recommender,
    /// The figures.
    pub(crate) figures: RunFigures,
    /// The manifest.
    pub(crate) manifest: RunManifest,
}

/// Trains, measures and writes.
pub(crate) fn train_run(job: Job<'_>, screen: Screen) -> Result<FinishedRun> {
    let targets = targets(&job.dataset, job.config)?;
    let mut run = match job.to {
        Place::New(to) => NewRun::create(to, job.origin.clone(), job.config)?,
        Place::Again(run) => *run,
    };
    let made = make(
        &run,
        Work { targets, dataset: job.dataset, vectors: job.vectors, config: job.config, stop: job.stop },
        screen,
    );
    if let Err(error) = &made
        && interrupt::is_stopped(error)
    {
        run.keep();
    }
    let Made { recommender, figures, passes, mut stopwatch } = made?;
    let manifest = write(&run, &recommender, &figures, (job.config, job.origin), &passes, &mut stopwatch)?;
    Ok(FinishedRun { path: run.publish(&manifest)?, recommender, figures, manifest })
}

struct Work<'a> {
    targets: Vec<DomainIdx>,
    dataset: Dataset,
    vectors: Option<ItemVectors>,
    config: &'a RunConfig,
    stop: &'a AtomicBool,
}

struct Made {
    recommender: Recommender,
    figures: RunFigures,
    passes: Vec<Record>,
    stopwatch: Stopwatch,
}

fn make(run: &NewRun, work: Work<'_>, screen: Screen) -> Result<Made> {
    let mut stopwatch = Stopwatch::start();
    let Work { targets, mut dataset, vectors, config, stop } = work;
    let recorder = Recorder::open(run.path(), format!("Segue: {}", run.manifest().name))?;
    for note in apply_filters(&mut dataset, config)? {
        screen.say(note)?;
    }
    let split = run_split::cut(&dataset, config)?;
    let graph = ItemGraph::of(&dataset);
    stopwatch.lap("filter and split");
    let mut models = Vec::new();
    let mut domains = Vec::new();
    for domain in targets {
        let name = dataset.domains[domain.at()].name.clone();
        let checkpoints = run.checkpoints().join(domain.at().to_string());
        let folder = run.is_resumable().then_some(&*checkpoints);
        let keeping = Keeping { folder, every_steps: STEPS_PER_CHECKPOINT, stop };
        let target = Target {
            dataset: &dataset,
            vectors: vectors.as_ref(),
            graph: graph.as_ref(),
            split: &split,
            config,
            domain,
            keeping,
            recorder: &recorder,
        };
        let (model, figures) =
            target.fit(&mut stopwatch, screen).with_context(|| format!("domain `{name}`"))?;
        models.push(model);
        domains.push(figures);
    }
    let train = measured_train(&split, config);
    let figures = RunFigures {
        data: DataFacts::of(&dataset),
        split: split.description.clone(),
        regime: if config.fit.refit { Regime::TrainValid } else { Regime::Train },
        leaks: leak::count(train, &split.test.0, dataset.n_items(), dataset.has_timestamps),
        domains,
    };
    let passes = recorder.finish(&figures)?;
    Ok(Made { recommender: Recommender::new(dataset, models), figures, passes, stopwatch })
}

fn write(
    run: &NewRun,
    recommender: &Recommender,
    figures: &RunFigures,
    (config, origin): (&RunConfig, DataOrigin),
    passes: &[Record],
    stopwatch: &mut Stopwatch,
) -> Result<RunManifest> {
    let config_text = toml::to_string(config)?;
    run.put_json("metrics.json", figures)?;
    let artifact = run.put_artifact(recommender, config.seed)?;
    stopwatch.lap("write");
    let name = &run.manifest().name;
    let manifest = RunManifest::of(name, origin, (config, &config_text), artifact, stopwatch);
    let report = report_page::of_run(recommender, figures, config, (&manifest, passes))?;
    run.put("report.html", &segue_eval::report::render(&report))?;
    Ok(manifest)
}

/// The domains to recommend.
pub(crate) fn targets(dataset: &Dataset, config: &RunConfig) -> Result<Vec<DomainIdx>> {
    if config.data.targets.is_empty() {
        return Ok(dataset.domain_indexes().collect());
    }
    let known = || dataset.domains.iter().map(|domain| domain.name.as_str());
    let find = |name: &String| {
        dataset.domain(name).ok_or_else(|| {
            let remedy = match closest(name, known()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("its domains: {}", known().collect::<Vec<_>>().join(", ")),
            };
            usage(format!("data set `{}` has no domain `{name}`", dataset.name), remedy)
        })
    };
    config.data.targets.iter().map(find).collect()
}

/// Applies the filters of the config; gives what they left out, in words.
pub(crate) fn apply_filters(dataset: &mut Dataset, config: &RunConfig) -> Result<Vec<String>> {
    let mut notes = Vec::new();
    if let Some(min_value) = config.data.min_value {
        let n = filter::keep_values_from(dataset, min_value as f32);
        notes.push(format!("left out {} events below {min_value}", count(n)));
    }
    if config.data.k_core > 0 {
        if config.split.rule == SplitName::Published {
            return Err(usage(
                "`data.k_core` would change a published split",
                "leave k_core out, or choose another split.rule",
            ));
        }
        let (core, n) = kcore::k_core(&dataset.sequences, dataset.n_items(), config.data.k_core);
        (dataset.sequences, dataset.published_split) = (core, Vec::new());
        notes.push(format!("left out {} events outside the {}-core", count(n), config.data.k_core));
    }
    Ok(notes)
}

/// What the measured models are fitted on.
pub(crate) fn measured_train<'a>(split: &'a Split, config: &RunConfig) -> &'a TrainSet {
    if config.fit.refit { &split.train_valid } else { &split.train }
}

struct Target<'a> {
    dataset: &'a Dataset,
    vectors: Option<&'a ItemVectors>,
    graph: Option<&'a ItemGraph>,
    split: &'a Split,
    config: &'a RunConfig,
    domain: DomainIdx,
    keeping: Keeping<'a>,
    recorder: &'a Recorder,
}

impl Target<'_> {
    fn fit(&self, stopwatch: &mut Stopwatch, screen: Screen) -> Result<(DomainModel, DomainFigures)> {
        let (items, name) = (&self.dataset.items, &self.dataset.domains[self.domain.at()].name);
        let plan = self.config.fit_plan();
        let valid =
            Judge::new(&self.split.valid.0, items, self.domain, MaskRule::Seen, None).context("valid")?;
        let bar = screen.bar(1, name);
        let material = Material::new(&self.split.train, items, self.vectors).with_graph(self.graph);
        let observer = |progress: &Progress| {
            fit_bar::show(&bar, progress);
            self.recorder.see(name, progress);
        };
        let session = Session { observer: &observer, keeping: self.keeping };
        let outcome = fit_domain(&plan, material, &valid, session)?;
        stopwatch.lap(format!("{name}: search and blend"));
        let (mut model, mut pseudo_labels) = (outcome.model, None);
        if self.config.fit.pseudo_labels {
            let (with, evidence) = try_pseudo_labels(&model, &plan, material, &valid, session)?;
            stopwatch.lap(format!("{name}: pseudo-labels"));
            pseudo_labels = Some(evidence);
            // A refit begins with the real events alone.
            model = with.filter(|_| !self.config.fit.refit).unwrap_or(model);
        }
        if self.config.fit.refit {
            bar.set_message("refit");
            let material = material.with_train(&self.split.train_valid);
            model = refit_domain(&model, material, plan.seed, session)?;
            if let Some(threshold) = pseudo_labels.as_ref().and_then(|evidence| evidence.kept) {
                model = refit_with_pseudo_labels(&model, threshold, material, plan.seed, session)?;
            }
            stopwatch.lap(format!("{name}: refit"));
        }
        interrupt::go_on(self.keeping.stop)?;
        let test = self.measure(&model, &outcome.fitted.single_domain, &bar)?;
        interrupt::go_on(self.keeping.stop)?;
        stopwatch.lap(format!("{name}: test"));
        let figures = DomainFigures {
            domain: name.clone(),
            n_candidates: model.n_candidates(),
            fitted: outcome.fitted,
            trials: outcome.trials,
            aside: outcome.aside,
            curves: outcome.curves,
            pseudo_labels,
            test,
        };
        Ok((model, figures))
    }

    fn measure(&self, model: &DomainModel, single_domain: &Blend, bar: &ProgressBar) -> Result<TestFigures> {
        let items = &self.dataset.items;
        let train = measured_train(self.split, self.config);
        let settings = self.config.table_settings();
        let examination =
            Examination::new(&self.split.test, train, (items, self.domain), settings).context("test")?;
        bar.set_length(Examination::n_systems(model) as u64);
        bar.set_position(0);
        bar.reset_eta();
        let test = examination.measure(model, single_domain, |system| {
            bar.set_message(format!("test {system}"));
            bar.inc(1);
        })?;
        bar.finish_and_clear();
        Ok(test)
    }
}
