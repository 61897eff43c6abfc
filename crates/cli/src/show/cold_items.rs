//! Items that nobody has touched, as a table.

use anyhow::Result;
use segue_report::number;
use segue_study::cold_items::ColdItems;

use crate::grid::Grid;
use crate::screen::Screen;

/// Writes the tables.
pub(crate) fn show(measured: &ColdItems, screen: Screen) -> Result<()> {
    screen.heading(&format!(
        "{}: {} items held out; {} test cases ask for one of them, {} do not",
        measured.target,
        number::count(measured.n_held_out),
        number::count(measured.n_unseen_cases),
        number::count(measured.n_warm_cases)
    ))?;
    let mut grid = Grid::new(&["unseen items by", ">HR@10", ">NDCG@10"]);
    for row in &measured.unseen {
        grid.row(&[row.name.clone(), number::estimate(&row.hr_at_10), number::estimate(&row.ndcg_at_10)]);
    }
    screen.say(grid.text())?;
    let warm = &measured.warm;
    let share = warm.relative.map_or_else(String::new, |share| format!(" ({:+.1} %)", share * 100.0));
    screen.say(format!(
        "other cases: NDCG@10 {}, {}{share} against never showing unseen items",
        number::value(warm.candidate),
        number::difference(&warm.difference)
    ))
}
