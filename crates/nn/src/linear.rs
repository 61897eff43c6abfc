//! `y = x · Wᵀ + b`, with low-rank deltas where a frozen weight is adapted.

use std::ops::Range;

use rand::Rng;

use crate::matmul::{Matrix, matmul};
use crate::params::{Gradients, Init, ParamId, Params};
use crate::simd::vectorized;

/// A linear layer; `W` is `[n_out, n_in]` as in PyTorch.
#[derive(Clone, Debug, PartialEq)]
pub struct Linear {
    /// `[n_out, n_in]`.
    pub weight: ParamId,
    /// `[n_out]`.
    pub bias: Option<ParamId>,
    /// Width of the input.
    pub n_in: usize,
    /// Width of the output.
    pub n_out: usize,
    /// Additions to parts of the output.
    pub deltas: Vec<LowRank>,
}

/// `y[:, rows] += scale · (x · Aᵀ) · Bᵀ` (LoRA: Hu et al., 2021, equation 3).
#[derive(Clone, Debug, PartialEq)]
pub struct LowRank {
    /// `[rank, n_in]`.
    pub a: ParamId,
    /// `[rows, rank]`, zero at the start.
    pub b: ParamId,
    /// Rank.
    pub rank: usize,
    /// `alpha / rank`.
    pub scale: f32,
    /// Outputs that it adds to.
    pub rows: Range<usize>,
}

impl Linear {
    /// A layer with normal weights of deviation `deviation` and zero bias.
    pub fn new(
        params: &mut Params,
        name: &str,
        (n_in, n_out): (usize, usize),
        deviation: f32,
        rng: &mut impl Rng,
    ) -> Self {
        let weight = params.add(format!("{name}.weight"), &[n_out, n_in], Init::Normal(deviation), rng);
        let bias = Some(params.add(format!("{name}.bias"), &[n_out], Init::Zeros, rng));
        Self { weight, bias, n_in, n_out, deltas: Vec::new() }
    }

    /// Adds a low-rank delta to the outputs `rows`; it changes nothing until `B` is trained.
    pub fn add_low_rank(
        &mut self,
        params: &mut Params,
        name: &str,
        (rank, scale): (usize, f32),
        rows: Range<usize>,
        rng: &mut impl Rng,
    ) {
        let deviation = 1.0 / (self.n_in as f32).sqrt();
        let a = params.add(format!("{name}.lora_A.weight"), &[rank, self.n_in], Init::Normal(deviation), rng);
        let b = params.add(format!("{name}.lora_B.weight"), &[rows.len(), rank], Init::Zeros, rng);
        self.deltas.push(LowRank { a, b, rank, scale, rows });
    }

    /// `x: [N, n_in]` → `y: [N, n_out]`.
    ///
    /// # Panics
    /// When the shapes do not fit.
    pub fn forward(&self, params: &Params, x: &[f32], y: &mut [f32]) {
        let n = self.n_rows(x, y);
        let mut keep = 0.0;
        if let Some(bias) = self.bias {
            let bias = params.get(bias);
            y.chunks_exact_mut(self.n_out).for_each(|row| row.copy_from_slice(bias));
            keep = 1.0;
        }
        let weight = Matrix::new(params.get(self.weight), self.n_out, self.n_in, self.n_in);
        let x = Matrix::new(x, n, self.n_in, self.n_in);
        matmul(keep, y, self.n_out, 1.0, x, weight.t());
        for delta in &self.deltas {
            let xa = delta.inner(params, x, n); // [N, rank]
            let b = Matrix::new(params.get(delta.b), delta.rows.len(), delta.rank, delta.rank);
            let y = if n == 0 { &mut [][..] } else { &mut y[delta.rows.start..] };
            matmul(1.0, y, self.n_out, delta.scale, Matrix::new(&xa, n, delta.rank, delta.rank), b.t());
        }
    }

    /// Adds the gradients of the parameters; `dx`, if wanted, is overwritten.
    ///
    /// # Panics
    /// When the shapes do not fit.
    pub fn backward(
        &self,
        params: &Params,
        x: &[f32],
        dy: &[f32],
        dx: Option<&mut [f32]>,
        gradients: &mut Gradients,
    ) {
        let n = self.n_rows(x, dy);
        let x = Matrix::new(x, n, self.n_in, self.n_in);
        let dy_matrix = Matrix::new(dy, n, self.n_out, self.n_out);
        if let Some(gradient) = gradients.get_mut(self.weight) {
            matmul(1.0, gradient, self.n_in, 1.0, dy_matrix.t(), x);
        }
        if let Some(gradient) = self.bias.and_then(|bias| gradients.get_mut(bias)) {
            add_column_sums(dy, gradient);
        }
        for delta in &self.deltas {
            delta.backward(params, x, dy_matrix.columns(delta.rows.clone()), gradients);
        }
        if let Some(dx) = dx {
            self.input_gradient(params, dy, dx);
        }
    }

    /// The gradient of the input alone, into `dx`.
    ///
    /// # Panics
    /// When the shapes do not fit.
    pub fn input_gradient(&self, params: &Params, dy: &[f32], dx: &mut [f32]) {
        let n = self.n_rows(dx, dy);
        let dy = Matrix::new(dy, n, self.n_out, self.n_out);
        matmul(
            0.0,
            dx,
            self.n_in,
            1.0,
            dy,
            Matrix::new(params.get(self.weight), self.n_out, self.n_in, self.n_in),
        );
        for delta in &self.deltas {
            let d_inner = delta.inner_gradient(params, dy.columns(delta.rows.clone())); // [N, rank]
            let a = Matrix::new(params.get(delta.a), delta.rank, self.n_in, self.n_in);
            matmul(1.0, dx, self.n_in, 1.0, Matrix::new(&d_inner, n, delta.rank, delta.rank), a);
        }
    }

    fn n_rows(&self, x: &[f32], y: &[f32]) -> usize {
        let n = x.len() / self.n_in;
        assert!(
            x.len() == n * self.n_in && y.len() == n * self.n_out,
            "rows of linear {}→{}",
            self.n_in,
            self.n_out
        );
        n
    }
}

impl LowRank {
    fn inner(&self, params: &Params, x: Matrix<'_>, n: usize) -> Vec<f32> {
        let mut xa = vec![0.0; n * self.rank];
        let a = Matrix::new(params.get(self.a), self.rank, x.n_cols(), x.n_cols());
        matmul(0.0, &mut xa, self.rank, 1.0, x, a.t());
        xa
    }

    fn inner_gradient(&self, params: &Params, dy: Matrix<'_>) -> Vec<f32> {
        let b = Matrix::new(params.get(self.b), self.rows.len(), self.rank, self.rank);
        let mut d_inner = vec![0.0; dy.n_rows() * self.rank];
        matmul(0.0, &mut d_inner, self.rank, self.scale, dy, b);
        d_inner
    }

    fn backward(&self, params: &Params, x: Matrix<'_>, dy: Matrix<'_>, gradients: &mut Gradients) {
        let (n, n_in) = (x.n_rows(), x.n_cols());
        if let Some(gradient) = gradients.get_mut(self.b) {
            let xa = self.inner(params, x, n); // [N, rank]
            matmul(1.0, gradient, self.rank, self.scale, dy.t(), Matrix::new(&xa, n, self.rank, self.rank));
        }
        if let Some(gradient) = gradients.get_mut(self.a) {
            let d_inner = self.inner_gradient(params, dy); // [N, rank]
            matmul(1.0, gradient, n_in, 1.0, Matrix::new(&d_inner, n, self.rank, self.rank).t(), x);
        }
    }
}

/// `sums[j] += Σ_i rows[i, j]`.
pub(crate) fn add_column_sums(rows: &[f32], sums: &mut [f32]) {
    vectorized(
        #[inline(always)]
        || {
            for row in rows.chunks_exact(sums.len()) {
                for (sum, value) in sums.iter_mut().zip(row) {
                    *sum += value;
                }
            }
        },
    );
}
