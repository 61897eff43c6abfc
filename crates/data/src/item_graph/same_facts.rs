//! Relations that say the same: a graph often holds `directed_by` and `director.film` of every film.

use std::collections::BTreeMap;

use foldhash::HashMap;

use crate::graph::Triple;

/// Two relations say the same when at least this share of the pairs that either connects are connected by both.
const SAME_SHARE: f64 = 0.9;

/// Takes out facts that another relation states of the same two entities, in the same or the other direction, where the two
/// relations nearly always do. The relation stays that more often starts at an item (`is_item`), then the one of lower index.
/// `facts` ascending and distinct; returns how many were taken out.
pub(super) fn merge(facts: &mut Vec<Triple>, n_relations: usize, is_item: impl Fn(u32) -> bool) -> usize {
    let mut n_facts = vec![0usize; n_relations];
    let mut from_items = vec![0usize; n_relations];
    let mut by_pair: HashMap<(u32, u32), Vec<(u32, bool)>> = HashMap::default();
    for fact in facts.iter() {
        n_facts[fact.relation.0 as usize] += 1;
        from_items[fact.relation.0 as usize] += usize::from(is_item(fact.head.0));
        by_pair.entry(pair(fact)).or_default().push((fact.relation.0, fact.head <= fact.tail));
    }
    // (relation, relation, same direction) → pairs connected by both.
    let mut both: BTreeMap<(u32, u32, bool), usize> = BTreeMap::new();
    for said in by_pair.values() {
        for (at, &(a, a_forward)) in said.iter().enumerate() {
            for &(b, b_forward) in &said[..at] {
                if a != b {
                    *both.entry((a.min(b), a.max(b), a_forward == b_forward)).or_default() += 1;
                }
            }
        }
    }
    // A relation of those that are kept, for each that is not; an earlier choice is followed.
    let mut stands_for: BTreeMap<(u32, u32), bool> = BTreeMap::new();
    for (&(a, b, same), &n) in &both {
        let union = n_facts[a as usize] + n_facts[b as usize] - n;
        if n as f64 >= SAME_SHARE * union as f64 {
            let (kept, gone) = if from_items[b as usize] > from_items[a as usize] { (b, a) } else { (a, b) };
            stands_for.insert((gone, kept), same);
        }
    }
    let n_before = facts.len();
    facts.retain(|fact| {
        let forward = fact.head <= fact.tail;
        let said = &by_pair[&pair(fact)];
        !said.iter().any(|&(kept, kept_forward)| {
            stands_for.get(&(fact.relation.0, kept)) == Some(&(kept_forward == forward))
        })
    });
    n_before - facts.len()
}

fn pair(fact: &Triple) -> (u32, u32) {
    (fact.head.0.min(fact.tail.0), fact.head.0.max(fact.tail.0))
}
