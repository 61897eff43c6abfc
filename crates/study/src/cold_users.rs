//! Users who are new to a domain and known elsewhere: how well they are served from what they did there.

use anyhow::{Context, Result};
use segue_data::{CaseSet, Event, hold_out_users};
use segue_eval::bootstrap::Interval;
use segue_eval::full_ranking::Rankings;
use segue_eval::metric_table::{Comparison, MetricTable};
use segue_recommend::DomainModel;
use segue_train::Judge;
use serde::Serialize;

use crate::study::{Study, members, members_in_words, rank_model};
use segue::figures::HEADLINE;

/// Percent of the users that are held out.
const PERCENT: f64 = 20.0;

/// The blend of `segue train`.
const BLEND: &str = "blend";

/// The blend chosen on valid cases from which the events in the domain are hidden.
const CHOSEN_FOR_THEM: &str = "blend chosen for such users";

/// What was measured in one domain.
#[derive(Debug, Serialize)]
pub struct ColdUsers {
    pub target: String,
    pub split: String,
    pub seed: u64,
    /// Users whose events in the domain are hidden.
    pub n_held_out: usize,
    /// Their test cases, and how many of these had no event elsewhere before them and were left out.
    pub n_cases: usize,
    pub n_without_history: usize,
    /// Valid cases with events elsewhere, on which the second blend was chosen.
    pub n_valid_cases: usize,
    /// The two blends first, then the experts of the first alone.
    pub systems: Vec<ColdUserRow>,
    /// Experts of the two blends, with their weights.
    pub members: Vec<(&'static str, String)>,
}

/// One system on the cases of users who are new to the domain.
#[derive(Debug, Serialize)]
pub struct ColdUserRow {
    pub name: String,
    pub hr_at_10: Interval,
    pub ndcg_at_10: Interval,
    /// NDCG@10 of the blend minus that of this one; `None` for the blend.
    pub blend_minus_it: Option<Comparison>,
}

/// Holds users out, fits and measures.
pub fn study(study: &Study<'_>) -> Result<ColdUsers> {
    let held = (study.problem.target, PERCENT);
    let (split, rows) = hold_out_users(study.problem.split, study.problem.items, held, study.plan().seed);
    let study = &Study { problem: study.problem.with_split(&split), ..*study };
    let (cases, n_without_history) = their_cases(study, &rows);
    let test = judge(study, &cases).context("no user of the domain has an event elsewhere before test")?;
    let unknown = from_elsewhere(study, &split.valid.0);
    let valid = judge(study, &unknown).context("no valid case has an event elsewhere before it")?;
    let usual = fitted(study, &study.problem.valid()?, BLEND)?;
    let for_them = fitted(study, &valid, CHOSEN_FOR_THEM)?;
    let ours = rank_model(&test, &usual)?;
    let mut systems = vec![row(study, &test, (BLEND, &ours), None)?];
    systems.push(row(study, &test, (CHOSEN_FOR_THEM, &rank_model(&test, &for_them)?), Some(&ours))?);
    for expert in &usual.experts {
        let ranks = test.rank(|query, scores| expert.score(query, study.problem.items, scores))?;
        systems.push(row(study, &test, (&expert.id.to_string(), &ranks), Some(&ours))?);
    }
    let in_words = |model: &DomainModel| members_in_words(&members(model));
    Ok(ColdUsers {
        target: study.target_name().to_owned(),
        split: split.description.clone(),
        seed: study.plan().seed,
        n_held_out: rows.len(),
        n_cases: test.n_cases(),
        n_without_history,
        n_valid_cases: valid.n_cases(),
        systems,
        members: vec![(BLEND, in_words(&usual)), (CHOSEN_FOR_THEM, in_words(&for_them))],
    })
}

// Test cases of the users that were held out; and how many were left out, since nothing is known before them.
fn their_cases(study: &Study<'_>, rows: &[u32]) -> (CaseSet, usize) {
    let test = study.problem.split.test.0.of_domain(study.problem.target);
    let theirs: Vec<usize> =
        (0..test.len()).filter(|&at| rows.binary_search(&test.cases()[at].row).is_ok()).collect();
    let theirs = test.select(&theirs);
    let known = with_history(&theirs);
    let n_without = theirs.len() - known.len();
    (known, n_without)
}

// Valid cases of the domain as they would be if their users were new to it.
fn from_elsewhere(study: &Study<'_>, valid: &CaseSet) -> CaseSet {
    let is_elsewhere =
        |_: u32, event: &Event| study.problem.items.domain_of(event.item) != study.problem.target;
    with_history(&valid.of_domain(study.problem.target).with_events(is_elsewhere))
}

fn with_history(cases: &CaseSet) -> CaseSet {
    let known = |&at: &usize| !cases.history(&cases.cases()[at]).is_empty();
    cases.select(&(0..cases.len()).filter(known).collect::<Vec<_>>())
}

fn judge<'a>(study: &Study<'a>, cases: &CaseSet) -> Result<Judge<'a>> {
    let rule = study.problem.rule;
    Ok(Judge::new(cases, study.problem.items, study.problem.target, rule.mask, rule.sampled)?)
}

fn fitted(study: &Study<'_>, valid: &Judge<'_>, what: &str) -> Result<DomainModel> {
    Ok(study.fit(&format!("{}, {what}", study.target_name()), valid)?.served)
}

fn row(
    study: &Study<'_>,
    test: &Judge<'_>,
    (name, ranks): (&str, &Rankings),
    blend: Option<&Rankings>,
) -> Result<ColdUserRow> {
    let table = MetricTable::of(study.ranks(ranks), Some(test.users()), &study.recipe.table)?;
    let metric = |key: &str| table.metrics.get(key).copied().context("no metric was measured");
    let blend_minus_it = blend.map(|blend| study.difference(test, blend, ranks)).transpose()?;
    Ok(ColdUserRow {
        name: name.to_owned(),
        hr_at_10: metric("hr@10")?,
        ndcg_at_10: metric(HEADLINE)?,
        blend_minus_it,
    })
}
