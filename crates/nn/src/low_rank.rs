//! Low-rank additions to a frozen linear layer: `LoRA`, and `AdaLoRA` with its singular values.

use std::ops::Range;

use rand::Rng;

use crate::matmul::{Matrix, MatrixMut, add_matmul, matmul};
use crate::params::{Gradients, Init, ParamId, Params};

/// How large a delta is, what it is multiplied by, and which outputs it adds to.
#[derive(Clone, Debug, PartialEq)]
pub struct LowRankConfig {
    /// Rank, at least 1.
    pub rank: usize,
    /// `alpha / rank`.
    pub scale: f32,
    /// Places in an output row.
    pub rows: Range<usize>,
}

/// `y[:, rows] += scale · (x · Aᵀ) · Λ · Bᵀ`: with Λ = 1 `LoRA` (Hu et al., 2021, equation 3), with singular values `AdaLoRA`
/// (Zhang et al., 2023, equation 3, where B is P and A is Q).
#[derive(Clone, Debug, PartialEq)]
pub struct LowRank {
    /// `[rank, n_in]`.
    pub a: ParamId,
    /// `[rows, rank]`; zero at the start where there are no singular values.
    pub b: ParamId,
    /// Λ, `[rank, 1]`, zero at the start; `None` = 1.
    pub singular: Option<ParamId>,
    /// How many pairs of vectors it consists of, at least 1.
    pub rank: usize,
    /// `alpha / rank`.
    pub scale: f32,
    /// Outputs that it adds to.
    pub rows: Range<usize>,
}

impl LowRank {
    /// `LoRA`: arrays `NAME.lora_A.weight` and `NAME.lora_B.weight`, the names of Hugging Face's PEFT.
    pub fn new(
        params: &mut Params,
        name: &str,
        n_in: usize,
        config: LowRankConfig,
        rng: &mut impl Rng,
    ) -> Self {
        let LowRankConfig { rank, scale, rows } = config;
        let a = params.add(format!("{name}.lora_A.weight"), &[rank, n_in], unit_length(n_in), rng);
        let b = params.add(format!("{name}.lora_B.weight"), &[rows.len(), rank], Init::Zeros, rng);
        Self { a, b, singular: None, rank, scale, rows }
    }

    /// `AdaLoRA`: arrays `NAME.lora_A`, `NAME.lora_B` and `NAME.lora_E`, the names of Hugging Face's PEFT. The vectors have
    /// about length 1 at the start, which is what [`add_orthogonality`](Self::add_orthogonality) holds them to.
    pub fn with_singular_values(
        params: &mut Params,
        name: &str,
        n_in: usize,
        config: LowRankConfig,
        rng: &mut impl Rng,
    ) -> Self {
        let LowRankConfig { rank, scale, rows } = config;
        let a = params.add(format!("{name}.lora_A"), &[rank, n_in], unit_length(n_in), rng);
        let b = params.add(format!("{name}.lora_B"), &[rows.len(), rank], unit_length(rows.len()), rng);
        let singular = Some(params.add(format!("{name}.lora_E"), &[rank, 1], Init::Zeros, rng));
        Self { a, b, singular, rank, scale, rows }
    }

    // `x: [N, n_in]` adds to `y: [N, n_out]`.
    pub(crate) fn forward(&self, params: &Params, x: Matrix<'_>, y: &mut [f32], n_out: usize) {
        let n = x.n_rows();
        if n == 0 {
            return;
        }
        let mut inner = self.inner(params, x); // [N, rank]
        self.scale_by_singular(params, &mut inner);
        let inner = Matrix::new(&inner, n, self.rank, self.rank);
        add_matmul(
            MatrixMut::new(&mut y[self.rows.start..], n_out),
            self.scale,
            inner,
            self.b_of(params).t(),
        );
    }

    // From `dy: [N, rows]`, adds to `dx: [N, n_in]`.
    pub(crate) fn input_gradient(&self, params: &Params, dy: Matrix<'_>, dx: &mut [f32], n_in: usize) {
        let mut d_inner = self.scaled_gradient(params, dy); // [N, rank]
        self.scale_by_singular(params, &mut d_inner);
        let d_inner = Matrix::new(&d_inner, dy.n_rows(), self.rank, self.rank);
        add_matmul(
            MatrixMut::new(dx, n_in),
            1.0,
            d_inner,
            Matrix::new(params.get(self.a), self.rank, n_in, n_in),
        );
    }

    // Adds the gradients of A, B and the singular values, from `dy: [N, rows]`.
    pub(crate) fn backward(&self, params: &Params, x: Matrix<'_>, dy: Matrix<'_>, gradients: &mut Gradients) {
        let (n, n_in) = (x.n_rows(), x.n_cols());
        let mut inner = self.inner(params, x); // [N, rank]
        let mut d_inner = self.scaled_gradient(params, dy); // [N, rank], of Λ · inner
        if let Some(gradient) = self.singular.and_then(|singular| gradients.get_mut(singular)) {
            for (inner, d) in inner.chunks_exact(self.rank).zip(d_inner.chunks_exact(self.rank)) {
                for ((sum, inner), d) in gradient.iter_mut().zip(inner).zip(d) {
                    *sum += inner * d;
                }
            }
        }
        if let Some(gradient) = gradients.get_mut(self.b) {
            self.scale_by_singular(params, &mut inner);
            let inner = Matrix::new(&inner, n, self.rank, self.rank);
            add_matmul(MatrixMut::new(gradient, self.rank), self.scale, dy.t(), inner);
        }
        if let Some(gradient) = gradients.get_mut(self.a) {
            self.scale_by_singular(params, &mut d_inner);
            add_matmul(
                MatrixMut::new(gradient, n_in),
                1.0,
                Matrix::new(&d_inner, n, self.rank, self.rank).t(),
                x,
            );
        }
    }

    /// How far the singular vectors are from orthonormal, `weight · (‖BᵀB − 1‖² + ‖AAᵀ − 1‖²)` (Zhang et al., 2023, equation 4);
    /// its gradients are added.
    pub fn add_orthogonality(&self, params: &Params, weight: f32, gradients: &mut Gradients) -> f64 {
        let of_a = orthogonality(params.get(self.a), self.rank, Lie::Rows, weight, gradients.get_mut(self.a));
        let of_b =
            orthogonality(params.get(self.b), self.rank, Lie::Columns, weight, gradients.get_mut(self.b));
        of_a + of_b
    }

    // `weight[rows] += scale · B · Λ · A`.
    pub(crate) fn merge(&self, params: &mut Params, weight: ParamId, n_in: usize) {
        let mut b = params.get(self.b).to_vec(); // [rows, rank]
        self.scale_by_singular(params, &mut b);
        let a = params.get(self.a).to_vec(); // [rank, n_in]
        let b = Matrix::new(&b, self.rows.len(), self.rank, self.rank);
        let rows = &mut params.get_mut(weight)[self.rows.start * n_in..self.rows.end * n_in];
        add_matmul(MatrixMut::new(rows, n_in), self.scale, b, Matrix::new(&a, self.rank, n_in, n_in));
    }

    fn b_of<'p>(&self, params: &'p Params) -> Matrix<'p> {
        Matrix::new(params.get(self.b), self.rows.len(), self.rank, self.rank)
    }

    fn inner(&self, params: &Params, x: Matrix<'_>) -> Vec<f32> {
        let mut inner = vec![0.0; x.n_rows() * self.rank];
        let a = Matrix::new(params.get(self.a), self.rank, x.n_cols(), x.n_cols());
        matmul(MatrixMut::new(&mut inner, self.rank), 1.0, x, a.t());
        inner
    }

    fn scaled_gradient(&self, params: &Params, dy: Matrix<'_>) -> Vec<f32> {
        let mut d_inner = vec![0.0; dy.n_rows() * self.rank];
        matmul(MatrixMut::new(&mut d_inner, self.rank), self.scale, dy, self.b_of(params));
        d_inner
    }

    // Columns of `[.., rank]` by their singular values.
    fn scale_by_singular(&self, params: &Params, values: &mut [f32]) {
        let Some(singular) = self.singular else { return };
        for row in values.chunks_exact_mut(self.rank) {
            row.iter_mut().zip(params.get(singular)).for_each(|(value, singular)| *value *= singular);
        }
    }
}

fn unit_length(n: usize) -> Init {
    Init::Normal(1.0 / (n as f32).sqrt())
}

/// How the vectors of a matrix lie in it.
#[derive(Clone, Copy, PartialEq)]
enum Lie {
    Rows,
    Columns,
}

// `weight · ‖V·Vᵀ − 1‖²` of the `rank` vectors V in `values`, and its gradient `4 · weight · (V·Vᵀ − 1) · V`.
fn orthogonality(values: &[f32], rank: usize, lie: Lie, weight: f32, gradient: Option<&mut [f32]>) -> f64 {
    let length = values.len() / rank;
    let (matrix, vectors) = match lie {
        Lie::Rows => {
            let matrix = Matrix::new(values, rank, length, length);
            (matrix, matrix)
        }
        Lie::Columns => {
            let matrix = Matrix::new(values, length, rank, rank);
            (matrix, matrix.t())
        }
    };
    let mut apart = vec![0.0; rank * rank]; // V·Vᵀ − 1, symmetric
    matmul(MatrixMut::new(&mut apart, rank), 1.0, vectors, vectors.t());
    (0..rank).for_each(|at| apart[at * (rank + 1)] -= 1.0);
    if let Some(gradient) = gradient {
        let apart = Matrix::new(&apart, rank, rank, rank);
        match lie {
            Lie::Rows => add_matmul(MatrixMut::new(gradient, length), 4.0 * weight, apart, matrix),
            Lie::Columns => add_matmul(MatrixMut::new(gradient, rank), 4.0 * weight, matrix, apart),
        }
    }
    f64::from(weight) * apart.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>()
}
