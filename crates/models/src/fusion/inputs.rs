//! What fused item vectors come from: vectors of texts, images and sounds, and nodes of a graph.

use rayon::prelude::*;
use segue_data::{DomainIdx, ItemCatalog, ItemGraph, TrainSet};
use segue_nn::{Matrix, MatrixMut, matmul, matmul_parallel};

use super::config::{FusionConfig, TokenKind};
use crate::graph_links::network::{Adjacency, NetworkConfig};
use crate::item_vectors::TextSpace;
use crate::rows::Rows;
use crate::tensors::{ModelError, Tensors};

/// What a data set has to fuse.
#[derive(Clone, Copy, Debug, Default)]
pub struct FusionInputs<'a> {
    /// An encoder's, or those of words where nothing was encoded.
    pub text: Option<&'a TextSpace<'a>>,
    /// Vectors of images.
    pub image: Option<&'a TextSpace<'a>>,
    /// Vectors of sounds.
    pub audio: Option<&'a TextSpace<'a>>,
    /// What is stated about the items.
    pub graph: Option<&'a ItemGraph>,
}

impl<'a> FusionInputs<'a> {
    fn space(&self, kind: TokenKind) -> Option<&'a TextSpace<'a>> {
        match kind {
            TokenKind::Text => self.text,
            TokenKind::Image => self.image,
            TokenKind::Audio => self.audio,
            TokenKind::Graph | TokenKind::Id => None,
        }
    }
}

/// Whitened vectors of a model's item rows, of one modality.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct DenseInput {
    pub(super) kind: TokenKind,
    pub(super) dim: usize,
    pub(super) values: Vec<f32>, // [n_rows, dim], rows of length 1 or 0
}

impl DenseInput {
    /// Of every modality that is wanted and there.
    pub(super) fn all_of(config: &FusionConfig, inputs: &FusionInputs<'_>, rows: &Rows) -> Vec<Self> {
        let of = |&kind: &TokenKind| {
            let space = inputs.space(kind)?;
            let (white, dim) = space.spectrum.whiten(&space.vectors.values, config.whitening);
            let values = white[rows.first_item * dim..(rows.first_item + rows.n_rows()) * dim].to_vec();
            values.iter().any(|&x| x != 0.0).then_some(Self { kind, dim, values })
        };
        let mut kinds = config.tokens.clone();
        kinds.sort_unstable();
        kinds.dedup();
        kinds.iter().filter_map(of).collect()
    }

    /// Which rows have a vector.
    pub(super) fn present(&self) -> Vec<bool> {
        self.values.chunks_exact(self.dim).map(|row| row.iter().any(|&x| x != 0.0)).collect()
    }

    /// The adaptor at the start, `[width, dim]`: principal direction k becomes dimension k of the model.
    pub(super) fn initial_adaptor(&self, width: usize, scale: f32) -> Vec<f32> {
        let mut weight = vec![0.0; width * self.dim];
        // Of a vector of length 1, `width` of `dim` directions hold about that share.
        let share = (width.min(self.dim) as f32 / self.dim as f32).sqrt();
        for at in 0..width.min(self.dim) {
            weight[at * self.dim + at] = scale / share;
        }
        weight
    }

    /// `W x_i` for all rows, `[n_rows, width]`; `adaptor: [width, dim]`.
    pub(super) fn tokens(&self, adaptor: &[f32]) -> Vec<f32> {
        let n_rows = self.values.len() / self.dim;
        let width = adaptor.len() / self.dim;
        let mut own = vec![0.0; n_rows * width]; // [n_rows, width]
        let vectors = Matrix::new(&self.values, n_rows, self.dim, self.dim);
        matmul_parallel(&mut own, vectors, Matrix::new(adaptor, width, self.dim, self.dim).t());
        own
    }

    /// `dW += Σ_i d_tokens_i x_iᵀ`, in parts of fixed size, one after the other.
    pub(super) fn add_gradient(&self, d_tokens: &[f32], d_adaptor: &mut [f32]) {
        const ROWS: usize = 1024;
        let width = d_adaptor.len() / self.dim;
        let parts: Vec<Vec<f32>> = d_tokens
            .par_chunks(ROWS * width)
            .zip(self.values.par_chunks(ROWS * self.dim))
            .map(|(d, vectors)| {
                let n = d.len() / width;
                let mut sum = vec![0.0; width * self.dim]; // [width, dim]
                let d = Matrix::new(d, n, width, width);
                matmul(
                    MatrixMut::new(&mut sum, self.dim),
                    1.0,
                    d.t(),
                    Matrix::new(vectors, n, self.dim, self.dim),
                );
                sum
            })
            .collect();
        parts.iter().for_each(|part| segue_nn::add_scaled(d_adaptor, 1.0, part));
    }

    pub(super) fn save(&self, tensors: &mut Tensors) {
        tensors.put_f32(&format!("fused.{}.values", self.kind.name()), self.values.clone());
    }

    pub(super) fn load(kind: TokenKind, n_rows: usize, tensors: &mut Tensors) -> Result<Self, ModelError> {
        let name = format!("fused.{}.values", kind.name());
        let values = tensors.take_f32(&name)?;
        let dim = values.len() / n_rows.max(1);
        let too_long = |row: &[f32]| row.iter().map(|x| x * x).sum::<f32>() > 1.01;
        let fits = dim > 0 && values.len() == n_rows * dim;
        if !fits || values.chunks_exact(dim).any(too_long) {
            let expected = format!("{n_rows} vectors of length 1 or 0");
            return Err(ModelError::Inconsistent { tensor: name, expected });
        }
        Ok(Self { kind, dim, values })
    }
}

/// The graph token of each row: learned with the model, or kept from a model that was learned.
#[derive(Clone, Debug, PartialEq)]
pub enum GraphInput {
    /// In training: a network computes the tokens.
    Learned {
        /// Edges between all nodes.
        adjacency: Adjacency,
        /// `[n_rows]`: the node of each row.
        node: Vec<Option<u32>>,
        /// Settings of the network.
        config: NetworkConfig,
    },
    /// In a trained model: what the network computed last.
    Kept {
        /// `[n_rows, width]`.
        vectors: Vec<f32>,
        /// `[n_rows]`.
        present: Vec<bool>,
    },
}

impl GraphInput {
    /// The nodes of a model's rows; `None` when no candidate is in the graph.
    pub(super) fn learned(
        graph: &ItemGraph,
        rows: &Rows,
        train: &TrainSet,
        config: &NetworkConfig,
    ) -> Option<Self> {
        let node: Vec<Option<u32>> = (0..rows.n_rows())
            .map(|row| graph.item_entity[rows.first_item + row].map(|entity| entity.0))
            .collect();
        if node[rows.candidates()].iter().all(Option::is_none) {
            return None;
        }
        let facts = graph.triples.iter().map(|fact| [fact.head.0, fact.relation.0, fact.tail.0]).collect();
        let mut touched = Vec::new();
        if config.users {
            for (user, events) in train.sequences.rows().enumerate() {
                let nodes = events.iter().filter_map(|event| node[rows.row(event)?]);
                touched.extend(nodes.map(|node| (user as u32, node)));
            }
            touched.sort_unstable();
            touched.dedup();
        }
        let adjacency = Adjacency::new(graph.n_entities(), facts, &touched);
        Some(Self::Learned { adjacency, node, config: config.clone() })
    }

    /// Which rows have a token.
    pub(super) fn present(&self) -> Vec<bool> {
        match self {
            Self::Learned { node, .. } => node.iter().map(Option::is_some).collect(),
            Self::Kept { present, .. } => present.clone(),
        }
    }

    pub(super) fn load(n_rows: usize, width: usize, tensors: &mut Tensors) -> Result<Self, ModelError> {
        let vectors = tensors.take_f32("fused.graph.vectors")?;
        if Some(vectors.len()) != n_rows.checked_mul(width) {
            let expected = format!("{n_rows} vectors of {width} values");
            return Err(ModelError::Inconsistent { tensor: "fused.graph.vectors".into(), expected });
        }
        Ok(Self::Kept { vectors, present: take_flags("fused.graph.present", n_rows, tensors)? })
    }
}

/// Rows whose items have training events: the others' own vectors would be noise.
pub(super) fn known_rows(rows: &Rows, train: &TrainSet, items: &ItemCatalog) -> Vec<bool> {
    let counts = train.sequences.item_counts(items.len());
    (0..rows.n_rows()).map(|row| counts[rows.first_item + row] > 0).collect()
}

pub(super) fn put_flags(name: &str, flags: &[bool], tensors: &mut Tensors) {
    tensors.put_u32(name, flags.iter().map(|&flag| u32::from(flag)).collect());
}

pub(super) fn take_flags(name: &str, n: usize, tensors: &mut Tensors) -> Result<Vec<bool>, ModelError> {
    let flags = tensors.take_u32(name)?;
    if flags.len() != n || flags.iter().any(|&flag| flag > 1) {
        return Err(ModelError::Inconsistent { tensor: name.into(), expected: format!("{n} flags, 0 or 1") });
    }
    Ok(flags.into_iter().map(|flag| flag != 0).collect())
}

/// Why there is nothing to fuse for a domain.
pub(super) fn nothing(domain: DomainIdx) -> ModelError {
    let reason = format!("domain {} has neither text, image and audio vectors nor a graph", domain.0);
    ModelError::StandsAside { expert: "joint", reason }
}
