//! What item fields say as facts: an item –field→ each of its values.

use std::collections::BTreeMap;

use crate::catalog::{Field, ItemCatalog};

/// Fields that are texts, not lists of values.
const TEXTS: [&str; 2] = ["title", "description"];
/// Longer values are sentences, not names.
const LONGEST_VALUE: usize = 80;
/// A value that fewer items have connects nothing.
const FEWEST_ITEMS: usize = 2;
/// A field is read word by word when its cells have this many times more forms than it has words: then the words are what repeats
/// (`RecBole`'s `token_seq`, S3-Rec's attributes); in names it is the other way around.
const FORMS_PER_WORD: usize = 4;

/// How the cells of a field are cut into values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reading {
    /// A cell is one value.
    Whole,
    /// Values stand between `|`.
    Piped,
    /// Values stand between commas, as the importer joins lists.
    Commas,
    /// Values are words.
    Words,
}

impl Reading {
    fn values(self, cell: &str) -> Vec<&str> {
        let is_between = |c: char| match self {
            Self::Whole => false,
            Self::Piped => c == '|',
            Self::Commas => c == ',',
            Self::Words => c.is_whitespace(),
        };
        let is_value = |value: &&str| !value.is_empty() && value.len() <= LONGEST_VALUE;
        let mut values: Vec<&str> = cell.split(is_between).map(str::trim).filter(is_value).collect();
        values.sort_unstable();
        values.dedup();
        values
    }

    fn of(field: &Field) -> Self {
        if field.values.iter().any(|cell| cell.contains('|')) {
            return Self::Piped;
        }
        let n_forms = n_values(field, Self::Whole);
        if field.values.iter().any(|cell| cell.contains(", ")) && n_values(field, Self::Commas) < n_forms {
            return Self::Commas;
        }
        if n_values(field, Self::Words) * FORMS_PER_WORD <= n_forms {
            return Self::Words;
        }
        Self::Whole
    }
}

fn n_values(field: &Field, reading: Reading) -> usize {
    let mut values: Vec<&str> = match reading {
        // Long cells count here: they are forms of the field whatever their length.
        Reading::Whole => field.values.iter().map(String::as_str).filter(|cell| !cell.is_empty()).collect(),
        _ => field.values.iter().flat_map(|cell| reading.values(cell)).collect(),
    };
    values.sort_unstable();
    values.dedup();
    values.len()
}

/// The values of one field that at least two items have, ascending, each with its items (indexes, ascending).
pub(super) struct FieldValues<'a> {
    pub(super) name: &'a str,
    pub(super) values: BTreeMap<&'a str, Vec<u32>>,
}

/// The fields of a catalog whose values repeat, in the catalog's order.
pub(super) fn repeated_values(items: &ItemCatalog) -> Vec<FieldValues<'_>> {
    items.fields().iter().filter(|field| !TEXTS.contains(&field.name.as_str())).filter_map(of_field).collect()
}

fn of_field(field: &Field) -> Option<FieldValues<'_>> {
    let reading = Reading::of(field);
    let mut values: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
    for (item, cell) in field.values.iter().enumerate() {
        for value in reading.values(cell) {
            values.entry(value).or_default().push(item as u32);
        }
    }
    values.retain(|_, items| items.len() >= FEWEST_ITEMS);
    (!values.is_empty()).then_some(FieldValues { name: &field.name, values })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(name: &str, cells: &[&str]) -> Field {
        Field { name: name.into(), values: cells.iter().map(|&cell| cell.to_owned()).collect() }
    }

    fn names(field: &Field) -> Vec<&str> {
        of_field(field).map(|found| found.values.into_keys().collect()).unwrap_or_default()
    }

    #[test]
    fn values_are_found_between_bars_commas_and_blanks_and_names_stay_whole() {
        assert_eq!(names(&field("genres", &["Action|War", "War", "Drama"])), ["War"]);
        let listed =
            field("categories", &["Beauty, Skin Care", "Skin Care, Beauty", "Beauty", "Skin Care, Bath"]);
        assert_eq!(names(&listed), ["Beauty", "Skin Care"]);
        let brands = field("brand", &["La Mer", "La Mer", "La Prairie", "Mer du Sud"]);
        assert_eq!(names(&brands), ["La Mer"]);
        let cells: Vec<String> = (0..64u32)
            .map(|n| {
                let names = (0..6).filter(|bit| n >> bit & 1 == 1).map(|bit| format!("t{bit}"));
                names.collect::<Vec<_>>().join(" ")
            })
            .collect();
        let tags = field("attributes", &cells.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(names(&tags), ["t0", "t1", "t2", "t3", "t4", "t5"]);
    }

    #[test]
    fn a_value_of_one_item_connects_nothing() {
        assert!(of_field(&field("asin", &["a", "b", "c"])).is_none());
    }
}
