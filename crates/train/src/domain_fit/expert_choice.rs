//! One expert of a target: its settings searched alone, or trained by gradient steps.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use segue_data::{ItemCatalog, TrainSet};
use segue_models::linear::LinearConfig;
use segue_models::sequence::SequenceTuning;
use segue_models::{Expert, ExpertConfig, ExpertId, ItemSimilarity, ModelError, Query};
use segue_recommend::mean_and_deviation;

use super::{DomainFit, ExpertCurve, Untuned, failed, text_neighbors};
use crate::error::TrainError;
use crate::fit_plan::FitPlan;
use crate::judge::{Judge, Objective, mean};
use crate::learn::Epoch;
use crate::material::Spaces;
use crate::search::{Trial, climb};
use crate::sequence_fit::{
    Lessons, Pretrained, SequenceTraining, Validation, adapt_pretrained, fit_sequence,
};
use crate::session::{Keeping, Session, Stage};

/// Dense solutions in the search stay below this; the chosen settings are then solved within the plan's budget.
const SEARCH_BUDGET_BYTES: u64 = 48 << 20;

/// Valid cases on which the typical deviation of an expert's scores is measured.
const SPREAD_CASES: usize = 500;

/// The fit of one target while it lasts: what it is fitted on, and what it has come to so far.
pub(super) struct TargetFit<'a> {
    pub(super) plan: &'a FitPlan,
    pub(super) session: Session<'a>,
    pub(super) train: &'a TrainSet,
    pub(super) items: &'a ItemCatalog,
    /// What experts in closed form read.
    pub(super) spaces: Spaces<'a>,
    /// What sequence models read.
    pub(super) learned: Spaces<'a>,
    pub(super) pretrained: Option<Pretrained<'a>>,
    pub(super) valid: Judge<'a>,
    /// Of the content expert, once there is one.
    pub(super) neighbors: Option<ItemSimilarity>,
    pub(super) experts: Vec<Expert>,
    pub(super) trials: Vec<Trial>,
    pub(super) aside: Vec<(ExpertId, String)>,
    pub(super) curves: Vec<ExpertCurve>,
    pub(super) untuned: Vec<Untuned>,
}

impl TargetFit<'_> {
    /// An expert of another fit, as it was before it was tuned inside a blend.
    pub(super) fn take_over(&mut self, fit: &DomainFit, id: ExpertId) {
        let untuned = fit.untuned.iter().find(|untuned| untuned.expert.id == id);
        let expert = untuned.map(|untuned| &untuned.expert);
        let expert = expert.or_else(|| fit.model.experts.iter().find(|expert| expert.id == id)).cloned();
        if let Some(expert) = expert {
            if self.neighbors.is_none() {
                self.neighbors = text_neighbors(&expert, self.items);
            }
            self.experts.push(expert);
        }
        let trials = untuned.map_or(&fit.trials[..fit.n_tried_alone], |untuned| &untuned.trials);
        self.trials.extend(trials.iter().filter(|trial| trial.expert == id).cloned());
        self.aside.extend(fit.aside.iter().filter(|(aside, _)| *aside == id).cloned());
        self.curves.extend(fit.curves.iter().filter(|curve| curve.expert == id).cloned());
    }

    /// Chooses the settings of one expert alone, or trains it; one that stands aside says why.
    pub(super) fn choose(&mut self, id: ExpertId) -> Result<(), TrainError> {
        let chosen = if id.kind.learns_by_steps() { self.train(id) } else { self.search(id) };
        match chosen {
            Err(TrainError::Model { source: ModelError::StandsAside { reason, .. }, .. }) => {
                self.aside.push((id, reason));
                Ok(())
            }
            other => other,
        }
    }

    fn search(&mut self, id: ExpertId) -> Result<(), TrainError> {
        let starts = ExpertConfig::starts_of(id.kind, self.plan.objective == Objective::Unmasked);
        let starts = starts.into_iter().map(|config| self.for_search(config)).collect();
        let mut rng = ChaCha8Rng::seed_from_u64(self.plan.seed);
        rng.set_stream(1 + id.kind as u64 * 3 + id.scope as u64);
        let mut last: Option<Expert> = None;
        let trials = climb(id, starts, self.plan.budget, &mut rng, |config| {
            let expert = self.refitted(last.take(), id, config)?;
            let score = |query: &Query<'_>, scores: &mut [f32]| expert.score(query, self.items, scores);
            let ndcg = self.valid.metric_values(self.plan.objective, score)?;
            last = Some(expert);
            Ok::<_, TrainError>(ndcg)
        })?;
        if let Some(chosen) = trials.iter().find(|trial| trial.chosen) {
            let config = self.for_serving(chosen.config.clone());
            let expert = match last.filter(|expert| *expert.config() == config) {
                Some(expert) => expert,
                None => self.fit(id, &config)?,
            };
            if self.neighbors.is_none() {
                self.neighbors = text_neighbors(&expert, self.items);
            }
            self.experts.push(self.with_measured_spread(expert));
        }
        self.trials.extend(trials);
        Ok(())
    }

    // One training run; valid decides its length.
    fn train(&mut self, id: ExpertId) -> Result<(), TrainError> {
        let (config, session) = (self.plan.settings_of(id.kind), self.session);
        let sequence = config.sequence().unwrap_or(&self.plan.behavior);
        let n_phases = match &config {
            ExpertConfig::Transfer(config) if config.tuning != SequenceTuning::AtOnce => 2,
            _ => 1,
        };
        let n_max = n_phases * sequence.max_epochs;
        let show = |epoch: &Epoch| session.show_pass(id, Stage::Fit, n_max, epoch);
        let folder = session.keeping.folder_of(id, Stage::Fit);
        let judge = self.valid.sample(affordable_cases(&self.valid, sequence.max_len));
        let training = SequenceTraining {
            id,
            domain: self.valid.domain(),
            lessons: Lessons { train: self.train, items: self.items, inputs: self.learned.inputs() },
            valid: Some(Validation { judge: &judge, objective: self.plan.objective }),
            seed: self.plan.seed,
            keeping: Keeping { folder: folder.as_deref(), ..session.keeping },
        };
        let (expert, passes) = match (&config, self.pretrained) {
            (ExpertConfig::Transfer(config), Some(pretrained)) if pretrained.expert.id == id => {
                adapt_pretrained(training, config, pretrained, show)?
            }
            _ => fit_sequence(training, &config, show)?,
        };
        let score = passes.iter().filter_map(|epoch| epoch.metric).fold(0.0, f64::max);
        self.trials.push(Trial { expert: id, config: expert.config().clone(), score, chosen: true });
        self.curves.push(ExpertCurve { expert: id, passes });
        self.experts.push(self.with_measured_spread(expert));
        Ok(())
    }

    /// With the mean over valid cases of the deviation of a case's scores; cases about which it knows nothing do not count.
    pub(super) fn with_measured_spread(&self, expert: Expert) -> Expert {
        let sample = self.valid.sample(SPREAD_CASES);
        let n = self.items.range(self.valid.domain()).len();
        let deviation = |scores: &mut Vec<f32>, case: usize| {
            expert.score(&sample.query(case), self.items, scores);
            mean_and_deviation(scores).1
        };
        let deviations: Vec<f64> =
            (0..sample.n_cases()).into_par_iter().map_init(|| vec![0.0; n], deviation).collect();
        let known: Vec<f64> = deviations.into_iter().filter(|&deviation| deviation > 0.0).collect();
        expert.with_spread(mean(&known) as f32)
    }

    /// The expert with other settings: where they only concern scoring, its last fit is read anew.
    pub(super) fn refitted(
        &self,
        last: Option<Expert>,
        id: ExpertId,
        config: &ExpertConfig,
    ) -> Result<Expert, TrainError> {
        match last.filter(|expert| expert.config().differs_in_scoring_only(config)) {
            Some(expert) => Ok(expert.with_scoring_of(config.clone())),
            None => self.fit(id, config),
        }
    }

    /// Dense linear solutions are too slow to be tried many times.
    pub(super) fn for_search(&self, config: ExpertConfig) -> ExpertConfig {
        with_linear_budget(config, self.plan.linear_budget_bytes().min(SEARCH_BUDGET_BYTES))
    }

    pub(super) fn for_serving(&self, config: ExpertConfig) -> ExpertConfig {
        with_linear_budget(config, self.plan.linear_budget_bytes())
    }

    pub(super) fn fit(&self, id: ExpertId, config: &ExpertConfig) -> Result<Expert, TrainError> {
        self.session.check_stop()?;
        let context = self.spaces.context(self.items, self.valid.domain(), self.neighbors.as_ref());
        Expert::fit(id, config, self.train, context).map_err(|source| failed(id, source))
    }
}

/// Events that a validation after a pass may look at: with long histories, fewer cases are judged.
const VALIDATION_EVENTS: usize = 100_000;

fn affordable_cases(valid: &Judge<'_>, max_len: usize) -> usize {
    let n_events: usize = (0..valid.n_cases()).map(|at| valid.query(at).history.len().min(max_len)).sum();
    VALIDATION_EVENTS * valid.n_cases() / n_events.max(VALIDATION_EVENTS)
}

fn with_linear_budget(config: ExpertConfig, budget_bytes: u64) -> ExpertConfig {
    match config {
        ExpertConfig::Linear(config) => ExpertConfig::Linear(LinearConfig { budget_bytes, ..config }),
        other => other,
    }
}
