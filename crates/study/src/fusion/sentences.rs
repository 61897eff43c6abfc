//! What the study of fusion says, in sentences.

use segue::verdicts;
use segue_eval::bootstrap::Interval;
use segue_report::number;
use segue_report::{Sentence, Tone};

use super::{FaithfulnessCheck, FusionTable, MissingToken};

/// What was measured, in one line.
pub fn heading(table: &FusionTable) -> String {
    format!(
        "{}: fusion of {} on {} test cases; {}",
        table.target,
        super::names(&table.tokens),
        number::count(table.n_test_cases),
        if table.refit { "test: fitted on train + valid" } else { "fitted on train" }
    )
}

/// One sentence per question.
pub fn sentences(table: &FusionTable) -> Vec<Sentence> {
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
    sentences.extend(table.faithful.iter().map(faithfulness_sentence));
    sentences.extend(table.missing.iter().map(missing_sentence));
    sentences
}

fn compared(target: &str, difference: &Interval, over: &str) -> Sentence {
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

fn faithfulness_sentence(row: &FaithfulnessCheck) -> Sentence {
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

fn missing_sentence(row: &MissingToken) -> Sentence {
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
