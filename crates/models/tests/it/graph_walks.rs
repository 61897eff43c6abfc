//! The walks over a graph.

use crate::world::{World, subjects};

#[test]
fn debug_weights() {
    for world in [World::new(), World::renumbered(1)] {
        for subject in subjects().iter().filter(|s| s.name == "graph (default)") {
            let expert = world.fit(subject).unwrap();
            let walks = expert.graph_walks().unwrap();
            eprintln!("{:?}", walks.relation_weights().collect::<Vec<_>>());
            eprintln!("{:?}", walks.similarity().row(world.index[22]));
            let history = &world.histories()[0];
            eprintln!(
                "{:?}",
                history
                    .iter()
                    .map(|e| world.index.iter().position(|i| *i == e.item.at()))
                    .collect::<Vec<_>>()
            );
        }
    }
}
