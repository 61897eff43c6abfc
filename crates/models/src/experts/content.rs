//! Content expert: items whose words resemble the history's. Works for items and domains without any interaction.

use rand::{Rng, RngCore};
use segue_data::{DomainIdx, ItemCatalog, ItemIdx, TrainSet};
use serde::{Deserialize, Serialize};

use super::contract::{FitContext, KindFacts, Scorer, Settings};
use super::grid::{self, HALF_LIVES, RECENCY, REPEATS};
use super::{ExpertConfig, ExpertId, ExpertKind, Fitted};
use crate::query::{Fading, Place, Query};
use crate::similarity::{ItemSimilarity, SparseRow, keep_largest};
use crate::svd;
use crate::tensors::{ModelError, Tensors};
use crate::tf_idf::weighted_words;

pub(super) const CONTENT: KindFacts =
    KindFacts::closed_form(
        ExpertKind::Content,
        "content",
        || ExpertConfig::Content(ContentConfig::default()),
    );

/// Settings of [`Content`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContentConfig {
    /// Weight of a word in the title; 0 leaves a field out.
    pub title: f32,
    /// Weight of a word in the brand.
    pub brand: f32,
    /// Weight of a word in the categories.
    pub categories: f32,
    /// Weight of a word in the first 600 characters of the description.
    pub description: f32,
    /// Weight of a word in any other text field.
    pub other: f32,
    /// Weight of a history event relative to the next newer one, in (0, 1].
    pub recency: f32,
    /// Days before the request after which a history event counts half; 0 = time does not count.
    #[serde(default)]
    pub half_life_days: f32,
    /// Dimensions of the truncated SVD that replaces the words themselves; 0 = the words.
    #[serde(default)]
    pub svd_dim: usize,
    /// How much of its likeness to itself an item of the history gets, in [0, 1]: where people have things again and known items are
    /// not masked.
    #[serde(default)]
    pub repeat: f32,
}

impl Default for ContentConfig {
    fn default() -> Self {
        Self {
            title: 1.0,
            brand: 1.0,
            categories: 1.0,
            description: 0.0,
            other: 1.0,
            recency: 0.8,
            half_life_days: 0.0,
            svd_dim: 0,
            repeat: 0.0,
        }
    }
}

impl ContentConfig {
    fn field_weight(&self, name: &str) -> f32 {
        match name {
            "title" => self.title,
            "brand" => self.brand,
            "categories" => self.categories,
            "description" => self.description,
            _ => self.other,
        }
    }
}

impl Settings for ContentConfig {
    fn fit(&self, _: ExpertId, _: &TrainSet, context: &FitContext<'_>) -> Result<Fitted, ModelError> {
        Content::fit(self, context.items, context.domain).map(Fitted::Content)
    }

    fn load(&self, items: &ItemCatalog, place: Place, tensors: &mut Tensors) -> Result<Fitted, ModelError> {
        Content::load(self, items, place.domain, tensors).map(Fitted::Content)
    }

    fn fading(&self) -> Option<Fading> {
        Some(Fading { recency: self.recency, half_life_days: self.half_life_days })
    }

    fn further_starts(&self, _: ExpertKind, known_compete: bool) -> Vec<ExpertConfig> {
        let repeats = REPEATS.iter().filter(|_| known_compete);
        repeats.map(|&repeat| ExpertConfig::Content(Self { repeat, ..self.clone() })).collect()
    }

    fn step(&self, _: ExpertKind, rng: &mut dyn RngCore) -> ExpertConfig {
        const WEIGHTS: &[f32] = &[0.0, 0.25, 0.5, 1.0, 2.0, 4.0];
        let mut next = self.clone();
        if grid::moves_repeat(&mut next.repeat, rng) {
            return ExpertConfig::Content(next);
        }
        match rng.random_range(0..8) {
            6 => grid::move_count(&mut next.svd_dim, &[0, 64, 128, 256], rng),
            0 => grid::move_on(&mut next.title, WEIGHTS, rng),
            1 => grid::move_on(&mut next.brand, WEIGHTS, rng),
            2 => grid::move_on(&mut next.categories, WEIGHTS, rng),
            3 => grid::move_on(&mut next.description, WEIGHTS, rng),
            4 => grid::move_on(&mut next.other, WEIGHTS, rng),
            5 => grid::move_on(&mut next.half_life_days, HALF_LIVES, rng),
            _ => grid::move_on(&mut next.recency, RECENCY, rng),
        }
        ExpertConfig::Content(next)
    }

    fn differs_in_scoring_only(&self, other: &ExpertConfig) -> bool {
        let ExpertConfig::Content(other) = other else { return false };
        let Self { recency, half_life_days, repeat, .. } = *other;
        Self { recency, half_life_days, repeat, ..self.clone() } == *other
    }

    fn score_by(&self, model: &mut Fitted) {
        if let Fitted::Content(model) = model {
            model.repeat = self.repeat;
        }
    }
}

/// TF-IDF of words and bigrams, cosine. `tf = 1 + ln(Σ_field weight · count)`, `idf = ln((1 + n) / (1 + df)) + 1`, rows of length 1
/// (the formulas of scikit-learn's `TfidfVectorizer(sublinear_tf=True)`, with field weights).
#[derive(Clone, Debug, PartialEq)]
pub struct Content {
    features: Vec<String>,
    rows: ItemSimilarity,     // [n_items, n_features]
    postings: ItemSimilarity, // [n_features, n_candidates]
    first_candidate: usize,
    vectors: Option<Vectors>,
    repeat: f32,
}

/// Dense item vectors of length 1, `[n_items, dim]`.
#[derive(Clone, Debug, PartialEq)]
struct Vectors {
    values: Vec<f32>,
    dim: usize,
}

impl Content {
    /// Reads the text of all items; candidates are the items of `domain`.
    ///
    /// # Errors
    /// Stands aside when no item of the domain has text in a field with weight.
    pub fn fit(config: &ContentConfig, items: &ItemCatalog, domain: DomainIdx) -> Result<Self, ModelError> {
        let (features, rows) = weighted_words(items, |field| config.field_weight(field));
        let target = items.range(domain);
        if target.clone().all(|item| rows.row(item).0.is_empty()) {
            let reason = "no item of this domain has text (title, brand, categories, …)".into();
            return Err(ModelError::StandsAside { expert: "content", reason });
        }
        let vectors = (config.svd_dim > 0).then(|| {
            let (values, dim) = svd::row_vectors(&rows, config.svd_dim);
            Vectors { values, dim }
        });
        let repeat = config.repeat;
        Ok(Self { vectors, repeat, ..Self::with_postings(features, rows, target.start, target.len()) })
    }

    fn with_postings(
        features: Vec<String>,
        rows: ItemSimilarity,
        first_candidate: usize,
        n_candidates: usize,
    ) -> Self {
        let mut lists: Vec<SparseRow> = vec![(Vec::new(), Vec::new()); features.len()];
        for candidate in 0..n_candidates {
            let (columns, values) = rows.row(first_candidate + candidate);
            for (&feature, &value) in columns.iter().zip(values) {
                lists[feature as usize].0.push(candidate as u32);
                lists[feature as usize].1.push(value);
            }
        }
        let postings =
            ItemSimilarity::build(features.len(), n_candidates, || (), |(), feature| lists[feature].clone());
        Self { features, rows, postings, first_candidate, vectors: None, repeat: 0.0 }
    }

    // Cosine with the weighted history; an item gets `repeat` of its likeness to itself.
    fn cosines(&self, history: &[(ItemIdx, f32)], repeat: f32, scores: &mut [f32]) {
        if let Some(vectors) = &self.vectors {
            return vectors.cosines(history, repeat, self.first_candidate, scores);
        }
        scores.fill(0.0);
        let profile: Vec<(ItemIdx, f32)> =
            self.profile(history).into_iter().map(|(feature, weight)| (ItemIdx(feature), weight)).collect();
        self.postings.add_weighted(&profile, scores);
        for &(item, weight) in history {
            let Some(own) = item.at().checked_sub(self.first_candidate) else { continue };
            if own < scores.len() {
                let square: f32 = self.rows.row(item.at()).1.iter().map(|x| x * x).sum();
                scores[own] = (scores[own] - (1.0 - repeat) * weight * square).max(0.0);
            }
        }
    }

    // Weighted sum of the history's rows, features ascending.
    fn profile(&self, history: &[(ItemIdx, f32)]) -> Vec<(u32, f32)> {
        let mut entries: Vec<(u32, f32)> = Vec::new();
        for &(item, weight) in history {
            let (columns, values) = self.rows.row(item.at());
            entries.extend(columns.iter().zip(values).map(|(&column, &value)| (column, weight * value)));
        }
        entries.sort_by_key(|&(column, _)| column);
        entries.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            if same {
                kept.1 += next.1;
            }
            same
        });
        entries
    }

    /// Cosine of two items.
    pub fn similarity(&self, a: ItemIdx, b: ItemIdx) -> f32 {
        let ((a_columns, a_values), (b_columns, b_values)) = (self.rows.row(a.at()), self.rows.row(b.at()));
        let (mut i, mut j, mut sum) = (0, 0, 0.0);
        while i < a_columns.len() && j < b_columns.len() {
            match a_columns[i].cmp(&b_columns[j]) {
                std::cmp::Ordering::Less => i += 1,
                std::cmp::Ordering::Greater => j += 1,
                std::cmp::Ordering::Equal => {
                    sum += a_values[i] * b_values[j];
                    i += 1;
                    j += 1;
                }
            }
        }
        sum
    }

    /// For each item of all domains, the `n` candidates most similar in words (not itself), as item → candidate weights.
    pub fn neighbors(&self, n_items: usize, n: usize) -> ItemSimilarity {
        let n_candidates = self.postings.n_cols();
        ItemSimilarity::build(
            n_items,
            n_candidates,
            || vec![0.0; n_candidates],
            |scores, item| {
                self.cosines(&[(ItemIdx(item as u32), 1.0)], 0.0, scores);
                let columns: Vec<u32> =
                    (0..n_candidates as u32).filter(|&j| scores[j as usize] > 0.0).collect();
                let values = columns.iter().map(|&j| scores[j as usize]).collect();
                keep_largest((columns, values), n)
            },
        )
    }

    fn load(
        config: &ContentConfig,
        items: &ItemCatalog,
        domain: DomainIdx,
        tensors: &mut Tensors,
    ) -> Result<Self, ModelError> {
        let (n_items, target) = (items.len(), items.range(domain));
        let features = tensors.take_texts("content.features")?;
        let rows = ItemSimilarity::load("content.rows", n_items, features.len(), tensors)?;
        let vectors = if config.svd_dim > 0 { Some(Vectors::load(config, n_items, tensors)?) } else { None };
        let repeat = config.repeat;
        Ok(Self { vectors, repeat, ..Self::with_postings(features, rows, target.start, target.len()) })
    }
}

impl Scorer for Content {
    fn score(&self, _: &Query<'_>, history: &[(ItemIdx, f32)], scores: &mut [f32]) {
        self.cosines(history, self.repeat, scores);
    }

    fn content_similarity(&self, a: ItemIdx, b: ItemIdx) -> Option<f32> {
        Some(self.similarity(a, b))
    }

    fn save(&self, tensors: &mut Tensors) {
        tensors.put_texts("content.features", &self.features);
        self.rows.save("content.rows", tensors);
        if let Some(vectors) = &self.vectors {
            tensors.put_f32("content.vectors", vectors.values.clone());
            tensors.put_u32("content.dim", vec![vectors.dim as u32]);
        }
    }

    /// With each word's part of the score.
    fn shared_words(&self, history: &[(ItemIdx, f32)], candidate: usize, n: usize) -> Vec<(String, f32)> {
        let item = ItemIdx((self.first_candidate + candidate) as u32);
        let others: Vec<(ItemIdx, f32)> =
            history.iter().copied().filter(|&(other, _)| other != item).collect();
        let profile = self.profile(&others);
        let (columns, values) = self.rows.row(item.at());
        let mut shared: Vec<(String, f32)> = Vec::new();
        for (&feature, &value) in columns.iter().zip(values) {
            if let Ok(at) = profile.binary_search_by_key(&feature, |&(column, _)| column) {
                shared.push((self.features[feature as usize].clone(), profile[at].1 * value));
            }
        }
        shared.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        shared.truncate(n);
        shared
    }
}

impl Vectors {
    // Cosine with the weighted history; an item gets `repeat` of its likeness to itself, and nobody less than nothing.
    fn cosines(&self, history: &[(ItemIdx, f32)], repeat: f32, first_candidate: usize, scores: &mut [f32]) {
        let row = |item: usize| &self.values[item * self.dim..(item + 1) * self.dim];
        let mut profile = vec![0.0f32; self.dim];
        for &(item, weight) in history {
            profile.iter_mut().zip(row(item.at())).for_each(|(sum, x)| *sum += weight * x);
        }
        for (at, score) in scores.iter_mut().enumerate() {
            let own = row(first_candidate + at);
            let own_weight =
                history.iter().find(|(item, _)| item.at() == first_candidate + at).map_or(0.0, |h| h.1);
            let square: f32 = own.iter().map(|x| x * x).sum();
            let cosine: f32 = own.iter().zip(&profile).map(|(x, p)| x * p).sum();
            *score = (cosine - (1.0 - repeat) * own_weight * square).max(0.0);
        }
    }

    fn load(config: &ContentConfig, n_items: usize, tensors: &mut Tensors) -> Result<Self, ModelError> {
        let values = tensors.take_f32("content.vectors")?;
        let dim = match tensors.take_u32("content.dim")?.as_slice() {
            [dim] => *dim as usize,
            _ => usize::MAX,
        };
        if dim > config.svd_dim || values.len() != n_items * dim {
            let expected = format!("{n_items} vectors of at most {} values", config.svd_dim);
            return Err(ModelError::Inconsistent { tensor: "content.vectors".into(), expected });
        }
        Ok(Self { values, dim })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use segue_data::{Field, Vocabulary};

    fn books() -> ItemCatalog {
        let titles = ["blue whale atlas", "blue whale songs", "tax law", ""];
        let vocabulary = (0..4).map(|i| format!("b{i}")).collect::<Vocabulary>();
        let field = Field { name: "title".into(), values: titles.map(String::from).to_vec() };
        ItemCatalog::new(vec![vocabulary], vec![field])
    }

    #[test]
    fn scores_are_cosines_and_an_item_gets_nothing_from_itself() {
        let items = books();
        let model = Content::fit(&ContentConfig::default(), &items, DomainIdx(0)).unwrap();
        let mut scores = vec![9.0; 4];
        model.cosines(&[(ItemIdx(0), 1.0)], 0.0, &mut scores);
        assert!((scores[1] - model.similarity(ItemIdx(0), ItemIdx(1))).abs() < 1e-6);
        assert!(scores[1] > 0.3 && scores[1] < 1.0);
        assert!(scores[0].abs() < 1e-6);
        assert_eq!(&scores[2..], [0.0, 0.0]);
    }

    #[test]
    fn the_cosine_follows_the_formula_by_hand() {
        // Three shared features (blue, whale, blue whale) and two own ones each; three items have text.
        let model = Content::fit(&ContentConfig::default(), &books(), DomainIdx(0)).unwrap();
        let idf_shared = (4.0f64 / 3.0).ln() + 1.0;
        let idf_own = (4.0f64 / 2.0).ln() + 1.0;
        let shared = 3.0 * idf_shared * idf_shared;
        let expected = shared / (shared + 2.0 * idf_own * idf_own);
        assert!((f64::from(model.similarity(ItemIdx(0), ItemIdx(1))) - expected).abs() < 1e-6);
    }

    #[test]
    fn the_svd_ranks_like_the_words_where_every_feature_is_shared() {
        let items = books();
        let words = Content::fit(&ContentConfig::default(), &items, DomainIdx(0)).unwrap();
        let config = ContentConfig { svd_dim: 64, ..ContentConfig::default() };
        let svd = Content::fit(&config, &items, DomainIdx(0)).unwrap();
        let (mut a, mut b) = (vec![0.0; 4], vec![0.0; 4]);
        let history = [(ItemIdx(0), 1.0), (ItemIdx(2), 0.5)];
        words.cosines(&history, 0.0, &mut a);
        svd.cosines(&history, 0.0, &mut b);
        // Without the words that stand in one title only, the two whale books become the same.
        assert!((b[1] - 1.0).abs() < 1e-3 && a[1] > 0.3, "{a:?} {b:?}");
        assert_eq!((b[0], b[2], b[3]), (0.0, 0.0, 0.0));
    }

    #[test]
    fn shared_words_add_up_to_the_score() {
        let model = Content::fit(&ContentConfig::default(), &books(), DomainIdx(0)).unwrap();
        let shared = model.shared_words(&[(ItemIdx(0), 0.5)], 1, 10);
        let mut scores = vec![0.0; 4];
        model.cosines(&[(ItemIdx(0), 0.5)], 0.0, &mut scores);
        assert!((shared.iter().map(|(_, part)| part).sum::<f32>() - scores[1]).abs() < 1e-6);
        assert!(shared.iter().any(|(word, _)| word == "blue whale"));
    }
}
