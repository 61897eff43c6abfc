//! The systems that a few-shot curve compares, fitted on what is revealed of the target.

use segue::pipeline::{self, Fitted, Recipe};
use segue::problem::Problem;
use segue_data::{CaseSet, DomainIdx, ItemCatalog, Revealed, Split, TrainSet};
use segue_eval::bootstrap::Bootstrap;
use segue_models::content::ContentConfig;
use segue_models::window::WindowConfig;
use segue_models::{ModelError, Query, Scope};
use segue_recommend::DomainModel;
use segue_recommend::Scratch;
use serde::{Deserialize, Serialize};

use segue_train::FitPlan;
use segue_train::TrainError;
use segue_train::domain_fit::refit_domain;
use segue_train::floor::{Floor, FloorPart, Scale};
use segue_train::judge::ndcg_of_model;
use segue_train::judge::{Judge, paired_gain};
use segue_train::pseudo_labels::{PseudoEvidence, refit_with_pseudo_labels, try_pseudo_labels};
use segue_train::session::Session;
use segue_train::zero_shot::{ZeroShot, fit_zero_shot};

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
    /// The choice, where the sources made it.
    pub zero_shot: Option<ZeroShot>,
    /// Served in place of the model where nothing proves that the model is better: the simple floor.
    pub floor: Option<Floor>,
    /// The model as it was chosen, fitted on train; `None` where the sources chose.
    on_train: Option<DomainModel>,
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

/// The split of what is revealed; the test cases stay those of `whole`.
pub fn revealed_split(whole: &Split, revealed: Revealed) -> Split {
    let Revealed { train, train_valid, valid } = revealed;
    Split { train, train_valid, valid, test: whole.test.clone(), description: whole.description.clone() }
}

impl<'a> FewShot<'a> {
    /// Valid cases of the target that are known.
    pub fn n_valid_cases(&self) -> usize {
        self.valid().len()
    }

    /// The blend of all domains. With too few valid cases the sources choose.
    ///
    /// # Errors
    /// As [`fit_domain`] and [`fit_zero_shot`].
    pub fn fit_transfer(&self, session: Session<'_>) -> Result<FewShotFit, TrainError> {
        let plan = FitPlan { use_sources: true, ..self.recipe.plan.clone() };
        if let Some(judge) = self.judge()? {
            return self.fit_on_valid(&plan, &judge, session);
        }
        let valid = &self.problem.split.valid.0;
        let sources: Vec<(DomainIdx, &CaseSet)> = (0..self.problem.items.n_domains() as u16)
            .map(DomainIdx)
            .filter(|&domain| domain != self.problem.target)
            .map(|domain| (domain, valid))
            .collect();
        let (zero_shot, mut model) = fit_zero_shot(
            &plan,
            self.problem.material(),
            (&sources, self.problem.rule),
            self.problem.target,
            session,
        )?;
        if self.recipe.refit {
            model = refit_domain(&model, self.problem.refit_material(), plan.seed, session)?;
        }
        // What other domains chose is for when nothing is known here. With a few events and too few cases to prove anything, the
        // recipe that needs no choice is the safer one.
        let inside = self.problem.items.range(self.problem.target);
        let has_events = self
            .problem
            .split
            .train_valid
            .sequences
            .events()
            .iter()
            .any(|event| inside.contains(&event.item.at()));
        let floor = if has_events { Some(self.fit_floor()?) } else { None };
        let chosen_on = ChosenOn::Sources;
        Ok(FewShotFit { model, chosen_on, zero_shot: Some(zero_shot), floor, on_train: None })
    }

    /// The blend of the target's own events; `None` with too few valid cases, since nothing can be chosen then.
    ///
    /// # Errors
    /// As [`fit_domain`].
    pub fn fit_target_only(&self, session: Session<'_>) -> Result<Option<FewShotFit>, TrainError> {
        let plan = FitPlan { use_sources: false, ..self.recipe.plan.clone() };
        let Some(judge) = self.judge()? else { return Ok(None) };
        self.fit_on_valid(&plan, &judge, session).map(Some)
    }

    /// The simple floor: what follows what in the target, and words in common, with fixed settings and weights.
    ///
    /// # Errors
    /// When a part fails for another reason than that it has nothing to read.
    pub fn fit_floor(&self) -> Result<Floor, TrainError> {
        self.floor_of(if self.recipe.refit {
            &self.problem.split.train_valid
        } else {
            &self.problem.split.train
        })
    }

    fn floor_of(&self, train: &TrainSet) -> Result<Floor, TrainError> {
        match Floor::fit(&floor_parts(), train, self.problem.items, self.problem.target) {
            Err(TrainError::Model { source: ModelError::StandsAside { .. }, .. }) => {
                Floor::fit(&floor_parts()[..1], train, self.problem.items, self.problem.target)
            }
            other => other,
        }
    }

    fn fit_on_valid(
        &self,
        plan: &FitPlan,
        judge: &Judge<'_>,
        session: Session<'_>,
    ) -> Result<FewShotFit, TrainError> {
        let recipe = Recipe { plan: plan.clone(), pseudo_labels: false, ..self.recipe.clone() };
        let Fitted { chosen, served } = pipeline::fit(&self.problem, &recipe, judge, session)?;
        let chosen = chosen.fit.model;
        let floor = self.floor_unless_beaten(&chosen, judge)?;
        let (chosen_on, on_train) = (ChosenOn::Target, Some(chosen));
        Ok(FewShotFit { model: served, chosen_on, zero_shot: None, floor, on_train })
    }

    /// Tries pseudo-labels for the hidden users in a fit of [`FewShot::fit_transfer`]. `None` where the target has too few valid cases
    /// to prove anything; without a fit where valid refused them, so that the old one stays.
    ///
    /// # Errors
    /// As [`try_pseudo_labels`].
    pub fn add_pseudo_labels(
        &self,
        fit: &FewShotFit,
        session: Session<'_>,
    ) -> Result<Option<(Option<FewShotFit>, PseudoEvidence)>, TrainError> {
        let (Some(judge), Some(chosen)) = (self.judge()?, &fit.on_train) else { return Ok(None) };
        let (with, evidence) =
            try_pseudo_labels(&self.recipe.plan, (self.problem.material(), chosen), &judge, session)?;
        let Some((with, threshold)) = with.zip(evidence.kept) else { return Ok(Some((None, evidence))) };
        let floor = self.floor_unless_beaten(&with, &judge)?;
        let mut model = with.clone();
        if self.recipe.refit {
            let material = self.problem.refit_material();
            model =
                refit_with_pseudo_labels(&fit.model, threshold, material, (self.recipe.plan.seed, session))?;
        }
        let fit = FewShotFit { model, floor, on_train: Some(with), ..fit.clone() };
        Ok(Some((Some(fit), evidence)))
    }

    fn floor_unless_beaten(
        &self,
        model: &DomainModel,
        judge: &Judge<'_>,
    ) -> Result<Option<Floor>, TrainError> {
        if self.beats_floor(model, judge)? { Ok(None) } else { self.fit_floor().map(Some) }
    }

    // Whether a model fitted on train is better than the floor on valid, beyond doubt.
    fn beats_floor(&self, model: &DomainModel, judge: &Judge<'_>) -> Result<bool, TrainError> {
        let floor = self.floor_of(&self.problem.split.train)?;
        let ours = ndcg_of_model(model, &self.recipe.plan, judge)?;
        let theirs =
            judge.metric_values(self.recipe.plan.objective, |query: &Query<'_>, scores: &mut [f32]| {
                floor.score(query, self.problem.items, scores);
            })?;
        let bootstrap = Bootstrap { seed: self.recipe.plan.seed, ..Bootstrap::default() };
        Ok(paired_gain(&ours, &theirs, judge.users(), bootstrap)?.lo > 0.0)
    }

    fn valid(&self) -> CaseSet {
        self.problem.split.valid.0.of_domain(self.problem.target)
    }

    // `None` where there is too little to choose by.
    fn judge(&self) -> Result<Option<Judge<'a>>, TrainError> {
        let cases = self.valid();
        let mut users: Vec<u32> = cases.cases().iter().map(|case| case.row).collect();
        users.sort_unstable();
        users.dedup();
        if users.len() < FEWEST_USERS_TO_CHOOSE_BY {
            return Ok(None);
        }
        Judge::new(
            &cases,
            self.problem.items,
            self.problem.target,
            self.problem.rule.mask,
            self.problem.rule.sampled,
        )
        .map(Some)
    }
}

// The recipe that the published tables are given as a floor (`window+text`), with the defaults of the two experts.
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
