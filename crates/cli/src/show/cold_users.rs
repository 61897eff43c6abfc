//! Users who are new to a domain, as a table.

use anyhow::Result;
use segue_report::number;
use segue_study::cold_users::ColdUsers;

use crate::grid::Grid;
use crate::screen::Screen;

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
