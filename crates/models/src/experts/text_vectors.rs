//! Text encoder expert: items whose whitened text vectors resemble the history's. Vectors mean the same in every domain, so
//! this works across domains, for new users, and for items without any interaction.

use std::ops::Range;

use rand::{Rng, RngCore};
use segue_data::{DomainIdx, ItemCatalog, ItemIdx, TrainSet};
use segue_nn::{Matrix, MatrixMut, matmul};
use serde::{Deserialize, Serialize};

use super::contract::{FitContext, KindFacts, Scorer, Settings};
use super::grid::{self, HALF_LIVES, RECENCY, REPEATS};
use super::{ExpertConfig, ExpertId, ExpertKind, Fitted};
use crate::item_vectors::TextSpace;
use crate::query::{Fading, Place, Query};
use crate::tensors::{ModelError, Tensors};
use crate::whitening::Whitening;

pub(super) const ENCODER: KindFacts = KindFacts::closed_form(ExpertKind::Encoder, "encoder", || {
    ExpertConfig::Encoder(TextVectorsConfig::default())
});

pub(super) const IMAGE: KindFacts = KindFacts {
    has_material: |context| context.image_space.is_some(),
    ..KindFacts::closed_form(ExpertKind::Image, "image", || ExpertConfig::Image(TextVectorsConfig::default()))
};

pub(super) const AUDIO: KindFacts = KindFacts {
    has_material: |context| context.audio_space.is_some(),
    ..KindFacts::closed_form(ExpertKind::Audio, "audio", || ExpertConfig::Audio(TextVectorsConfig::default()))
};

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
    fn for_kind(self, kind: ExpertKind) -> ExpertConfig {
        match kind {
            ExpertKind::Image => ExpertConfig::Image(self),
            ExpertKind::Audio => ExpertConfig::Audio(self),
            _ => ExpertConfig::Encoder(self),
        }
    }
}

impl Settings for TextVectorsConfig {
    fn fit(&self, id: ExpertId, _: &TrainSet, context: &FitContext<'_>) -> Result<Fitted, ModelError> {
        let (items, domain) = (context.items, context.domain);
        let model = match id.kind {
            ExpertKind::Image => TextVectors::of_media(self, "image", context.image_space, items, domain),
            ExpertKind::Audio => TextVectors::of_media(self, "audio", context.audio_space, items, domain),
            _ => TextVectors::fit(self, context.text_space, items, domain),
        };
        model.map(Fitted::TextVectors)
    }

    fn load(&self, items: &ItemCatalog, place: Place, tensors: &mut Tensors) -> Result<Fitted, ModelError> {
        TextVectors::load(self, items, place.domain, tensors).map(Fitted::TextVectors)
    }

    fn fading(&self) -> Option<Fading> {
        Some(Fading { recency: self.recency, half_life_days: self.half_life_days })
    }

    fn further_starts(&self, kind: ExpertKind, known_compete: bool) -> Vec<ExpertConfig> {
        let repeats = REPEATS.iter().filter(|_| known_compete);
        repeats.map(|&repeat| Self { repeat, ..self.clone() }.for_kind(kind)).collect()
    }

    fn step(&self, kind: ExpertKind, rng: &mut dyn RngCore) -> ExpertConfig {
        // From the whole down; 0 = all components.
        const COMPONENTS: &[usize] = &[0, 256, 128, 64];
        let mut next = self.clone();
        if grid::moves_repeat(&mut next.repeat, rng) {
            return next.for_kind(kind);
        }
        match rng.random_range(0..6) {
            0 => {
                let at = COMPONENTS.iter().position(|&n| n == next.whitening.n_components).unwrap_or(0);
                next.whitening.n_components = COMPONENTS[grid::neighbor(at, COMPONENTS.len(), rng)];
            }
            1 | 2 => {
                let values = &[0.0, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0];
                grid::move_on(&mut next.whitening.regularization, values, rng);
            }
            3 => grid::move_on(&mut next.half_life_days, HALF_LIVES, rng),
            _ => grid::move_on(&mut next.recency, RECENCY, rng),
        }
        next.for_kind(kind)
    }

    fn differs_in_scoring_only(&self, other: &ExpertConfig) -> bool {
        let (ExpertConfig::Encoder(other) | ExpertConfig::Image(other) | ExpertConfig::Audio(other)) = other
        else {
            return false;
        };
        let Self { recency, half_life_days, repeat, .. } = *other;
        Self { recency, half_life_days, repeat, ..self.clone() } == *other
    }

    fn score_by(&self, model: &mut Fitted) {
        if let Fitted::TextVectors(model) = model {
            model.repeat = self.repeat;
        }
    }
}

/// `score(j) = Σ_history w_h · cos(v_h, v_j)` over whitened vectors; below zero where a text is unlike the history.
#[derive(Clone, Debug, PartialEq)]
pub struct TextVectors {
    values: Vec<f32>, // [n_items, dim], rows of length 1 or 0
    dim: usize,
    first_candidate: usize,
    n_candidates: usize,
    repeat: f32,
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
        Ok(Self::new(config, values, dim, target))
    }

    fn new(config: &TextVectorsConfig, values: Vec<f32>, dim: usize, target: Range<usize>) -> Self {
        let (first_candidate, n_candidates) = (target.start, target.len());
        Self { values, dim, first_candidate, n_candidates, repeat: config.repeat }
    }

    /// As [`fit`](Self::fit), of images or sounds.
    ///
    /// # Errors
    /// Stands aside without vectors, and when no item of the domain has one.
    pub fn of_media(
        config: &TextVectorsConfig,
        expert: &'static str,
        space: Option<&TextSpace<'_>>,
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

    fn load(
        config: &TextVectorsConfig,
        items: &ItemCatalog,
        domain: DomainIdx,
        tensors: &mut Tensors,
    ) -> Result<Self, ModelError> {
        let (n_items, target) = (items.len(), items.range(domain));
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
        Ok(Self::new(config, values, dim, target))
    }
}

impl Scorer for TextVectors {
    /// Weighted sum of cosines with the history; an item gets `repeat` of its likeness to itself.
    fn score(&self, _: &Query<'_>, history: &[(ItemIdx, f32)], scores: &mut [f32]) {
        let dim = self.dim;
        let mut profile = vec![0.0f32; dim];
        for &(item, weight) in history {
            profile.iter_mut().zip(self.row(item.at())).for_each(|(sum, x)| *sum += weight * x);
        }
        let candidates = &self.values[self.first_candidate * dim..][..self.n_candidates * dim];
        let candidates = Matrix::new(candidates, self.n_candidates, dim, dim);
        matmul(MatrixMut::new(scores, 1), 1.0, candidates, Matrix::new(&profile, dim, 1, 1));
        for &(item, weight) in history {
            let Some(own) = item.at().checked_sub(self.first_candidate) else { continue };
            if own < scores.len() {
                let square: f32 = self.row(item.at()).iter().map(|x| x * x).sum();
                scores[own] -= (1.0 - self.repeat) * weight * square;
            }
        }
    }

    fn content_similarity(&self, a: ItemIdx, b: ItemIdx) -> Option<f32> {
        Some(self.similarity(a, b))
    }

    fn save(&self, tensors: &mut Tensors) {
        tensors.put_f32("encoder.vectors", self.values.clone());
        tensors.put_u32("encoder.dim", vec![self.dim as u32]);
    }

    fn most_alike(&self, history: &[(ItemIdx, f32)], candidate: usize) -> Option<ItemIdx> {
        let own = self.first_candidate + candidate;
        let part = |&(item, weight): &(ItemIdx, f32)| {
            let cosine: f32 = self.row(item.at()).iter().zip(self.row(own)).map(|(a, b)| a * b).sum();
            (item, weight * cosine)
        };
        let parts =
            history.iter().filter(|(item, _)| item.at() != own).map(part).filter(|&(_, part)| part > 0.0);
        parts.max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0))).map(|(item, _)| item)
    }
}
