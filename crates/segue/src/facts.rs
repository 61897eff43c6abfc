//! Facts about a data set in memory, for output.

use segue_data::{Dataset, DomainIdx};
use serde::{Deserialize, Serialize};

use segue_report::number::count;

/// Sizes of a data set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataFacts {
    /// Name of the data set.
    pub name: String,
    /// Users.
    pub n_users: usize,
    /// Users with events in at least two domains.
    pub n_shared_users: usize,
    /// Items.
    pub n_items: usize,
    /// Events.
    pub n_events: usize,
    /// Facts of the knowledge graph.
    pub n_triples: usize,
    /// One entry per domain.
    pub domains: Vec<DomainFacts>,
}

/// Sizes of one domain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DomainFacts {
    /// The domain.
    pub name: String,
    /// Users with an event in it.
    pub n_users: usize,
    /// Items.
    pub n_items: usize,
    /// Events.
    pub n_events: usize,
}

impl DataFacts {
    /// Counts.
    pub fn of(dataset: &Dataset) -> Self {
        let n_domains = dataset.domains.len();
        let (mut users, mut events) = (vec![0; n_domains], vec![0; n_domains]);
        let mut n_shared_users = 0;
        for row in dataset.sequences.rows() {
            let mut mine = vec![0; n_domains];
            for event in row {
                mine[dataset.items.domain_of(event.item).at()] += 1;
            }
            n_shared_users += usize::from(mine.iter().filter(|&&n| n > 0).count() > 1);
            for (domain, n) in mine.into_iter().enumerate() {
                users[domain] += usize::from(n > 0);
                events[domain] += n;
            }
        }
        let domain = |domain: DomainIdx| DomainFacts {
            name: dataset.domains[domain.at()].name.clone(),
            n_users: users[domain.at()],
            n_items: dataset.items.range(domain).len(),
            n_events: events[domain.at()],
        };
        Self {
            name: dataset.name.clone(),
            n_users: dataset.users.len(),
            n_shared_users,
            n_items: dataset.items.len(),
            n_events: dataset.sequences.n_events(),
            n_triples: dataset.graph.as_ref().map_or(0, |graph| graph.triples.len()),
            domains: dataset.domain_indexes().map(domain).collect(),
        }
    }

    /// One line about the whole, one per domain.
    pub fn in_words(&self) -> String {
        let graph = match self.n_triples {
            0 => String::new(),
            n => format!(" · {} facts in the graph", count(n)),
        };
        let mut lines = vec![format!(
            "{} events · {} users, {} of them in several domains · {} items{graph}",
            count(self.n_events),
            count(self.n_users),
            count(self.n_shared_users),
            count(self.n_items)
        )];
        let width = self.domains.iter().map(|domain| domain.name.chars().count()).max().unwrap_or(0);
        lines.extend(self.domains.iter().map(|domain| {
            format!(
                "  {:width$}  {} items, {} events by {} users",
                domain.name,
                count(domain.n_items),
                count(domain.n_events),
                count(domain.n_users)
            )
        }));
        lines.join("\n")
    }
}
