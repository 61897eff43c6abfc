//! Paths over a graph and weights of modalities, in words.

use segue_data::item_graph::Entity;
use segue_data::{DomainIdx, EntityIdx, ItemCatalog, ItemGraph, ItemIdx};
use segue_models::TokenKind;
use segue_models::graph_walks::PathStep;
use segue_models::sequence::TokenEffect;
use segue_recommend::Model;

use super::label;

/// Relations that end so are read before a name (`directed by X`); all others are followed by a colon (`genre: X`).
const READ_ON: [&str; 8] = ["by", "of", "in", "to", "at", "from", "with", "on"];
/// Smaller weights are not named.
const WEIGHT_NAMED_MIN: f32 = 0.005;

/// A path from an item of the history to another one.
#[derive(Clone, Copy)]
pub struct Path<'a> {
    /// The item of the history.
    pub from: ItemIdx,
    /// An item that the same people had, from which the steps begin; `None`: they begin at `from`.
    pub together: Option<ItemIdx>,
    /// The edges, in the direction in which they are walked.
    pub steps: &'a [PathStep],
}

/// `directed by Michael Mann, like Heat` where both items have the same edge to one entity; other paths with their arrows.
pub fn phrase(model: &Model, domain: DomainIdx, path: Path<'_>) -> Option<String> {
    let graph = model.catalog().graph()?;
    let catalog = model.catalog();
    let like = label(catalog, domain, path.together.unwrap_or(path.from));
    let shared = match path.steps {
        [first, second] if first.fact.relation == second.fact.relation && first.inverse != second.inverse => {
            shared(graph, catalog.items(), *first, &like)
        }
        _ => None,
    };
    let said = shared.unwrap_or_else(|| format!("in the graph: {}", arrows(model, path)));
    Some(match path.together {
        Some(_) => format!("{said}, which goes with {}", label(catalog, domain, path.from)),
        None => said,
    })
}

// `first` leads from the item of the history to what both have.
fn shared(graph: &ItemGraph, items: &ItemCatalog, first: PathStep, like: &str) -> Option<String> {
    let relation = first.fact.relation;
    let name = graph.name(first.to(), items);
    let words = if first.inverse { graph.head_words(relation)? } else { graph.relation_words(relation) };
    let reads_on = words.rsplit(' ').next().is_some_and(|last| READ_ON.contains(&last));
    Some(match name {
        Some(name) if reads_on => format!("{words} {}, like {like}", spoken(name)),
        Some(name) => format!("{words}: {}, like {like}", spoken(name)),
        // An id without meaning is not named.
        None if reads_on => format!("{words} the same as {like}"),
        None => format!("same {words} as {like}"),
    })
}

/// The path with its arrows: `Heat –directed by→ Michael Mann ←directed by– The Insider`.
pub fn arrows(model: &Model, path: Path<'_>) -> String {
    let Some(graph) = model.catalog().graph() else { return String::new() };
    let items = model.catalog().items();
    let mut text = items.label(path.together.unwrap_or(path.from)).to_owned();
    if path.together.is_some() {
        text = format!("{} –had together→ {text}", items.label(path.from));
    }
    for step in path.steps {
        let words = graph.relation_words(step.fact.relation);
        let to = entity_name(graph, items, step.to());
        let step = if step.inverse { format!(" ←{words}– {to}") } else { format!(" –{words}→ {to}") };
        text.push_str(&step);
    }
    text
}

/// What a person would call an entity, or its raw id.
pub fn entity_name(graph: &ItemGraph, items: &ItemCatalog, entity: EntityIdx) -> String {
    match (graph.name(entity, items), graph.entities.get(entity.0 as usize)) {
        (Some(name), _) => spoken(name),
        (None, Some(Entity::Imported(raw))) => raw.clone(),
        _ => String::new(),
    }
}

// Ids that are words write blanks as `_`.
fn spoken(name: &str) -> String {
    name.replace('_', " ")
}

/// `text 62 %, graph 25 %, id 13 %`.
pub fn weights(tokens: &[TokenEffect]) -> String {
    let named = tokens.iter().filter(|token| token.weight >= WEIGHT_NAMED_MIN);
    let weight = |token: &TokenEffect| format!("{} {:.0} %", token.token.name(), token.weight * 100.0);
    named.map(weight).collect::<Vec<_>>().join(", ")
}

/// What a token is made from, in words.
pub fn token_words(token: TokenKind) -> &'static str {
    match token {
        TokenKind::Text => "its text",
        TokenKind::Image => "its image",
        TokenKind::Audio => "its sound",
        TokenKind::Graph => "its place in the graph",
        TokenKind::Id => "its own vector, learned from events",
    }
}
