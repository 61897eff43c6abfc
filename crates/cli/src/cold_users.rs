//! Users who are new to a domain and known elsewhere: how well they are served from what they did there.

use anyhow::{Context, Result};
use segue_data::{CaseSet, Event, hold_out_users};
use segue_eval::bootstrap::Interval;
use segue_eval::full_ranking::Rankings;
use segue_eval::metric_table::{Comparison, MetricTable};
use segue_recommend::DomainModel;
use segue_train::{Judge, fit_domain};
use serde::Serialize;

use crate::figures::HEADLINE;
use crate::grid::Grid;
use crate::number;
use crate::screen::Screen;
use crate::study::{Subject, members, members_in_words, rank_model, watched};

/// Percent of the users that are held out.
const PERCENT: f64 = 20.0;

/// The blend of `segue train`.
const BLEND: &str = "blend";
/// The blend chosen on valid cases from which the events in the domain are hidden.
const CHOSEN_FOR_THEM: &str = "blend chosen for such users";

/// What was measured in one domain.
#[derive(Debug, Serialize)]
pub(crate) struct ColdUsers {
    pub(crate) target: String,
    pub(crate) split: String,
    pub(crate) seed: u64,
    /// Users whose events in the domain are hidden.
    pub(crate) n_held_out: usize,
    /// Their test cases, and how many of these had no event elsewhere before them and were left out.
    pub(crate) n_cases: usize,
    pub(crate) n_without_history: usize,
    /// Valid cases with events elsewhere, on which the second blend was chosen.
    pub(crate) n_valid_cases: usize,
    /// The two blends first, then the experts of the first alone.
    pub(crate) systems: Vec<ColdUserRow>,
    /// Experts of the two blends, with their weights.
    pub(crate) members: Vec<(&'static str, String)>,
}

/// One system on the cases of users who are new to the domain.
#[derive(Debug, Serialize)]
pub(crate) struct ColdUserRow {
    pub(crate) name: String,
    pub(crate) hr_at_10: Interval,
    pub(crate) ndcg_at_10: Interval,
    /// NDCG@10 of the blend minus that of this one; `None` for the blend.
    pub(crate) blend_minus_it: Option<Comparison>,
}

/// Holds users out, fits and measures.
pub(crate) fn study(subject: &Subject<'_>, screen: Screen) -> Result<ColdUsers> {
    let (split, rows) =
        hold_out_users(subject.split, subject.items, subject.target, PERCENT, subject.plan.seed);
    let subject = &Subject { split: &split, settings: subject.settings.clone(), ..*subject };
    let (cases, n_without_history) = their_cases(subject, &rows);
    let test = judge(subject, &cases).context("no user of the domain has an event elsewhere before test")?;
    let unknown = from_elsewhere(subject, &split.valid.0);
    let valid = judge(subject, &unknown).context("no valid case has an event elsewhere before it")?;
    let usual = fitted(subject, &subject.valid()?, (BLEND, screen))?;
    let for_them = fitted(subject, &valid, (CHOSEN_FOR_THEM, screen))?;
    let ours = rank_model(&test, &usual)?;
    let mut systems = vec![row(subject, &test, (BLEND, &ours), None)?];
    systems.push(row(subject, &test, (CHOSEN_FOR_THEM, &rank_model(&test, &for_them)?), Some(&ours))?);
    for expert in &usual.experts {
        let ranks = test.rank(|query, scores| expert.score(query, subject.items, scores))?;
        systems.push(row(subject, &test, (&expert.id.to_string(), &ranks), Some(&ours))?);
    }
    let in_words = |model: &DomainModel| members_in_words(&members(model));
    Ok(ColdUsers {
        target: subject.target_name().to_owned(),
        split: split.description.clone(),
        seed: subject.plan.seed,
        n_held_out: rows.len(),
        n_cases: test.n_cases(),
        n_without_history,
        n_valid_cases: valid.n_cases(),
        systems,
        members: vec![(BLEND, in_words(&usual)), (CHOSEN_FOR_THEM, in_words(&for_them))],
    })
}

// Test cases of the users that were held out; and how many were left out, since nothing is known before them.
fn their_cases(subject: &Subject<'_>, rows: &[u32]) -> (CaseSet, usize) {
    let test = subject.split.test.open_for_measurement().of_domain(subject.target);
    let theirs: Vec<usize> =
        (0..test.len()).filter(|&at| rows.binary_search(&test.cases()[at].row).is_ok()).collect();
    let theirs = test.select(&theirs);
    let known = with_history(&theirs);
    let n_without = theirs.len() - known.len();
    (known, n_without)
}

// Valid cases of the domain as they would be if their users were new to it.
fn from_elsewhere(subject: &Subject<'_>, valid: &CaseSet) -> CaseSet {
    let is_elsewhere = |_: u32, event: &Event| subject.items.domain_of(event.item) != subject.target;
    with_history(&valid.of_domain(subject.target).with_events(is_elsewhere))
}

fn with_history(cases: &CaseSet) -> CaseSet {
    let known = |&at: &usize| !cases.history(&cases.cases()[at]).is_empty();
    cases.select(&(0..cases.len()).filter(known).collect::<Vec<_>>())
}

fn judge<'a>(subject: &Subject<'a>, cases: &CaseSet) -> Result<Judge<'a>> {
    let rule = subject.rule;
    Ok(Judge::new(cases, subject.items, subject.target, rule.mask, rule.sampled)?)
}

fn fitted(subject: &Subject<'_>, valid: &Judge<'_>, (what, screen): (&str, Screen)) -> Result<DomainModel> {
    let model = watched(screen, &format!("{}, {what}", subject.target_name()), |session| {
        Ok(fit_domain(subject.plan, subject.material(), valid, session)?.model)
    })?;
    if subject.refit { subject.refitted(&model) } else { Ok(model) }
}

fn row(
    subject: &Subject<'_>,
    test: &Judge<'_>,
    (name, ranks): (&str, &Rankings),
    blend: Option<&Rankings>,
) -> Result<ColdUserRow> {
    let table = MetricTable::of(subject.ranks(ranks), Some(test.users()), &subject.settings)?;
    let metric = |key: &str| table.metrics.get(key).copied().context("no metric was measured");
    let blend_minus_it = blend.map(|blend| subject.difference(test, blend, ranks)).transpose()?;
    Ok(ColdUserRow {
        name: name.to_owned(),
        hr_at_10: metric("hr@10")?,
        ndcg_at_10: metric(HEADLINE)?,
        blend_minus_it,
    })
}

/// Writes the table.
pub(crate) fn show(measured: &ColdUsers, screen: Screen) -> Result<()> {
    screen.heading(&format!(
        "{}: {} users new to the domain and known elsewhere; {} test cases",
        measured.target,
        number::count(measured.n_held_out),
        number::count(measured.n_cases)
    ))?;
    let mut grid = Grid::new(&["new users by", ">HR@10", ">NDCG@10", ">blend − it"]);
    for row in &measured.systems {
        let difference = row.blend_minus_it.as_ref();
        grid.row(&[
            row.name.clone(),
            number::estimate(&row.hr_at_10),
            number::estimate(&row.ndcg_at_10),
            difference.map_or_else(|| "–".to_owned(), |found| number::difference(&found.difference)),
        ]);
    }
    screen.say(grid.text())?;
    for (blend, members) in &measured.members {
        screen.say(format!("{blend}: {members}"))?;
    }
    screen.say(format!(
        "second blend chosen on {} valid cases as if their users were new; {} test cases left out: no event elsewhere before them",
        number::count(measured.n_valid_cases),
        number::count(measured.n_without_history)
    ))
}
