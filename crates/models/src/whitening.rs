//! Whitening: vectors whose directions have equal variance, so that a cosine is not ruled by what all texts share.
//!
//! Pretrained encoders put all texts into a narrow cone; removing the mean and scaling the principal directions opens it
//! (Su et al., 2021, "Whitening sentence representations"). PCA and ZCA whitening differ by a rotation only, which no cosine
//! sees; this is the PCA form, whose first components can be kept alone.

use segue_nn::{Matrix, matmul_parallel, symmetric_eigen};
use serde::{Deserialize, Serialize};

/// Settings of [`Spectrum::whiten`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Whitening {
    /// Principal directions kept; 0 = all.
    pub n_components: usize,
    /// Added to every variance, relative to the mean variance: 0 = full whitening, large = none but the mean removed.
    pub regularization: f32,
}

/// Mean and principal directions of vectors.
#[derive(Clone, Debug, PartialEq)]
pub struct Spectrum {
    dim: usize,
    mean: Vec<f32>,       // [dim]
    directions: Vec<f32>, // [dim, dim], rows, largest variance first
    variances: Vec<f64>,  // [dim]
}

impl Spectrum {
    /// Fits on the rows of `vectors: [n, dim]` that `rows` names; rows of zeros (no text) are left out. `None` when fewer than
    /// two are left.
    ///
    /// # Panics
    /// When a row is out of range.
    pub fn fit(vectors: &[f32], dim: usize, rows: impl Iterator<Item = usize>) -> Option<Self> {
        let row = |at: usize| &vectors[at * dim..(at + 1) * dim];
        let used: Vec<usize> = rows.filter(|&at| row(at).iter().any(|&x| x != 0.0)).collect();
        if used.len() < 2 {
            return None;
        }
        let n = used.len();
        let mut sums = vec![0.0f64; dim];
        for &at in &used {
            sums.iter_mut().zip(row(at)).for_each(|(sum, &x)| *sum += f64::from(x));
        }
        let mean: Vec<f32> = sums.iter().map(|sum| (sum / n as f64) as f32).collect();
        let mut centered = vec![0.0f32; dim * n]; // [dim, n]
        for (place, &at) in used.iter().enumerate() {
            for (d, (x, mean)) in row(at).iter().zip(&mean).enumerate() {
                centered[d * n + place] = x - mean;
            }
        }
        let centered = Matrix::new(&centered, dim, n, n);
        let mut covariance = vec![0.0f32; dim * dim];
        matmul_parallel(&mut covariance, centered, centered.t());
        let covariance = covariance.iter().map(|&x| f64::from(x) / n as f64).collect();
        let (variances, directions) = symmetric_eigen(covariance, dim);
        let directions = directions.iter().map(|&x| x as f32).collect();
        Some(Self { dim, mean, directions, variances })
    }

    /// The same directions with one variance for all that have any.
    #[must_use]
    pub fn with_equal_variances(mut self) -> Self {
        let typical = self.variances.iter().map(|v| v.max(0.0)).sum::<f64>() / self.dim as f64;
        // Directions without variance carry rounding only.
        self.variances.iter_mut().for_each(|v| *v = if *v > 1e-7 * typical { typical } else { 0.0 });
        self
    }

    /// The mean, `[dim]`.
    pub fn mean(&self) -> &[f32] {
        &self.mean
    }

    /// `(Λ + r · mean(Λ))^−½ · Uᵀ`, `[k, dim]`, and the number of components `k`.
    pub fn transform(&self, whitening: Whitening) -> (Vec<f32>, usize) {
        let dim = self.dim;
        let typical = self.variances.iter().map(|v| v.max(0.0)).sum::<f64>() / dim as f64;
        // Directions without variance carry rounding only.
        let kept = self.variances.iter().take_while(|&&v| v > 1e-7 * typical).count();
        let k = if whitening.n_components == 0 { kept } else { whitening.n_components.min(kept) };
        let mut transform = vec![0.0f32; k * dim]; // [k, dim]
        for (at, out) in transform.chunks_exact_mut(dim).enumerate() {
            let scale =
                1.0 / (self.variances[at] + f64::from(whitening.regularization) * typical).sqrt().max(1e-12);
            let direction = &self.directions[at * dim..(at + 1) * dim];
            out.iter_mut().zip(direction).for_each(|(out, x)| *out = (f64::from(*x) * scale) as f32);
        }
        (transform, k)
    }

    /// `normalize((Λ + r · mean(Λ))^−½ · Uᵀ · (x − mean))` for every row; rows of zeros stay zero.
    ///
    /// # Shapes
    /// `vectors` is `[n, dim]`; the result is `[n, k]` with the number of components `k` beside it.
    ///
    /// # Panics
    /// When `vectors` has another width.
    pub fn whiten(&self, vectors: &[f32], whitening: Whitening) -> (Vec<f32>, usize) {
        let dim = self.dim;
        assert_eq!(vectors.len() % dim, 0, "vectors of {dim} values");
        let (transform, k) = self.transform(whitening);
        let n = vectors.len() / dim;
        let mut centered = vectors.to_vec();
        centered.chunks_exact_mut(dim).filter(|row| row.iter().any(|&x| x != 0.0)).for_each(|row| {
            row.iter_mut().zip(&self.mean).for_each(|(x, mean)| *x -= mean);
        });
        let mut white = vec![0.0f32; n * k];
        matmul_parallel(
            &mut white,
            Matrix::new(&centered, n, dim, dim),
            Matrix::new(&transform, k, dim, dim).t(),
        );
        if k > 0 {
            white.chunks_exact_mut(k).for_each(normalize);
        }
        (white, k)
    }
}

pub(crate) fn normalize(row: &mut [f32]) {
    let length = row.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt();
    if length > 1e-6 {
        row.iter_mut().for_each(|x| *x = (f64::from(*x) / length) as f32);
    } else {
        row.fill(0.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Rows with one strong shared direction and weak others.
    fn cone(n: usize, dim: usize) -> Vec<f32> {
        let noise = |at: usize| ((at * 7919 % 1009) as f32 / 1009.0 - 0.5) * (1.0 + (at % dim) as f32);
        (0..n * dim).map(|at| 20.0 + noise(at)).collect()
    }

    #[test]
    fn whitened_directions_have_equal_variance_and_no_correlation() {
        let (n, dim) = (400, 6);
        let vectors = cone(n, dim);
        let spectrum = Spectrum::fit(&vectors, dim, 0..n).unwrap();
        // Undo the last step: before normalization the covariance is the identity. Here by the formula itself.
        let mut covariance = vec![0.0f64; dim * dim];
        for row in vectors.chunks_exact(dim) {
            let white: Vec<f64> = (0..dim)
                .map(|k| {
                    let direction = &spectrum.directions[k * dim..(k + 1) * dim];
                    let along: f64 = row
                        .iter()
                        .zip(&spectrum.mean)
                        .zip(direction)
                        .map(|((x, m), u)| f64::from(x - m) * f64::from(*u))
                        .sum();
                    along / spectrum.variances[k].sqrt()
                })
                .collect();
            (0..dim * dim).for_each(|at| covariance[at] += white[at / dim] * white[at % dim] / n as f64);
        }
        for (at, value) in covariance.iter().enumerate() {
            assert!((value - f64::from(at / dim == at % dim)).abs() < 1e-3, "{at}: {value}");
        }
    }

    #[test]
    fn equal_variances_leave_all_cosines_of_centered_rows() {
        let (n, dim) = (60, 5);
        let vectors = cone(n, dim);
        let spectrum = Spectrum::fit(&vectors, dim, 0..n).unwrap().with_equal_variances();
        let (white, k) = spectrum.whiten(&vectors, Whitening { n_components: 0, regularization: 0.1 });
        let centered: Vec<f64> =
            vectors.iter().enumerate().map(|(at, x)| f64::from(x - spectrum.mean[at % dim])).collect();
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        for (i, j) in [(0, 1), (2, 17), (5, 59)] {
            let (a, b) = (&centered[i * dim..][..dim], &centered[j * dim..][..dim]);
            let expected = dot(a, b) / (dot(a, a) * dot(b, b)).sqrt();
            let received: f32 = (0..k).map(|d| white[i * k + d] * white[j * k + d]).sum();
            assert!((f64::from(received) - expected).abs() < 1e-4, "{received} {expected}");
        }
    }

    #[test]
    fn rows_get_length_one_and_rows_without_text_stay_zero() {
        let (n, dim) = (50, 5);
        let mut vectors = cone(n, dim);
        vectors[..dim].fill(0.0);
        let spectrum = Spectrum::fit(&vectors, dim, 0..n).unwrap();
        for n_components in [0, 2, 99] {
            let whitening = Whitening { n_components, regularization: 0.1 };
            let (white, k) = spectrum.whiten(&vectors, whitening);
            assert_eq!(k, if n_components == 2 { 2 } else { dim });
            assert_eq!(white[..k], vec![0.0; k]);
            for row in white[k..].chunks_exact(k) {
                assert!((row.iter().map(|x| x * x).sum::<f32>() - 1.0).abs() < 1e-5);
            }
        }
        assert!(Spectrum::fit(&vectors, dim, 0..2).is_none(), "one row with text is not enough");
    }
}
