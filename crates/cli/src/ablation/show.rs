//! The tables in the terminal, and what they say in sentences.

use anyhow::Result;
use segue_eval::report::{Sentence, Tone};
use segue_models::{ExpertId, TokenKind};

use super::graph::GraphTable;
use super::{Ablation, PartRow};
use crate::grid::Grid;
use crate::number;
use crate::screen::Screen;
use crate::study::members_in_words;
use crate::verdicts;

/// Writes the tables and the verdicts.
pub(crate) fn show(ablation: &Ablation, screen: Screen) -> Result<()> {
    screen.heading(&heading(ablation))?;
    screen.say(format!("all parts: {}", members_in_words(&ablation.members)))?;
    if !ablation.parts.is_empty() {
        show_parts(&ablation.parts, screen)?;
    }
    if let Some(graph) = &ablation.graph {
        show_graph(graph, screen)?;
    }
    if !ablation.modalities.is_empty() {
        show_modalities(&ablation.modalities, screen)?;
    }
    screen.heading("Verdicts")?;
    for sentence in sentences(ablation) {
        screen.say(format!("{} {}", verdicts::sign(sentence.tone), sentence.text))?;
    }
    Ok(())
}

fn show_parts(rows: &[PartRow], screen: Screen) -> Result<()> {
    let mut grid = Grid::new(&["part", ">weight", ">adds on valid", ">adds on test", ">without it, test"]);
    for row in rows {
        grid.row(&[
            row.part.clone(),
            format!("{:.2}", row.weight),
            number::difference(&row.on_valid.difference),
            number::difference(&row.on_test.difference),
            number::value(row.on_test.baseline),
        ]);
    }
    screen.say(grid.text())?;
    screen.say("weight: of the experts that the part is or is a part of, in the blend of all parts")
}

fn show_modalities(rows: &[PartRow], screen: Screen) -> Result<()> {
    let columns = [
        "modality",
        ">adds on valid",
        ">adds on test",
        ">without it, test",
        "the blend's weights of its experts",
    ];
    let mut grid = Grid::new(&columns);
    for row in rows {
        grid.row(&[
            row.part.clone(),
            number::difference(&row.on_valid.difference),
            number::difference(&row.on_test.difference),
            number::value(row.on_test.baseline),
            weights_in_words(&row.experts),
        ]);
    }
    screen.say(format!("\n{}", grid.text()))
}

fn show_graph(table: &GraphTable, screen: Screen) -> Result<()> {
    let mut grid = Grid::new(&["graph", ">valid", ">test", "the blend's weights of its experts"]);
    for row in &table.versions {
        grid.row(&[
            row.graph.name().to_owned(),
            number::estimate(&row.valid),
            number::estimate(&row.test),
            weights_in_words(&row.readers),
        ]);
    }
    screen.say(format!("\n{}", grid.text()))?;
    let mut grid = Grid::new(&["graphs", ">on valid", ">on test"]);
    for difference in &table.differences {
        grid.row(&[
            format!("{} − {}", difference.ours.name(), difference.theirs.name()),
            number::difference(&difference.on_valid.difference),
            number::difference(&difference.on_test.difference),
        ]);
    }
    screen.say(format!("\n{}", grid.text()))?;
    screen.say(format!(
        "random: the same {} facts with other tails, {} of them true by chance",
        number::count(table.n_facts),
        number::count(table.n_true_by_chance)
    ))
}

fn weights_in_words(experts: &[(ExpertId, f32)]) -> String {
    if experts.is_empty() { "-".to_owned() } else { members_in_words(experts) }
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

/// One sentence per part, difference of graphs, and modality.
pub(super) fn sentences(ablation: &Ablation) -> Vec<Sentence> {
    let target = &ablation.target;
    let mut sentences: Vec<Sentence> = ablation.parts.iter().map(|row| of_part(target, row)).collect();
    sentences.extend(ablation.graph.iter().flat_map(|graph| graph.sentences(target)));
    sentences.extend(ablation.modalities.iter().map(|row| of_modality(target, row)));
    sentences
}

/// What a part that is switched off says.
pub(super) fn of_part(target: &str, row: &PartRow) -> Sentence {
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
pub(super) fn of_modality(target: &str, row: &PartRow) -> Sentence {
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
