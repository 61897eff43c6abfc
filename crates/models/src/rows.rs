//! Which item of a catalog stands in which row of a model.

use std::ops::Range;

use segue_data::{DomainIdx, Event, ItemCatalog};

use crate::query::{Place, Scope};

/// Which rows of the item table belong to which domain, and which events count.
#[derive(Clone, Debug, PartialEq)]
pub struct Rows {
    /// Rows of each domain; empty for domains out of scope.
    pub of_domain: Vec<Range<usize>>,
    /// Catalog index of row 0.
    pub first_item: usize,
    /// The domain that is recommended.
    pub target: DomainIdx,
    scope: Scope,
}

impl Rows {
    /// The item rows of a scope: the target's items, or all.
    pub fn new(items: &ItemCatalog, place: Place) -> Self {
        let Place { domain: target, scope } = place;
        let first_item = if scope == Scope::Target { items.range(target).start } else { 0 };
        let range = |domain: usize| {
            let range = items.range(DomainIdx(domain as _));
            if scope == Scope::Target && domain != target.at() {
                0..0
            } else {
                range.start - first_item..range.end - first_item
            }
        };
        Self { of_domain: (0..items.n_domains()).map(range).collect(), first_item, target, scope }
    }

    /// Rows in all.
    pub fn n_rows(&self) -> usize {
        self.of_domain.iter().map(|range| range.end).max().unwrap_or(0)
    }

    /// Rows of the candidates.
    pub fn candidates(&self) -> Range<usize> {
        self.of_domain[self.target.at()].clone()
    }

    /// Row of an event's item; `None` when out of scope.
    pub fn row(&self, event: &Event) -> Option<usize> {
        let row = event.item.at().checked_sub(self.first_item)?;
        (self.scope != Scope::Target || self.candidates().contains(&row)).then_some(row)
    }

    /// The domain of a row.
    pub fn domain_of(&self, row: usize) -> usize {
        self.of_domain.iter().position(|range| range.contains(&row)).unwrap_or(0)
    }
}
