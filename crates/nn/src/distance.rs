//! Scores by distance: the negated distance of every query to every item, and its way back.
//!
//! A distance does not fall apart into a product of matrices, so these kernels visit every pair three times: once forward, once
//! for the gradient of the queries, once for that of the items.

use rayon::prelude::*;

use crate::simd::{Kernel, sum_of, vectorized};

/// Items whose gradients one task computes.
const ITEMS_PER_TASK: usize = 16;

/// How far two rows are apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distance {
    /// `Σ |qₖ − eₖ|`.
    CityBlock,
    /// `Σ |qₖ − eₖ|` over complex numbers: the first half of a row is real, the second imaginary.
    ComplexModulus,
}

/// Under the root of a modulus, so that it has a gradient at zero.
const EPSILON: f32 = 1e-12;

/// Every query beside every item.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DistanceScores<'a> {
    /// How far two rows are apart.
    pub distance: Distance,
    /// Values of a row; an even number where they are complex.
    pub width: usize,
    /// `[B, width]`.
    pub queries: &'a [f32],
    /// `[N, width]`.
    pub items: &'a [f32],
}

impl DistanceScores<'_> {
    /// `scores[b, e] = −distance(queries[b], items[e])`, `[B, N]`; equal at any thread count.
    ///
    /// # Panics
    /// When the shapes do not fit.
    pub fn forward(self, scores: &mut [f32]) {
        let Self { distance, width, queries, items } = self;
        let n_items = self.n_items(scores);
        assert!(distance == Distance::CityBlock || width.is_multiple_of(2), "half of a complex number");
        if n_items == 0 {
            return;
        }
        scores.par_chunks_mut(n_items).zip(queries.par_chunks(width)).for_each(|(scores, query)| {
            vectorized(Forward { distance, query, items, scores });
        });
    }

    /// Adds the gradients of queries and items, given that of the scores (`[B, N]`); equal at any thread count.
    ///
    /// # Panics
    /// When the shapes do not fit.
    pub fn backward(self, d_scores: &[f32], d_queries: &mut [f32], d_items: &mut [f32]) {
        let Self { distance, width, queries, items } = self;
        let n_items = self.n_items(d_scores);
        assert!(d_queries.len() == queries.len() && d_items.len() == items.len(), "shapes of the gradients");
        if n_items == 0 || queries.is_empty() {
            return;
        }
        let rows = d_queries.par_chunks_mut(width).zip(queries.par_chunks(width));
        rows.zip(d_scores.par_chunks(n_items)).for_each(|((d_query, query), d_scores)| {
            vectorized(Backward { distance, own: query, others: items, d_scores, stride: 1, d_own: d_query });
        });
        let tasks = d_items.par_chunks_mut(ITEMS_PER_TASK * width).enumerate();
        tasks.for_each(|(task, d_items)| {
            for (at, d_own) in d_items.chunks_exact_mut(width).enumerate() {
                let item = task * ITEMS_PER_TASK + at;
                let own = &items[item * width..][..width];
                let d_scores = &d_scores[item..];
                vectorized(Backward { distance, own, others: queries, d_scores, stride: n_items, d_own });
            }
        });
    }

    fn n_items(&self, scores: &[f32]) -> usize {
        let (n_queries, n_items) = (self.queries.len() / self.width, self.items.len() / self.width);
        assert_eq!(scores.len(), n_queries * n_items, "shape of the scores");
        n_items
    }
}

struct Forward<'a> {
    distance: Distance,
    query: &'a [f32],
    items: &'a [f32],
    scores: &'a mut [f32],
}

impl Kernel for Forward<'_> {
    #[inline(always)]
    fn run(self) {
        let Self { distance, query, items, scores } = self;
        let (width, half) = (query.len(), query.len() / 2);
        let rows = items.chunks_exact(width).zip(scores);
        match distance {
            Distance::CityBlock => {
                rows.for_each(|(item, score)| *score = -sum_of(width, |k| (query[k] - item[k]).abs()));
            }
            Distance::ComplexModulus => {
                let (real, imaginary) = query.split_at(half);
                for (item, score) in rows {
                    let (own_real, own_imaginary) = item.split_at(half);
                    let modulus = |k: usize| {
                        let (x, y) = (real[k] - own_real[k], imaginary[k] - own_imaginary[k]);
                        x.mul_add(x, y.mul_add(y, EPSILON)).sqrt()
                    };
                    *score = -sum_of(half, modulus);
                }
            }
        }
    }
}

/// Gradient of one row against many: distances are symmetric, so queries and items take the same way. The gradient of the score
/// with another row stands at `stride` times the number of that row.
struct Backward<'a> {
    distance: Distance,
    own: &'a [f32],
    others: &'a [f32],
    d_scores: &'a [f32],
    stride: usize,
    d_own: &'a mut [f32],
}

impl Kernel for Backward<'_> {
    #[inline(always)]
    fn run(self) {
        let Self { distance, own, others, d_scores, stride, d_own } = self;
        let (width, half) = (own.len(), own.len() / 2);
        let rows = others.chunks_exact(width).zip(d_scores.iter().step_by(stride));
        match distance {
            Distance::CityBlock => {
                for (other, d_score) in rows {
                    for ((d, x), y) in d_own.iter_mut().zip(own).zip(other) {
                        // The sign, and 0 where the two are equal.
                        *d -= d_score * ((x - y) * 1e30).clamp(-1.0, 1.0);
                    }
                }
            }
            Distance::ComplexModulus => {
                let (real, imaginary) = own.split_at(half);
                let (d_real, d_imaginary) = d_own.split_at_mut(half);
                for (other, d_score) in rows {
                    let (other_real, other_imaginary) = other.split_at(half);
                    let gradients = d_real.iter_mut().zip(d_imaginary.iter_mut());
                    let others = other_real.iter().zip(other_imaginary);
                    let pairs = real.iter().zip(imaginary).zip(others);
                    for ((d_x, d_y), ((x, y), (other_x, other_y))) in gradients.zip(pairs) {
                        let (x, y) = (x - other_x, y - other_y);
                        let share = d_score / x.mul_add(x, y.mul_add(y, EPSILON)).sqrt();
                        *d_x = x.mul_add(-share, *d_x);
                        *d_y = y.mul_add(-share, *d_y);
                    }
                }
            }
        }
    }
}
