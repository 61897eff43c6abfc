//! A list with its reasons, ready to print or to write as JSON.

use anyhow::Result;
use segue_data::{Event, ItemIdx};
use segue_models::graph_walks::PathStep;
use segue_models::sequence::TokenEffect;
use segue_models::{ExpertId, Query};
use segue_recommend::{Model, RankedItem, Reason, Request};
use serde::Serialize;

use crate::words;
use crate::words::paths::{self, Path};

/// Smaller parts of a score are not shown in tables; the JSON has them.
const PART_SHOWN_MIN: f32 = 0.005;

/// A list for one query.
#[derive(Clone, Debug, Serialize)]
pub struct ExplainedList {
    /// The user; `None` for a history given on the command line.
    pub user: Option<String>,
    /// The domain of the items.
    pub domain: String,
    /// Time of the request, Unix seconds; `None` where the data has no times.
    pub at: Option<i64>,
    /// Events behind the list, newest last.
    pub n_history: usize,
    /// The items, best first.
    pub items: Vec<ExplainedItem>,
}

/// One item with the parts of its score and its reasons.
#[derive(Clone, Debug, Serialize)]
pub struct ExplainedItem {
    /// Place in the list, from 1.
    pub rank: usize,
    /// Raw id.
    pub id: String,
    /// Title, or the id where there is none.
    pub title: String,
    /// Blended score.
    pub score: f32,
    /// The rating to expect, where a model is trained for ratings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rating: Option<f32>,
    /// Probability that it is chosen among a few items drawn evenly, where a model is trained for that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub click: Option<f32>,
    /// Each expert's part of the score; with the cold offset they add up to it.
    pub shares: Vec<Share>,
    /// What carried it.
    pub reasons: Vec<ReasonRecord>,
    /// The same in words.
    pub why: String,
    /// The same, one phrase per kind of reason.
    #[serde(skip)]
    pub phrases: Vec<String>,
}

/// One expert's part of a score.
#[derive(Clone, Debug, Serialize)]
pub struct Share {
    /// The expert.
    pub expert: String,
    /// Its weighted, standardized score of the item.
    pub part: f32,
}

/// A reason with raw ids.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum ReasonRecord {
    /// An event that carried the item: without it the score falls by `effect`.
    Event {
        /// Raw id of the event's item.
        id: String,
        /// Its title.
        title: String,
        /// Its domain.
        domain: String,
        /// Score with the event minus score without it.
        effect: f32,
    },
    /// What is known about the user: without it the score falls by `effect`.
    Profile {
        /// The attribute values that carried it, strongest first, as `NAME=VALUE`.
        values: Vec<String>,
        /// Score with the profile minus score without it.
        effect: f32,
    },
    /// Words shared with the history.
    SharedWords {
        /// Who read them.
        expert: String,
        /// Strongest first.
        words: Vec<String>,
    },
    /// A history item whose text is alike.
    LikeText {
        /// Who compared them.
        expert: String,
        /// Raw id of the history item.
        id: String,
        /// Its title.
        title: String,
    },
    /// A path over the graph from an item of the history.
    Path {
        /// Who walked it.
        expert: String,
        /// Raw id of the history item.
        from: String,
        /// Raw id of the item that the same users had, from which the path goes on.
        #[serde(skip_serializing_if = "Option::is_none")]
        together: Option<String>,
        /// Its edges, each of them a fact of the graph.
        steps: Vec<StepRecord>,
        /// The path with its arrows.
        text: String,
        /// Share of the expert's score that is lost without these facts.
        effect: f32,
    },
    /// How much text, image, sound, graph and own vector count in the item's vector.
    Modalities {
        /// Who fused them.
        expert: String,
        /// Largest weight first; weights sum to 1. `effect`: the expert's raw score of the item minus that without the token.
        tokens: Vec<TokenEffect>,
    },
    /// Place by popularity.
    Popular {
        /// Who counted.
        expert: String,
        /// The place, 1 = most popular.
        rank: f64,
        /// Of how many.
        of: usize,
    },
}

/// One edge of a path, in the direction in which it is walked.
#[derive(Clone, Debug, Serialize)]
pub struct StepRecord {
    /// Where it starts.
    pub from: String,
    /// The relation as the graph calls it.
    pub relation: String,
    /// Whether the fact runs the other way: from `to` to `from`.
    pub inverse: bool,
    /// Where it ends.
    pub to: String,
}

/// The list for a query with the reasons of every item.
///
/// # Errors
/// When the domain is not a trained target, or the request does not fit the model.
pub fn explain_list(
    model: &Model,
    user: Option<&str>,
    query: &Query<'_>,
    request: &Request,
) -> Result<ExplainedList> {
    let ranked = model.recommend(query, &Request { explain: true, ..request.clone() })?;
    let explain = |(at, item): (usize, &RankedItem)| explain_item(model, query, at + 1, item);
    Ok(ExplainedList {
        user: user.map(str::to_owned),
        domain: model.catalog().domain_name(query.domain).to_owned(),
        at: query.timestamp,
        n_history: query.history.len(),
        items: ranked.items.iter().enumerate().map(explain).collect::<Result<_>>()?,
    })
}

/// What experts without weight would say of the first items of a list, by title; nothing where they have nothing to say.
///
/// # Errors
/// When the domain is not a trained target.
pub fn refused_words(
    model: &Model,
    query: &Query<'_>,
    list: &ExplainedList,
    n: usize,
) -> Result<Vec<(String, String)>> {
    let mut said = Vec::new();
    for listed in list.items.iter().take(n) {
        let Some(item) = model.catalog().items().get(query.domain, &listed.id) else { continue };
        let reasons = model.refused_reasons(query, item)?;
        let words = words::of_refused(model, query, &reasons);
        said.extend(words.map(|words| (listed.title.clone(), words)));
    }
    Ok(said)
}

/// One item with its reasons, which it must have come with.
///
/// # Errors
/// When the domain is not a trained target, or the item is not in it.
pub fn explain_item(
    model: &Model,
    query: &Query<'_>,
    rank: usize,
    ranked: &RankedItem,
) -> Result<ExplainedItem> {
    let (items, reasons) = (model.catalog().items(), &ranked.reasons);
    let phrases = words::phrases(model, query, ranked, reasons);
    let place = ranked.item.at() - items.range(query.domain).start;
    let said = model.target(query.domain)?.predict(query, place);
    let share = |&(expert, part): &(ExpertId, f32)| Share { expert: expert.to_string(), part };
    Ok(ExplainedItem {
        rank,
        id: items.raw(ranked.item).to_owned(),
        title: items.label(ranked.item).to_owned(),
        score: ranked.score,
        rating: said.rating,
        click: said.click,
        shares: ranked.shares.iter().map(share).collect(),
        why: if phrases.is_empty() { "no expert names a reason".to_owned() } else { phrases.join("; ") },
        phrases,
        reasons: reasons.iter().map(|reason| record(model, reason)).collect(),
    })
}

fn record(model: &Model, reason: &Reason) -> ReasonRecord {
    let (catalog, items) = (model.catalog(), model.catalog().items());
    match reason {
        Reason::Event { item, effect } => ReasonRecord::Event {
            id: items.raw(*item).to_owned(),
            title: items.label(*item).to_owned(),
            domain: catalog.domain_name(items.domain_of(*item)).to_owned(),
            effect: *effect,
        },
        Reason::Profile { values, effect } => {
            ReasonRecord::Profile { values: words::profile_values(catalog, values), effect: *effect }
        }
        Reason::SharedWords { expert, words } => {
            ReasonRecord::SharedWords { expert: expert.to_string(), words: words.clone() }
        }
        Reason::LikeText { expert, item } => ReasonRecord::LikeText {
            expert: expert.to_string(),
            id: items.raw(*item).to_owned(),
            title: items.label(*item).to_owned(),
        },
        Reason::Path { expert, from, together, steps, effect } => {
            let path = Path { from: *from, together: *together, steps };
            ReasonRecord::Path {
                expert: expert.to_string(),
                from: items.raw(*from).to_owned(),
                together: together.map(|item| items.raw(item).to_owned()),
                steps: steps.iter().filter_map(|step| step_record(model, *step)).collect(),
                text: paths::arrows(model, path),
                effect: *effect,
            }
        }
        Reason::Modalities { expert, tokens } => {
            ReasonRecord::Modalities { expert: expert.to_string(), tokens: tokens.clone() }
        }
        Reason::Popular { expert, rank, of } => {
            ReasonRecord::Popular { expert: expert.to_string(), rank: *rank, of: *of }
        }
    }
}

fn step_record(model: &Model, step: PathStep) -> Option<StepRecord> {
    let graph = model.catalog().graph()?;
    let name = |entity| paths::entity_name(graph, model.catalog().items(), entity);
    let relation = graph.relations.get(step.fact.relation.0 as usize)?.clone();
    Some(StepRecord { from: name(step.from()), relation, inverse: step.inverse, to: name(step.to()) })
}

impl ExplainedItem {
    /// The title, and under it what models that are trained for it say of rating and choice.
    pub fn title_and_predictions(&self) -> String {
        let rating = self.rating.map(|rating| format!("rating {rating:.1}"));
        let click = self.click.map(|click| format!("chosen {:.0} %", click * 100.0));
        let said: Vec<String> = rating.into_iter().chain(click).collect();
        if said.is_empty() { self.title.clone() } else { format!("{}\n{}", self.title, said.join(" · ")) }
    }

    /// The largest parts of the score, at most `n`.
    pub fn shares_in_words(&self, n: usize) -> String {
        let mut shares: Vec<&Share> = self.shares.iter().collect();
        shares.sort_by(|a, b| b.part.abs().total_cmp(&a.part.abs()));
        shares.retain(|share| share.part.abs() >= PART_SHOWN_MIN);
        let part = |share: &&Share| format!("{} {:+.2}", share.expert, share.part);
        shares.iter().take(n).map(part).collect::<Vec<_>>().join("\n")
    }
}

/// Titles of the newest events of a history, newest first, at most `n`.
pub fn newest_titles(model: &Model, query: &Query<'_>, n: usize) -> Vec<String> {
    let label = |event: &Event| words::label(model.catalog(), query.domain, event.item);
    query.history.iter().rev().take(n).map(label).collect()
}

/// The raw item ids as indexes.
///
/// # Errors
/// When an id is unknown or ambiguous.
pub fn items_from_raw(model: &Model, raw: &[String]) -> Result<Vec<ItemIdx>> {
    raw.iter().map(|id| Ok(model.catalog().item(id)?)).collect()
}
