//! Bottleneck adapters: a narrow two-layer network beside a frozen one.

use rand::Rng;

use crate::gelu::{gelu, gelu_backward};
use crate::linear::{Linear, LinearShape};
use crate::params::{Gradients, Init, Params};
use crate::simd::add;

/// `y = x + up(gelu(down(x)))` (Houlsby et al., 2019), which stands after the second half of a block, before its residual is
/// added (Pfeiffer et al., 2021). It changes nothing until `up` is trained.
#[derive(Clone, Debug, PartialEq)]
pub struct Adapter {
    /// width → bottleneck.
    pub down: Linear,
    /// bottleneck → width, zero at the start.
    pub up: Linear,
}

/// What the forward pass leaves for the backward pass.
#[derive(Clone, Debug, Default)]
pub struct AdapterCache {
    input: Vec<f32>,  // [N, width]
    hidden: Vec<f32>, // [N, bottleneck], before GELU
}

impl Adapter {
    /// An adapter of a stream of `width` with `bottleneck` values in between; arrays `NAME.down.*` and `NAME.up.*`.
    pub fn new(params: &mut Params, name: &str, width: usize, bottleneck: usize, rng: &mut impl Rng) -> Self {
        let deviation = 1.0 / (width as f32).sqrt();
        let shape = LinearShape { n_in: width, n_out: bottleneck };
        let down = Linear::new(params, &format!("{name}.down"), shape, deviation, rng);
        let weight = params.add(format!("{name}.up.weight"), &[width, bottleneck], Init::Zeros, rng);
        let bias = Some(params.add(format!("{name}.up.bias"), &[width], Init::Zeros, rng));
        let up = Linear { weight, bias, n_in: bottleneck, n_out: width, deltas: Vec::new() };
        Self { down, up }
    }

    /// `x: [N, width]`, in place.
    pub fn forward(&self, params: &Params, x: &mut [f32], cache: &mut AdapterCache) {
        let n = x.len() / self.down.n_in;
        cache.input.clear();
        cache.input.extend_from_slice(x);
        cache.hidden.resize(n * self.down.n_out, 0.0);
        self.down.forward(params, x, &mut cache.hidden);
        let mut activated = vec![0.0; cache.hidden.len()]; // [N, bottleneck]
        gelu(&cache.hidden, &mut activated);
        let mut change = vec![0.0; x.len()]; // [N, width]
        self.up.forward(params, &activated, &mut change);
        add(x, &change);
    }

    /// The gradient of the output in `dx` becomes that of the input; gradients of the parameters are added.
    pub fn backward(&self, params: &Params, dx: &mut [f32], cache: &AdapterCache, gradients: &mut Gradients) {
        let mut activated = vec![0.0; cache.hidden.len()]; // [N, bottleneck]
        let mut d_hidden = vec![0.0; cache.hidden.len()]; // [N, bottleneck]
        // The weight gradient of `up` needs the activation, which comes with the derivative: input gradient first.
        self.up.input_gradient(params, dx, &mut d_hidden);
        gelu_backward(&cache.hidden, &mut activated, &mut d_hidden);
        self.up.parameter_gradients(params, &activated, dx, gradients);
        self.down.parameter_gradients(params, &cache.input, &d_hidden, gradients);
        let mut d_input = vec![0.0; dx.len()]; // [N, width]
        self.down.input_gradient(params, &d_hidden, &mut d_input);
        add(dx, &d_input);
    }
}
