//! Numbers that may be unknown: JSON has no `NaN`, so it is written as `null` and read back as `NaN`.

use serde::{Deserialize, Deserializer};

/// For a field's default: a value nobody measured.
pub(super) const fn nan() -> f64 {
    f64::NAN
}

/// Reads a number or `null`.
pub(super) fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(known_or_nan(Option::<f64>::deserialize(deserializer)?))
}

/// Reads `[(name, number or null)]`.
pub(super) fn named<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<(String, f64)>, D::Error> {
    Ok(name_all(Vec::deserialize(deserializer)?))
}

/// Reads `[(x, y)]`, either of them possibly `null`.
pub(super) fn points<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<(f64, f64)>, D::Error> {
    let points = Vec::<(Option<f64>, Option<f64>)>::deserialize(deserializer)?;
    Ok(points.into_iter().map(|(x, y)| (known_or_nan(x), known_or_nan(y))).collect())
}

type Table<T> = Vec<(String, Vec<(String, T)>)>;

/// Reads `[(row, [(column, number or null)])]`.
pub(super) fn table<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Table<f64>, D::Error> {
    let rows = Table::<Option<f64>>::deserialize(deserializer)?;
    Ok(rows.into_iter().map(|(row, cells)| (row, name_all(cells))).collect())
}

fn name_all(cells: Vec<(String, Option<f64>)>) -> Vec<(String, f64)> {
    cells.into_iter().map(|(name, value)| (name, known_or_nan(value))).collect()
}

fn known_or_nan(value: Option<f64>) -> f64 {
    value.unwrap_or(f64::NAN)
}
