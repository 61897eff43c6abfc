//! An ablation in the terminal: parts, graphs, modalities.

use anyhow::Result;
use segue_report::number;
use segue_study::ExpertWeight;
use segue_study::ablation::{Ablation, GraphTable, PartRow, heading, sentences};
use segue_study::study::members_in_words;

use crate::grid::Grid;
use crate::screen::Screen;

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
    super::verdicts::show(&sentences(ablation), screen)
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

fn weights_in_words(experts: &[ExpertWeight]) -> String {
    if experts.is_empty() { "-".to_owned() } else { members_in_words(experts) }
}
