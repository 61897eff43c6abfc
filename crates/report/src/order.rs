//! What comes first and what is left out.

/// Names in the order of first mention, each once.
pub(super) fn distinct<'a>(names: impl IntoIterator<Item = &'a String>) -> Vec<&'a str> {
    let mut seen: Vec<&str> = Vec::new();
    for name in names {
        if !seen.contains(&name.as_str()) {
            seen.push(name);
        }
    }
    seen
}

/// The first `n` of `items`, and how many that leaves out.
pub(super) fn first<T>(items: &[T], n: usize) -> (&[T], usize) {
    let shown = &items[..items.len().min(n)];
    (shown, items.len() - shown.len())
}

/// A value to sort by: what is unknown is below everything known.
pub(super) fn rank(value: f64) -> f64 {
    if value.is_finite() { value } else { f64::NEG_INFINITY }
}
