//! `RotatE`: rotations of complex numbers. Entities hold all real parts, then all imaginary parts; relations hold angles.

use rayon::prelude::*;

/// `q = h·e^{iθ}`, which is compared with tails.
pub(crate) fn rotate(head: &[f32], angles: &[f32], query: &mut [f32]) {
    let (hr, hi) = head.split_at(angles.len());
    let (qr, qi) = query.split_at_mut(angles.len());
    for (k, (qr, qi)) in qr.iter_mut().zip(qi).enumerate() {
        let (sin, cos) = angles[k].sin_cos();
        *qr = hr[k] * cos - hi[k] * sin;
        *qi = hr[k] * sin + hi[k] * cos;
    }
}

/// Adds the gradients of [`rotate`]: `dh = dq·e^{−iθ}`, `dθ = Re(dq · conj(i·q))`.
pub(crate) fn rotate_backward(
    head: &[f32],
    angles: &[f32],
    d_query: &[f32],
    d_head: &mut [f32],
    d_angles: &mut [f32],
) {
    let (hr, hi) = head.split_at(angles.len());
    let (dr, di) = d_query.split_at(angles.len());
    let (d_hr, d_hi) = d_head.split_at_mut(angles.len());
    for (k, d_angle) in d_angles.iter_mut().enumerate() {
        let (sin, cos) = angles[k].sin_cos();
        d_hr[k] += dr[k] * cos + di[k] * sin;
        d_hi[k] += di[k] * cos - dr[k] * sin;
        *d_angle += di[k] * (hr[k] * cos - hi[k] * sin) - dr[k] * (hr[k] * sin + hi[k] * cos);
    }
}

/// Under the root of a modulus, so that it has a gradient at zero.
const EPSILON: f32 = 1e-12;

/// Heads and tails of facts, and all relations as numbers on the unit circle, in rows of twice the number of angles.
#[derive(Clone, Copy)]
pub(crate) struct Rotations<'a> {
    /// `[P, 2 dim]`
    pub(crate) heads: &'a [f32],
    /// `[P, 2 dim]`
    pub(crate) tails: &'a [f32],
    /// `[R, 2 dim]`, see [`on_circle`].
    pub(crate) circle: &'a [f32],
    /// Twice the number of angles.
    pub(crate) width: usize,
}

/// Cosines, then sines, of each row of `dim` angles.
pub(crate) fn on_circle(angles: &[f32], dim: usize) -> Vec<f32> {
    let rows = angles.chunks_exact(dim);
    rows.flat_map(|row| row.iter().map(|x| x.cos()).chain(row.iter().map(|x| x.sin()))).collect()
}

impl Rotations<'_> {
    /// `scores[p, r] = −Σ |hₚ·e^{iθᵣ} − tₚ|`, `[P, R]`.
    pub(crate) fn scores(&self, scores: &mut [f32]) {
        let n_relations = self.circle.len() / self.width;
        scores.par_chunks_mut(n_relations).enumerate().for_each(|(fact, scores)| {
            for (score, relation) in scores.iter_mut().zip(self.circle.chunks_exact(self.width)) {
                let moduli = (0..self.width / 2).map(|k| self.apart(fact, relation, k).2);
                *score = -moduli.sum::<f32>();
            }
        });
    }

    /// Gradients of heads, tails (overwritten, `[P, 2 dim]` each) and angles (added, `[R, dim]`), given that of the scores.
    pub(crate) fn backward(
        &self,
        d_scores: &[f32],
        d_heads: &mut [f32],
        d_tails: &mut [f32],
        d_angles: &mut [f32],
    ) {
        let (width, dim, n_relations) = (self.width, self.width / 2, self.circle.len() / self.width);
        let rows = d_heads.par_chunks_mut(width).zip(d_tails.par_chunks_mut(width)).enumerate();
        rows.for_each(|(fact, (d_head, d_tail))| {
            d_head.fill(0.0);
            d_tail.fill(0.0);
            let d_scores = &d_scores[fact * n_relations..][..n_relations];
            for (relation, d_score) in self.circle.chunks_exact(width).zip(d_scores) {
                for k in 0..dim {
                    let (x, y, modulus) = self.apart(fact, relation, k);
                    let (x, y) = (-d_score * x / modulus, -d_score * y / modulus);
                    d_head[k] += x * relation[k] + y * relation[dim + k];
                    d_head[dim + k] += y * relation[k] - x * relation[dim + k];
                    d_tail[k] -= x;
                    d_tail[dim + k] -= y;
                }
            }
        });
        d_angles.par_chunks_mut(dim).enumerate().for_each(|(at, d_angles)| {
            let relation = &self.circle[at * width..][..width];
            for fact in 0..self.heads.len() / width {
                let tail = &self.tails[fact * width..][..width];
                let d_score = d_scores[fact * n_relations + at];
                for (k, d_angle) in d_angles.iter_mut().enumerate() {
                    let (x, y, modulus) = self.apart(fact, relation, k);
                    // The rotated head moves at a right angle to itself.
                    let (real, imaginary) = (x + tail[k], y + tail[dim + k]);
                    *d_angle -= d_score * (y * real - x * imaginary) / modulus;
                }
            }
        });
    }

    // Real part, imaginary part and modulus of `h·e^{iθ} − t`.
    #[inline(always)]
    fn apart(&self, fact: usize, relation: &[f32], k: usize) -> (f32, f32, f32) {
        let dim = self.width / 2;
        let (head, tail) =
            (&self.heads[fact * self.width..][..self.width], &self.tails[fact * self.width..][..self.width]);
        let x = head[k] * relation[k] - head[dim + k] * relation[dim + k] - tail[k];
        let y = head[k] * relation[dim + k] + head[dim + k] * relation[k] - tail[dim + k];
        (x, y, (x * x + y * y + EPSILON).sqrt())
    }
}
