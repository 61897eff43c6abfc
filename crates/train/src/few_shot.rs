//! The systems that a few-shot curve compares, fitted on what is revealed of the target.

use segue_data::{CaseSet, DomainIdx, ItemCatalog, ItemGraph, Revealed, TrainSet};
use segue_eval::bootstrap::Bootstrap;
use segue_models::content::ContentConfig;
use segue_models::window::WindowConfig;
use segue_models::{ItemVectors, ModelError, Query, Scope};
use segue_recommend::DomainModel;
use segue_recommend::recommender::Scratch;
use serde::{Deserialize, Serialize};

use crate::domain_fit::{fit_domain, refit_domain};
use crate::error::TrainError;
use crate::fit_plan::FitPlan;
use crate::floor::{Floor, FloorPart, Scale};
use crate::judge::{Judge, paired_gain};
use crate::material::Material;
use crate::pseudo_labels::{PseudoEvidence, refit_with_pseudo_labels, try_pseudo_labels};
use crate::selector::ndcg_of_model;
use crate::session::Session;
use crate::zero_shot::{JudgeRule, ZeroShot, fit_zero_shot};

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

/// What a share is fitted on and how.
#[derive(Clone, Copy)]
pub struct FewShot<'a> {
    /// What to train; `use_sources` is set by the system.
    pub plan: &'a FitPlan,
    /// What is known.
    pub revealed: &'a Revealed,
    /// Items of all domains.
    pub items: &'a ItemCatalog,
    /// Vectors of their texts.
    pub vectors: Option<&'a ItemVectors>,
    /// What is stated about them.
    pub graph: Option<&'a ItemGraph>,
    /// The domain with little data.
    pub target: DomainIdx,
    /// How cases are judged.
    pub rule: JudgeRule,
    /// Whether what is measured is fitted on train and valid.
    pub refit: bool,
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
        let plan = FitPlan { use_sources: true, ..self.plan.clone() };
        if let Some(judge) = self.judge()? {
            return self.fit_on_valid(&plan, &judge, session);
        }
        let valid = &self.revealed.valid.0;
        let sources: Vec<(DomainIdx, &CaseSet)> = (0..self.items.n_domains() as u16)
            .map(DomainIdx)
            .filter(|&domain| domain != self.target)
            .map(|domain| (domain, valid))
            .collect();
        let (zero_shot, mut model) =
            fit_zero_shot(&plan, self.material(), (&sources, self.rule), self.target, session)?;
        if self.refit {
            let material = self.material().with_train(&self.revealed.train_valid);
            model = refit_domain(&model, material, plan.seed, session)?;
        }
        // What other domains chose is for when nothing is known here. With a few events and too few cases to prove anything, the
        // recipe that needs no choice is the safer one.
        let inside = self.items.range(self.target);
        let has_events = self
            .revealed
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
        let plan = FitPlan { use_sources: false, ..self.plan.clone() };
        let Some(judge) = self.judge()? else { return Ok(None) };
        self.fit_on_valid(&plan, &judge, session).map(Some)
    }

    /// The simple floor: what follows what in the target, and words in common, with fixed settings and weights.
    ///
    /// # Errors
    /// When a part fails for another reason than that it has nothing to read.
    pub fn fit_floor(&self) -> Result<Floor, TrainError> {
        self.floor_of(if self.refit { &self.revealed.train_valid } else { &self.revealed.train })
    }

    fn floor_of(&self, train: &TrainSet) -> Result<Floor, TrainError> {
        match Floor::fit(&floor_parts(), train, self.items, self.target) {
            Err(TrainError::Model { source: ModelError::StandsAside { .. }, .. }) => {
                Floor::fit(&floor_parts()[..1], train, self.items, self.target)
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
        let chosen = fit_domain(plan, self.material(), judge, session)?.model;
        let floor = self.floor_unless_beaten(&chosen, judge)?;
        let mut model = chosen.clone();
        if self.refit {
            let material = self.material().with_train(&self.revealed.train_valid);
            model = refit_domain(&model, material, plan.seed, session)?;
        }
        let (chosen_on, on_train) = (ChosenOn::Target, Some(chosen));
        Ok(FewShotFit { model, chosen_on, zero_shot: None, floor, on_train })
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
        let (with, evidence) = try_pseudo_labels(chosen, self.plan, self.material(), &judge, session)?;
        let Some((with, threshold)) = with.zip(evidence.kept) else { return Ok(Some((None, evidence))) };
        let floor = self.floor_unless_beaten(&with, &judge)?;
        let mut model = with.clone();
        if self.refit {
            let material = self.material().with_train(&self.revealed.train_valid);
            model = refit_with_pseudo_labels(&fit.model, threshold, material, self.plan.seed, session)?;
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
        let floor = self.floor_of(&self.revealed.train)?;
        let ours = ndcg_of_model(model, self.plan, judge)?;
        let theirs = judge.metric_values(self.plan.objective, |query: &Query<'_>, scores: &mut [f32]| {
            floor.score(query, self.items, scores);
        })?;
        let bootstrap = Bootstrap { seed: self.plan.seed, ..Bootstrap::default() };
        Ok(paired_gain(&ours, &theirs, judge.users(), bootstrap)?.lo > 0.0)
    }

    /// What experts are fitted on while choosing.
    fn material(&self) -> Material<'a> {
        Material::new(&self.revealed.train, self.items, self.vectors).with_graph(self.graph)
    }

    fn valid(&self) -> CaseSet {
        self.revealed.valid.0.of_domain(self.target)
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
        Judge::new(&cases, self.items, self.target, self.rule.mask, self.rule.sampled).map(Some)
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
