//! Items and entities of a graph that have the same name: links with a confidence, where a source states none.
//!
//! Names are compared without case, diacritics, punctuation, leading article, edition and year in brackets. Equal names have
//! confidence 1; below, it is the share of words in common (Dice coefficient of the word sets) times 0.95, and years one apart take
//! 5 % off. Two different years (more than one apart) are two different things. Where several entities or several items fit equally
//! well, the confidence is divided among them, unless words in brackets (`(band)`) tell them apart; then 5 % are taken off.

mod entities;
mod judge;
mod letters;
mod name;
mod search;

use serde::Serialize;

use crate::catalog::ItemCatalog;
use crate::graph::{KnowledgeGraph, Link};
use crate::ids::{EntityIdx, ItemIdx};

pub use judge::{Judged, judge};

/// The confidence that a link needs when nothing else is said.
pub const DEFAULT_CONFIDENCE: f64 = 0.9;
/// Pairs of a lower confidence are not looked at.
pub(crate) const LOWEST: f64 = 0.5;
/// Pairs of each kind that a report shows.
const EXAMPLES: usize = 5;

/// The entity whose name is most like an item's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NameMatch {
    /// In the catalog, not linked so far.
    pub item: ItemIdx,
    /// The entity; of several that fit equally well, the first.
    pub entity: EntityIdx,
    /// From 0 to 1.
    pub confidence: f64,
    /// Entities that fit equally well times items that fit that entity equally well; 1: the pair is the only one.
    pub n_alike: usize,
}

/// A pair, for people.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct NamePair {
    /// The item's name.
    pub item: String,
    /// The entity's raw id.
    pub entity: String,
    /// From 0 to 1.
    pub confidence: f64,
}

/// What linking by names did.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct NameLinks {
    /// The confidence asked for.
    pub min_confidence: f64,
    /// Items that were linked before.
    pub n_linked_before: usize,
    /// Items that were not linked and have a name.
    pub n_items: usize,
    /// Entities that could be linked to: they have a name, and no item.
    pub n_entities: usize,
    /// Items linked.
    pub n_linked: usize,
    /// Of those, items with confidence 1.
    pub n_exact: usize,
    /// Items that several pairs with enough words in common fit equally well: not linked.
    pub n_ambiguous: usize,
    /// Other items whose best pair is below the confidence asked for: not linked.
    pub n_refused: usize,
    /// Items like no entity (below 0.5).
    pub n_unlike: usize,
    /// Some that were linked, the least sure first.
    pub linked: Vec<NamePair>,
    /// Some that were ambiguous.
    pub ambiguous: Vec<NamePair>,
    /// Some that were refused, the surest first.
    pub refused: Vec<NamePair>,
}

/// The best entity of every item that has a name and one at least half alike, by item. Items and entities that are linked already
/// take no part.
pub fn matches(items: &ItemCatalog, graph: &KnowledgeGraph) -> Vec<NameMatch> {
    search::Names::of(items, graph).matches()
}

/// Links items without a link to the entities of their names, where the confidence is at least `min_confidence`.
pub fn link(items: &ItemCatalog, graph: &mut KnowledgeGraph, min_confidence: f64) -> NameLinks {
    let names = search::Names::of(items, graph);
    let found = names.matches();
    let mut report = NameLinks {
        min_confidence,
        n_linked_before: items.len() - names.n_unlinked,
        n_items: names.n_items(),
        n_entities: names.n_entities(),
        n_unlike: names.n_items() - found.len(),
        ..NameLinks::default()
    };
    let (linked, others): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|pair| pair.confidence >= min_confidence);
    // What was lost to others like it, and not to unlike words.
    let is_ambiguous = |pair: &NameMatch| pair.confidence * pair.n_alike as f64 >= min_confidence;
    let (mut ambiguous, mut refused): (Vec<_>, Vec<_>) = others.into_iter().partition(is_ambiguous);
    (report.n_linked, report.n_ambiguous, report.n_refused) = (linked.len(), ambiguous.len(), refused.len());
    report.n_exact = linked.iter().filter(|pair| pair.confidence >= 1.0).count();
    graph.links.extend(linked.iter().map(|pair| Link { item: pair.item, entity: pair.entity }));
    let mut shown = linked;
    shown.sort_by(|a, b| a.confidence.total_cmp(&b.confidence).then(a.item.cmp(&b.item)));
    for pairs in [&mut ambiguous, &mut refused] {
        pairs.sort_by(|a, b| b.confidence.total_cmp(&a.confidence).then(a.item.cmp(&b.item)));
    }
    let pair = |found: &NameMatch| NamePair {
        item: items.label(found.item).to_owned(),
        entity: graph.entities.raw(found.entity.0).unwrap_or_default().to_owned(),
        confidence: (found.confidence * 1e4).round() / 1e4,
    };
    let some = |found: &[NameMatch]| found.iter().take(EXAMPLES).map(pair).collect();
    (report.linked, report.ambiguous, report.refused) = (some(&shown), some(&ambiguous), some(&refused));
    report
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Field;
    use crate::vocabulary::Vocabulary;

    fn catalog(titles: &[&str]) -> ItemCatalog {
        let ids: Vocabulary = (0..titles.len())
            .map(|at| at.to_string())
            .collect::<Vec<_>>()
            .iter()
            .map(String::as_str)
            .collect();
        let values = titles.iter().map(|&title| title.to_owned()).collect();
        ItemCatalog::new(vec![ids], vec![Field { name: "title".into(), values }])
    }

    fn graph(entities: &[&str]) -> KnowledgeGraph {
        KnowledgeGraph::of_facts(entities.iter().map(|&entity| (entity, "kind", "thing of this kind")))
    }

    fn linked(titles: &[&str], entities: &[&str], min_confidence: f64) -> (Vec<(String, String)>, NameLinks) {
        let (items, mut graph) = (catalog(titles), graph(entities));
        let report = link(&items, &mut graph, min_confidence);
        let pair = |link: &Link| {
            (items.label(link.item).to_owned(), graph.entities.raw(link.entity.0).unwrap().to_owned())
        };
        (graph.links.iter().map(pair).collect(), report)
    }

    #[test]
    fn equal_names_are_linked_with_certainty() {
        let titles = ["Usual Suspects, The (1995)", "Amélie", "Heat (1995)", "Ran"];
        let entities =
            ["http://kb.example/resource/The_Usual_Suspects", "amelie", "Heat_(1995_film)", "Rain_Man"];
        let (links, report) = linked(&titles, &entities, 0.9);
        assert_eq!(links.len(), 3, "{report:?}");
        assert!(links.contains(&("Heat (1995)".into(), "Heat_(1995_film)".into())));
        assert_eq!((report.n_linked, report.n_exact, report.n_unlike), (3, 3, 1));
    }

    #[test]
    fn namesakes_are_told_apart_by_year_and_brackets_or_not_linked() {
        let entities = ["Crash_(1996_film)", "Crash_(2004_film)", "Death_(metal_band)", "Death_(punk_band)"];
        let (links, report) = linked(&["Crash (2004)", "Death", "Death (punk band)"], &entities, 0.9);
        assert!(links.contains(&("Crash (2004)".into(), "Crash_(2004_film)".into())), "{report:?}");
        assert!(links.contains(&("Death (punk band)".into(), "Death_(punk_band)".into())), "{report:?}");
        assert_eq!((links.len(), report.n_ambiguous), (2, 1));
        assert_eq!(report.ambiguous[0].item, "Death");
        assert!((report.ambiguous[0].confidence - 0.5).abs() < 1e-9);
    }

    #[test]
    fn another_year_is_another_thing_and_one_year_off_is_less_sure() {
        let (links, report) =
            linked(&["Psycho (1998)", "Emma (1995)"], &["Psycho (1960)", "Emma (1996)"], 0.9);
        assert_eq!(links, [("Emma (1995)".to_owned(), "Emma (1996)".to_owned())]);
        assert_eq!((report.n_exact, report.n_unlike), (0, 1));
        assert!((report.linked[0].confidence - 0.95).abs() < 1e-9);
    }

    #[test]
    fn two_items_of_one_name_do_not_share_an_entity() {
        let (links, report) = linked(&["Emma", "emma!"], &["Emma"], 0.9);
        assert!(links.is_empty());
        assert_eq!(report.n_ambiguous, 2);
        let (links, _) = linked(&["Emma", "emma!"], &["Emma"], 0.5);
        assert_eq!(links.len(), 2, "unless that little is asked for");
    }

    #[test]
    fn words_in_common_count_and_the_threshold_decides() {
        let titles = ["Nick Cave and the Bad Seeds", "Umek"];
        let entities = ["Nick_Cave_&_Bad_Seeds", "DJ_Umek"];
        let (links, report) = linked(&titles, &entities, 0.8);
        assert_eq!(links.len(), 1, "{report:?}");
        assert_eq!((report.n_linked, report.n_exact, report.n_refused), (1, 0, 1));
        // Sets of 6 and 5 words with 5 in common, and of 1 and 2 with 1 in common.
        assert!((report.linked[0].confidence - 0.95 * 10.0 / 11.0).abs() < 1e-4);
        assert!((report.refused[0].confidence - 0.95 * 2.0 / 3.0).abs() < 1e-4);
        assert_eq!(linked(&titles, &entities, 0.6).0.len(), 2);
    }

    #[test]
    fn what_is_linked_already_stays_as_it_is() {
        let (items, mut graph) = (catalog(&["Heat", "Heat", "Ran"]), graph(&["Heat", "Ran"]));
        graph.links = vec![Link { item: ItemIdx(0), entity: EntityIdx(0) }];
        let report = link(&items, &mut graph, 0.9);
        assert_eq!((report.n_linked_before, report.n_linked, report.n_entities), (1, 1, 2));
        assert_eq!(graph.links[1].item, ItemIdx(2));
    }
}
