//! The table in the terminal, and what it says in sentences.

use anyhow::Result;
use segue_eval::report::{Sentence, Tone};

use super::{Ablation, PartRow};
use crate::grid::Grid;
use crate::number;
use crate::screen::Screen;
use crate::study::members_in_words;
use crate::verdicts;

/// Writes the table and the verdicts.
pub(crate) fn show(ablation: &Ablation, screen: Screen) -> Result<()> {
    screen.heading(&heading(ablation))?;
    screen.say(format!("all parts: {}", members_in_words(&ablation.members)))?;
    let mut grid = Grid::new(&["part", ">weight", ">adds on valid", ">adds on test", ">without it, test"]);
    for row in &ablation.parts {
        grid.row(&[
            row.part.clone(),
            format!("{:.2}", row.weight),
            number::difference(&row.on_valid.difference),
            number::difference(&row.on_test.difference),
            number::value(row.on_test.baseline),
        ]);
    }
    screen.say(grid.text())?;
    screen.say("weight: of the experts that the part is or is a part of, in the blend of all parts")?;
    screen.heading("Verdicts")?;
    for sentence in sentences(ablation) {
        screen.say(format!("{} {}", verdicts::sign(sentence.tone), sentence.text))?;
    }
    Ok(())
}

/// What was measured, in one line.
pub(super) fn heading(ablation: &Ablation) -> String {
    format!(
        "{}: NDCG@10 {} on {} test cases, {} on {} valid cases; {}",
        ablation.target,
        number::estimate(&ablation.test),
        number::count(ablation.n_test_cases),
        number::value(ablation.valid.mean),
        number::count(ablation.n_valid_cases),
        if ablation.refit { "test: fitted on train + valid" } else { "fitted on train" }
    )
}

/// One sentence per part.
pub(super) fn sentences(ablation: &Ablation) -> Vec<Sentence> {
    ablation.parts.iter().map(|row| sentence(&ablation.target, row)).collect()
}

fn sentence(target: &str, row: &PartRow) -> Sentence {
    let PartRow { part, .. } = row;
    let (test, valid) = (&row.on_test.difference, &row.on_valid.difference);
    let measured = number::difference(test);
    let off = if row.weight == 0.0 { ": off here (weight 0)" } else { "" };
    let tone = verdicts::tone(test);
    let text = match tone {
        Tone::Gain => format!("In {target}, `{part}` adds {measured} NDCG@10"),
        Tone::Loss => format!("In {target}, `{part}` costs {measured} NDCG@10 on test{off}"),
        _ if valid.lo > 0.0 => format!(
            "In {target}, `{part}` adds {} on valid, which test does not prove: {measured}{off}",
            number::difference(valid)
        ),
        _ => format!("In {target}, `{part}` adds nothing that could be proved: {measured} NDCG@10{off}"),
    };
    Sentence::new(tone, text)
}
