//! The study of fusion in the terminal: models, faithfulness of the weights, missing modalities.

use anyhow::Result;
use segue_report::number;
use segue_study::fusion::{FaithfulnessCheck, FusionTable, MissingToken, heading, sentences};

use crate::grid::Grid;
use crate::screen::Screen;

/// Writes the tables and the verdicts.
pub(crate) fn show(table: &FusionTable, screen: Screen) -> Result<()> {
    screen.heading(&heading(table))?;
    let mut grid = Grid::new(&["model", ">valid", ">test", ">weight in the late blend"]);
    for row in &table.models {
        let weight = table.late_weights.iter().find(|(name, _)| *name == row.name);
        grid.row(&[
            row.name.clone(),
            number::estimate(&row.valid),
            number::estimate(&row.test),
            weight.map_or_else(|| "-".to_owned(), |(_, weight)| format!("{weight:.2}")),
        ]);
    }
    screen.say(grid.text())?;
    for row in &table.faithful {
        show_faithful(row, screen)?;
    }
    show_missing(&table.missing, screen)?;
    super::verdicts::show(&sentences(table), screen)
}

fn show_faithful(row: &FaithfulnessCheck, screen: Screen) -> Result<()> {
    let title = format!("token ({})", row.measured.tested.in_words());
    let mut grid = Grid::new(&[title.as_str(), ">weighs most in", ">is missed most in", ">both"]);
    for counts in &row.measured.tokens {
        grid.row(&[
            counts.token.name().to_owned(),
            number::count(counts.n_weighs_most),
            number::count(counts.n_missed_most),
            number::count(counts.n_both),
        ]);
    }
    screen.say(format!("\n{}", grid.text()))?;
    screen.say(format!(
        "cases: {}; {} more have items of fewer than two tokens; in {} no token is missed",
        number::count(row.measured.share.n),
        number::count(row.measured.n_left_out),
        number::count(row.measured.n_none_missed)
    ))
}

fn show_missing(rows: &[MissingToken], screen: Screen) -> Result<()> {
    let columns = [
        "token",
        ">added (over a model trained without it)",
        ">missing at test time costs",
        ">share of what it added",
    ];
    let mut grid = Grid::new(&columns);
    for row in rows {
        grid.row(&[
            row.token.name().to_owned(),
            number::difference(&row.gain.difference),
            number::difference(&row.cost.difference),
            row.share.map_or_else(|| "-".to_owned(), |share| format!("{:.0} %", share * 100.0)),
        ]);
    }
    screen.say(format!("\n{}", grid.text()))
}
