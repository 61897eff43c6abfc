//! The items of all domains: raw ids, domains and text fields.

use std::ops::Range;

use crate::ids::{DomainIdx, ItemIdx};
use crate::vocabulary::Vocabulary;

/// One text column of the item table (title, brand, …); an empty string means missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Column name, lower case: `title`, `brand`, `categories`, `description`, or as imported.
    pub name: String,
    /// One text per item, `[n_items]`.
    pub values: Vec<String>,
}

/// All items. Items of one domain are contiguous, so a domain's candidates are a range.
#[derive(Clone, Debug, Default)]
pub struct ItemCatalog {
    per_domain: Vec<Vocabulary>,
    starts: Vec<u32>,
    fields: Vec<Field>,
}

impl ItemCatalog {
    /// A catalog from one vocabulary per domain (in domain order) and the text columns over all items.
    ///
    /// # Panics
    /// When a field does not have exactly one value per item: a programming error, not bad input.
    pub fn new(per_domain: Vec<Vocabulary>, fields: Vec<Field>) -> Self {
        let mut starts = vec![0];
        for vocabulary in &per_domain {
            starts.push(starts[starts.len() - 1] + vocabulary.len() as u32);
        }
        let n_items = starts[starts.len() - 1] as usize;
        for field in &fields {
            assert_eq!(field.values.len(), n_items, "field `{}`", field.name);
        }
        Self { per_domain, starts, fields }
    }

    /// Number of items over all domains.
    pub fn len(&self) -> usize {
        self.starts.last().map_or(0, |&end| end as usize)
    }

    /// Whether there are no items.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of domains.
    pub fn n_domains(&self) -> usize {
        self.per_domain.len()
    }

    /// The dense indexes of a domain's items.
    pub fn range(&self, domain: DomainIdx) -> Range<usize> {
        self.starts[domain.at()] as usize..self.starts[domain.at() + 1] as usize
    }

    /// Which domain an item belongs to: the one whose range holds its index.
    pub fn domain_of(&self, item: ItemIdx) -> DomainIdx {
        let after = self.starts.partition_point(|&start| start <= item.0);
        DomainIdx((after - 1) as u16)
    }

    /// The index of a raw id, which means something within its domain only.
    pub fn get(&self, domain: DomainIdx, raw: &str) -> Option<ItemIdx> {
        let local = self.per_domain.get(domain.at())?.get(raw)?;
        Some(ItemIdx(self.starts[domain.at()] + local))
    }

    /// The raw id of an item; empty when the index is out of range.
    pub fn raw(&self, item: ItemIdx) -> &str {
        if item.at() >= self.len() {
            return "";
        }
        let domain = self.domain_of(item);
        self.per_domain[domain.at()].raw(item.0 - self.starts[domain.at()]).unwrap_or("")
    }

    /// Columns of text about the items, in the order of the source.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// The text column `name`, if present.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// What a person would call the item: its title if there is one, else its raw id.
    pub fn label(&self, item: ItemIdx) -> &str {
        match self.field("title").and_then(|field| field.values.get(item.at())) {
            Some(title) if !title.is_empty() => title,
            _ => self.raw(item),
        }
    }

    /// The same catalog without text: for runs that must use ids only.
    #[must_use]
    pub fn without_text(mut self) -> Self {
        self.fields.clear();
        self
    }

    /// The same catalog with one more text column.
    ///
    /// # Panics
    /// When the column does not have exactly one value per item.
    #[must_use]
    pub fn with_field(mut self, field: Field) -> Self {
        assert_eq!(field.values.len(), self.len(), "field `{}`", field.name);
        self.fields.push(field);
        self
    }
}
