//! Layers that treat every row alone: linear with its deltas, norm, GELU, adapter, dropout.

use segue_nn::adapter::{Adapter, AdapterCache};
use segue_nn::dropout::{DropoutKey, dropout};
use segue_nn::gelu::{gelu, gelu_backward};
use segue_nn::layer_norm::{LayerNorm, NormInput, RowStats};
use segue_nn::linear::{Linear, LinearShape};
use segue_nn::low_rank::{LowRank, LowRankConfig};
use segue_nn::{Gradients, Params};

use crate::subject::{Layer, Reach, Rows, Subject};
use crate::subjects::generator;

// ---- linear

impl Layer for Linear {
    fn forward(&self, params: &Params, x: &[f32], _: &[usize]) -> Vec<f32> {
        let mut y = vec![f32::NAN; x.len() / self.n_in * self.n_out];
        Self::forward(self, params, x, &mut y);
        y
    }

    fn backward(
        &self,
        params: &Params,
        Rows { x, .. }: Rows<'_>,
        dy: &[f32],
        gradients: &mut Gradients,
    ) -> Vec<f32> {
        let mut dx = vec![f32::NAN; x.len()];
        self.parameter_gradients(params, x, dy, gradients);
        self.input_gradient(params, dy, &mut dx);
        dx
    }
}

pub(crate) fn linear(n_deltas: usize) -> Subject {
    let (mut params, mut rng) = (Params::new(), generator());
    let mut layer = Linear::new(&mut params, "linear", LinearShape { n_in: 5, n_out: 7 }, 0.4, &mut rng);
    let rows = if n_deltas == 1 { [0..7, 0..0] } else { [0..2, 4..7] };
    for (at, rows) in rows.into_iter().take(n_deltas).enumerate() {
        layer.add_low_rank(
            &mut params,
            &format!("delta{at}"),
            LowRankConfig { rank: 3, scale: 0.7, rows },
            &mut rng,
        );
    }
    let name = ["linear", "linear with a delta", "linear with deltas on some rows"][n_deltas];
    Subject { module: "linear", name, params, n_in: 5, reach: Reach::Row, layer: Box::new(layer) }.stirred()
}

pub(crate) fn linear_without_bias() -> Subject {
    let (mut params, mut rng) = (Params::new(), generator());
    let weight = params.add("weight", &[7, 5], segue_nn::Init::Normal(0.4), &mut rng);
    let layer = Linear { weight, bias: None, n_in: 5, n_out: 7, deltas: Vec::new() };
    let name = "linear without bias";
    Subject { module: "linear", name, params, n_in: 5, reach: Reach::Row, layer: Box::new(layer) }
}

// ---- low rank

pub(crate) fn singular() -> Subject {
    let (mut params, mut rng) = (Params::new(), generator());
    let mut layer = Linear::new(&mut params, "linear", LinearShape { n_in: 5, n_out: 7 }, 0.4, &mut rng);
    for (at, rows) in [0..2, 4..7].into_iter().enumerate() {
        layer.add_singular(
            &mut params,
            &format!("delta{at}"),
            LowRankConfig { rank: 3, scale: 0.7, rows },
            &mut rng,
        );
    }
    let name = "linear with deltas that have singular values";
    Subject { module: "low_rank", name, params, n_in: 5, reach: Reach::Row, layer: Box::new(layer) }.stirred()
}

/// The penalty of a delta, times the sum of the input.
struct Orthogonality(LowRank);

impl Layer for Orthogonality {
    fn forward(&self, params: &Params, x: &[f32], _: &[usize]) -> Vec<f32> {
        let penalty = self.0.add_orthogonality(params, 1.0, &mut params.gradients());
        vec![penalty as f32 * x.iter().sum::<f32>()]
    }

    fn backward(
        &self,
        params: &Params,
        Rows { x, .. }: Rows<'_>,
        dy: &[f32],
        gradients: &mut Gradients,
    ) -> Vec<f32> {
        let weight = dy[0] * x.iter().sum::<f32>();
        self.0.add_orthogonality(params, weight, gradients);
        let penalty = self.0.add_orthogonality(params, 1.0, &mut params.gradients());
        vec![dy[0] * penalty as f32; x.len()]
    }
}

pub(crate) fn orthogonality() -> Subject {
    let (mut params, mut rng) = (Params::new(), generator());
    let delta =
        LowRank::new(&mut params, "delta", 5, LowRankConfig { rank: 3, scale: 0.7, rows: 0..4 }, &mut rng);
    let (name, layer) = ("distance from orthonormal", Box::new(Orthogonality(delta)));
    Subject { module: "low_rank", name, params, n_in: 2, reach: Reach::Batch, layer }.stirred()
}

// ---- layer norm

impl Layer for LayerNorm {
    fn forward(&self, params: &Params, x: &[f32], _: &[usize]) -> Vec<f32> {
        let mut y = vec![f32::NAN; x.len()];
        Self::forward(self, params, x, &mut y, &mut RowStats::new());
        y
    }

    fn backward(
        &self,
        params: &Params,
        Rows { x, .. }: Rows<'_>,
        dy: &[f32],
        gradients: &mut Gradients,
    ) -> Vec<f32> {
        let mut stats = RowStats::new();
        Self::forward(self, params, x, &mut vec![0.0; x.len()], &mut stats);
        let (input, mut dx) = (NormInput { x, stats: &stats }, vec![1.0; x.len()]); // it adds
        self.parameter_gradients(input, dy, gradients);
        self.add_input_gradient(params, input, dy, &mut dx);
        dx.iter().map(|dx| dx - 1.0).collect()
    }
}

pub(crate) fn layer_norm() -> Subject {
    let mut params = Params::new();
    let layer = LayerNorm::new(&mut params, "norm", 19, 1e-5, &mut generator());
    let name = "layer norm";
    Subject { module: "layer_norm", name, params, n_in: 19, reach: Reach::Row, layer: Box::new(layer) }
        .stirred()
}

// ---- GELU

/// GELU of scaled inputs, so that its flat ends are seen.
pub(crate) struct Elementwise {
    pub(crate) scale: f32,
}

impl Layer for Elementwise {
    fn forward(&self, _: &Params, x: &[f32], _: &[usize]) -> Vec<f32> {
        let mut y = vec![f32::NAN; x.len()];
        gelu(&x.iter().map(|x| self.scale * x).collect::<Vec<_>>(), &mut y);
        y
    }

    fn backward(&self, _: &Params, Rows { x, .. }: Rows<'_>, dy: &[f32], _: &mut Gradients) -> Vec<f32> {
        let (mut y, mut dx) = (vec![f32::NAN; x.len()], dy.to_vec());
        let x: Vec<f32> = x.iter().map(|x| self.scale * x).collect();
        gelu_backward(&x, &mut y, &mut dx);
        let mut forward = vec![f32::NAN; x.len()];
        gelu(&x, &mut forward);
        assert_eq!(y, forward, "the output given again");
        dx.iter().map(|dx| self.scale * dx).collect()
    }
}

pub(crate) fn elementwise() -> Subject {
    let (name, params) = ("GELU", Params::new());
    Subject {
        module: "gelu",
        name,
        params,
        n_in: 6,
        reach: Reach::Row,
        layer: Box::new(Elementwise { scale: 3.0 }),
    }
}

// ---- adapter

impl Layer for Adapter {
    fn forward(&self, params: &Params, x: &[f32], _: &[usize]) -> Vec<f32> {
        let mut y = x.to_vec();
        Self::forward(self, params, &mut y, &mut AdapterCache::default());
        y
    }

    fn backward(
        &self,
        params: &Params,
        Rows { x, .. }: Rows<'_>,
        dy: &[f32],
        gradients: &mut Gradients,
    ) -> Vec<f32> {
        let mut cache = AdapterCache::default();
        Self::forward(self, params, &mut x.to_vec(), &mut cache);
        let mut dx = dy.to_vec();
        Self::backward(self, params, &mut dx, &cache, gradients);
        dx
    }
}

pub(crate) fn adapter() -> Subject {
    let mut params = Params::new();
    let layer = Box::new(Adapter::new(&mut params, "adapter", 6, 4, &mut generator()));
    Subject { module: "adapter", name: "adapter", params, n_in: 6, reach: Reach::Row, layer }.stirred()
}

// ---- dropout

struct Dropped;

impl Layer for Dropped {
    fn forward(&self, _: &Params, x: &[f32], _: &[usize]) -> Vec<f32> {
        let mut y = x.to_vec();
        dropout(0.3, DropoutKey::new(3).of(1), &mut y);
        y
    }

    fn backward(&self, params: &Params, _: Rows<'_>, dy: &[f32], _: &mut Gradients) -> Vec<f32> {
        self.forward(params, dy, &[])
    }
}

pub(crate) fn dropped() -> Subject {
    let (name, params) = ("dropout", Params::new());
    Subject { module: "dropout", name, params, n_in: 4, reach: Reach::Batch, layer: Box::new(Dropped) }
}
