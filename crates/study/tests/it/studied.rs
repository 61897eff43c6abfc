//! A story as a problem, and recipes that are answered in a second.

use segue::{Problem, Recipe, Silent};
use segue_eval::metric_table::TableSettings;
use segue_models::ExpertKind;
use segue_study::Study;
use segue_train::FitPlan;
use segue_train::judge::JudgeRule;

use crate::story::{Stage, TARGET};

/// Recommending the target of a story, of which nothing was encoded.
pub(crate) fn problem(stage: &Stage) -> Problem<'_> {
    Problem {
        items: &stage.dataset.items,
        domains: &stage.dataset.domains,
        split: &stage.split,
        text: None,
        media: None,
        graph: None,
        target: TARGET,
        rule: JudgeRule::default(),
    }
}

/// These kinds of experts with their default settings, measured as they are.
pub(crate) fn plan(experts: &[ExpertKind]) -> FitPlan {
    FitPlan { experts: experts.into(), budget: 1, search_cases: 400, ..FitPlan::default() }
}

/// A recipe without a refit and without pseudo-labels.
pub(crate) fn recipe(plan: FitPlan) -> Recipe {
    Recipe { plan, pseudo_labels: false, refit: false, table: TableSettings::default() }
}

/// A study that nobody watches.
pub(crate) fn study<'a>(problem: Problem<'a>, recipe: &'a Recipe) -> Study<'a> {
    Study { problem, recipe, observer: &Silent }
}
