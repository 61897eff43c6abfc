//! What is known about users besides their events: attributes (age, gender, occupation, …) as small numbers for models.
//!
//! A column about users becomes an attribute with a vocabulary of values. Categories stand for themselves; numbers are cut into
//! ranges with about equally many users. A value of fewer than [`FEWEST_USERS`] users is not kept: models learn nothing from it,
//! and it would point at persons. A user's id is never an attribute.

use foldhash::{HashMap, HashMapExt, HashSet};
use serde::{Deserialize, Serialize};

use crate::catalog::Field;

/// Users that must share a value.
pub const FEWEST_USERS: usize = 5;
/// Ranges of a numeric attribute, at most.
const MOST_RANGES: usize = 8;
/// Values of an attribute; the most frequent are kept.
const MOST_VALUES: usize = 500;
/// Numbers with fewer distinct values are codes (a gender of 0 and 1, an occupation of 0 to 20).
const FEWEST_DISTINCT_NUMBERS: usize = 33;
/// Share of a column's entries that must be numbers; the others say nothing.
const SHARE_NUMBERS: f64 = 0.9;
/// From so many users, whole numbers that no two share are identifiers.
const FEWEST_IDENTIFIERS: usize = 100;
/// Between the entries of a list in one cell.
const LIST_SEPARATOR: char = '\u{1f}';

/// One attribute of users and its values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attribute {
    /// Name of the column.
    pub name: String,
    /// The values as text: categories by falling number of users, ranges of numbers (`20–25`) by size.
    pub values: Vec<String>,
    /// For numbers, the smallest number of each range but the first, rising, `[n_values − 1]`; empty for categories.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bounds: Vec<f64>,
}

/// A text that names no known value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UnknownValue {
    /// There is no attribute of this name.
    Attribute,
    /// The attribute has no such value, or needs a number.
    Value,
}

/// The attributes of all users.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UserProfiles {
    attributes: Vec<Attribute>,
    // First id of each attribute's values, and one behind the last.
    starts: Vec<u32>,
    // `values[offsets[u]..offsets[u + 1]]` are the ids of user `u`, rising.
    offsets: Vec<u32>,
    values: Vec<u32>,
}

impl Attribute {
    /// The attribute of a column; `None` when no two values, each of enough users, can be told apart.
    fn of(field: &Field) -> Option<Self> {
        let cells = || field.values.iter().map(|cell| cell.trim()).filter(|cell| !cell.is_empty());
        let numbers: Vec<f64> = cells().filter_map(number).collect();
        let is_numeric = numbers.len() as f64 >= SHARE_NUMBERS * cells().count() as f64;
        let n_distinct = numbers.iter().map(|x| x.to_bits()).collect::<HashSet<u64>>().len();
        if is_numeric && n_distinct >= FEWEST_DISTINCT_NUMBERS {
            let is_id = n_distinct == numbers.len()
                && numbers.len() >= FEWEST_IDENTIFIERS
                && numbers.iter().all(|x| x.fract() == 0.0);
            return if is_id { None } else { Self::of_numbers(&field.name, numbers) };
        }
        Self::of_categories(field)
    }

    fn of_numbers(name: &str, mut numbers: Vec<f64>) -> Option<Self> {
        numbers.sort_unstable_by(f64::total_cmp);
        let (n, mut bounds, mut cut) = (numbers.len(), Vec::new(), 0);
        let mut ends = Vec::new();
        for range in 1..MOST_RANGES {
            let bound = numbers[range * n / MOST_RANGES];
            let at = numbers.partition_point(|x| *x < bound);
            if at >= cut + FEWEST_USERS && n - at >= FEWEST_USERS {
                bounds.push(bound);
                ends.push(numbers[at - 1]);
                cut = at;
            }
        }
        let last = *bounds.last()?;
        let between = bounds
            .iter()
            .zip(&ends[1..])
            .map(|(from, to)| if from == to { from.to_string() } else { format!("{from}–{to}") });
        let mut values = vec![format!("≤ {}", ends[0])];
        values.extend(between);
        values.push(format!("≥ {last}"));
        Some(Self { name: name.to_owned(), values, bounds })
    }

    fn of_categories(field: &Field) -> Option<Self> {
        let mut counts: HashMap<&str, usize> = HashMap::new();
        for cell in &field.values {
            let mut own: Vec<&str> = entries(cell).collect();
            own.sort_unstable();
            own.dedup();
            own.into_iter().for_each(|value| *counts.entry(value).or_default() += 1);
        }
        let mut kept: Vec<(&str, usize)> = counts.into_iter().filter(|&(_, n)| n >= FEWEST_USERS).collect();
        kept.sort_unstable_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        kept.truncate(MOST_VALUES);
        let values: Vec<String> = kept.into_iter().map(|(value, _)| value.to_owned()).collect();
        (values.len() >= 2).then(|| Self { name: field.name.clone(), values, bounds: Vec::new() })
    }

    /// Whether its values are ranges of numbers.
    pub fn is_numeric(&self) -> bool {
        !self.bounds.is_empty()
    }

    /// The place of a text among the values: the range of a number, a category by its exact text, or by its text in any case
    /// where that is one value only.
    pub fn place(&self, text: &str) -> Option<usize> {
        let text = text.trim();
        if self.is_numeric()
            && let Some(x) = number(text)
        {
            return Some(self.bounds.partition_point(|bound| *bound <= x));
        }
        let exact = self.values.iter().position(|value| value == text);
        exact.or_else(|| {
            let lower = text.to_lowercase();
            let mut alike = (0..self.values.len()).filter(|&at| self.values[at].to_lowercase() == lower);
            alike.next().filter(|_| alike.next().is_none())
        })
    }

    /// What is wrong with an attribute that was read, if anything.
    pub(crate) fn problem(&self) -> Option<String> {
        let rising = self.bounds.windows(2).all(|pair| pair[0] < pair[1]);
        let fitting = self.bounds.is_empty() || self.bounds.len() + 1 == self.values.len();
        let distinct = self.values.iter().collect::<HashSet<_>>().len() == self.values.len();
        let whole = rising && fitting && distinct && self.bounds.iter().all(|bound| bound.is_finite());
        (!whole).then(|| format!("the values of the users' attribute `{}` do not fit each other", self.name))
    }
}

// A code with leading zeros is no number.
fn number(text: &str) -> Option<f64> {
    let digits = text.trim_start_matches(['-', '+']);
    let is_code = digits.len() > 1 && digits.starts_with('0') && !digits.starts_with("0.");
    text.parse().ok().filter(|x: &f64| x.is_finite() && !is_code)
}

fn entries(cell: &str) -> impl Iterator<Item = &str> {
    cell.split(LIST_SEPARATOR).map(str::trim).filter(|value| !value.is_empty())
}

impl UserProfiles {
    /// The attributes that the columns about users support.
    pub fn of(fields: &[Field], n_users: usize) -> Self {
        Self::with_attributes(fields.iter().filter_map(Attribute::of).collect(), fields, n_users)
    }

    /// The users' values of attributes that are known already.
    pub fn with_attributes(attributes: Vec<Attribute>, fields: &[Field], n_users: usize) -> Self {
        let mut starts = vec![0];
        for attribute in &attributes {
            starts.push(starts[starts.len() - 1] + attribute.values.len() as u32);
        }
        let mut known: Vec<HashMap<&str, Option<u32>>> = vec![HashMap::new(); attributes.len()];
        let columns: Vec<Option<&Field>> =
            attributes.iter().map(|a| fields.iter().find(|field| field.name == a.name)).collect();
        let (mut offsets, mut values) = (vec![0], Vec::new());
        for user in 0..n_users {
            let from = values.len();
            for (at, attribute) in attributes.iter().enumerate() {
                let cell = columns[at].and_then(|field| field.values.get(user)).map_or("", String::as_str);
                for text in entries(cell) {
                    let place = || attribute.place(text).map(|place| starts[at] + place as u32);
                    values.extend(*known[at].entry(text).or_insert_with(place));
                }
            }
            values[from..].sort_unstable();
            let mut own: Vec<u32> = values.split_off(from);
            own.dedup();
            values.extend(own);
            offsets.push(values.len() as u32);
        }
        Self { attributes, starts, offsets, values }
    }

    /// The attributes with their values; a value's id counts through all of them.
    pub fn attributes(&self) -> &[Attribute] {
        &self.attributes
    }

    /// Number of values of all attributes: ids are below it.
    pub fn n_values(&self) -> usize {
        self.starts.last().map_or(0, |&end| end as usize)
    }

    /// Ids of a user's values, rising; empty when nothing is known.
    pub fn get(&self, user: usize) -> &[u32] {
        match self.offsets.get(user..user + 2) {
            Some(bounds) => &self.values[bounds[0] as usize..bounds[1] as usize],
            None => &[],
        }
    }

    /// Share of the users of whom an attribute (by its place) is known; 0 without users.
    pub fn share_known(&self, attribute: usize) -> f64 {
        let n_users = self.offsets.len().saturating_sub(1);
        let own = self.starts[attribute]..self.starts[attribute + 1];
        let n = (0..n_users).filter(|&user| self.get(user).iter().any(|value| own.contains(value))).count();
        n as f64 / n_users.max(1) as f64
    }

    /// Attribute and value of an id, as texts; `None` for an id that is not below [`n_values`](Self::n_values).
    pub fn name(&self, value: u32) -> Option<(&str, &str)> {
        let at = self.starts.partition_point(|&start| start <= value).checked_sub(1)?;
        let attribute = self.attributes.get(at)?;
        Some((&attribute.name, &attribute.values[(value - self.starts[at]) as usize]))
    }

    /// The id of a value given as text; a number finds its range.
    ///
    /// # Errors
    /// When there is no such attribute, or it has no such value.
    pub fn find(&self, attribute: &str, text: &str) -> Result<u32, UnknownValue> {
        let at = self.attributes.iter().position(|known| known.name == attribute);
        let at = at.ok_or(UnknownValue::Attribute)?;
        let place = self.attributes[at].place(text).ok_or(UnknownValue::Value)?;
        Ok(self.starts[at] + place as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(name: &str, values: impl Iterator<Item = String>) -> Field {
        Field { name: name.into(), values: values.collect() }
    }

    fn gender(n: usize) -> Field {
        // Two rare values, one missing.
        let value = |user| match user {
            0 | 1 => "X",
            2 => " ",
            _ if user % 3 == 0 => "F",
            _ => "M ",
        };
        field("gender", (0..n).map(|user| value(user).to_owned()))
    }

    #[test]
    fn categories_are_kept_from_five_users_on_and_a_rare_or_missing_value_is_unknown() {
        let profiles = UserProfiles::of(&[gender(30)], 30);
        assert_eq!(profiles.attributes()[0].values, ["M", "F"]);
        assert_eq!([0, 2, 3, 4].map(|user| profiles.get(user)), [&[][..], &[], &[1], &[0]]);
        assert_eq!(profiles.get(30), [0_u32; 0], "an unknown user has no profile");
        assert!((profiles.share_known(0) - 0.9).abs() < 1e-12);
        assert_eq!(profiles.name(1), Some(("gender", "F")));
        assert_eq!(profiles.name(2), None);
    }

    #[test]
    fn numbers_are_cut_into_ranges_of_about_as_many_users_and_bad_ones_are_unknown() {
        let age = field(
            "age",
            (0..80).map(|user| if user == 7 { "n/a".into() } else { (18 + user / 2).to_string() }),
        );
        let profiles = UserProfiles::of(&[age], 80);
        let attribute = &profiles.attributes()[0];
        assert!(attribute.is_numeric() && attribute.values.len() == 8, "{attribute:?}");
        assert_eq!(profiles.get(7), [0_u32; 0]);
        let mut counts = vec![0; 8];
        (0..80).flat_map(|user| profiles.get(user)).for_each(|&value| counts[value as usize] += 1);
        assert!(counts.iter().all(|n| (8..=12).contains(n)), "{counts:?}");
        assert_eq!((profiles.find("age", "3"), profiles.find("age", "99.5")), (Ok(0), Ok(7)));
        assert_eq!(profiles.find("age", &attribute.values[3]), Ok(3), "a range can be named too");
        assert_eq!(profiles.find("age", "young"), Err(UnknownValue::Value));
        assert_eq!(profiles.find("hat", "red"), Err(UnknownValue::Attribute));
        let from = attribute.bounds[0];
        assert_eq!(profiles.find("age", &from.to_string()), Ok(1), "a bound belongs to the range above it");
    }

    #[test]
    fn identifiers_names_and_columns_of_one_value_are_no_attributes() {
        let number = field("card", (0..120).map(|user| (5000 + 7 * user).to_string()));
        let name = field("name", (0..120).map(|user| format!("person {user}")));
        let same = field("country", (0..120).map(|_| "AT".to_owned()));
        let missing = field("hobby", (0..120).map(|_| String::new()));
        let zip = field("zip", (0..120).map(|user| format!("0{}", 1000 + user % 40)));
        assert_eq!(UserProfiles::of(&[number, name, same, missing, zip], 120).n_values(), 0);
    }

    #[test]
    fn codes_are_categories_and_lists_have_several_values() {
        let code = field("occupation", (0..100).map(|user| (user % 4).to_string()));
        let list = field(
            "likes",
            (0..100).map(|user| if user < 50 { "tea\u{1f}cake\u{1f}tea".into() } else { "tea".into() }),
        );
        let profiles = UserProfiles::of(&[code, list], 100);
        assert_eq!(profiles.attributes()[0].values, ["0", "1", "2", "3"]);
        assert_eq!((profiles.get(5), profiles.get(50)), (&[1, 4, 5][..], &[2, 4][..]));
        assert_eq!(profiles.find("likes", "CAKE"), Ok(5), "any case, where it is one value");
    }
}
