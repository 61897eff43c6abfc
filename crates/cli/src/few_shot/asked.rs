//! Whether it pays to ask the right users first: a target's users are revealed as a strategy asks for them, and by chance, and both
//! are measured on the same test cases.

use anyhow::{Context, Result};
use segue_data::{RevealOrder, reveal};
use segue_eval::bootstrap::Interval;
use segue_eval::full_ranking::Rankings;
use segue_eval::metric_table::Comparison;
use segue_train::Judge;
use segue_train::suggest_users::{UserPool, UserStrategy};
use serde::Serialize;

use super::{few_shot, known_rows, percent_of};
use crate::grid::Grid;
use crate::number;
use crate::screen::Screen;
use crate::study::{Subject, watched};

/// What asking gave.
#[derive(Debug, Serialize)]
pub(crate) struct Asked {
    pub(crate) target: String,
    pub(crate) strategy: UserStrategy,
    pub(crate) seed: u64,
    pub(crate) n_test_cases: usize,
    pub(crate) rounds: Vec<Round>,
}

/// One round of asking.
#[derive(Debug, Serialize)]
pub(crate) struct Round {
    pub(crate) percent: f64,
    pub(crate) n_users: usize,
    /// NDCG@10 with the users that were asked for.
    pub(crate) asked: Interval,
    /// NDCG@10 with as many by chance.
    pub(crate) by_chance: Interval,
    /// The first minus the second, by case.
    pub(crate) difference: Comparison,
}

/// Asks share by share, each time on the model of the share before; the first share is by chance for both.
pub(crate) fn ask(
    subject: &Subject<'_>,
    test: &Judge<'_>,
    (strategy, shares): (UserStrategy, &[f64]),
    screen: Screen,
) -> Result<Asked> {
    let order = RevealOrder::new(subject.split, subject.items, subject.target, subject.plan.seed);
    let mut known: Vec<u32> = Vec::new();
    let mut rounds = Vec::new();
    for &percent in shares {
        let by_chance = order.first(percent).to_vec();
        known = if known.is_empty() {
            by_chance.clone()
        } else {
            asked_for(subject, &order, (&known, by_chance.len()), strategy, screen)?
        };
        let ours = rank_known(subject, test, &known, screen)?;
        let theirs =
            if known == by_chance { ours.clone() } else { rank_known(subject, test, &by_chance, screen)? };
        rounds.push(Round {
            percent,
            n_users: known.len(),
            asked: subject.ndcg(test, &ours)?,
            by_chance: subject.ndcg(test, &theirs)?,
            difference: subject.difference(test, &ours, &theirs)?,
        });
    }
    Ok(Asked {
        target: subject.target_name().to_owned(),
        strategy,
        seed: subject.plan.seed,
        n_test_cases: test.n_cases(),
        rounds,
    })
}

// The known users and those that the strategy asks for next, `n` in all: only users who would answer are asked.
fn asked_for(
    subject: &Subject<'_>,
    order: &RevealOrder,
    (known, n): (&[u32], usize),
    strategy: UserStrategy,
    screen: Screen,
) -> Result<Vec<u32>> {
    let is_known = known_rows(known);
    let revealed = reveal(subject.split, subject.items, subject.target, |row, _| is_known(row));
    let shot = few_shot(subject, &revealed);
    let fit = watched(screen, "the model that asks", |session| Ok(shot.fit_transfer(session)?))?;
    let mut pool = UserPool::new(&fit.model, &revealed.train, subject.items);
    let would_answer = known_rows(order.rows());
    pool.unknown.retain(|(row, _)| would_answer(*row) && !is_known(*row));
    let suggested = pool.suggest(strategy, n.saturating_sub(known.len()), subject.plan.seed);
    Ok(known.iter().copied().chain(suggested.into_iter().map(|user| user.row)).collect())
}

fn rank_known(subject: &Subject<'_>, test: &Judge<'_>, known: &[u32], screen: Screen) -> Result<Rankings> {
    let is_known = known_rows(known);
    let revealed = reveal(subject.split, subject.items, subject.target, |row, _| is_known(row));
    let shot = few_shot(subject, &revealed);
    let what = format!("{} users known", known.len());
    let fit = watched(screen, &what, |session| Ok(shot.fit_transfer(session)?)).context(what.clone())?;
    Ok(test.rank(|query, scores| fit.score(query, subject.items, scores))?)
}

/// Writes the table.
pub(crate) fn show_asked(asked: &Asked, screen: Screen) -> Result<()> {
    screen.heading(&format!(
        "{}: NDCG@10 on {} test cases when users are asked, against as many by chance",
        asked.target,
        number::count(asked.n_test_cases)
    ))?;
    let mut grid = Grid::new(&[">share", ">users", ">asked", ">by chance", ">difference"]);
    for round in &asked.rounds {
        grid.row(&[
            percent_of(round.percent),
            number::count(round.n_users),
            number::estimate(&round.asked),
            number::estimate(&round.by_chance),
            number::difference(&round.difference.difference),
        ]);
    }
    screen.say(grid.text())
}
