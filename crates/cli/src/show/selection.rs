//! The ways of a target and the matrix of all targets in the terminal.

use anyhow::Result;
use segue_report::number;
use segue_study::selection::{Choice, TargetSelection, heading, pair_name, sentences};

use crate::grid::Grid;
use crate::screen::Screen;

/// Writes what was tried for each target, the matrix, and the verdicts.
pub(crate) fn show(targets: &[TargetSelection], screen: Screen) -> Result<()> {
    for target in targets {
        screen.heading(&heading(target))?;
        let mut grid = Grid::new(&["way", ">NDCG@10 on valid", ">over the target alone", "helps"]);
        for way in &target.ways {
            let gain = way.judged.gain.as_ref().map_or_else(|| "–".to_owned(), number::difference);
            let helps = match (way.judged.gain, way.judged.helps) {
                (None, _) => "–",
                (_, true) => "yes",
                _ => "refused",
            };
            grid.row(&[way.name.clone(), number::estimate(&way.judged.valid), gain, helps.to_owned()]);
        }
        screen.say(grid.text())?;
    }
    matrix(targets, screen)?;
    super::verdicts::show(&sentences(targets), screen)
}

fn matrix(targets: &[TargetSelection], screen: Screen) -> Result<()> {
    screen.heading("Which source helps which target: NDCG@10 over the target alone, chosen on valid")?;
    let mut grid =
        Grid::new(&["source → target", "chosen way", ">best gain on valid", ">on test", ">test, relative"]);
    for target in targets {
        for choice in &target.choices {
            grid.row(&row(target, choice));
        }
    }
    screen.say(grid.text())
}

fn row(target: &TargetSelection, choice: &Choice) -> [String; 5] {
    [
        pair_name(target, choice),
        choice.chosen.clone().unwrap_or_else(|| "the target alone (refused)".to_owned()),
        choice.best_on_valid.as_ref().map_or_else(|| "–".to_owned(), number::difference),
        number::difference(&choice.on_test.difference),
        choice.on_test.relative.map_or_else(|| "–".to_owned(), |share| format!("{:+.1} %", share * 100.0)),
    ]
}
