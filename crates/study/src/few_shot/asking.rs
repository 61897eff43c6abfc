//! Whether it pays to ask the right users first: a target's users are revealed as a strategy asks for them, and by chance, and both
//! are measured on the same test cases.

use anyhow::{Context, Result};
use segue_data::RevealOrder;
use segue_eval::bootstrap::Interval;
use segue_eval::full_ranking::Rankings;
use segue_eval::metric_table::Comparison;
use segue_train::Judge;
use serde::Serialize;

use super::systems::{FewShot, is_among, revealed_split};
use crate::study::Study;
use crate::suggest::{UserPool, UserStrategy};

/// What asking gave.
#[derive(Debug, Serialize)]
pub struct AskingCurve {
    /// Name of the target.
    pub target: String,
    /// How users were asked for.
    pub strategy: UserStrategy,
    /// Seed of chance, the fits and the intervals.
    pub seed: u64,
    /// Test cases, the same in every round.
    pub n_test_cases: usize,
    /// One round for each share.
    pub rounds: Vec<AskingRound>,
}

/// One round of asking.
#[derive(Debug, Serialize)]
pub struct AskingRound {
    /// The share of the target's users that is known, in percent.
    pub percent: f64,
    /// How many users that are.
    pub n_users: usize,
    /// NDCG@10 with the users that were asked for.
    pub asked: Interval,
    /// NDCG@10 with as many by chance.
    pub by_chance: Interval,
    /// The first minus the second, by case.
    pub difference: Comparison,
}

/// Asks share by share (percent, ascending), each time on the model of the share before; the first share is by chance for both.
///
/// # Errors
/// When the target has no test case, or nothing can be fitted.
pub fn ask(study: &Study<'_>, strategy: UserStrategy, shares: &[f64]) -> Result<AskingCurve> {
    let (problem, test) = (&study.problem, &study.problem.test()?);
    let order = RevealOrder::new(problem.split, problem.items, problem.target, study.plan().seed);
    let mut known: Vec<u32> = Vec::new();
    let mut rounds = Vec::new();
    for &percent in shares {
        let by_chance = order.first(percent).to_vec();
        known = if known.is_empty() {
            by_chance.clone()
        } else {
            let n_more = by_chance.len().saturating_sub(known.len());
            let more = asked_for(study, order.rows(), &known, strategy, n_more)?;
            [known, more].concat()
        };
        let ours = rank_known(study, test, &known)?;
        let theirs = if known == by_chance { ours.clone() } else { rank_known(study, test, &by_chance)? };
        rounds.push(AskingRound {
            percent,
            n_users: known.len(),
            asked: study.ndcg(test, &ours)?,
            by_chance: study.ndcg(test, &theirs)?,
            difference: study.difference(test, &ours, &theirs)?,
        });
    }
    Ok(AskingCurve {
        target: study.target_name().to_owned(),
        strategy,
        seed: study.plan().seed,
        n_test_cases: test.n_cases(),
        rounds,
    })
}

/// The users that the strategy asks for beside those who are `known`. Only users who would answer are asked: those of `answer`.
fn asked_for(
    study: &Study<'_>,
    answer: &[u32],
    known: &[u32],
    strategy: UserStrategy,
    n: usize,
) -> Result<Vec<u32>> {
    let split = revealed_split(&study.problem, known);
    let shot = FewShot { problem: study.problem.with_split(&split), recipe: study.recipe };
    let fit = study.watched("the model that asks", |session| shot.fit_transfer(session))?;
    let mut pool = UserPool::new(&fit.model, &split.train, study.problem.items);
    let (is_known, would_answer) = (is_among(known), is_among(answer));
    pool.retain(|row| would_answer(row) && !is_known(row));
    let suggested = pool.suggest(strategy, n, study.plan().seed);
    Ok(suggested.into_iter().map(|user| user.row).collect())
}

fn rank_known(study: &Study<'_>, test: &Judge<'_>, known: &[u32]) -> Result<Rankings> {
    let split = revealed_split(&study.problem, known);
    let shot = FewShot { problem: study.problem.with_split(&split), recipe: study.recipe };
    let task = format!("{} users known", known.len());
    let fit = study.watched(&task, |session| shot.fit_transfer(session)).context(task.clone())?;
    Ok(test.rank(|query, scores| fit.score(query, study.problem.items, scores))?)
}
