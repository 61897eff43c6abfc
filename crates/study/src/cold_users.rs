//! Users who are new to a domain and known elsewhere: how well they are served from what they did there.

use anyhow::{Context, Result};
use segue::figures::HEADLINE;
use segue_data::{CaseSet, Event, hold_out_users};
use segue_eval::bootstrap::Interval;
use segue_eval::full_ranking::Rankings;
use segue_eval::metric_table::{Comparison, MetricTable};
use segue_recommend::DomainModel;
use segue_train::Judge;
use serde::Serialize;

use crate::study::{Study, judge_cases, members, members_in_words, rank_model};

/// Percent of the users that are held out.
const PERCENT: f64 = 20.0;

/// The blend of `segue train`.
const BLEND: &str = "blend";

/// The blend chosen on valid cases from which the events in the domain are hidden.
const CHOSEN_FOR_THEM: &str = "blend chosen for such users";

/// What was measured in one domain.
#[derive(Debug, Serialize)]
pub struct ColdUsers {
    /// Name of the domain.
    pub target: String,
    /// How the events were cut, in words.
    pub split: String,
    /// Seed of the choice of users, of the fits and of the intervals.
    pub seed: u64,
    /// Users whose events in the domain are hidden.
    pub n_held_out: usize,
    /// Their test cases that are measured: those with an event elsewhere before them.
    pub n_cases: usize,
    /// Their test cases that are left out, since nothing is known before them.
    pub n_without_history: usize,
    /// Valid cases with events elsewhere, on which the second blend was chosen.
    pub n_valid_cases: usize,
    /// The two blends first, then the experts of the first alone.
    pub systems: Vec<ColdUserRow>,
    /// The two blends' names, each with its experts and weights in words.
    pub members: Vec<(&'static str, String)>,
}

/// One system on the cases of users who are new to the domain.
#[derive(Debug, Serialize)]
pub struct ColdUserRow {
    /// The name of a blend, or the id of an expert.
    pub name: String,
    /// Share of the cases whose item is among the first ten.
    pub hr_at_10: Interval,
    /// Mean NDCG@10, in [0, 1].
    pub ndcg_at_10: Interval,
    /// NDCG@10 of the blend minus that of this one; `None` for the blend.
    pub blend_minus_it: Option<Comparison>,
}

/// Hides the events in the domain of 20 % of its users, fits and measures.
///
/// # Errors
/// When nobody who was held out, or no valid case, has an event elsewhere before it, or nothing can be fitted.
pub fn measure(study: &Study<'_>) -> Result<ColdUsers> {
    let problem = &study.problem;
    let seed = study.plan().seed;
    let (split, rows) = hold_out_users(problem.split, problem.items, problem.target, PERCENT, seed);
    let study = &study.with_split(&split);
    let (cases, n_without_history) = their_cases(study, &rows);
    let test = judge_cases(&study.problem, &cases)
        .context("no user of the domain has an event elsewhere before test")?;
    let unknown = from_elsewhere(study, &split.valid.0);
    let valid =
        judge_cases(&study.problem, &unknown).context("no valid case has an event elsewhere before it")?;
    let usual = fit_blend(study, &study.problem.valid()?, BLEND)?;
    let for_them = fit_blend(study, &valid, CHOSEN_FOR_THEM)?;
    let in_words = |model: &DomainModel| members_in_words(&members(model));
    Ok(ColdUsers {
        target: study.target_name().to_owned(),
        split: split.description.clone(),
        seed: study.plan().seed,
        n_held_out: rows.len(),
        n_cases: test.n_cases(),
        n_without_history,
        n_valid_cases: valid.n_cases(),
        systems: systems(study, &test, &usual, &for_them)?,
        members: vec![(BLEND, in_words(&usual)), (CHOSEN_FOR_THEM, in_words(&for_them))],
    })
}

fn fit_blend(study: &Study<'_>, valid: &Judge<'_>, name: &str) -> Result<DomainModel> {
    Ok(study.fit(&format!("{}, {name}", study.target_name()), valid)?.served)
}

/// Test cases of the users that were held out; and how many were left out, since nothing is known before them. The test split is read
/// here itself, since `Problem::test` knows no users: what is sampled for a case depends on the cases beside it.
fn their_cases(study: &Study<'_>, rows: &[u32]) -> (CaseSet, usize) {
    let test = study.problem.split.test.open_for_measurement().of_domain(study.problem.target);
    let is_theirs = |at: &usize| rows.binary_search(&test.cases()[*at].row).is_ok();
    let theirs = test.select(&(0..test.len()).filter(is_theirs).collect::<Vec<_>>());
    let known = with_history(&theirs);
    let n_without = theirs.len() - known.len();
    (known, n_without)
}

/// Valid cases of the domain as they would be if their users were new to it.
fn from_elsewhere(study: &Study<'_>, valid: &CaseSet) -> CaseSet {
    let is_elsewhere =
        |_: u32, event: &Event| study.problem.items.domain_of(event.item) != study.problem.target;
    with_history(&valid.of_domain(study.problem.target).with_events(is_elsewhere))
}

fn with_history(cases: &CaseSet) -> CaseSet {
    let known = |&at: &usize| !cases.history(&cases.cases()[at]).is_empty();
    cases.select(&(0..cases.len()).filter(known).collect::<Vec<_>>())
}

fn systems(
    study: &Study<'_>,
    test: &Judge<'_>,
    usual: &DomainModel,
    for_them: &DomainModel,
) -> Result<Vec<ColdUserRow>> {
    let blend = rank_model(test, usual)?;
    let beside = |name: &str, ranks: &Rankings| -> Result<ColdUserRow> {
        let blend_minus_it = Some(study.difference(test, &blend, ranks)?);
        Ok(ColdUserRow { blend_minus_it, ..row(study, test, name, ranks)? })
    };
    let mut systems = vec![row(study, test, BLEND, &blend)?];
    systems.push(beside(CHOSEN_FOR_THEM, &rank_model(test, for_them)?)?);
    for expert in &usual.experts {
        let ranks = test.rank(|query, scores| expert.score(query, study.problem.items, scores))?;
        systems.push(beside(&expert.id.to_string(), &ranks)?);
    }
    Ok(systems)
}

fn row(study: &Study<'_>, test: &Judge<'_>, name: &str, ranks: &Rankings) -> Result<ColdUserRow> {
    let table = MetricTable::of(study.ranks(ranks), Some(test.users()), &study.recipe.table)?;
    let metric = |key: &str| table.metrics.get(key).copied().context("no metric was measured");
    Ok(ColdUserRow {
        name: name.to_owned(),
        hr_at_10: metric("hr@10")?,
        ndcg_at_10: metric(HEADLINE)?,
        blend_minus_it: None,
    })
}
