//! Vectors of the items' texts, one per item of a catalog.

use segue_data::{ItemCatalog, TrainSet, hash};
use sha2::{Digest, Sha256};

use crate::svd;
use crate::tensors::{ModelError, Tensors};
use crate::tf_idf::{DESCRIPTION_CHARS, weighted_words};
use crate::whitening::Spectrum;

/// One vector per item in catalog order; zeros where an item has no text.
#[derive(Clone, Debug, PartialEq)]
pub struct ItemVectors {
    /// Length of a vector.
    pub dim: usize,
    /// `[n_items, dim]`, finite.
    pub values: Vec<f32>,
    /// The encoder's name, for people.
    pub model: String,
    /// Hash of the encoder.
    pub model_sha256: String,
}

/// Vectors of what items look and sound like, beside those of their texts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MediaVectors {
    /// Of images.
    pub image: Option<ItemVectors>,
    /// Of sounds.
    pub audio: Option<ItemVectors>,
}

/// Directions of [`ItemVectors::of_words`].
const WORD_DIRECTIONS: usize = 128;

impl ItemVectors {
    /// Vectors without a pretrained encoder: the principal directions of the items' words and bigrams (TF-IDF of all fields but
    /// descriptions, truncated SVD). `None` when no item has text.
    pub fn of_words(items: &ItemCatalog) -> Option<Self> {
        let (_, rows) = weighted_words(items, |field| if field == "description" { 0.0 } else { 1.0 });
        let (values, dim) = svd::row_vectors(&rows, WORD_DIRECTIONS);
        if values.iter().all(|&x| x == 0.0) {
            return None;
        }
        let model = format!("tfidf-svd-{WORD_DIRECTIONS}");
        Some(Self { dim, values, model, model_sha256: String::new() })
    }

    /// The bytes of a safetensors file, with the hash of the catalog whose items these are.
    ///
    /// # Errors
    /// When the container cannot be written.
    pub fn to_bytes(&self, items: &ItemCatalog) -> Result<Vec<u8>, ModelError> {
        let mut tensors = Tensors::new();
        tensors.put_f32("vectors", self.values.clone());
        tensors.put_u32("dim", vec![self.dim as u32]);
        let about = [self.model.clone(), self.model_sha256.clone(), catalog_sha256(items)];
        tensors.put_texts("about", &about);
        tensors.to_bytes()
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote; `items` must be the same catalog with the same texts.
    ///
    /// # Errors
    /// When the file is damaged or belongs to another catalog.
    pub fn from_bytes(bytes: &[u8], items: &ItemCatalog) -> Result<Self, ModelError> {
        let mut tensors = Tensors::from_bytes(bytes)?;
        let about = tensors.take_texts("about")?;
        let [model, model_sha256, catalog] = about.as_slice() else {
            let expected = "model, its hash and the catalog's hash".into();
            return Err(ModelError::Inconsistent { tensor: "about".into(), expected });
        };
        if *catalog != catalog_sha256(items) {
            return Err(ModelError::Stale { model: model.clone() });
        }
        let dim = match tensors.take_u32("dim")?.as_slice() {
            [dim] => *dim as usize,
            _ => 0,
        };
        let values = tensors.take_f32("vectors")?;
        if dim == 0 || Some(values.len()) != items.len().checked_mul(dim) {
            let expected = format!("{} vectors of {dim} values", items.len());
            return Err(ModelError::Inconsistent { tensor: "vectors".into(), expected });
        }
        Ok(Self { dim, values, model: model.clone(), model_sha256: model_sha256.clone() })
    }
}

/// Hash of the items' numbering and texts.
pub fn catalog_sha256(items: &ItemCatalog) -> String {
    let mut hasher = Sha256::new();
    let mut put = |text: &str| {
        hasher.update((text.len() as u64).to_le_bytes());
        hasher.update(text);
    };
    for item in 0..items.len() {
        let item = segue_data::ItemIdx(item as u32);
        put(&items.domain_of(item).0.to_string());
        put(items.raw(item));
        items.fields().iter().for_each(|field| put(&field.values[item.at()]));
    }
    items.fields().iter().for_each(|field| put(&field.name));
    hash::of_bytes(&hasher.finalize())
}

/// Which fields an encoder reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TextFields {
    /// All but descriptions, which are long and often dilute what an item is; the content expert begins so, too.
    #[default]
    Short,
    /// Descriptions too, their first 600 characters.
    All,
}

/// The text of every item as an encoder reads it: title, brand, categories, other fields, description, one sentence each;
/// empty where an item has none.
pub fn item_texts(items: &ItemCatalog, which: TextFields) -> Vec<String> {
    let mut fields: Vec<_> = items.fields().iter().collect();
    fields.retain(|field| which == TextFields::All || field.name != "description");
    fields.sort_by_key(|field| match field.name.as_str() {
        "title" => 0,
        "brand" => 1,
        "categories" => 2,
        "description" => 4,
        _ => 3,
    });
    let text_of = |item: usize| {
        let mut text = String::new();
        for field in &fields {
            let limit = if field.name == "description" { DESCRIPTION_CHARS } else { usize::MAX };
            let value = field.values[item].trim();
            if value.is_empty() {
                continue;
            }
            if !text.is_empty() {
                text.push_str(if text.ends_with(['.', '!', '?']) { " " } else { ". " });
            }
            text.extend(value.chars().take(limit));
        }
        text
    };
    (0..items.len()).map(text_of).collect()
}

/// The description of every item, its first 600 characters; empty where it has none.
pub fn item_descriptions(items: &ItemCatalog) -> Vec<String> {
    let field = items.fields().iter().find(|field| field.name == "description");
    let cut = |text: &String| text.trim().chars().take(DESCRIPTION_CHARS).collect();
    field.map_or_else(|| vec![String::new(); items.len()], |field| field.values.iter().map(cut).collect())
}

/// Vectors with their spectrum, ready for an expert to whiten as its settings say.
#[derive(Clone, Debug)]
pub struct TextSpace<'a> {
    /// As they were encoded.
    pub vectors: &'a ItemVectors,
    /// Of the items with training events, over all domains; of all items where hardly any has events.
    pub spectrum: Spectrum,
}

impl<'a> TextSpace<'a> {
    /// Fits the spectrum; `None` when fewer than two items have text.
    pub fn new(vectors: &'a ItemVectors, train: &TrainSet, items: &ItemCatalog) -> Option<Self> {
        let counts = train.sequences.item_counts(items.len());
        let known = (0..items.len()).filter(|&item| counts[item] > 0);
        let spectrum = Spectrum::fit(&vectors.values, vectors.dim, known)
            .or_else(|| Spectrum::fit(&vectors.values, vectors.dim, 0..items.len()))?;
        Some(Self { vectors, spectrum })
    }

    /// The same with equal variances in all directions: whitening then removes the mean and does nothing else.
    #[must_use]
    pub fn unwhitened(self) -> Self {
        Self { spectrum: self.spectrum.with_equal_variances(), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use segue_data::{Field, Vocabulary};

    fn films(title: &str) -> ItemCatalog {
        let fields = vec![
            Field { name: "description".into(), values: vec![String::new(), "x".repeat(700)] },
            Field { name: "title".into(), values: vec![title.into(), "Fog!".into()] },
        ];
        ItemCatalog::new(vec![["a", "b"].map(String::from).into_iter().collect::<Vocabulary>()], fields)
    }

    #[test]
    fn texts_begin_with_the_title_and_long_descriptions_are_cut() {
        assert_eq!(item_texts(&films("Up"), TextFields::Short), ["Up", "Fog!"]);
        let texts = item_texts(&films("Up"), TextFields::All);
        assert_eq!(texts[0], "Up");
        assert_eq!(texts[1], format!("Fog! {}", "x".repeat(600)));
    }

    #[test]
    fn vectors_of_changed_texts_are_refused() {
        let vectors = ItemVectors {
            dim: 2,
            values: vec![1.0, 2.0, 3.0, 4.0],
            model: "m".into(),
            model_sha256: "h".into(),
        };
        let bytes = vectors.to_bytes(&films("Up")).unwrap();
        assert_eq!(ItemVectors::from_bytes(&bytes, &films("Up")).unwrap(), vectors);
        let error = ItemVectors::from_bytes(&bytes, &films("Down")).unwrap_err();
        assert!(error.to_string().contains("segue encode"), "{error}");
        for end in [0, 7, 20, bytes.len() - 1] {
            assert!(ItemVectors::from_bytes(&bytes[..end], &films("Up")).is_err(), "{end} bytes");
        }
    }
}
