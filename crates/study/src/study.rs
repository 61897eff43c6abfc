//! What all studies share: a problem, the recipe that answers it, who hears of it; ranks, means and paired differences.

use anyhow::{Context, Result};
use segue::figures::HEADLINE;
use segue::observer::watched;
use segue::pipeline::{self, Fitted, Recipe};
use segue::{Observer, Problem};
use segue_eval::bootstrap::{Bootstrap, Interval};
use segue_eval::full_ranking::Rankings;
use segue_eval::metric_table::{Comparison, compare};
use segue_eval::rank::TargetRank;
use segue_models::{ExpertId, Query};
use segue_recommend::DomainModel;
use segue_recommend::Scratch;
use segue_train::judge::ndcg_of;
use segue_train::{FitPlan, Judge, Material, Session, refit_domain};

/// What is studied.
#[derive(Clone, Copy)]
pub struct Study<'a> {
    /// The target, its data, and how it is judged.
    pub problem: Problem<'a>,
    /// How it is answered and measured.
    pub recipe: &'a Recipe,
    /// Who hears how far the study is.
    pub observer: &'a dyn Observer,
}

impl<'a> Study<'a> {
    /// What is trained.
    pub fn plan(&self) -> &'a FitPlan {
        &self.recipe.plan
    }

    /// Name of the target.
    pub fn target_name(&self) -> &'a str {
        self.problem.target_name()
    }

    /// What experts are fitted on while settings are chosen.
    pub fn material(&self) -> Material<'a> {
        self.problem.material()
    }

    /// The ranks that the objective counts.
    pub fn ranks<'r>(&self, rankings: &'r Rankings) -> &'r [TargetRank] {
        self.plan().objective.of(rankings)
    }

    /// Mean NDCG@10, with users resampled.
    ///
    /// # Errors
    /// When there is no case.
    pub fn ndcg(&self, judge: &Judge<'_>, rankings: &Rankings) -> Result<Interval> {
        let cases = ndcg_of(self.ranks(rankings));
        let bootstrap = Bootstrap { seed: self.plan().seed, ..Bootstrap::default() };
        Ok(bootstrap.means_by_user(&[&cases], judge.users())?[0])
    }

    /// NDCG@10 of `ours` minus that of `theirs`, paired by case.
    ///
    /// # Errors
    /// When there is no case.
    pub fn difference(&self, judge: &Judge<'_>, ours: &Rankings, theirs: &Rankings) -> Result<Comparison> {
        let compared =
            compare(self.ranks(ours), self.ranks(theirs), Some(judge.users()), &self.recipe.table)?;
        compared.get(HEADLINE).copied().context("no metric was measured")
    }

    /// Does a fit of which the observer hears under the name `task`.
    ///
    /// # Errors
    /// Those of the fit.
    pub fn watched<T, E>(&self, task: &str, fit: impl FnOnce(Session<'_>) -> Result<T, E>) -> Result<T, E> {
        watched(self.observer, task, fit)
    }

    /// Answers the problem by the one pipeline, on these valid cases; the observer hears of it under the name `task`.
    ///
    /// # Errors
    /// When no expert can be fitted, or a score is not finite.
    pub fn fit(&self, task: &str, valid: &Judge<'_>) -> Result<Fitted> {
        Ok(self.watched(task, |session| pipeline::fit(&self.problem, self.recipe, valid, session))?)
    }

    /// Ranks the test cases by what is served: the model as it is, or fitted again on train and valid where the recipe asks for it.
    ///
    /// # Errors
    /// When the refit fails or a score is not finite.
    pub fn rank_served(&self, test: &Judge<'_>, model: &DomainModel) -> Result<Rankings> {
        if !self.recipe.refit {
            return rank_model(test, model);
        }
        rank_model(test, &self.refitted(model)?)
    }

    /// The model fitted again on train and valid.
    ///
    /// # Errors
    /// When an expert cannot be fitted.
    pub fn refitted(&self, model: &DomainModel) -> Result<DomainModel> {
        let material = self.problem.refit_material();
        Ok(refit_domain(model, material, self.plan().seed, Session::unwatched())?)
    }
}

/// Ranks the cases under a model.
///
/// # Errors
/// When a score is not finite.
pub fn rank_model(judge: &Judge<'_>, model: &DomainModel) -> Result<Rankings> {
    let score = |query: &Query<'_>, scores: &mut [f32]| {
        model.score(query, judge.items(), &mut Scratch::default(), scores);
    };
    Ok(judge.rank(score)?)
}

/// Experts of a blend with their weights, the largest first.
pub fn members(model: &DomainModel) -> Vec<(ExpertId, f32)> {
    let blend = &model.blend;
    let mut members: Vec<(ExpertId, f32)> =
        blend.active().map(|at| (blend.members[at].expert, blend.members[at].warm)).collect();
    members.sort_by(|a, b| b.1.total_cmp(&a.1));
    members
}

/// The same in words.
pub fn members_in_words(members: &[(ExpertId, f32)]) -> String {
    let member = |(expert, weight): &(ExpertId, f32)| format!("{expert} {weight:.2}");
    members.iter().map(member).collect::<Vec<_>>().join(" · ")
}

/// Where a page comes from.
#[derive(Clone, Debug)]
pub struct PageOrigin {
    /// Name of the data.
    pub data: String,
    /// The command line, or what stands for it.
    pub command: String,
    /// When and by what it was made.
    pub generated: String,
}

impl PageOrigin {
    /// The first lines of a page's provenance.
    pub fn provenance(&self) -> Vec<(String, String)> {
        vec![("command".to_owned(), self.command.clone()), ("data".to_owned(), self.data.clone())]
    }
}
