//! Everything for one target domain: search settings, fit experts, choose the blend.

mod inside;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use segue_data::{DomainIdx, ItemCatalog, ItemGraph, TrainSet};
use segue_models::behavior::{SequenceTuning, TransferConfig};
use segue_models::linear::LinearConfig;
use segue_models::{
    Expert, ExpertConfig, ExpertId, ExpertKind, FitContext, ItemSimilarity, ModelError, Scope,
};
use segue_recommend::{Blend, DomainModel, mean_and_deviation};
use serde::{Deserialize, Serialize};

use crate::behavior_fit::{Lessons, Pretrained, Validation, adapt_pretrained, fit_behavior};
use crate::blend_fit::FittedBlend;
use crate::error::TrainError;
use crate::fit_plan::FitPlan;
use crate::judge::{Judge, mean};
use crate::learn::Epoch;
use crate::material::{Material, Spaces};
use crate::search::{Trial, climb, starts_of};
use crate::session::{Keeping, Session, Stage};

/// The outcome for one domain.
#[derive(Clone, Debug)]
pub struct DomainFit {
    /// Fitted experts and their blend.
    pub model: DomainModel,
    /// The blend with its evidence.
    pub fitted: FittedBlend,
    /// All settings tried: first those of every expert alone, then those inside a blend.
    pub trials: Vec<Trial>,
    /// How many of them were tried alone.
    pub n_tried_alone: usize,
    /// Experts that stood aside, and why.
    pub aside: Vec<(ExpertId, String)>,
    /// Passes of the experts that were trained by gradient steps.
    pub curves: Vec<ExpertCurve>,
    /// Experts that were tuned inside the blend as they were before, with their trials until then: another blend begins with them.
    pub untuned: Vec<Untuned>,
}

/// An expert as its own search left it.
#[derive(Clone, Debug)]
pub struct Untuned {
    /// The expert.
    pub expert: Expert,
    /// Its trials.
    pub trials: Vec<Trial>,
}

/// The passes of one training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExpertCurve {
    /// The expert.
    pub expert: ExpertId,
    /// Its passes, from the first.
    pub passes: Vec<Epoch>,
}

/// Trains all experts of the plan for one domain and blends them. `valid` holds the valid cases of the domain.
///
/// With a folder in `session`, trainings by gradient steps go on from their checkpoints; what is solved in closed form is solved
/// again. The outcome does not depend on either.
///
/// # Errors
/// When no expert can be fitted, a score is not finite, or it was stopped.
pub fn fit_domain(
    plan: &FitPlan,
    material: Material<'_>,
    valid: &Judge<'_>,
    session: Session<'_>,
) -> Result<DomainFit, TrainError> {
    fit_domain_from(plan, material, valid, session, None)
}

/// A fit whose experts another fit takes over where they would come out the same.
#[derive(Clone, Copy)]
pub struct Known<'a> {
    /// The fit.
    pub fit: &'a DomainFit,
    /// Which of its experts still hold under the other plan and material.
    pub holds: &'a dyn Fn(ExpertId) -> bool,
    /// A `transfer` expert that was pretrained on the same sources with the same settings: another tuning goes on from it.
    pub pretrained: Option<Pretrained<'a>>,
}

/// As [`fit_domain`], with experts of a fit that is there, as they were before they were tuned inside its blend. So a fit in which all hold
/// comes out the same, and one without an expert that nothing depended on differs by that alone.
///
/// # Errors
/// As [`fit_domain`].
pub fn fit_domain_from(
    plan: &FitPlan,
    material: Material<'_>,
    valid: &Judge<'_>,
    session: Session<'_>,
    known: Option<Known<'_>>,
) -> Result<DomainFit, TrainError> {
    let Material { train, items, .. } = material;
    let words = material.vectors_of_words();
    let mut work = Work {
        plan,
        session,
        train,
        items,
        spaces: material.spaces(),
        learned: material.learned_spaces(words.as_ref()),
        graph: material.graph,
        pretrained: known.and_then(|known| known.pretrained),
        valid: valid.sample(plan.search_cases),
        neighbors: None,
        experts: Vec::new(),
        trials: Vec::new(),
        aside: Vec::new(),
        curves: Vec::new(),
        untuned: Vec::new(),
    };
    let ids = wanted(plan, (&work.spaces, work.graph.is_some()), items.n_domains());
    for (done, &id) in ids.iter().enumerate() {
        session.show(format!("search {id}"), done, ids.len() + 1);
        match known.filter(|known| (known.holds)(id)) {
            Some(known) => work.take_over(known.fit, id),
            None => work.search(id)?,
        }
    }
    session.show("blend".into(), ids.len(), ids.len() + 1);
    let judge = valid.sample(plan.blend_cases);
    let mut model = DomainModel {
        domain: valid.domain(),
        experts: std::mem::take(&mut work.experts),
        blend: Blend::default(),
        cold: cold_flags(train, items, valid.domain()),
    };
    let n_tried_alone = work.trials.len();
    let fitted = work.choose_blend(&mut model, &judge)?;
    let Work { trials, aside, curves, untuned, .. } = work;
    Ok(DomainFit { model, fitted, trials, n_tried_alone, aside, curves, untuned })
}

/// The same experts with the same settings and blend, fitted on more events (train and valid): the refit regime.
///
/// # Errors
/// When an expert that could be fitted before cannot now, or it was stopped.
pub fn refit_domain(
    model: &DomainModel,
    material: Material<'_>,
    seed: u64,
    session: Session<'_>,
) -> Result<DomainModel, TrainError> {
    let Material { train, items, .. } = material;
    let spaces = material.spaces();
    let words = material.vectors_of_words();
    let learned = material.learned_spaces(words.as_ref());
    let mut experts: Vec<Expert> = Vec::with_capacity(model.experts.len());
    let mut neighbors = None;
    // Content first: the text prior of the linear expert comes from it.
    let mut order: Vec<usize> = (0..model.experts.len()).collect();
    order.sort_by_key(|&at| model.experts[at].id.kind != ExpertKind::Content);
    for (done, &at) in order.iter().enumerate() {
        session.go_on()?;
        let old = &model.experts[at];
        session.show(format!("refit {}", old.id), done, order.len());
        let context = FitContext {
            items,
            domain: model.domain,
            text_neighbors: neighbors.as_ref(),
            text_space: spaces.text.as_ref(),
            image_space: spaces.image.as_ref(),
            audio_space: spaces.audio.as_ref(),
            graph: material.graph,
        };
        let sequence = match old.config() {
            ExpertConfig::Behavior(sequence) | ExpertConfig::Transfer(TransferConfig { sequence, .. }) => {
                Some(sequence)
            }
            ExpertConfig::Joint(config) => Some(&config.sequence),
            _ => None,
        };
        let expert = match (sequence, old.config()) {
            (Some(sequence), config) => {
                let folder = session.keeping.folder_of(old.id, Stage::Refit);
                let keeping = Keeping { folder: folder.as_deref(), ..session.keeping };
                let show = |epoch: &Epoch| session.show_pass((old.id, Stage::Refit), sequence.epochs, epoch);
                let lessons = Lessons { train, items, inputs: learned.inputs(material.graph) };
                let place = (old.id, model.domain);
                fit_behavior(place, config, lessons, None, seed, (keeping, show))?.0
            }
            (None, config) => {
                Expert::fit(old.id, config, train, context).map_err(|source| failed(old.id, source))?
            }
        };
        let expert = expert.with_spread(old.spread());
        if neighbors.is_none() {
            neighbors = text_neighbors(&expert, items);
        }
        experts.push(expert);
    }
    experts.sort_by_key(|expert| model.experts.iter().position(|old| old.id == expert.id));
    let cold = cold_flags(train, items, model.domain);
    Ok(DomainModel { domain: model.domain, experts, blend: model.blend.clone(), cold })
}

/// Which candidates have no event in `train`.
pub fn cold_flags(train: &TrainSet, items: &ItemCatalog, domain: DomainIdx) -> Vec<bool> {
    let counts = train.sequences.item_counts(items.len());
    items.range(domain).map(|item| counts[item] == 0).collect()
}

fn wanted(plan: &FitPlan, (spaces, has_graph): (&Spaces<'_>, bool), n_domains: usize) -> Vec<ExpertId> {
    let mut kinds = plan.experts.clone();
    // Most data have no images, sounds or facts; that is worth a line only where somebody asked for them.
    if kinds == FitPlan::default().experts {
        kinds.retain(|kind| match kind {
            ExpertKind::Image => spaces.image.is_some(),
            ExpertKind::Audio => spaces.audio.is_some(),
            ExpertKind::Graph => has_graph,
            _ => true,
        });
    }
    // Content first: the text prior of the linear expert comes from it.
    kinds.sort_by_key(|kind| *kind != ExpertKind::Content);
    let mut ids: Vec<ExpertId> = kinds.iter().map(|&kind| ExpertId { kind, scope: Scope::Target }).collect();
    if plan.use_sources && n_domains > 1 {
        let with_sources =
            |&kind: &ExpertKind| kind.scope_with_sources().map(|scope| ExpertId { kind, scope });
        ids.extend(kinds.iter().filter_map(with_sources));
    }
    ids
}

const NEIGHBORS_BY_TEXT: usize = 20;

fn text_neighbors(expert: &Expert, items: &ItemCatalog) -> Option<ItemSimilarity> {
    expert.content().map(|content| content.neighbors(items.len(), NEIGHBORS_BY_TEXT))
}

fn failed(expert: ExpertId, source: ModelError) -> TrainError {
    TrainError::Model { expert: expert.to_string(), source }
}

/// Dense solutions in the search stay below this; the chosen settings are then solved within the plan's budget.
const SEARCH_BUDGET_BYTES: u64 = 48 << 20;

/// Valid cases on which the typical deviation of an expert's scores is measured.
const SPREAD_CASES: usize = 500;

struct Work<'a> {
    plan: &'a FitPlan,
    session: Session<'a>,
    train: &'a TrainSet,
    items: &'a ItemCatalog,
    spaces: Spaces<'a>,
    learned: Spaces<'a>,
    graph: Option<&'a ItemGraph>,
    pretrained: Option<Pretrained<'a>>,
    valid: Judge<'a>,
    neighbors: Option<ItemSimilarity>,
    experts: Vec<Expert>,
    trials: Vec<Trial>,
    aside: Vec<(ExpertId, String)>,
    curves: Vec<ExpertCurve>,
    untuned: Vec<Untuned>,
}

impl Work<'_> {
    fn take_over(&mut self, fit: &DomainFit, id: ExpertId) {
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

    fn search(&mut self, id: ExpertId) -> Result<(), TrainError> {
        if id.kind.learns_by_steps() {
            return self.train_behavior(id);
        }
        let starts = starts_of(id.kind, self.plan.objective)
            .into_iter()
            .map(|config| self.for_search(config))
            .collect();
        let mut rng = ChaCha8Rng::seed_from_u64(self.plan.seed);
        rng.set_stream(1 + id.kind as u64 * 3 + id.scope as u64);
        let mut last: Option<Expert> = None;
        let searched = climb(id, starts, self.plan.budget, &mut rng, |config| {
            let expert = self.refitted(last.take(), id, config)?;
            let score =
                |query: &segue_models::Query<'_>, scores: &mut [f32]| expert.score(query, self.items, scores);
            let ndcg = self.valid.ndcg(self.plan.objective, score)?;
            last = Some(expert);
            Ok(ndcg)
        });
        let trials = match searched {
            Ok(trials) => trials,
            Err(TrainError::Model { source: ModelError::StandsAside { reason, .. }, .. }) => {
                self.aside.push((id, reason));
                return Ok(());
            }
            Err(other) => return Err(other),
        };
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
    fn train_behavior(&mut self, id: ExpertId) -> Result<(), TrainError> {
        let (config, session) = (self.plan.settings_of(id.kind), self.session);
        let sequence = match &config {
            ExpertConfig::Transfer(config) => &config.sequence,
            ExpertConfig::Joint(config) => &config.sequence,
            _ => &self.plan.behavior,
        };
        let n_phases = match &config {
            ExpertConfig::Transfer(config) if config.tuning != SequenceTuning::Joint => 2,
            _ => 1,
        };
        let n_max = n_phases * sequence.max_epochs;
        let show = |epoch: &Epoch| session.show_pass((id, Stage::Fit), n_max, epoch);
        let folder = session.keeping.folder_of(id, Stage::Fit);
        let keeping = Keeping { folder: folder.as_deref(), ..session.keeping };
        let judge = self.valid.sample(affordable_cases(&self.valid, sequence.max_len));
        let valid = Validation { judge: &judge, objective: self.plan.objective };
        let place = (id, self.valid.domain());
        let inputs = self.learned.inputs(self.graph);
        let lessons = Lessons { train: self.train, items: self.items, inputs };
        let seed = self.plan.seed;
        let watched = (keeping, show);
        let fitted = match (&config, self.pretrained) {
            (ExpertConfig::Transfer(config), Some(pretrained)) if pretrained.expert.id == id => {
                adapt_pretrained(place, (config, pretrained), lessons, Some(valid), seed, watched)
            }
            _ => fit_behavior(place, &config, lessons, Some(valid), seed, watched),
        };
        let (expert, curve) = match fitted {
            Err(TrainError::Model { source: ModelError::StandsAside { reason, .. }, .. }) => {
                self.aside.push((id, reason));
                return Ok(());
            }
            other => other?,
        };
        let score = curve.iter().filter_map(|epoch| epoch.metric).fold(0.0, f64::max);
        self.trials.push(Trial { expert: id, config: expert.config().clone(), score, chosen: true });
        self.curves.push(ExpertCurve { expert: id, passes: curve });
        self.experts.push(self.with_measured_spread(expert));
        Ok(())
    }

    // Mean over valid cases of the deviation of a case's scores; cases about which it knows nothing do not count.
    fn with_measured_spread(&self, expert: Expert) -> Expert {
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

    fn refitted(
        &self,
        last: Option<Expert>,
        id: ExpertId,
        config: &ExpertConfig,
    ) -> Result<Expert, TrainError> {
        match last.filter(|expert| differs_in_scoring_only(expert.config(), config)) {
            Some(expert) => Ok(expert.with_scoring_of(config.clone())),
            None => self.fit(id, config),
        }
    }

    // Dense linear solutions are too slow to be tried many times.
    fn for_search(&self, config: ExpertConfig) -> ExpertConfig {
        with_linear_budget(config, self.plan.linear_budget_bytes().min(SEARCH_BUDGET_BYTES))
    }

    fn for_serving(&self, config: ExpertConfig) -> ExpertConfig {
        with_linear_budget(config, self.plan.linear_budget_bytes())
    }

    fn fit(&self, id: ExpertId, config: &ExpertConfig) -> Result<Expert, TrainError> {
        self.session.go_on()?;
        let context = FitContext {
            items: self.items,
            domain: self.valid.domain(),
            text_neighbors: self.neighbors.as_ref(),
            text_space: self.spaces.text.as_ref(),
            image_space: self.spaces.image.as_ref(),
            audio_space: self.spaces.audio.as_ref(),
            graph: self.graph,
        };
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

// Fading and second order only concern scoring; the fit does not depend on them.
fn differs_in_scoring_only(a: &ExpertConfig, b: &ExpertConfig) -> bool {
    match (a.clone(), b) {
        (ExpertConfig::Window(mut a), ExpertConfig::Window(b)) => {
            (a.recency, a.half_life_days, a.second_order) = (b.recency, b.half_life_days, b.second_order);
            a == *b
        }
        (ExpertConfig::Linear(mut a), ExpertConfig::Linear(b)) => {
            (a.recency, a.half_life_days) = (b.recency, b.half_life_days);
            a == *b
        }
        (ExpertConfig::Content(mut a), ExpertConfig::Content(b)) => {
            (a.recency, a.half_life_days, a.repeat) = (b.recency, b.half_life_days, b.repeat);
            a == *b
        }
        (ExpertConfig::Encoder(mut a), ExpertConfig::Encoder(b))
        | (ExpertConfig::Image(mut a), ExpertConfig::Image(b))
        | (ExpertConfig::Audio(mut a), ExpertConfig::Audio(b)) => {
            (a.recency, a.half_life_days, a.repeat) = (b.recency, b.half_life_days, b.repeat);
            a == *b
        }
        (ExpertConfig::Graph(mut a), ExpertConfig::Graph(b)) => {
            (a.recency, a.half_life_days) = (b.recency, b.half_life_days);
            a == *b
        }
        _ => false,
    }
}
