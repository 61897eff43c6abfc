//! What all studies share: a problem, the recipe that answers it, who hears of it; ranks, means and paired differences.

use anyhow::{Context, Result};
use segue::figures::HEADLINE;
use segue::observer::watched;
use segue::pipeline::{self, Fitted, Recipe};
use segue::{Observer, Problem};
use segue_data::{CaseSet, Split};
use segue_eval::bootstrap::{Bootstrap, Interval};
use segue_eval::full_ranking::Rankings;
use segue_eval::metric_table::{Comparison, compare};
use segue_eval::rank::TargetRank;
use segue_models::{ExpertId, Query};
use segue_recommend::Scratch;
use segue_recommend::{DomainModel, Member};
use segue_train::judge::ndcg_of;
use segue_train::{FitPlan, Judge, Material, Session, TrainError, refit_domain};
use serde::Serialize;

/// What is studied.
#[derive(Clone, Copy)]
pub struct Study<'a> {
    /// The target, its data, and how it is judged.
    pub problem: Problem<'a>,
    /// How it is answered and measured.
    pub recipe: &'a Recipe,
    /// Receives the progress of the study.
    pub observer: &'a dyn Observer,
}

impl<'a> Study<'a> {
    /// What is trained and how much is tried.
    pub fn plan(&self) -> &'a FitPlan {
        &self.recipe.plan
    }

    /// Name of the target.
    pub fn target_name(&self) -> &'a str {
        self.problem.target_name()
    }

    /// What experts are fitted on while settings are chosen: train.
    pub fn material(&self) -> Material<'a> {
        self.problem.material()
    }

    /// The same study with the events cut otherwise.
    #[must_use]
    pub fn with_split<'b>(self, split: &'b Split) -> Study<'b>
    where
        'a: 'b,
    {
        Study { problem: self.problem.with_split(split), recipe: self.recipe, observer: self.observer }
    }

    /// The ranks that the plan's objective counts.
    pub fn ranks<'r>(&self, rankings: &'r Rankings) -> &'r [TargetRank] {
        self.plan().objective.of(rankings)
    }

    /// Mean NDCG@10, in [0, 1], with a 95 % interval for which users are resampled.
    ///
    /// # Errors
    /// When there is no case.
    pub fn ndcg(&self, judge: &Judge<'_>, rankings: &Rankings) -> Result<Interval> {
        let cases = ndcg_of(self.ranks(rankings));
        Ok(self.bootstrap().means_by_user(&[&cases], judge.users())?[0])
    }

    /// NDCG@10 of `ours` minus that of `theirs`, paired by case, users resampled.
    ///
    /// # Errors
    /// When there is no case.
    pub fn difference(&self, judge: &Judge<'_>, ours: &Rankings, theirs: &Rankings) -> Result<Comparison> {
        let compared =
            compare(self.ranks(ours), self.ranks(theirs), Some(judge.users()), &self.recipe.table)?;
        compared.get(HEADLINE).copied().context("no metric was measured")
    }

    /// How intervals are drawn: by the plan's seed.
    pub(crate) fn bootstrap(&self) -> Bootstrap {
        Bootstrap { seed: self.plan().seed, ..Bootstrap::default() }
    }

    /// Runs a fit of which the observer hears under the name `task`.
    ///
    /// # Errors
    /// Those of the fit.
    pub fn watched<T, E>(&self, task: &str, fit: impl FnOnce(Session<'_>) -> Result<T, E>) -> Result<T, E> {
        watched(self.observer, task, fit)
    }

    /// Answers the problem by the one pipeline, choosing on these valid cases; the observer hears of it under the name `task`.
    ///
    /// # Errors
    /// When no expert can be fitted, a score is not finite, or it was stopped.
    pub fn fit(&self, task: &str, valid: &Judge<'_>) -> Result<Fitted> {
        Ok(self.watched(task, |session| pipeline::fit(&self.problem, self.recipe, valid, session))?)
    }

    /// What would be served of a model that a study has fitted on train: the model itself, or, where the recipe asks for a refit, the
    /// same settings and weights fitted on train and valid. For models that no one pipeline has chosen; [`Study::fit`] serves its own.
    ///
    /// # Errors
    /// When an expert cannot be fitted.
    pub fn served(&self, model: &DomainModel) -> Result<DomainModel> {
        if !self.recipe.refit {
            return Ok(model.clone());
        }
        let material = self.problem.refit_material();
        Ok(refit_domain(model, material, self.plan().seed, Session::unwatched())?)
    }

    /// Ranks the test cases by what would be served of a model, as [`Study::served`] says.
    ///
    /// # Errors
    /// When the refit fails or a score is not finite.
    pub fn rank_served(&self, test: &Judge<'_>, model: &DomainModel) -> Result<Rankings> {
        rank_model(test, &self.served(model)?)
    }
}

/// Other cases of a problem's target, judged as the problem says.
pub(crate) fn judge_cases<'a>(problem: &Problem<'a>, cases: &CaseSet) -> Result<Judge<'a>, TrainError> {
    let rule = problem.rule;
    Judge::new(cases, problem.items, problem.target, rule.mask, rule.sampled)
}

/// Ranks of the cases under a model.
///
/// # Errors
/// When a score is not finite.
pub fn rank_model(judge: &Judge<'_>, model: &DomainModel) -> Result<Rankings> {
    let score = |query: &Query<'_>, scores: &mut [f32]| {
        model.score(query, judge.items(), &mut Scratch::default(), scores);
    };
    Ok(judge.rank(score)?)
}

/// An expert with its weight in a blend; in JSON a pair of both.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(into = "(ExpertId, f32)")]
pub struct ExpertWeight {
    /// The expert.
    pub expert: ExpertId,
    /// Its weight for items that training knows, ≥ 0; 0: refused.
    pub weight: f32,
}

impl From<ExpertWeight> for (ExpertId, f32) {
    fn from(member: ExpertWeight) -> Self {
        (member.expert, member.weight)
    }
}

/// All experts of a blend, the refused ones included, in its order.
pub(crate) fn all_weights(model: &DomainModel) -> Vec<ExpertWeight> {
    let weight = |member: &Member| ExpertWeight { expert: member.expert, weight: member.warm };
    model.blend.members.iter().map(weight).collect()
}

/// Experts of a blend that have a weight, the largest first.
pub fn members(model: &DomainModel) -> Vec<ExpertWeight> {
    let all = all_weights(model);
    let mut members: Vec<ExpertWeight> = model.blend.active().map(|at| all[at]).collect();
    members.sort_by(|a, b| b.weight.total_cmp(&a.weight));
    members
}

/// Experts and weights as people read them: `window 0.71 · content@all 0.29`.
pub fn members_in_words(members: &[ExpertWeight]) -> String {
    let member = |ExpertWeight { expert, weight }: &ExpertWeight| format!("{expert} {weight:.2}");
    members.iter().map(member).collect::<Vec<_>>().join(" · ")
}
