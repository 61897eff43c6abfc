//! The table of tunings in the terminal.

use anyhow::Result;
use segue_report::number;
use segue_study::benchmark::tunings::{ComparedTuning, SHARE_OF_FULL, TuningTable};

use crate::grid::Grid;
use crate::screen::Screen;

/// Writes the table and the verdict.
pub(crate) fn show(table: &TuningTable, screen: Screen) -> Result<()> {
    screen.heading(&format!(
        "{}, seed {}: the encoder tuned in {} ways; NDCG@10 of its vectors alone, {} test cases",
        table.target,
        table.seed,
        table.rows.len(),
        number::count(table.n_test_cases)
    ))?;
    let mut grid = Grid::new(&[
        "tuning",
        ">trained",
        ">share",
        ">pass",
        ">valid",
        ">test",
        ">of full",
        ">CPU-s a step",
        ">CPU-s",
        ">peak memory",
    ]);
    for line in &table.rows {
        grid.row(&cells(line));
    }
    screen.say(grid.text())?;
    screen.say(
        "pass: chosen on valid; †: valid preferred the encoder as it was, `segue adapt` would give that back\n\
         CPU-s a step: steps alone, validation not counted; peak memory: of a process that adapted for the domains of this data set, and nothing else",
    )?;
    for line in table.rows.iter().filter(|line| line.trains_little()) {
        screen.say(verdict(line))?;
    }
    Ok(())
}

fn cells(line: &ComparedTuning) -> [String; 10] {
    let row = &line.row;
    let none = || "–".to_owned();
    let mark = if row.refused { "†" } else { "" };
    [
        row.tuning.clone(),
        number::count(row.n_trained),
        format!("{:.2} %", 100.0 * row.n_trained as f64 / row.n_values.max(1) as f64),
        row.best_pass.map_or_else(none, |pass| format!("{pass} of {}{mark}", row.n_passes)),
        number::value(row.valid),
        number::estimate(&row.test),
        line.of_full.map_or_else(none, |share| format!("{:.1} %", share * 100.0)),
        row.cpu_s_per_step.map_or_else(none, |cpu_s| format!("{cpu_s:.2}")),
        row.cpu_s.map_or_else(none, |cpu_s| format!("{cpu_s:.0}")),
        row.peak_memory_bytes.map_or_else(none, number::bytes),
    ]
}

fn verdict(line: &ComparedTuning) -> String {
    let of_full = line.of_full.zip(line.minus_full).map_or_else(
        || "not compared with full".to_owned(),
        |(share, minus)| {
            let sign = if share < SHARE_OF_FULL { "below" } else { "at least" };
            let (share, bar, minus) = (share * 100.0, SHARE_OF_FULL * 100.0, number::difference(&minus));
            format!("{share:.1} % of full, {sign} {bar:.0} % ({minus})")
        },
    );
    let above = line.minus_frozen.map_or_else(
        || "not compared with frozen".to_owned(),
        |gain| {
            let sign = if gain.mean > 0.0 { "above" } else { "not above" };
            format!("{sign} frozen ({})", number::difference(&gain))
        },
    );
    let sign = if line.misses() { "MISSED" } else { "met" };
    format!("{}: {sign} – {of_full}; {above}", line.row.tuning)
}
