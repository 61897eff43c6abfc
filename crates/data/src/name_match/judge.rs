//! How well names find the links that a data set states.

use foldhash::HashSet;
use serde::Serialize;

use super::matches;
use crate::catalog::ItemCatalog;
use crate::graph::KnowledgeGraph;

/// Thresholds of a judgment.
const THRESHOLDS: [f64; 6] = [1.0, 0.95, 0.9, 0.8, 0.7, 0.5];

/// What linking at one threshold would have done.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Judged {
    /// The confidence asked for.
    pub min_confidence: f64,
    /// Items with a stated link that names would link.
    pub n_linked: usize,
    /// Of those, items linked to a stated entity.
    pub n_right: usize,
    /// `n_right / n_linked`; `None` of no links.
    pub precision: Option<f64>,
    /// Share of the items with a stated link that are linked to a stated entity.
    pub recall: f64,
    /// Items without a stated link that names would link: right or wrong, nobody knows.
    pub n_unknown: usize,
}

/// Links by names alone, compared with the links that are stated; empty when none is.
pub fn judge(items: &ItemCatalog, graph: &KnowledgeGraph) -> Vec<Judged> {
    let stated: HashSet<(u32, u32)> = graph.links.iter().map(|link| (link.item.0, link.entity.0)).collect();
    let with_link: HashSet<u32> = graph.links.iter().map(|link| link.item.0).collect();
    if with_link.is_empty() {
        return Vec::new();
    }
    let found = matches(items, &KnowledgeGraph { links: Vec::new(), ..graph.clone() });
    let at = |min_confidence: f64| {
        let (mut n_linked, mut n_right, mut n_unknown) = (0, 0, 0);
        for pair in found.iter().filter(|pair| pair.confidence >= min_confidence) {
            if with_link.contains(&pair.item.0) {
                n_linked += 1;
                n_right += usize::from(stated.contains(&(pair.item.0, pair.entity.0)));
            } else {
                n_unknown += 1;
            }
        }
        Judged {
            min_confidence,
            n_linked,
            n_right,
            precision: (n_linked > 0).then(|| n_right as f64 / n_linked as f64),
            recall: n_right as f64 / with_link.len() as f64,
            n_unknown,
        }
    };
    THRESHOLDS.map(at).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Field;
    use crate::graph::Link;
    use crate::ids::{EntityIdx, ItemIdx};
    use crate::vocabulary::Vocabulary;

    #[test]
    fn precision_and_recall_are_those_of_counting_by_hand() {
        let titles = ["Heat", "Ran", "Dune", "Psycho", "Brazil"];
        let ids: Vocabulary = ["a", "b", "c", "d", "e"].into_iter().collect();
        let values = titles.iter().map(|&title| title.to_owned()).collect();
        let items = ItemCatalog::new(vec![ids], vec![Field { name: "title".into(), values }]);
        let facts = ["Heat", "Ran", "Rain Man", "Dune Part", "Brazil"].map(|entity| (entity, "kind", "12"));
        let mut graph = KnowledgeGraph::of_facts(facts);
        let entity = |raw: &str| EntityIdx(graph.entities.get(raw).unwrap());
        // Of Ran the statement is another; of Psycho there is no name; of Brazil there is no statement.
        let links = [("Heat", 0), ("Rain Man", 1), ("Dune Part", 2), ("Heat", 3)];
        graph.links = links.map(|(raw, item)| Link { item: ItemIdx(item), entity: entity(raw) }).to_vec();
        let judged = judge(&items, &graph);
        let exact = judged[0];
        assert_eq!((exact.n_linked, exact.n_right, exact.n_unknown), (2, 1, 1));
        assert_eq!((exact.precision, exact.recall), (Some(0.5), 0.25));
        let loose = judged[THRESHOLDS.len() - 1];
        assert_eq!((loose.n_linked, loose.n_right, loose.recall), (3, 2, 0.5));
        graph.links.clear();
        assert!(judge(&items, &graph).is_empty());
    }
}
