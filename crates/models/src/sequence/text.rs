//! Item vectors that come from text, so that they mean the same in every domain and for items without events:
//! `v_i = W x_i + tags_i + m_i δ_i`.
//!
//! `x_i` is the whitened text vector, `W` a trained adaptor that starts as the first principal directions (`RecTools` 0.19 starts its
//! `UniSRec` adaptor so), `δ_i` the item's own small vector, no longer than a bound, and `m_i` in training now and then 0, so
//! that the text must carry (frozen text with a bounded delta: arXiv 2507.19473).

use rayon::prelude::*;
use segue_nn::cross_entropy::Excluded;
use segue_nn::dropout::DropoutKey;
use segue_nn::{Matrix, MatrixMut, matmul, matmul_parallel};
use serde::{Deserialize, Serialize};

use crate::item_vectors::TextSpace;
use crate::range::{self, first, outside};
use crate::rows::Rows;
use crate::tensors::{ModelError, Tensors};
use crate::whitening::Whitening;

/// Settings of item vectors from text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TextInputConfig {
    /// Principal directions and regularization of the whitening.
    pub whitening: Whitening,
    /// Length of a text's vector at the start, before it is trained; it decides how sharp the first scores are.
    pub scale: f32,
    /// Greatest length of an item's own vector, relative to `scale`; 0 = items have none.
    pub id_bound: f32,
    /// Probability that an item's own vector is left out of a training step, in [0, 1).
    pub id_dropout: f32,
    /// Whether tags (words of short fields) are part of the vectors too.
    pub tags: bool,
    /// Items of the target's domain whose whitened texts have at least this cosine with the target's do not compete with it;
    /// above 1 = all compete.
    pub duplicate_cosine: f32,
    /// Whether the adaptor is trained; otherwise it stays the first principal directions.
    #[serde(default = "yes")]
    pub trains_adaptor: bool,
    /// Rank of each domain's own adapter behind the shared blocks; 0 = none.
    pub domain_rank: usize,
}

impl Default for TextInputConfig {
    fn default() -> Self {
        Self {
            whitening: Whitening { n_components: 0, regularization: 0.1 },
            scale: 1.0,
            id_bound: 1.0,
            id_dropout: 0.3,
            tags: true,
            duplicate_cosine: 0.95,
            trains_adaptor: true,
            domain_rank: 8,
        }
    }
}

impl TextInputConfig {
    /// What is out of range; `None` when nothing is.
    pub fn problem(&self) -> Option<String> {
        first([
            outside("scale", self.scale, range::POSITIVE),
            outside("id_bound", self.id_bound, 0.0..=1e6),
            outside("id_dropout", self.id_dropout, range::PROBABILITY),
            outside("duplicate_cosine", self.duplicate_cosine, -1.0..=10.0),
            outside("domain_rank", self.domain_rank, 0..=*range::WIDTH.end()),
        ])
    }
}

fn yes() -> bool {
    true
}

/// The texts of a model's item rows.
#[derive(Clone, Debug, PartialEq)]
pub struct TextInput {
    /// Settings.
    pub config: TextInputConfig,
    dim: usize,
    values: Vec<f32>, // [n_rows, dim], rows of length 1 or 0
    offsets: Vec<usize>,
    duplicates: Vec<u32>, // per row: rows within the same domain, counted from the domain's first, ascending
}

/// Most duplicates of one item: more would be a catalog of one thing.
const MOST_DUPLICATES: usize = 64;
/// Rows whose cosines are computed in one product.
const TOGETHER: usize = 64;

impl TextInput {
    /// Whitens the texts of the rows.
    ///
    /// # Errors
    /// Stands aside when no candidate has text.
    pub(super) fn new(
        config: &TextInputConfig,
        space: &TextSpace<'_>,
        rows: &Rows,
    ) -> Result<Self, ModelError> {
        let (white, dim) = space.spectrum.whiten(&space.vectors.values, config.whitening);
        let values = white[rows.first_item * dim..(rows.first_item + rows.n_rows()) * dim].to_vec();
        let candidates = rows.candidates();
        if values[candidates.start * dim..candidates.end * dim].iter().all(|&x| x == 0.0) {
            let reason = "no item of this domain has text".into();
            return Err(ModelError::StandsAside { expert: "transfer", reason });
        }
        let mut input =
            Self { config: config.clone(), dim, values, offsets: Vec::new(), duplicates: Vec::new() };
        input.find_duplicates(rows);
        Ok(input)
    }

    /// Length of a text vector.
    pub(super) fn dim(&self) -> usize {
        self.dim
    }

    fn find_duplicates(&mut self, rows: &Rows) {
        let mut lists: Vec<Vec<u32>> = vec![Vec::new(); rows.n_rows()];
        let wanted = rows.of_domain.iter().filter(|_| self.config.duplicate_cosine <= 1.0);
        for range in wanted.filter(|range| !range.is_empty()) {
            let all = &self.values[range.start * self.dim..range.end * self.dim];
            let all = Matrix::new(all, range.len(), self.dim, self.dim);
            lists[range.clone()].par_chunks_mut(TOGETHER).enumerate().for_each(|(part, out)| {
                let first = part * TOGETHER;
                let own = &self.values[(range.start + first) * self.dim..];
                let own = Matrix::new(own, out.len(), self.dim, self.dim);
                let mut cosines = vec![0.0; out.len() * range.len()]; // [part, n_items]
                matmul(MatrixMut::new(&mut cosines, range.len()), 1.0, own, all.t());
                for (at, (out, cosines)) in out.iter_mut().zip(cosines.chunks_exact(range.len())).enumerate()
                {
                    let alike = |(other, &cosine): (usize, &f32)| {
                        let counts = other != first + at && cosine >= self.config.duplicate_cosine;
                        counts.then_some(other as u32)
                    };
                    out.extend(cosines.iter().enumerate().filter_map(alike).take(MOST_DUPLICATES));
                }
            });
        }
        self.offsets = vec![0];
        for list in lists {
            self.duplicates.extend(list);
            self.offsets.push(self.duplicates.len());
        }
    }

    /// Which items of a domain's rows do not compete with which.
    pub(super) fn excluded(&self, rows: std::ops::Range<usize>) -> Option<Excluded<'_>> {
        let offsets = self.offsets.get(rows.start..=rows.end)?;
        Some(Excluded { offsets, items: &self.duplicates })
    }

    /// The adaptor at the start, `[width, dim]`: principal direction k of the texts becomes dimension k of the model, so that
    /// texts keep their likeness.
    pub(super) fn initial_adaptor(&self, width: usize) -> Vec<f32> {
        let mut weight = vec![0.0; width * self.dim];
        // Of a vector of length 1, `width` of `dim` directions hold about that share.
        let share = (width.min(self.dim) as f32 / self.dim as f32).sqrt();
        for at in 0..width.min(self.dim) {
            weight[at * self.dim + at] = self.config.scale / share;
        }
        weight
    }

    /// `vectors[i] += W x_i` for all rows; `vectors: [n_rows, width]`, `adaptor: [width, dim]`.
    pub(super) fn add_to(&self, adaptor: &[f32], vectors: &mut [f32]) {
        let n_rows = self.values.len() / self.dim;
        let width = adaptor.len() / self.dim;
        let mut own = vec![0.0; n_rows * width]; // [n_rows, width]
        let texts = Matrix::new(&self.values, n_rows, self.dim, self.dim);
        matmul_parallel(&mut own, texts, Matrix::new(adaptor, width, self.dim, self.dim).t());
        segue_nn::add_scaled(&mut vectors[..own.len()], 1.0, &own);
    }

    /// `dW += Σ_i d_vectors_i x_iᵀ`, in parts of fixed size, one after the other.
    pub(super) fn add_gradient(&self, d_vectors: &[f32], d_adaptor: &mut [f32]) {
        const ROWS: usize = 1024;
        let width = d_adaptor.len() / self.dim;
        let n_rows = self.values.len() / self.dim;
        let parts: Vec<Vec<f32>> = (0..n_rows.div_ceil(ROWS))
            .into_par_iter()
            .map(|part| {
                let (first, n) = (part * ROWS, ROWS.min(n_rows - part * ROWS));
                let mut sum = vec![0.0; width * self.dim]; // [width, dim]
                let d = Matrix::new(&d_vectors[first * width..], n, width, width);
                let texts = Matrix::new(&self.values[first * self.dim..], n, self.dim, self.dim);
                matmul(MatrixMut::new(&mut sum, self.dim), 1.0, d.t(), texts);
                sum
            })
            .collect();
        parts.iter().for_each(|part| segue_nn::add_scaled(d_adaptor, 1.0, part));
    }

    /// Takes back the gradients (`[n_rows, width]`) of own vectors that were left out of the step.
    pub(super) fn drop_gradients(&self, d_own: &mut [f32], width: usize, key: DropoutKey) {
        d_own
            .par_chunks_mut(width)
            .enumerate()
            .filter(|(row, _)| self.config.id_bound == 0.0 || !self.keeps_own(key, *row))
            .for_each(|(_, d)| d.fill(0.0));
    }

    // Whether a row's own vector is part of a training step.
    fn keeps_own(&self, key: DropoutKey, row: usize) -> bool {
        // 24 bits are as fine as an f32 can tell.
        (key.of(row as u64).number() >> 40) as f32 >= self.config.id_dropout * (1u64 << 24) as f32
    }

    /// Own vectors (`[n_rows, width]`) without those left out of a step; `None` when all stay.
    pub(super) fn without_dropped(&self, own: &[f32], width: usize, key: DropoutKey) -> Option<Vec<f32>> {
        if self.config.id_dropout == 0.0 || self.config.id_bound == 0.0 {
            return None;
        }
        let mut kept = own.to_vec();
        kept.par_chunks_mut(width)
            .enumerate()
            .filter(|(row, _)| !self.keeps_own(key, *row))
            .for_each(|(_, own)| own.fill(0.0));
        Some(kept)
    }

    /// Shortens own vectors (`[n_rows, width]`) to the bound.
    pub(super) fn bound(&self, own: &mut [f32], width: usize) {
        let bound = self.config.id_bound * self.config.scale;
        own.par_chunks_mut(width).for_each(|own| {
            let length = own.iter().map(|x| x * x).sum::<f32>().sqrt();
            if length > bound {
                own.iter_mut().for_each(|x| *x *= bound / length);
            }
        });
    }

    pub(super) fn save(&self, tensors: &mut Tensors) {
        tensors.put_f32("text.values", self.values.clone());
        tensors.put_u32("text.dim", vec![self.dim as u32]);
    }

    pub(super) fn load(
        config: &TextInputConfig,
        rows: &Rows,
        tensors: &mut Tensors,
    ) -> Result<Self, ModelError> {
        let values = tensors.take_f32("text.values")?;
        let dim = match tensors.take_u32("text.dim")?.as_slice() {
            [dim] => *dim as usize,
            _ => 0,
        };
        let too_long = |row: &[f32]| row.iter().map(|x| x * x).sum::<f32>() > 1.01;
        let fits = dim > 0 && Some(values.len()) == rows.n_rows().checked_mul(dim);
        if !fits || values.chunks_exact(dim).any(too_long) {
            let expected = format!("{} vectors of length 1 or 0", rows.n_rows());
            return Err(ModelError::Inconsistent { tensor: "text.values".into(), expected });
        }
        let (offsets, duplicates) = (Vec::new(), Vec::new());
        Ok(Self { config: config.clone(), dim, values, offsets, duplicates })
    }

    /// Forgets what only training needs.
    pub(super) fn forget_duplicates(&mut self) {
        (self.offsets, self.duplicates) = (Vec::new(), Vec::new());
    }
}
