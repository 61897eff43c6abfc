//! Layer normalization: `y = (x − mean) / deviation · gain + bias`, per row.

use rand::Rng;

use crate::params::{Gradients, Init, ParamId, Params};
use crate::simd::{sum_of, vectorized};

/// Layer normalization over rows of `width` values (Ba et al., 2016).
#[derive(Clone, Debug, PartialEq)]
pub struct LayerNorm {
    /// `[width]`.
    pub gain: ParamId,
    /// `[width]`.
    pub bias: ParamId,
    /// Width of a row.
    pub width: usize,
    /// Added to the variance.
    pub epsilon: f32,
}

/// Mean and 1 / deviation of each row, for the backward pass.
pub type RowStats = Vec<[f32; 2]>;

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
        vectorized(
            #[inline(always)]
            || {
                for (x, y) in x.chunks_exact(self.width).zip(y.chunks_exact_mut(self.width)) {
                    let [mean, inverse] = self.stats_of(x);
                    for (((y, x), gain), bias) in y.iter_mut().zip(x).zip(gain).zip(bias) {
                        *y = ((x - mean) * inverse).mul_add(*gain, *bias);
                    }
                    stats.push([mean, inverse]);
                }
            },
        );
    }

    #[inline(always)]
    fn stats_of(&self, x: &[f32]) -> [f32; 2] {
        let n = self.width as f32;
        let mean = sum_of(x.len(), |at| x[at]) / n;
        let variance = sum_of(x.len(), |at| (x[at] - mean) * (x[at] - mean)) / n;
        [mean, 1.0 / (variance + self.epsilon).sqrt()]
    }

    /// Adds the gradients of gain and bias, and **adds** the gradient of the input to `dx`.
    ///
    /// # Panics
    /// When the shapes do not fit.
    pub fn backward(
        &self,
        params: &Params,
        (x, stats): (&[f32], &RowStats),
        dy: &[f32],
        dx: &mut [f32],
        gradients: &mut Gradients,
    ) {
        assert!(
            x.len() == dy.len() && x.len() == dx.len() && stats.len() * self.width == x.len(),
            "rows of layer norm"
        );
        let gain = params.get(self.gain);
        let rows = || x.chunks_exact(self.width).zip(dy.chunks_exact(self.width)).zip(stats);
        if let Some(d_gain) = gradients.get_mut(self.gain) {
            vectorized(
                #[inline(always)]
                || {
                    for ((x, dy), &[mean, inverse]) in rows() {
                        for ((sum, x), dy) in d_gain.iter_mut().zip(x).zip(dy) {
                            *sum += dy * (x - mean) * inverse;
                        }
                    }
                },
            );
        }
        if let Some(d_bias) = gradients.get_mut(self.bias) {
            crate::linear::add_column_sums(dy, d_bias);
        }
        let n = self.width as f32;
        vectorized(
            #[inline(always)]
            || {
                for (((x, dy), &[mean, inverse]), dx) in rows().zip(dx.chunks_exact_mut(self.width)) {
                    let normed = |at: usize| (x[at] - mean) * inverse;
                    let d_mean = sum_of(x.len(), |at| dy[at] * gain[at]) / n;
                    let d_scale = sum_of(x.len(), |at| dy[at] * gain[at] * normed(at)) / n;
                    for at in 0..dx.len() {
                        dx[at] += inverse * (dy[at] * gain[at] - d_mean - normed(at) * d_scale);
                    }
                }
            },
        );
    }
}
