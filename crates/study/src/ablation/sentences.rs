//! What an ablation says, in sentences.

use segue::verdicts;
use segue_models::TokenKind;
use segue_report::number;
use segue_report::{Sentence, Tone};

use super::{Ablation, PartRow};

/// What was measured, in one line.
pub fn heading(ablation: &Ablation) -> String {
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

/// One sentence per part, difference of graphs, and modality.
pub fn sentences(ablation: &Ablation) -> Vec<Sentence> {
    let target = &ablation.target;
    let mut sentences: Vec<Sentence> = ablation.parts.iter().map(|row| part_sentence(target, row)).collect();
    sentences.extend(ablation.graph.iter().flat_map(|graph| graph.sentences(target)));
    sentences.extend(ablation.modalities.iter().map(|row| modality_sentence(target, row)));
    sentences
}

/// What a part that is switched off says.
pub(super) fn part_sentence(target: &str, row: &PartRow) -> Sentence {
    let PartRow { part, .. } = row;
    let (test, valid) = (&row.on_test.difference, &row.on_valid.difference);
    let measured = number::difference(test);
    let off = off(row);
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

/// What a modality that is left out says.
pub(super) fn modality_sentence(target: &str, row: &PartRow) -> Sentence {
    let named = TokenKind::ALL.into_iter().find(|kind| kind.name() == row.part);
    let (who, s) = match named {
        Some(TokenKind::Text) => ("texts", ""),
        Some(TokenKind::Image) => ("images", ""),
        Some(TokenKind::Audio) => ("sounds", ""),
        Some(TokenKind::Graph) => ("the graph", "s"),
        Some(TokenKind::Id) => ("own vectors of items", ""),
        None => (row.part.as_str(), "s"),
    };
    let test = &row.on_test.difference;
    let (tone, measured, off) = (verdicts::tone(test), number::difference(test), off(row));
    let text = match tone {
        Tone::Gain => format!("In {target}, {who} add{s} {measured} NDCG@10{off}"),
        Tone::Loss => format!("In {target}, {who} cost{s} {measured} NDCG@10 on test{off}"),
        _ => format!("In {target}, {who} add{s} nothing beyond doubt: {measured} NDCG@10{off}"),
    };
    Sentence::new(tone, text)
}

fn off(row: &PartRow) -> &'static str {
    if row.weight == 0.0 { ": off (weight 0)" } else { "" }
}
