//! A graph that says nothing: the same relations and the same numbers of facts of every entity, but other partners.

use std::collections::BTreeMap;

use foldhash::HashSet;
use rand::Rng;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::ItemGraph;
use crate::graph::Triple;

/// Draws for a fact that stands there already before it is left as it is.
const DRAWS_MAX: usize = 100;

impl ItemGraph {
    /// The same graph with the tails of every relation permuted: every entity keeps its number of facts as head and as tail of each
    /// relation, items keep their entities. What is left cannot help a recommendation.
    #[must_use]
    pub fn permuted(&self, seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut by_relation: BTreeMap<u32, Vec<Triple>> = BTreeMap::new();
        for fact in &self.triples {
            by_relation.entry(fact.relation.0).or_default().push(*fact);
        }
        let mut triples = Vec::with_capacity(self.triples.len());
        for facts in by_relation.into_values() {
            triples.extend(with_tails_permuted(&facts, &mut rng));
        }
        triples.sort_unstable();
        let kept = Self { triples, ..self.clone() };
        kept.with_neighbors()
    }
}

fn with_tails_permuted(facts: &[Triple], rng: &mut ChaCha8Rng) -> Vec<Triple> {
    let mut tails: Vec<_> = facts.iter().map(|fact| fact.tail).collect();
    tails.shuffle(rng);
    let mut there: HashSet<(u32, u32)> = HashSet::default();
    let mut twice = Vec::new();
    for (at, (fact, tail)) in facts.iter().zip(&tails).enumerate() {
        if !there.insert((fact.head.0, tail.0)) {
            twice.push(at);
        }
    }
    // A fact that would stand there twice changes tails with another one, where neither then stands there already.
    for at in twice {
        for _ in 0..DRAWS_MAX {
            let other = rng.random_range(0..facts.len());
            let mine = (facts[at].head.0, tails[other].0);
            let its = (facts[other].head.0, tails[at].0);
            if mine != its && !there.contains(&mine) && !there.contains(&its) {
                there.remove(&(facts[other].head.0, tails[other].0));
                there.insert(mine);
                there.insert(its);
                tails.swap(at, other);
                break;
            }
        }
    }
    facts.iter().zip(tails).map(|(fact, tail)| Triple { tail, ..*fact }).collect()
}
