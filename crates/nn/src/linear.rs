//! `y = x · Wᵀ + b`, with low-rank deltas where a frozen weight is adapted.

use rand::Rng;

use crate::low_rank::{LowRank, LowRankConfig};
use crate::matmul::{Matrix, MatrixMut, add_matmul, matmul};
use crate::params::{Gradients, Init, ParamId, Params};
use crate::simd::{Kernel, vectorized};

/// How wide a linear layer is on both sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinearShape {
    /// Values of an input row.
    pub n_in: usize,
    /// Values of an output row.
    pub n_out: usize,
}

/// A linear layer; `W` is `[n_out, n_in]` as in `PyTorch`.
#[derive(Clone, Debug, PartialEq)]
pub struct Linear {
    /// `[n_out, n_in]`.
    pub weight: ParamId,
    /// `[n_out]`.
    pub bias: Option<ParamId>,
    /// Values of an input row.
    pub n_in: usize,
    /// Values of an output row.
    pub n_out: usize,
    /// Low-rank additions to parts of the output; empty where the layer is not adapted.
    pub deltas: Vec<LowRank>,
}

impl Linear {
    /// A layer with normal weights of deviation `deviation` and zero bias.
    pub fn new(
        params: &mut Params,
        name: &str,
        shape: LinearShape,
        deviation: f32,
        rng: &mut impl Rng,
    ) -> Self {
        let LinearShape { n_in, n_out } = shape;
        let weight = params.add(format!("{name}.weight"), &[n_out, n_in], Init::Normal(deviation), rng);
        let bias = Some(params.add(format!("{name}.bias"), &[n_out], Init::Zeros, rng));
        Self { weight, bias, n_in, n_out, deltas: Vec::new() }
    }

    /// Adds a low-rank delta; it changes nothing until `B` is trained.
    pub fn add_low_rank(
        &mut self,
        params: &mut Params,
        name: &str,
        config: LowRankConfig,
        rng: &mut impl Rng,
    ) {
        self.deltas.push(LowRank::new(params, name, self.n_in, config, rng));
    }

    /// As [`add_low_rank`](Self::add_low_rank), with singular values (`AdaLoRA`); it changes nothing until they are trained.
    pub fn add_singular(
        &mut self,
        params: &mut Params,
        name: &str,
        config: LowRankConfig,
        rng: &mut impl Rng,
    ) {
        self.deltas.push(LowRank::with_singular_values(params, name, self.n_in, config, rng));
    }

    /// Adds the low-rank deltas to the weight and drops them.
    pub fn merge(&mut self, params: &mut Params) {
        for delta in std::mem::take(&mut self.deltas) {
            delta.merge(params, self.weight, self.n_in);
        }
    }

    /// `x: [N, n_in]` → `y: [N, n_out]`.
    ///
    /// # Panics
    /// When the shapes do not fit.
    pub fn forward(&self, params: &Params, x: &[f32], y: &mut [f32]) {
        let n = self.n_rows(x, y);
        let weight = Matrix::new(params.get(self.weight), self.n_out, self.n_in, self.n_in);
        let x = Matrix::new(x, n, self.n_in, self.n_in);
        if let Some(bias) = self.bias {
            let bias = params.get(bias);
            y.chunks_exact_mut(self.n_out).for_each(|row| row.copy_from_slice(bias));
            add_matmul(MatrixMut::new(y, self.n_out), 1.0, x, weight.t());
        } else {
            matmul(MatrixMut::new(y, self.n_out), 1.0, x, weight.t());
        }
        for delta in &self.deltas {
            delta.forward(params, x, y, self.n_out);
        }
    }

    /// Adds the gradients of the parameters, given the input and the gradient of the output. The other half of the way
    /// back is [`input_gradient`](Self::input_gradient), which a first layer does not need.
    ///
    /// # Panics
    /// When the shapes do not fit.
    pub fn parameter_gradients(&self, params: &Params, x: &[f32], dy: &[f32], gradients: &mut Gradients) {
        let n = self.n_rows(x, dy);
        let x = Matrix::new(x, n, self.n_in, self.n_in);
        let dy_matrix = Matrix::new(dy, n, self.n_out, self.n_out);
        if let Some(gradient) = gradients.get_mut(self.weight) {
            add_matmul(MatrixMut::new(gradient, self.n_in), 1.0, dy_matrix.t(), x);
        }
        if let Some(gradient) = self.bias.and_then(|bias| gradients.get_mut(bias)) {
            add_column_sums(dy, gradient);
        }
        for delta in &self.deltas {
            delta.backward(params, x, dy_matrix.columns(delta.rows.clone()), gradients);
        }
    }

    /// The gradient of the input into `dx`, which is overwritten.
    ///
    /// # Panics
    /// When the shapes do not fit.
    pub fn input_gradient(&self, params: &Params, dy: &[f32], dx: &mut [f32]) {
        let n = self.n_rows(dx, dy);
        let dy = Matrix::new(dy, n, self.n_out, self.n_out);
        matmul(
            MatrixMut::new(dx, self.n_in),
            1.0,
            dy,
            Matrix::new(params.get(self.weight), self.n_out, self.n_in, self.n_in),
        );
        for delta in &self.deltas {
            delta.input_gradient(params, dy.columns(delta.rows.clone()), dx, self.n_in);
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

/// `sums[j] += Σ_i rows[i, j]`.
pub(crate) fn add_column_sums(rows: &[f32], sums: &mut [f32]) {
    struct ColumnSums<'a>(&'a [f32], &'a mut [f32]);

    impl Kernel for ColumnSums<'_> {
        #[inline(always)]
        fn run(self) {
            let Self(rows, sums) = self;
            for row in rows.chunks_exact(sums.len()) {
                for (sum, value) in sums.iter_mut().zip(row) {
                    *sum += value;
                }
            }
        }
    }
    vectorized(ColumnSums(rows, sums));
}
