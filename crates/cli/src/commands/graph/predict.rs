//! `segue graph predict`: the likeliest answers of a question, with those that are known facts marked.

use std::path::PathBuf;

use anyhow::{Context, Result};
use segue_data::{EntityIdx, Facts, Question, RelationIdx, Vocabulary};
use segue_recommend::GraphArtifact;
use serde::Serialize;

use crate::grid::Grid;
use crate::screen::Screen;
use segue::failure::{closest, failed, usage};

/// Arguments of `segue graph predict`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Model folder, made with `segue graph train`
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// The head whose tails are asked for
    #[arg(long, value_name = "ID", required_unless_present = "tail", conflicts_with = "tail")]
    head: Option<String>,
    /// The tail whose heads are asked for
    #[arg(long, value_name = "ID")]
    tail: Option<String>,
    /// The relation
    #[arg(long, value_name = "ID")]
    relation: String,
    /// How many answers
    #[arg(long, default_value_t = 10, value_name = "N")]
    top: usize,
    /// Leave out what is known already
    #[arg(long)]
    new: bool,
}

#[derive(Serialize)]
struct Answer {
    entity: String,
    /// Title of an item or label of another entity, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    score: f32,
    /// Share of the softmax over all entities.
    probability: f64,
    /// The part of the facts that it stands in; `None`: it is new.
    known: Option<&'static str>,
}

/// Prints the likeliest answers.
pub(crate) fn run(args: &Args, screen: Screen) -> Result<()> {
    let artifact = GraphArtifact::read(&args.model).context("cannot read the model")?;
    let (anchor, inverse) = match (&args.head, &args.tail) {
        (Some(head), None) => (head, false),
        (None, Some(tail)) => (tail, true),
        _ => return Err(usage("one end of the fact must be named", "give --head or --tail")),
    };
    let question = Question {
        anchor: EntityIdx(find(&artifact.data.entities, anchor, "entity")?),
        relation: RelationIdx(find(&artifact.data.relations, &args.relation, "relation")?),
        inverse,
    };
    let answers = answers(&artifact, question, args);
    let mut grid =
        Grid::new(&["#", if inverse { "head" } else { "tail" }, "name", ">score", ">share", "known"]);
    for (at, answer) in answers.iter().enumerate() {
        grid.row(&[
            (at + 1).to_string(),
            answer.entity.clone(),
            answer.name.clone().unwrap_or_default(),
            format!("{:.3}", answer.score),
            format!("{:.4}", answer.probability),
            answer.known.map_or("new".to_owned(), |part| format!("known ({part})")),
        ]);
    }
    let named = match name(&artifact, question.anchor.0) {
        Some(name) => format!("{anchor} ({name})"),
        None => anchor.clone(),
    };
    let asked = if inverse {
        format!("? –{}→ {named}", args.relation)
    } else {
        format!("{named} –{}→ ?", args.relation)
    };
    screen.say(asked)?;
    screen.say(grid.text())?;
    screen.document(&serde_json::json!({
        "anchor": anchor, "relation": args.relation, "asked": if inverse { "head" } else { "tail" }, "answers": answers
    }))
}

fn answers(artifact: &GraphArtifact, question: Question, args: &Args) -> Vec<Answer> {
    let mut scores = vec![0.0; artifact.model.n_entities()];
    artifact.model.score(&[question], &mut scores);
    let parts = artifact.data.parts().map(|(name, facts)| (name, Facts::of(facts.iter().copied())));
    let known = |entity: u32| {
        let holds = |facts: &Facts| facts.answers(question).binary_search(&EntityIdx(entity)).is_ok();
        parts.iter().find(|(_, facts)| holds(facts)).map(|(name, _)| *name)
    };
    let top = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = scores.iter().map(|score| f64::from(score - top).exp()).sum();
    let mut order: Vec<u32> = (0..scores.len() as u32).collect();
    order.sort_by(|&a, &b| scores[b as usize].total_cmp(&scores[a as usize]));
    let answer = |entity: u32| Answer {
        entity: artifact.data.entities.raw(entity).unwrap_or_default().to_owned(),
        name: name(artifact, entity).map(str::to_owned),
        score: scores[entity as usize],
        probability: f64::from(scores[entity as usize] - top).exp() / sum,
        known: known(entity),
    };
    let wanted = |answer: &Answer| !args.new || answer.known.is_none();
    order.into_iter().map(answer).filter(wanted).take(args.top).collect()
}

fn name(artifact: &GraphArtifact, entity: u32) -> Option<&str> {
    artifact.data.names.get(entity as usize).map(String::as_str).filter(|name| !name.is_empty())
}

fn find(ids: &Vocabulary, given: &str, what: &str) -> Result<u32> {
    ids.get(given).ok_or_else(|| {
        let remedy = match closest(given, ids.iter()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("the model has {} of them; ids are those of the facts", ids.len()),
        };
        failed(format!("the model knows no {what} `{given}`"), remedy)
    })
}
