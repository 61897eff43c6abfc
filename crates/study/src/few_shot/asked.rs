//! Whether it pays to ask the right users first: a target's users are revealed as a strategy asks for them, and by chance, and both
//! are measured on the same test cases.

use crate::suggest_users::{UserPool, UserStrategy};
use anyhow::{Context, Result};
use segue_data::{RevealOrder, reveal};
use segue_eval::bootstrap::Interval;
use segue_eval::full_ranking::Rankings;
use segue_eval::metric_table::Comparison;
use segue_train::Judge;
use serde::Serialize;

use super::known_rows;
use super::systems::{FewShot, revealed_split};
use crate::study::Study;

/// What asking gave.
#[derive(Debug, Serialize)]
pub struct Asked {
    pub target: String,
    pub strategy: UserStrategy,
    pub seed: u64,
    pub n_test_cases: usize,
    pub rounds: Vec<Round>,
}

/// One round of asking.
#[derive(Debug, Serialize)]
pub struct Round {
    pub percent: f64,
    pub n_users: usize,
    /// NDCG@10 with the users that were asked for.
    pub asked: Interval,
    /// NDCG@10 with as many by chance.
    pub by_chance: Interval,
    /// The first minus the second, by case.
    pub difference: Comparison,
}

/// Asks share by share, each time on the model of the share before; the first share is by chance for both.
pub fn ask(study: &Study<'_>, test: &Judge<'_>, strategy: UserStrategy, shares: &[f64]) -> Result<Asked> {
    let order =
        RevealOrder::new(study.problem.split, study.problem.items, study.problem.target, study.plan().seed);
    let mut known: Vec<u32> = Vec::new();
    let mut rounds = Vec::new();
    for &percent in shares {
        let by_chance = order.first(percent).to_vec();
        known = if known.is_empty() {
            by_chance.clone()
        } else {
            asked_for(study, &order, (&known, by_chance.len()), strategy)?
        };
        let ours = rank_known(study, test, &known)?;
        let theirs = if known == by_chance { ours.clone() } else { rank_known(study, test, &by_chance)? };
        rounds.push(Round {
            percent,
            n_users: known.len(),
            asked: study.ndcg(test, &ours)?,
            by_chance: study.ndcg(test, &theirs)?,
            difference: study.difference(test, &ours, &theirs)?,
        });
    }
    Ok(Asked {
        target: study.target_name().to_owned(),
        strategy,
        seed: study.plan().seed,
        n_test_cases: test.n_cases(),
        rounds,
    })
}

// The known users and those that the strategy asks for next, `n` in all: only users who would answer are asked.
fn asked_for(
    study: &Study<'_>,
    order: &RevealOrder,
    (known, n): (&[u32], usize),
    strategy: UserStrategy,
) -> Result<Vec<u32>> {
    let is_known = known_rows(known);
    let revealed =
        reveal(study.problem.split, study.problem.items, study.problem.target, |row, _| is_known(row));
    let split = revealed_split(study.problem.split, revealed);
    let shot = FewShot { problem: study.problem.with_split(&split), recipe: study.recipe };
    let fit = study.watched("the model that asks", |session| shot.fit_transfer(session))?;
    let mut pool = UserPool::new(&fit.model, &split.train, study.problem.items);
    let would_answer = known_rows(order.rows());
    pool.unknown.retain(|(row, _)| would_answer(*row) && !is_known(*row));
    let suggested = pool.suggest(strategy, n.saturating_sub(known.len()), study.plan().seed);
    Ok(known.iter().copied().chain(suggested.into_iter().map(|user| user.row)).collect())
}

fn rank_known(study: &Study<'_>, test: &Judge<'_>, known: &[u32]) -> Result<Rankings> {
    let is_known = known_rows(known);
    let revealed =
        reveal(study.problem.split, study.problem.items, study.problem.target, |row, _| is_known(row));
    let split = revealed_split(study.problem.split, revealed);
    let shot = FewShot { problem: study.problem.with_split(&split), recipe: study.recipe };
    let what = format!("{} users known", known.len());
    let fit = study.watched(&what, |session| shot.fit_transfer(session)).context(what.clone())?;
    Ok(test.rank(|query, scores| fit.score(query, study.problem.items, scores))?)
}
