//! Whether it pays to ask the right users first, as a table.

use anyhow::Result;
use segue_report::number;
use segue_study::few_shot::{AskingCurve, percent};

use crate::grid::Grid;
use crate::screen::Screen;

/// Writes the table.
pub(crate) fn show(curve: &AskingCurve, screen: Screen) -> Result<()> {
    screen.heading(&format!(
        "{}: NDCG@10 on {} test cases when users are asked, against as many by chance",
        curve.target,
        number::count(curve.n_test_cases)
    ))?;
    let mut grid = Grid::new(&[">share", ">users", ">asked", ">by chance", ">difference"]);
    for round in &curve.rounds {
        grid.row(&[
            percent(round.percent),
            number::count(round.n_users),
            number::estimate(&round.asked),
            number::estimate(&round.by_chance),
            number::difference(&round.difference.difference),
        ]);
    }
    screen.say(grid.text())
}
