//! Which domain an item belongs to: the one of its source, or one told by a column.

use std::collections::{BTreeMap, BTreeSet};

use super::batch::LIST_SEPARATOR;
use super::options::{DomainGroup, ImportOptions};
use crate::builder::DatasetBuilder;
use crate::error::DataError;
use crate::ids::DomainIdx;
use crate::vocabulary::Vocabulary;

/// The domain of items whose value belongs to no group, or that have no value.
pub const OTHER: &str = "other";

/// How a value of the domain column is cut into single values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ValueList {
    /// One value, or several between `|` (or the elements of a JSON list).
    Piped,
    /// Words between spaces.
    Spaced,
}

/// Chooses a domain by a column's value.
#[derive(Clone, Debug)]
pub(super) struct DomainRule {
    groups: Vec<DomainGroup>,
}

impl DomainRule {
    /// Groups of values become domains; without groups every value is one.
    ///
    /// # Errors
    /// When two groups have the same name or claim the same value.
    pub(super) fn of(options: &ImportOptions) -> Result<Self, DataError> {
        let mut owner: BTreeMap<String, &str> = BTreeMap::new();
        for group in &options.domain_groups {
            for value in &group.values {
                let earlier = owner.insert(value.to_lowercase(), &group.name);
                if let Some(earlier) = earlier.filter(|earlier| *earlier != group.name) {
                    return Err(DataError::request(
                        format!("`{value}` is in the groups `{earlier}` and `{}`", group.name),
                        "put every value into one group",
                    ));
                }
            }
        }
        Ok(Self { groups: options.domain_groups.clone() })
    }

    /// The domain of a cell: the group with the most of its values (the first listed on a tie), or without groups
    /// its first value; [`OTHER`] when there is none.
    pub(super) fn choose<'a>(&'a self, cell: &'a str, list: ValueList) -> &'a str {
        if self.groups.is_empty() {
            return values(cell, list).next().unwrap_or(OTHER);
        }
        let mut best = (0, OTHER);
        for group in &self.groups {
            let belongs = |value: &&str| group.values.iter().any(|known| known.eq_ignore_ascii_case(value));
            let n = values(cell, list).filter(belongs).count();
            if n > best.0 {
                best = (n, &group.name);
            }
        }
        best.1
    }
}

fn values(cell: &str, list: ValueList) -> impl Iterator<Item = &str> {
    let is_between = move |c: char| match list {
        ValueList::Piped => c == '|' || c == LIST_SEPARATOR,
        ValueList::Spaced => c.is_whitespace(),
    };
    let is_value = |value: &&str| !value.is_empty() && *value != "(no genres listed)";
    cell.split(is_between).map(str::trim).filter(is_value)
}

/// Where the items of the sources under one label go.
#[derive(Default)]
pub(super) struct Placement {
    label: String,
    // Items whose domain an item table told.
    items: Vocabulary,
    domains: Vec<DomainIdx>,
    /// Whether an item table tells domains; unknown items go to [`OTHER`] then.
    pub(super) is_by_item: bool,
    /// Domains that got items.
    pub(super) used: BTreeSet<DomainIdx>,
    /// Items that have their text from an event.
    pub(super) described: BTreeSet<(DomainIdx, u32)>,
}

impl Placement {
    pub(super) fn new(label: &str) -> Self {
        Self { label: label.to_owned(), ..Self::default() }
    }

    /// The label of the sources: the domain of items that nothing else places.
    pub(super) fn label(&self) -> &str {
        &self.label
    }

    /// Fixes the domain of an item; the first statement counts.
    pub(super) fn place(&mut self, item: &str, domain: DomainIdx) -> DomainIdx {
        let at = self.items.intern(item) as usize;
        if at == self.domains.len() {
            self.domains.push(domain);
        }
        self.domains[at]
    }

    /// The domain of an item of an event.
    pub(super) fn domain_of(
        &mut self,
        item: &str,
        builder: &mut DatasetBuilder,
    ) -> Result<DomainIdx, DataError> {
        if let Some(at) = self.items.get(item) {
            return Ok(self.domains[at as usize]);
        }
        if !self.is_by_item {
            return builder.domain(&self.label);
        }
        let domain = builder.domain(OTHER)?;
        Ok(self.place(item, domain))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(groups: &[(&str, &[&str])]) -> DomainRule {
        let group = |(name, values): &(&str, &[&str])| DomainGroup {
            name: (*name).to_owned(),
            values: values.iter().map(|value| (*value).to_owned()).collect(),
        };
        DomainRule { groups: groups.iter().map(group).collect() }
    }

    #[test]
    fn an_item_goes_to_the_group_with_the_most_of_its_values_and_ties_to_the_first() {
        let rule = rule(&[("fun", &["Comedy", "Musical"]), ("tense", &["Thriller", "Crime"])]);
        assert_eq!(rule.choose("Thriller Crime Comedy", ValueList::Spaced), "tense");
        assert_eq!(rule.choose("Crime|Comedy", ValueList::Piped), "fun");
        assert_eq!(rule.choose("War", ValueList::Piped), OTHER);
        assert_eq!(rule.choose("", ValueList::Piped), OTHER);
    }

    #[test]
    fn without_groups_the_first_value_is_the_domain() {
        assert_eq!(rule(&[]).choose("Sci-Fi|Drama", ValueList::Piped), "Sci-Fi");
        assert_eq!(rule(&[]).choose("(no genres listed)", ValueList::Piped), OTHER);
    }
}
