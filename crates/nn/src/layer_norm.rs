//! Layer normalization: `y = (x − mean) / deviation · gain + bias`, per row.

use rand::Rng;

use crate::params::{Gradients, Init, ParamId, Params};
use crate::simd::{Kernel, sum_of, vectorized};

/// Layer normalization over rows of `width` values (Ba et al., 2016).
#[derive(Clone, Debug, PartialEq)]
pub struct LayerNorm {
    /// `[width]`.
    pub gain: ParamId,
    /// `[width]`.
    pub bias: ParamId,
    /// Values of a row.
    pub width: usize,
    /// Added to the variance, so that equal values do not divide by zero.
    pub epsilon: f32,
}

/// Mean and 1 / deviation of each row, for the backward pass.
pub type RowStats = Vec<[f32; 2]>;

/// What a forward pass read, with what it left: the way back starts from both.
#[derive(Clone, Copy, Debug)]
pub struct NormInput<'a> {
    /// `[N, width]`.
    pub x: &'a [f32],
    /// `[N]`, of these rows.
    pub stats: &'a RowStats,
}

impl LayerNorm {
    /// A layer that starts as plain standardization.
    pub fn new(params: &mut Params, name: &str, width: usize, epsilon: f32, rng: &mut impl Rng) -> Self {
        let gain = params.add(format!("{name}.weight"), &[width], Init::Ones, rng);
        let bias = params.add(format!("{name}.bias"), &[width], Init::Zeros, rng);
        Self { gain, bias, width, epsilon }
    }

    /// `x: [N, width]` → `y: [N, width]`; `stats` is overwritten with `[N]` entries.
    ///
    /// # Panics
    /// When the shapes do not fit.
    pub fn forward(&self, params: &Params, x: &[f32], y: &mut [f32], stats: &mut RowStats) {
        assert_eq!(x.len(), y.len(), "rows of layer norm");
        stats.clear();
        let (gain, bias) = (params.get(self.gain), params.get(self.bias));
        stats.resize(x.len() / self.width, [0.0; 2]);
        vectorized(NormalizeRows { epsilon: self.epsilon, gain, bias, x, y, stats });
    }

    /// Adds the gradients of gain and bias, given that of the output.
    ///
    /// # Panics
    /// When the shapes do not fit.
    pub fn parameter_gradients(&self, input: NormInput<'_>, dy: &[f32], gradients: &mut Gradients) {
        self.check(input, dy);
        if let Some(d_gain) = gradients.get_mut(self.gain) {
            vectorized(AddGainGradient { input, dy, d_gain });
        }
        if let Some(d_bias) = gradients.get_mut(self.bias) {
            crate::linear::add_column_sums(dy, d_bias);
        }
    }

    /// **Adds** the gradient of the input to `dx`, given that of the output: the stream around a block goes back both ways.
    ///
    /// # Panics
    /// When the shapes do not fit.
    pub fn add_input_gradient(&self, params: &Params, input: NormInput<'_>, dy: &[f32], dx: &mut [f32]) {
        self.check(input, dy);
        self.check(input, dx);
        vectorized(AddInputGradient { gain: params.get(self.gain), input, dy, dx });
    }

    fn check(&self, input: NormInput<'_>, rows: &[f32]) {
        let n = input.x.len();
        assert!(n == rows.len() && input.stats.len() * self.width == n, "rows of layer norm");
    }
}

struct NormalizeRows<'a> {
    epsilon: f32,
    gain: &'a [f32],
    bias: &'a [f32],
    x: &'a [f32],
    y: &'a mut [f32],
    stats: &'a mut [[f32; 2]],
}

impl Kernel for NormalizeRows<'_> {
    #[inline(always)]
    fn run(self) {
        let Self { epsilon, gain, bias, x, y, stats } = self;
        let width = gain.len();
        let n = width as f32;
        for ((x, y), stats) in x.chunks_exact(width).zip(y.chunks_exact_mut(width)).zip(stats) {
            let mean = sum_of(width, |at| x[at]) / n;
            let variance = sum_of(width, |at| (x[at] - mean) * (x[at] - mean)) / n;
            let inverse = 1.0 / (variance + epsilon).sqrt();
            for (((y, x), gain), bias) in y.iter_mut().zip(x).zip(gain).zip(bias) {
                *y = ((x - mean) * inverse).mul_add(*gain, *bias);
            }
            *stats = [mean, inverse];
        }
    }
}

struct AddGainGradient<'a> {
    input: NormInput<'a>,
    dy: &'a [f32],
    d_gain: &'a mut [f32],
}

impl Kernel for AddGainGradient<'_> {
    #[inline(always)]
    fn run(self) {
        let Self { input: NormInput { x, stats }, dy, d_gain } = self;
        let width = d_gain.len();
        for ((x, dy), &[mean, inverse]) in x.chunks_exact(width).zip(dy.chunks_exact(width)).zip(stats) {
            for ((sum, x), dy) in d_gain.iter_mut().zip(x).zip(dy) {
                *sum += dy * (x - mean) * inverse;
            }
        }
    }
}

struct AddInputGradient<'a> {
    gain: &'a [f32],
    input: NormInput<'a>,
    dy: &'a [f32],
    dx: &'a mut [f32],
}

impl Kernel for AddInputGradient<'_> {
    #[inline(always)]
    fn run(self) {
        let Self { gain, input: NormInput { x, stats }, dy, dx } = self;
        let width = gain.len();
        let n = width as f32;
        let rows = x.chunks_exact(width).zip(dy.chunks_exact(width)).zip(stats);
        for (((x, dy), &[mean, inverse]), dx) in rows.zip(dx.chunks_exact_mut(width)) {
            let d_mean = sum_of(width, |at| dy[at] * gain[at]) / n;
            let d_scale = sum_of(width, |at| dy[at] * gain[at] * (x[at] - mean) * inverse) / n;
            for (((dx, x), dy), gain) in dx.iter_mut().zip(x).zip(dy).zip(gain) {
                *dx += inverse * (dy * gain - d_mean - (x - mean) * inverse * d_scale);
            }
        }
    }
}
