//! The one way from a problem to a model: search and blend, pseudo-labels, refit. Training, demo, benchmarks and studies go through it.

use std::ops::Bound;

use segue_data::{Split, TrainSet};
use segue_eval::metric_table::TableSettings;
use segue_models::range::{first, outside};
use segue_recommend::DomainModel;
use segue_train::pseudo_labels::{PseudoEvidence, refit_with_pseudo_labels, try_pseudo_labels};
use segue_train::{DomainFit, FitPlan, Judge, Session, TrainError, fit_domain, refit_domain};
use serde::{Deserialize, Serialize};

use crate::problem::Problem;

/// How a problem is answered and measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// What is trained and how much is tried.
    pub plan: FitPlan,
    /// Whether the surest lists of users with hardly an event in the target become training events, where valid proves a gain.
    pub pseudo_labels: bool,
    /// Whether what was chosen is fitted again on train and valid before it is measured and served.
    pub refit: bool,
    /// How metrics and intervals are computed.
    pub table: TableSettings,
}

impl Default for Recipe {
    fn default() -> Self {
        let table = TableSettings::default();
        Self { plan: FitPlan::default(), pseudo_labels: false, refit: true, table }
    }
}

impl Recipe {
    /// What is out of range; `None` when nothing is.
    pub fn problem(&self) -> Option<String> {
        let TableSettings { cutoffs, bootstrap, .. } = &self.table;
        let inside = (Bound::Excluded(0.0), Bound::Excluded(1.0));
        first([
            self.plan.problem(),
            (!cutoffs.contains(&10)).then(|| format!("10 is not among the cutoffs {cutoffs:?}")),
            cutoffs.iter().find_map(|&cutoff| outside("cutoff", cutoff, 1..=10_000)),
            outside("number of cutoffs", cutoffs.len(), 1..=100),
            outside("resamples", bootstrap.n_resamples, 1..=1_000_000),
            outside("confidence", bootstrap.confidence, inside),
        ])
    }
}

impl Recipe {
    /// What the measured models are fitted on.
    pub fn measured_train<'a>(&self, split: &'a Split) -> &'a TrainSet {
        if self.refit { &split.train_valid } else { &split.train }
    }
}

/// What was chosen on valid, fitted on train.
pub struct Chosen {
    /// Experts, blend and evidence, without pseudo-labels.
    pub fit: DomainFit,
    /// What valid said of pseudo-labels, where the recipe asks for them.
    pub pseudo_labels: Option<PseudoEvidence>,
    with_labels: Option<DomainModel>,
}

impl Chosen {
    /// The model as it was chosen, fitted on train alone.
    pub fn model(&self) -> &DomainModel {
        self.with_labels.as_ref().unwrap_or(&self.fit.model)
    }
}

/// A problem's answer.
pub struct Fitted {
    /// As it was chosen on valid, fitted on train.
    pub chosen: Chosen,
    /// What is served: fitted again on train and valid where the recipe asks for it.
    pub served: DomainModel,
}

/// Searches settings, chooses the blend, tries pseudo-labels, fits again.
///
/// # Errors
/// When no expert can be fitted, a score is not finite, or it was stopped.
pub fn fit(
    problem: &Problem<'_>,
    recipe: &Recipe,
    valid: &Judge<'_>,
    session: Session<'_>,
) -> Result<Fitted, TrainError> {
    let chosen = choose(problem, recipe, valid, session)?;
    let served = refit(problem, recipe, &chosen, session)?;
    Ok(Fitted { chosen, served })
}

/// The first half of [`fit`]: everything that is chosen on the valid cases.
///
/// # Errors
/// As [`fit`].
pub fn choose(
    problem: &Problem<'_>,
    recipe: &Recipe,
    valid: &Judge<'_>,
    session: Session<'_>,
) -> Result<Chosen, TrainError> {
    let (plan, material) = (&recipe.plan, problem.material());
    let fit = fit_domain(plan, material, valid, session)?;
    if !recipe.pseudo_labels {
        return Ok(Chosen { fit, pseudo_labels: None, with_labels: None });
    }
    let (with_labels, evidence) = try_pseudo_labels(&fit.model, plan, material, valid, session)?;
    Ok(Chosen { fit, pseudo_labels: Some(evidence), with_labels })
}

/// The second half of [`fit`]: what was chosen, fitted again on train and valid where the recipe asks for it.
///
/// # Errors
/// As [`fit`].
pub fn refit(
    problem: &Problem<'_>,
    recipe: &Recipe,
    chosen: &Chosen,
    session: Session<'_>,
) -> Result<DomainModel, TrainError> {
    if !recipe.refit {
        return Ok(chosen.model().clone());
    }
    // A refit begins with the real events alone.
    let (material, seed) = (problem.refit_material(), recipe.plan.seed);
    let model = refit_domain(&chosen.fit.model, material, seed, session)?;
    match chosen.pseudo_labels.as_ref().and_then(|evidence| evidence.kept) {
        Some(threshold) => refit_with_pseudo_labels(&model, threshold, material, seed, session),
        None => Ok(model),
    }
}
