//! The ways of a target and the matrix of all targets in the terminal.

use anyhow::Result;
use segue_eval::report::{Sentence, Tone};

use super::{Choice, TargetSelection};
use crate::grid::Grid;
use crate::number;
use crate::screen::Screen;
use crate::verdicts;

/// A loss on test of more than this share of the target alone is negative transfer.
pub(super) const MOST_LOSS: f64 = 0.01;

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
    screen.heading("Verdicts")?;
    for sentence in sentences(targets) {
        screen.say(format!("{} {}", verdicts::sign(sentence.tone), sentence.text))?;
    }
    Ok(())
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
    let source = choice.source.as_deref().unwrap_or("best of all ways");
    [
        format!("{source} → {}", target.target),
        choice.chosen.clone().unwrap_or_else(|| "the target alone (refused)".to_owned()),
        choice.best_on_valid.as_ref().map_or_else(|| "–".to_owned(), number::difference),
        number::difference(&choice.on_test.difference),
        choice.on_test.relative.map_or_else(|| "–".to_owned(), |share| format!("{:+.1} %", share * 100.0)),
    ]
}

/// What was measured for a target, in one line.
pub(super) fn heading(target: &TargetSelection) -> String {
    format!(
        "{}: alone NDCG@10 {} on {} valid cases, {} on {} test cases; {}",
        target.target,
        number::value(target.alone_on_valid.mean),
        number::count(target.n_valid_cases),
        number::estimate(&target.alone_on_test),
        number::count(target.n_test_cases),
        if target.refit { "test: fitted on train + valid" } else { "fitted on train" }
    )
}

/// One sentence per target, and one on negative transfer.
pub(super) fn sentences(targets: &[TargetSelection]) -> Vec<Sentence> {
    let mut sentences: Vec<Sentence> = targets.iter().filter_map(of_target).collect();
    let pairs: Vec<(&TargetSelection, &Choice)> =
        targets.iter().flat_map(|target| target.choices.iter().map(move |choice| (target, choice))).collect();
    let lost: Vec<String> = pairs
        .iter()
        .filter(|(_, choice)| choice.on_test.relative.is_some_and(|share| share < -MOST_LOSS))
        .map(|(target, choice)| row(target, choice)[0].clone())
        .collect();
    let n = pairs.len();
    sentences.push(if lost.is_empty() {
        let text = format!("Negative transfer: none of {n} choices loses over 1 % on test");
        Sentence::new(Tone::Fact, text)
    } else {
        let text = format!(
            "Negative transfer: {} of {n} choices lose over 1 % on test: {}",
            lost.len(),
            lost.join(", ")
        );
        Sentence::new(Tone::Loss, text)
    });
    sentences
}

fn of_target(target: &TargetSelection) -> Option<Sentence> {
    let best = target.choices.last()?;
    let name = &target.target;
    let measured = number::difference(&best.on_test.difference);
    let Some(way) = &best.chosen else {
        let text = format!("{name} is served by itself alone: no other domain's gain on valid excludes zero");
        return Some(Sentence::new(Tone::Undecided, text));
    };
    let text = format!("{name} is best served by {way}: {measured} NDCG@10 on test over itself alone");
    Some(Sentence::new(verdicts::tone(&best.on_test.difference), text))
}
