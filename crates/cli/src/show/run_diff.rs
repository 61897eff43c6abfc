//! What two runs differ in, as tables.

use anyhow::Result;
use segue::run::diff::{Changed, RunDiff};
use segue_report::number;

use crate::grid::Grid;
use crate::screen::Screen;

/// Prints what two runs differ in.
pub(crate) fn show_diff(diff: &RunDiff, screen: Screen) -> Result<()> {
    screen.document(diff)?;
    screen.say(format!("before  {}\nafter   {}", diff.before.display(), diff.after.display()))?;
    screen.say(format!(
        "data    {}\nmodel   {}",
        if diff.same_data { "the same" } else { "different" },
        if diff.same_artifact { "the same, byte by byte" } else { "different" }
    ))?;
    show("settings", &diff.settings, Clone::clone, |_, _| String::new(), screen)?;
    show("weights", &diff.weights, |value| format!("{value:.2}"), |a, b| format!("{:+.2}", b - a), screen)?;
    show("test figures", &diff.figures, |value| number::value(*value), |a, b| number::signed(b - a), screen)
}

fn show<T>(
    title: &str,
    changes: &[Changed<T>],
    write: impl Fn(&T) -> String,
    difference: impl Fn(&T, &T) -> String,
    screen: Screen,
) -> Result<()> {
    screen.heading(title)?;
    if changes.is_empty() {
        return screen.say("no difference");
    }
    let mut grid = Grid::new(&["", ">before", ">after", ">difference"]);
    for change in changes {
        let cell = |value: &Option<T>| value.as_ref().map_or_else(|| "–".to_owned(), &write);
        let moved = match (&change.before, &change.after) {
            (Some(before), Some(after)) => difference(before, after),
            _ => String::new(),
        };
        grid.row(&[change.name.clone(), cell(&change.before), cell(&change.after), moved]);
    }
    screen.say(grid.text())
}
