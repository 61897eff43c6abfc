//! Text encoder expert: items whose whitened text vectors resemble the history's. Vectors mean the same in every domain, so
//! this works across domains, for new users, and for items without any interaction.

use segue_data::{DomainIdx, ItemCatalog, ItemIdx};
use segue_nn::{Matrix, matmul};
use serde::{Deserialize, Serialize};

use crate::item_vectors::TextSpace;
use crate::query::{Fading, Query, Scope, faded_history};
use crate::tensors::{ModelError, Tensors};
use crate::whitening::Whitening;

/// Settings of [`TextVectors`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextVectorsConfig {
    /// Principal directions and regularization.
    pub whitening: Whitening,
    /// Weight of a history event relative to the next newer one, in (0, 1].
    pub recency: f32,
    /// Days before the request after which a history event counts half; 0 = time does not count.
    pub half_life_days: f32,
    /// How much of its likeness to itself an item of the history gets, in [0, 1]: where people have things again and known items are
    /// not masked.
    #[serde(default)]
    pub repeat: f32,
}

impl Default for TextVectorsConfig {
    fn default() -> Self {
        let whitening = Whitening { n_components: 0, regularization: 0.1 };
        Self { whitening, recency: 0.6, half_life_days: 0.0, repeat: 0.0 }
    }
}

impl TextVectorsConfig {
    /// Weighted history items for scoring, newest first.
    pub fn history(&self, query: &Query<'_>, items: &ItemCatalog, scope: Scope) -> Vec<(ItemIdx, f32)> {
        let fading = Fading { recency: self.recency, half_life_days: self.half_life_days };
        faded_history(query, fading, |item| scope.keeps(item, query.domain, items))
    }
}

/// `score(j) = Σ_history w_h · cos(v_h, v_j)` over whitened vectors; below zero where a text is unlike the history.
#[derive(Clone, Debug, PartialEq)]
pub struct TextVectors {
    values: Vec<f32>, // [n_items, dim], rows of length 1 or 0
    dim: usize,
    first_candidate: usize,
    n_candidates: usize,
}

impl TextVectors {
    /// Whitens the vectors; candidates are the items of `domain`.
    ///
    /// # Errors
    /// Stands aside without vectors, and when no item of the domain has text.
    pub fn fit(
        config: &TextVectorsConfig,
        space: Option<&TextSpace<'_>>,
        items: &ItemCatalog,
        domain: DomainIdx,
    ) -> Result<Self, ModelError> {
        let aside = |reason: &str| ModelError::StandsAside { expert: "encoder", reason: reason.into() };
        let space = space.ok_or_else(|| {
            aside("the data set has no text vectors (`segue encode DATA --model NAME` adds them)")
        })?;
        let (values, dim) = space.spectrum.whiten(&space.vectors.values, config.whitening);
        let target = items.range(domain);
        if values[target.start * dim..target.end * dim].iter().all(|&x| x == 0.0) {
            return Err(aside("no item of this domain has a text vector"));
        }
        Ok(Self { values, dim, first_candidate: target.start, n_candidates: target.len() })
    }

    /// As [`fit`](Self::fit), of images or sounds.
    ///
    /// # Errors
    /// Stands aside without vectors, and when no item of the domain has one.
    pub fn of_media(
        config: &TextVectorsConfig,
        (expert, space): (&'static str, Option<&TextSpace<'_>>),
        items: &ItemCatalog,
        domain: DomainIdx,
    ) -> Result<Self, ModelError> {
        let aside = |reason: String| ModelError::StandsAside { expert, reason };
        let space = space.ok_or_else(|| {
            aside(format!(
                "the data set has no {expert} vectors (`segue encode DATA --modality {expert}` adds them)"
            ))
        })?;
        let reason = format!("no item of this domain has an {expert} vector");
        Self::fit(config, Some(space), items, domain).map_err(|_| aside(reason))
    }

    fn row(&self, item: usize) -> &[f32] {
        &self.values[item * self.dim..(item + 1) * self.dim]
    }

    /// Cosine of two items.
    pub fn similarity(&self, a: ItemIdx, b: ItemIdx) -> f32 {
        self.row(a.at()).iter().zip(self.row(b.at())).map(|(x, y)| x * y).sum()
    }

    /// Weighted sum of cosines with the history; an item gets `repeat` of its likeness to itself.
    pub fn score(&self, history: &[(ItemIdx, f32)], repeat: f32, scores: &mut [f32]) {
        let dim = self.dim;
        let mut profile = vec![0.0f32; dim];
        for &(item, weight) in history {
            profile.iter_mut().zip(self.row(item.at())).for_each(|(sum, x)| *sum += weight * x);
        }
        let candidates = &self.values[self.first_candidate * dim..][..self.n_candidates * dim];
        let candidates = Matrix::new(candidates, self.n_candidates, dim, dim);
        matmul(0.0, scores, 1, 1.0, candidates, Matrix::new(&profile, dim, 1, 1));
        for &(item, weight) in history {
            let Some(own) = item.at().checked_sub(self.first_candidate) else { continue };
            if own < scores.len() {
                let square: f32 = self.row(item.at()).iter().map(|x| x * x).sum();
                scores[own] -= (1.0 - repeat) * weight * square;
            }
        }
    }

    /// The history item whose text resembles a candidate's most, with its part of the score; `None` when none does.
    pub fn most_alike(&self, history: &[(ItemIdx, f32)], candidate: usize) -> Option<(ItemIdx, f32)> {
        let own = self.first_candidate + candidate;
        let part = |&(item, weight): &(ItemIdx, f32)| {
            let cosine: f32 = self.row(item.at()).iter().zip(self.row(own)).map(|(a, b)| a * b).sum();
            (item, weight * cosine)
        };
        let parts = history.iter().filter(|(item, _)| item.at() != own).map(part);
        parts.filter(|&(_, part)| part > 0.0).max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)))
    }

    pub(crate) fn save(&self, tensors: &mut Tensors) {
        tensors.put_f32("encoder.vectors", self.values.clone());
        tensors.put_u32("encoder.dim", vec![self.dim as u32]);
    }

    pub(crate) fn load(
        n_items: usize,
        target: std::ops::Range<usize>,
        tensors: &mut Tensors,
    ) -> Result<Self, ModelError> {
        let values = tensors.take_f32("encoder.vectors")?;
        let dim = match tensors.take_u32("encoder.dim")?.as_slice() {
            [dim] => *dim as usize,
            _ => 0,
        };
        // Cosines: a longer row would outshout the others.
        let too_long = |row: &[f32]| row.iter().map(|x| x * x).sum::<f32>() > 1.01;
        let fits = dim > 0 && Some(values.len()) == n_items.checked_mul(dim);
        if !fits || values.chunks_exact(dim).any(too_long) {
            let expected = format!("{n_items} vectors of length 1 or 0");
            return Err(ModelError::Inconsistent { tensor: "encoder.vectors".into(), expected });
        }
        Ok(Self { values, dim, first_candidate: target.start, n_candidates: target.len() })
    }
}
