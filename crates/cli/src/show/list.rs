//! A list with its reasons, as a table.

use segue::explained::ExplainedList;

use crate::grid::Grid;

/// The list as a table.
pub(crate) fn table(list: &ExplainedList) -> String {
    let mut grid = Grid::new(&[">#", "item", ">score", "from", "why"]);
    for item in &list.items {
        grid.row(&[
            item.rank.to_string(),
            item.title_and_predictions(),
            format!("{:.2}", item.score),
            item.shares_in_words(3),
            item.why.clone(),
        ]);
    }
    grid.text()
}
