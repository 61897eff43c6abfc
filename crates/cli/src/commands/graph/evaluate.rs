//! `segue graph evaluate`: filtered ranks of the facts of a folder.

use std::path::PathBuf;

use anyhow::{Context, Result};
use segue_data::{EntityIdx, Facts, LinkData, Question, RelationIdx, Triple};
use segue_eval::links::{LinkFigures, LinkRank, rank_links};
use segue_recommend::GraphArtifact;
use serde::Serialize;

use crate::grid::Grid;
use crate::screen::Screen;
use segue::failure::failed;
use segue_report::number::{count, value};

/// Arguments of `segue graph evaluate`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Model folder, made with `segue graph train`
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// The folder that it was trained on
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
    /// Measure on valid instead of test
    #[arg(long)]
    valid: bool,
    /// Show every relation
    #[arg(long)]
    by_relation: bool,
}

#[derive(Serialize)]
struct Row {
    relation: String,
    both: LinkFigures,
    tails: Option<LinkFigures>,
    heads: Option<LinkFigures>,
}

/// Measures and prints.
pub(crate) fn run(args: &Args, screen: Screen) -> Result<()> {
    let artifact = GraphArtifact::read(&args.model).context("cannot read the model")?;
    let data = LinkData::open(&args.folder, artifact.about.seed)?;
    if data.sha256() != artifact.data.sha256() {
        Screen::note(
            "note: these are not the facts that the model was trained on; figures may be too good or too bad",
        );
    }
    let part = if args.valid { "valid" } else { "test" };
    let facts =
        as_the_model_counts(if args.valid { &data.valid } else { &data.test }, &data, &artifact.data)?;
    let known: Vec<Triple> =
        data.all().filter_map(|fact| renumbered(fact, &data, &artifact.data).ok()).collect();
    let known = Facts::of(known.into_iter().chain(artifact.data.train.iter().copied()));
    let model = &artifact.model;
    let score = |questions: &[Question], scores: &mut [f32]| model.score(questions, scores);
    let ranks = rank_links(&facts, &known, model.n_entities(), score)?;
    let figures = LinkFigures::of(&ranks).ok_or_else(|| {
        failed(
            format!("`{}` has no facts in {part}", args.folder.display()),
            "give a folder with held-out facts",
        )
    })?;
    let rows = by_relation(&ranks, &artifact);
    print(&figures, part, screen)?;
    if args.by_relation {
        print_relations(&rows, screen)?;
    }
    screen.document(&serde_json::json!({
        "part": part, "figures": figures, "relations": if args.by_relation { rows } else { Vec::new() }
    }))
}

fn print(figures: &LinkFigures, part: &str, screen: Screen) -> Result<()> {
    let LinkFigures { n_questions, mrr, hits_1, hits_3, hits_10, mean_rank } = *figures;
    screen.say(format!(
        "{part}, {} questions, filtered: MRR {}  Hits@1 {}  Hits@3 {}  Hits@10 {}  mean rank {mean_rank:.1}",
        count(n_questions),
        value(mrr),
        value(hits_1),
        value(hits_3),
        value(hits_10)
    ))
}

fn print_relations(rows: &[Row], screen: Screen) -> Result<()> {
    let columns = ["relation", ">facts", ">MRR", ">Hits@1", ">Hits@10", ">MRR of tails", ">MRR of heads"];
    let mut grid = Grid::new(&columns);
    for row in rows {
        let side =
            |side: &Option<LinkFigures>| side.as_ref().map_or(String::new(), |figures| value(figures.mrr));
        grid.row(&[
            row.relation.clone(),
            count(row.both.n_questions / 2),
            value(row.both.mrr),
            value(row.both.hits_1),
            value(row.both.hits_10),
            side(&row.tails),
            side(&row.heads),
        ]);
    }
    screen.say(format!("\n{}", grid.text()))
}

// Relations with facts, the most frequent first.
fn by_relation(ranks: &[LinkRank], artifact: &GraphArtifact) -> Vec<Row> {
    let mut rows = Vec::new();
    for (at, relation) in artifact.data.relations.iter().enumerate() {
        let own = || ranks.iter().filter(|rank| rank.question.relation.0 as usize == at);
        if let Some(both) = LinkFigures::of(own()) {
            let side = |inverse: bool| LinkFigures::of(own().filter(|rank| rank.question.inverse == inverse));
            rows.push(Row { relation: relation.to_owned(), both, tails: side(false), heads: side(true) });
        }
    }
    rows.sort_by_key(|row| std::cmp::Reverse(row.both.n_questions));
    rows
}

fn as_the_model_counts(facts: &[Triple], data: &LinkData, own: &LinkData) -> Result<Vec<Triple>> {
    let renumbered = facts.iter().map(|&fact| renumbered(fact, data, own));
    renumbered.collect::<Result<_, String>>().map_err(|id| {
        failed(
            format!("the model does not know `{id}`"),
            "give the folder that it was trained on, or train again with that one",
        )
    })
}

// A fact in the numbers of the model, or the raw id that it does not know.
fn renumbered(fact: Triple, data: &LinkData, own: &LinkData) -> Result<Triple, String> {
    let find = |from: &segue_data::Vocabulary, to: &segue_data::Vocabulary, at: u32| {
        let raw = from.raw(at).unwrap_or_default();
        to.get(raw).ok_or_else(|| raw.to_owned())
    };
    Ok(Triple {
        head: EntityIdx(find(&data.entities, &own.entities, fact.head.0)?),
        relation: RelationIdx(find(&data.relations, &own.relations, fact.relation.0)?),
        tail: EntityIdx(find(&data.entities, &own.entities, fact.tail.0)?),
    })
}
