//! Words and bigrams of items, weighted by how much they tell items apart.

use foldhash::HashMap;
use segue_data::ItemCatalog;

use crate::similarity::{ItemSimilarity, SparseRow};
use crate::tokenize::words_and_bigrams;

/// A description is cut here: what comes later rarely says what an item is.
pub(crate) const DESCRIPTION_CHARS: usize = 600;

/// All words and bigrams, and each item's weights of them (`[n_items, n_features]`), of length 1. Words of a field count
/// `field_weight` each.
pub(crate) fn weighted_words(
    items: &ItemCatalog,
    field_weight: impl Fn(&str) -> f32,
) -> (Vec<String>, ItemSimilarity) {
    let (features, counts) = counted_words(items, field_weight);
    let mut document_frequency = vec![0u32; features.len()];
    for &column in counts.iter().flat_map(|(columns, _)| columns) {
        document_frequency[column as usize] += 1;
    }
    let n = counts.iter().filter(|(columns, _)| !columns.is_empty()).count() as f32;
    let idf: Vec<f32> =
        document_frequency.iter().map(|&df| ((1.0 + n) / (1.0 + df as f32)).ln() + 1.0).collect();
    let rows =
        ItemSimilarity::build(items.len(), features.len(), || (), |(), item| weigh(&counts[item], &idf));
    (features, rows)
}

// Features in first-seen order, and per item its features (ascending) with weighted counts.
fn counted_words(items: &ItemCatalog, field_weight: impl Fn(&str) -> f32) -> (Vec<String>, Vec<SparseRow>) {
    let mut names: Vec<String> = Vec::new();
    let mut index: HashMap<String, u32> = HashMap::default();
    let mut counts = Vec::with_capacity(items.len());
    for item in 0..items.len() {
        let mut entries: Vec<(u32, f32)> = Vec::new();
        for field in items.fields() {
            let weight = field_weight(&field.name);
            let text = &field.values[item];
            if weight <= 0.0 || text.is_empty() {
                continue;
            }
            for feature in words_and_bigrams(first_chars(text, &field.name)) {
                let next = names.len() as u32;
                let at = *index.entry(feature).or_insert_with_key(|feature| {
                    names.push(feature.clone());
                    next
                });
                entries.push((at, weight));
            }
        }
        entries.sort_by_key(|&(feature, _)| feature);
        let mut row: SparseRow = (Vec::new(), Vec::new());
        for (feature, weight) in entries {
            if row.0.last() == Some(&feature) {
                if let Some(sum) = row.1.last_mut() {
                    *sum += weight;
                }
            } else {
                row.0.push(feature);
                row.1.push(weight);
            }
        }
        counts.push(row);
    }
    (names, counts)
}

fn first_chars<'a>(text: &'a str, field: &str) -> &'a str {
    if field != "description" {
        return text;
    }
    text.char_indices().nth(DESCRIPTION_CHARS).map_or(text, |(end, _)| &text[..end])
}

fn weigh(counted: &SparseRow, idf: &[f32]) -> SparseRow {
    let (columns, counts) = counted;
    // Below one occurrence the logarithm would turn negative: linear there.
    let tf = |count: f32| if count >= 1.0 { 1.0 + count.ln() } else { count };
    let mut values: Vec<f32> =
        columns.iter().zip(counts).map(|(&c, &count)| tf(count) * idf[c as usize]).collect();
    let norm = values.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt() as f32;
    if norm > 0.0 {
        values.iter_mut().for_each(|x| *x /= norm);
    }
    (columns.clone(), values)
}
