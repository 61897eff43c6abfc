//! Whom or what to ask about next, as a table.

use anyhow::Result;
use segue_report::number::count;
use segue_study::suggest::{About, Suggestion, Suggestions};

use crate::grid::Grid;
use crate::screen::Screen;

/// Writes the table.
pub(crate) fn show(suggested: &Suggestions, screen: Screen) -> Result<()> {
    let (about, columns) = match suggested.about {
        About::Users => ("users", [">#", "user", ">uncertainty", ">distance", ">events elsewhere"]),
        About::Items => ("items", [">#", "item", "title", ">value", ">users"]),
    };
    screen.heading(&format!(
        "{}: {} of {} {about} to ask about next",
        suggested.target,
        count(suggested.suggestions.len()),
        count(suggested.n_candidates)
    ))?;
    screen.say(format!("strategy: {}", suggested.in_words))?;
    let mut grid = Grid::new(&columns);
    for suggestion in &suggested.suggestions {
        grid.row(&cells(suggestion));
    }
    screen.say(grid.text())
}

fn cells(suggestion: &Suggestion) -> [String; 5] {
    match suggestion {
        Suggestion::User { rank, id, uncertainty, distance, n_events } => [
            rank.to_string(),
            id.clone(),
            format!("{uncertainty:.3}"),
            format!("{distance:.3}"),
            count(*n_events),
        ],
        Suggestion::Item { rank, id, title, value, n_users } => {
            [rank.to_string(), id.clone(), title.clone(), format!("{value:.3}"), count(*n_users)]
        }
    }
}
