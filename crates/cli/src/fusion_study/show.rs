//! The study in the terminal, and what it says in sentences.

use anyhow::Result;
use segue_eval::report::{Sentence, Tone};

use super::{Faithful, FusionTable, Missing};
use crate::grid::Grid;
use crate::number;
use crate::screen::Screen;
use crate::verdicts;

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
    screen.heading("Verdicts")?;
    for sentence in sentences(table) {
        screen.say(format!("{} {}", verdicts::sign(sentence.tone), sentence.text))?;
    }
    Ok(())
}

fn show_faithful(row: &Faithful, screen: Screen) -> Result<()> {
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

fn show_missing(rows: &[Missing], screen: Screen) -> Result<()> {
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

/// What was measured, in one line.
pub(super) fn heading(table: &FusionTable) -> String {
    format!(
        "{}: fusion of {} on {} test cases; {}",
        table.target,
        super::names(&table.tokens),
        number::count(table.n_test_cases),
        if table.refit { "test: fitted on train + valid" } else { "fitted on train" }
    )
}

/// One sentence per question.
pub(super) fn sentences(table: &FusionTable) -> Vec<Sentence> {
    let target = &table.target;
    let (best, over_best) = &table.over_best;
    let mut sentences = vec![
        compared(target, &table.over_late.on_test.difference, "the late blend of single modalities"),
        compared(
            target,
            &table.alike_over_late.on_test.difference,
            &format!("the late blend, as many models on either side ({})", table.late_weights.len()),
        ),
        compared(target, &over_best.on_test.difference, &format!("the best single one on valid ({best})")),
    ];
    let weights = &table.weights;
    let text = format!(
        "The weights of {} items sum to 1 to {:.1e}",
        number::count(weights.n_items),
        weights.furthest_from_one
    );
    sentences.push(Sentence::new(bar(weights.passes), text));
    sentences.extend(table.faithful.iter().map(of_faithful));
    sentences.extend(table.missing.iter().map(of_missing));
    sentences
}

fn compared(target: &str, difference: &segue_eval::bootstrap::Interval, over: &str) -> Sentence {
    let (tone, measured) = (verdicts::tone(difference), number::difference(difference));
    let text = match tone {
        Tone::Gain => format!("In {target}, fusion by self-attention adds {measured} NDCG@10 over {over}"),
        Tone::Loss => {
            format!("In {target}, fusion by self-attention loses {measured} NDCG@10 against {over}")
        }
        _ => format!(
            "In {target}, fusion by self-attention makes no proven difference: {measured} NDCG@10 over {over}"
        ),
    };
    Sentence::new(tone, text)
}

fn of_faithful(row: &Faithful) -> Sentence {
    let share = &row.measured.share;
    let text = format!(
        "Without the token that weighs most, {} loses most in {:.1} % [{:.1}, {:.1}] of {} cases: {} the bar of {:.0} %",
        row.measured.tested.in_words(),
        share.mean * 100.0,
        share.lo * 100.0,
        share.hi * 100.0,
        number::count(share.n),
        if row.passes { "above" } else { "below" },
        super::FAITHFUL_MIN * 100.0
    );
    Sentence::new(bar(row.passes), text)
}

fn of_missing(row: &Missing) -> Sentence {
    let (token, cost) = (row.token.name(), number::difference(&row.cost.difference));
    let gain = number::difference(&row.gain.difference);
    match (row.passes, row.share) {
        (Some(passes), Some(share)) => {
            let text = format!(
                "Missing at test time, `{token}` costs {:.0} % of what it added: {} the bar of {:.0} %",
                share * 100.0,
                if passes { "within" } else { "beyond" },
                super::COST_MAX * 100.0
            );
            Sentence::new(bar(passes), text)
        }
        _ => Sentence::new(
            Tone::Undecided,
            format!("`{token}` has no proven gain to keep ({gain}); missing at test time it costs {cost}"),
        ),
    }
}

fn bar(passes: bool) -> Tone {
    if passes { Tone::Gain } else { Tone::Loss }
}
