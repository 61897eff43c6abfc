//! What the transfer matrix says, in sentences.

use segue::verdicts;
use segue_report::number;
use segue_report::{Sentence, Tone};

use super::{Choice, TargetSelection};

/// A loss on test of more than this share of the target alone is negative transfer.
const MOST_LOSS: f64 = 0.01;

/// What was measured for a target, in one line.
pub fn heading(target: &TargetSelection) -> String {
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

/// The source and the target of a choice: `books → films`.
pub fn pair_name(target: &TargetSelection, choice: &Choice) -> String {
    format!("{} → {}", choice.source.as_deref().unwrap_or("best of all ways"), target.target)
}

/// One sentence per target, and one on negative transfer.
pub fn sentences(targets: &[TargetSelection]) -> Vec<Sentence> {
    let mut sentences: Vec<Sentence> = targets.iter().filter_map(target_sentence).collect();
    let pairs: Vec<(&TargetSelection, &Choice)> =
        targets.iter().flat_map(|target| target.choices.iter().map(move |choice| (target, choice))).collect();
    let lost: Vec<String> = pairs
        .iter()
        .filter(|(_, choice)| choice.on_test.relative.is_some_and(|share| share < -MOST_LOSS))
        .map(|(target, choice)| pair_name(target, choice))
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

fn target_sentence(target: &TargetSelection) -> Option<Sentence> {
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
