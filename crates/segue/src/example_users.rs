//! Users worth showing: those with much elsewhere and little in the domain, where transfer matters.

use segue_data::{Dataset, DomainIdx, UserIdx};

/// The `n` users with the largest ratio of events elsewhere to events in `domain`, both plus one; ties by index.
pub fn example_users(dataset: &Dataset, domain: DomainIdx, n: usize) -> Vec<UserIdx> {
    let range = dataset.items.range(domain);
    let ratio = |row: usize| {
        let events = dataset.sequences.row(row);
        let inside = events.iter().filter(|event| range.contains(&event.item.at())).count();
        (events.len() - inside + 1) as f64 / (inside + 1) as f64
    };
    let mut order: Vec<(f64, usize)> = (0..dataset.sequences.n_rows()).map(|row| (ratio(row), row)).collect();
    order.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    order.iter().take(n).map(|&(_, row)| UserIdx(row as u32)).collect()
}
