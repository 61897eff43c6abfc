//! The systems that a few-shot curve compares, fitted on what is revealed of the target.

use segue::pipeline::{self, Fitted, Recipe};
use segue::problem::Problem;
use segue_data::{CaseSet, DomainIdx, ItemCatalog, Split, TrainSet, reveal};
use segue_eval::bootstrap::Bootstrap;
use segue_models::content::ContentConfig;
use segue_models::window::WindowConfig;
use segue_models::{ModelError, Query, Scope};
use segue_recommend::DomainModel;
use segue_recommend::Scratch;
use segue_train::domain_fit::refit_domain;
use segue_train::floor::{Floor, FloorPart, Scale};
use segue_train::judge::{Judge, ndcg_of_model, paired_gain};
use segue_train::pseudo_labels::{PseudoEvidence, refit_with_pseudo_labels, try_pseudo_labels};
use segue_train::session::Session;
use segue_train::zero_shot::{SourceCases, ZeroShot, fit_zero_shot};
use segue_train::{FitPlan, TrainError};
use serde::{Deserialize, Serialize};

use crate::study::judge_cases;

/// Users with revealed valid cases below which the sources choose: intervals over fewer users are too narrow to be believed, and over one
/// user have no width at all.
pub const FEWEST_USERS_TO_CHOOSE_BY: usize = 10;

/// What choosing went by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChosenOn {
    /// The revealed valid cases of the target.
    Target,
    /// The valid cases of the other domains: the target has none, or those of fewer than [`FEWEST_USERS_TO_CHOOSE_BY`] users.
    Sources,
}

/// A share of the target's data as a problem, and how it is answered.
#[derive(Clone, Copy)]
pub struct FewShot<'a> {
    /// What is known of the target, and all of the other domains.
    pub problem: Problem<'a>,
    /// What to train; `use_sources` is set by the system, pseudo-labels are tried by [`FewShot::add_pseudo_labels`].
    pub recipe: &'a Recipe,
}

/// A fitted system.
#[derive(Clone, Debug)]
pub struct FewShotFit {
    /// The model to measure.
    pub model: DomainModel,
    /// What its settings and blend were chosen on.
    pub chosen_on: ChosenOn,
    /// What the sources chose, where they did.
    pub zero_shot: Option<ZeroShot>,
    /// Served in place of the model where nothing proves that the model is better: the simple floor.
    pub floor: Option<Floor>,
    /// The model as it was chosen, fitted on train; `None` where the sources chose.
    on_train: Option<DomainModel>,
}

/// What trying pseudo-labels gave.
pub struct LabelsTried {
    /// The fit with labels; `None` where valid refused them, so that the old one stays.
    pub with: Option<FewShotFit>,
    /// What valid said.
    pub evidence: PseudoEvidence,
}

impl FewShotFit {
    /// Scores all candidates by what is served.
    pub fn score(&self, query: &Query<'_>, items: &ItemCatalog, scores: &mut [f32]) {
        match &self.floor {
            Some(floor) => floor.score(query, items, scores),
            None => self.model.score(query, items, &mut Scratch::default(), scores),
        }
    }
}

/// A problem's split of which only the events of these users are known in the target; of the other domains all is known. The test cases
/// stay whole.
pub fn revealed_split(problem: &Problem<'_>, rows: &[u32]) -> Split {
    let is_known = is_among(rows);
    let revealed = reveal(problem.split, problem.items, problem.target, |row, _| is_known(row));
    Split {
        train: revealed.train,
        train_valid: revealed.train_valid,
        valid: revealed.valid,
        test: problem.split.test.clone(),
        description: problem.split.description.clone(),
    }
}

/// Whether a row is among `rows`.
pub(super) fn is_among(rows: &[u32]) -> impl Fn(u32) -> bool + use<> {
    let mut sorted = rows.to_vec();
    sorted.sort_unstable();
    move |row| sorted.binary_search(&row).is_ok()
}

impl<'a> FewShot<'a> {
    /// Valid cases of the target that are known.
    pub fn n_valid_cases(&self) -> usize {
        self.valid().len()
    }

    /// The blend of all domains. With too few valid cases the sources choose.
    ///
    /// # Errors
    /// As [`pipeline::fit`] and [`fit_zero_shot`].
    pub fn fit_transfer(&self, session: Session<'_>) -> Result<FewShotFit, TrainError> {
        let plan = FitPlan { use_sources: true, ..self.recipe.plan.clone() };
        match self.judge()? {
            Some(judge) => self.fit_on_valid(plan, &judge, session),
            None => self.fit_on_sources(&plan, session),
        }
    }

    /// The blend of the target's own events; `None` with too few valid cases, since nothing can be chosen then.
    ///
    /// # Errors
    /// As [`pipeline::fit`].
    pub fn fit_target_only(&self, session: Session<'_>) -> Result<Option<FewShotFit>, TrainError> {
        let plan = FitPlan { use_sources: false, ..self.recipe.plan.clone() };
        let Some(judge) = self.judge()? else { return Ok(None) };
        self.fit_on_valid(plan, &judge, session).map(Some)
    }

    /// The simple floor: what follows what in the target, and words in common, with fixed settings and weights.
    ///
    /// # Errors
    /// When a part fails for another reason than that it has nothing to read.
    pub fn fit_floor(&self) -> Result<Floor, TrainError> {
        let split = self.problem.split;
        self.floor_on(if self.recipe.refit { &split.train_valid } else { &split.train })
    }

    fn floor_on(&self, train: &TrainSet) -> Result<Floor, TrainError> {
        let Problem { items, target, .. } = self.problem;
        match Floor::fit(&floor_parts(), train, items, target) {
            Err(TrainError::Model { source: ModelError::StandsAside { .. }, .. }) => {
                Floor::fit(&floor_parts()[..1], train, items, target)
            }
            other => other,
        }
    }

    fn fit_on_valid(
        &self,
        plan: FitPlan,
        judge: &Judge<'_>,
        session: Session<'_>,
    ) -> Result<FewShotFit, TrainError> {
        let recipe = Recipe { plan, pseudo_labels: false, ..self.recipe.clone() };
        let Fitted { chosen, served } = pipeline::fit(&self.problem, &recipe, judge, session)?;
        let chosen = chosen.fit.model;
        let floor = self.floor_unless_beaten(&chosen, judge)?;
        let (chosen_on, on_train) = (ChosenOn::Target, Some(chosen));
        Ok(FewShotFit { model: served, chosen_on, zero_shot: None, floor, on_train })
    }

    /// The one pipeline chooses on the target's valid cases. Here these are too few, so that other domains' choice is carried over.
    fn fit_on_sources(&self, plan: &FitPlan, session: Session<'_>) -> Result<FewShotFit, TrainError> {
        let Problem { items, target, split, rule, .. } = self.problem;
        let valid = &split.valid.0;
        let others = (0..items.n_domains() as u16).map(DomainIdx).filter(|&domain| domain != target);
        let sources: Vec<(DomainIdx, &CaseSet)> = others.map(|domain| (domain, valid)).collect();
        let material = self.problem.material();
        let sources = SourceCases { cases: &sources, rule };
        let (zero_shot, mut model) = fit_zero_shot(plan, material, sources, target, session)?;
        if self.recipe.refit {
            model = refit_domain(&model, self.problem.refit_material(), plan.seed, session)?;
        }
        // What other domains chose is for when nothing is known here. With a few events and too few cases to prove anything, the
        // recipe that needs no choice is the safer one.
        let inside = items.range(target);
        let mut events = split.train_valid.sequences.events().iter();
        let has_events = events.any(|event| inside.contains(&event.item.at()));
        let floor = if has_events { Some(self.fit_floor()?) } else { None };
        let chosen_on = ChosenOn::Sources;
        Ok(FewShotFit { model, chosen_on, zero_shot: Some(zero_shot), floor, on_train: None })
    }

    /// Tries pseudo-labels for the hidden users in a fit of [`FewShot::fit_transfer`]. `None` where the target has too few valid cases
    /// to prove anything.
    ///
    /// # Errors
    /// As [`try_pseudo_labels`].
    pub fn add_pseudo_labels(
        &self,
        fit: &FewShotFit,
        session: Session<'_>,
    ) -> Result<Option<LabelsTried>, TrainError> {
        let (Some(judge), Some(chosen)) = (self.judge()?, &fit.on_train) else { return Ok(None) };
        let (plan, material) = (&self.recipe.plan, self.problem.material());
        let (with, evidence) = try_pseudo_labels(chosen, plan, material, &judge, session)?;
        let Some((with, threshold)) = with.zip(evidence.kept) else {
            return Ok(Some(LabelsTried { with: None, evidence }));
        };
        let floor = self.floor_unless_beaten(&with, &judge)?;
        let mut model = with.clone();
        if self.recipe.refit {
            let material = self.problem.refit_material();
            model = refit_with_pseudo_labels(&fit.model, threshold, material, plan.seed, session)?;
        }
        let with = FewShotFit { model, floor, on_train: Some(with), ..fit.clone() };
        Ok(Some(LabelsTried { with: Some(with), evidence }))
    }

    fn floor_unless_beaten(
        &self,
        model: &DomainModel,
        judge: &Judge<'_>,
    ) -> Result<Option<Floor>, TrainError> {
        if self.beats_floor(model, judge)? { Ok(None) } else { self.fit_floor().map(Some) }
    }

    /// Whether a model fitted on train is better than the floor on valid, beyond doubt.
    fn beats_floor(&self, model: &DomainModel, judge: &Judge<'_>) -> Result<bool, TrainError> {
        let plan = &self.recipe.plan;
        let floor = self.floor_on(&self.problem.split.train)?;
        let ours = ndcg_of_model(model, plan.objective, judge)?;
        let theirs = judge.metric_values(plan.objective, |query: &Query<'_>, scores: &mut [f32]| {
            floor.score(query, self.problem.items, scores);
        })?;
        let bootstrap = Bootstrap { seed: plan.seed, ..Bootstrap::default() };
        Ok(paired_gain(&ours, &theirs, judge.users(), bootstrap)?.lo > 0.0)
    }

    fn valid(&self) -> CaseSet {
        self.problem.split.valid.0.of_domain(self.problem.target)
    }

    /// The valid cases; `None` where they are too few to choose by.
    fn judge(&self) -> Result<Option<Judge<'a>>, TrainError> {
        let cases = self.valid();
        let mut users: Vec<u32> = cases.cases().iter().map(|case| case.row).collect();
        users.sort_unstable();
        users.dedup();
        if users.len() < FEWEST_USERS_TO_CHOOSE_BY {
            return Ok(None);
        }
        judge_cases(&self.problem, &cases).map(Some)
    }
}

/// The recipe that the published tables are given as a floor (`window+text`), with the defaults of the two experts.
fn floor_parts() -> [FloorPart; 2] {
    let part = |scale: Scale| FloorPart {
        weight: 1.0,
        scale,
        scope: Scope::Target,
        popularity: None,
        window: None,
        linear: None,
        content: None,
    };
    let window = FloorPart { window: Some(WindowConfig::default()), ..part(Scale::P99) };
    let content = FloorPart { content: Some(ContentConfig::default()), ..part(Scale::None) };
    [window, content]
}
