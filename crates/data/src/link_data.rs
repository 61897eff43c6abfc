//! Facts of a graph, cut into train, valid and test: a published split from files, or a random one of a graph.

use std::path::Path;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::error::DataError;
use crate::graph::{KnowledgeGraph, Triple};
use crate::hash;
use crate::ids::{EntityIdx, RelationIdx};
use crate::item_graph::ItemGraph;
use crate::store;
use crate::vocabulary::Vocabulary;

/// Share of the facts that each of valid and test gets in a random split.
const HELD_OUT: f64 = 0.05;

/// A graph for link prediction.
#[derive(Clone, Debug, Default)]
pub struct LinkData {
    /// Raw entity ids.
    pub entities: Vocabulary,
    /// Titles of items and names of other entities, `[n_entities]`, empty text where there is none; no texts at all where nothing has
    /// any.
    pub names: Vec<String>,
    /// Raw relation ids.
    pub relations: Vocabulary,
    /// Facts to learn from.
    pub train: Vec<Triple>,
    /// Facts that choose.
    pub valid: Vec<Triple>,
    /// Facts that measure.
    pub test: Vec<Triple>,
}

impl LinkData {
    /// A folder with `train.txt`, `valid.txt` and `test.txt`, or a data set folder: its graph and the repeated values of its item
    /// fields as facts ([`ItemGraph`]), split at random by `seed`; a graph alone where nothing is stated about an item.
    ///
    /// # Errors
    /// When the folder is neither, a file cannot be read, or there is nothing to learn from.
    pub fn open(folder: &Path, seed: u64) -> Result<Self, DataError> {
        let data = if folder.join("train.txt").is_file() {
            Self::read(folder)?
        } else if folder.join("dataset.toml").is_file() {
            let (dataset, _) = store::read(folder)?;
            match (ItemGraph::of(&dataset), dataset.graph.as_ref()) {
                (Some(graph), _) => Self::split(&graph.named_facts(&dataset), seed),
                (None, Some(graph)) => Self::split(graph, seed),
                (None, None) => {
                    return Err(no_facts(folder, "has no graph, and no item field whose values repeat"));
                }
            }
        } else {
            return Err(no_facts(folder, "has no train.txt and is no data set folder"));
        };
        if data.train.is_empty() { Err(no_facts(folder, "has no facts to learn from")) } else { Ok(data) }
    }

    /// Reads `train.txt`, `valid.txt` and `test.txt` of a folder: head, relation and tail between tabs, no header. A repeated fact
    /// counts once, and a fact of valid or test that train has already is left in both.
    ///
    /// # Errors
    /// When a file cannot be read or a line has not three fields.
    pub fn read(folder: &Path) -> Result<Self, DataError> {
        let mut data = Self::default();
        data.train = data.read_part(&folder.join("train.txt"))?;
        data.valid = data.read_part(&folder.join("valid.txt"))?;
        data.test = data.read_part(&folder.join("test.txt"))?;
        Ok(data)
    }

    fn read_part(&mut self, path: &Path) -> Result<Vec<Triple>, DataError> {
        let text = std::fs::read_to_string(path).map_err(|e| DataError::io("read", path, e))?;
        let mut facts = Vec::new();
        let mut seen = std::collections::HashSet::new();
        for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let fields: Vec<&str> = line.split('\t').map(str::trim).collect();
            let [head, relation, tail] = fields[..] else {
                let problem = format!("{} fields between tabs instead of 3", fields.len());
                let remedy = "write head, relation and tail between tabs, one fact a line";
                return Err(DataError::format(path, Some(at as u64 + 1), problem, remedy));
            };
            let fact = Triple {
                head: EntityIdx(self.entities.intern(head)),
                relation: RelationIdx(self.relations.intern(relation)),
                tail: EntityIdx(self.entities.intern(tail)),
            };
            if seen.insert(fact) {
                facts.push(fact);
            }
        }
        Ok(facts)
    }

    /// Cuts a graph at random: 90 % train, 5 % valid, 5 % test. A held-out fact whose entity or relation train would not have stays
    /// in train: nothing can be learned about what is never seen.
    pub fn split(graph: &KnowledgeGraph, seed: u64) -> Self {
        let mut facts = graph.triples.clone();
        facts.sort_unstable();
        facts.dedup();
        facts.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
        let n_held = (facts.len() as f64 * HELD_OUT) as usize;
        let held = facts.split_off(facts.len() - 2 * n_held);
        let mut known = Known::new(graph);
        facts.iter().for_each(|fact| known.add(*fact));
        let (mut valid, mut test) = (Vec::new(), Vec::new());
        for (at, fact) in held.into_iter().enumerate() {
            if known.has(fact) {
                if at < n_held { valid.push(fact) } else { test.push(fact) }
            } else {
                known.add(fact);
                facts.push(fact);
            }
        }
        let (entities, relations) = (graph.entities.clone(), graph.relations.clone());
        Self { entities, names: graph.labels.clone(), relations, train: facts, valid, test }
    }

    /// The parts in order, with their names.
    pub fn parts(&self) -> [(&'static str, &[Triple]); 3] {
        [("train", &self.train), ("valid", &self.valid), ("test", &self.test)]
    }

    /// All facts.
    pub fn all(&self) -> impl Iterator<Item = Triple> {
        self.parts().into_iter().flat_map(|(_, facts)| facts.iter().copied())
    }

    /// SHA-256 of all facts by their raw ids, part by part; the order of lines does not count.
    pub fn sha256(&self) -> String {
        let mut text = String::new();
        let entity = |entity: EntityIdx| self.entities.raw(entity.0).unwrap_or_default();
        for (name, facts) in self.parts() {
            let line = |fact: &Triple| {
                let relation = self.relations.raw(fact.relation.0).unwrap_or_default();
                format!("{}\t{relation}\t{}\n", entity(fact.head), entity(fact.tail))
            };
            let mut lines: Vec<String> = facts.iter().map(line).collect();
            lines.sort_unstable();
            text.push_str(name);
            text.push('\n');
            text.extend(lines);
        }
        hash::of_bytes(text.as_bytes())
    }
}

/// What the facts so far speak of.
struct Known {
    entities: Vec<bool>,
    relations: Vec<bool>,
}

impl Known {
    fn new(graph: &KnowledgeGraph) -> Self {
        Self { entities: vec![false; graph.entities.len()], relations: vec![false; graph.relations.len()] }
    }

    fn add(&mut self, fact: Triple) {
        self.entities[fact.head.0 as usize] = true;
        self.entities[fact.tail.0 as usize] = true;
        self.relations[fact.relation.0 as usize] = true;
    }

    fn has(&self, fact: Triple) -> bool {
        let entity = |entity: EntityIdx| self.entities[entity.0 as usize];
        entity(fact.head) && entity(fact.tail) && self.relations[fact.relation.0 as usize]
    }
}

fn no_facts(folder: &Path, problem: &str) -> DataError {
    DataError::request(
        format!("`{}` {problem}", folder.display()),
        "give a folder with train.txt, valid.txt and test.txt (head, relation, tail between tabs), or a data set folder with triples or item fields such as brand and genre",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(n: u32) -> KnowledgeGraph {
        let mut graph = KnowledgeGraph::default();
        for at in 0..n {
            let mut entity = |at: u32| EntityIdx(graph.entities.intern(&format!("e{at}")));
            let (head, tail) = (entity(at % 40), entity(40 + at / 40));
            let relation = RelationIdx(graph.relations.intern(&format!("r{}", at % 3)));
            graph.triples.push(Triple { head, relation, tail });
        }
        // Seen in one fact only.
        let lonely = EntityIdx(graph.entities.intern("lonely"));
        graph.triples.push(Triple { head: lonely, relation: RelationIdx(0), tail: EntityIdx(0) });
        graph
    }

    #[test]
    fn a_random_split_keeps_every_fact_once_and_holds_out_what_train_knows() {
        let graph = graph(2_000);
        for seed in 0..20 {
            let data = LinkData::split(&graph, seed);
            let mut all: Vec<Triple> = data.all().collect();
            all.sort_unstable();
            let mut expected = graph.triples.clone();
            expected.sort_unstable();
            assert_eq!(all, expected);
            assert!((90..=100).contains(&data.valid.len()) && (90..=100).contains(&data.test.len()));
            let lonely = data.entities.get("lonely").map(EntityIdx);
            assert!(data.train.iter().any(|fact| Some(fact.head) == lonely));
            assert_eq!(data.sha256(), LinkData::split(&graph, seed).sha256());
            assert_ne!(data.sha256(), LinkData::split(&graph, seed + 1).sha256());
        }
    }
}
