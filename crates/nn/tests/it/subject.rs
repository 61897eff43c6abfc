//! A layer as the suite sees it: rows in, rows out, and the way back.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use segue_nn::{Gradients, Params};

/// Rows of sequences, one behind the other.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a> {
    /// `[N, n_in]`.
    pub(crate) x: &'a [f32],
    /// Of the sequences; N is their sum.
    pub(crate) lengths: &'a [usize],
}

/// One layer, or one loss whose only output is a number.
pub(crate) trait Layer {
    /// From `x: [N, n_in]`, N = Σ lengths.
    fn forward(&self, params: &Params, x: &[f32], lengths: &[usize]) -> Vec<f32>;

    /// The gradient of the input, from that of the output; gradients of parameters are added.
    fn backward(&self, params: &Params, input: Rows<'_>, dy: &[f32], gradients: &mut Gradients) -> Vec<f32>;
}

/// What an output row may depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Its own input row.
    Row,
    /// Rows of its sequence up to itself.
    Past,
    /// All rows of its sequence.
    Sequence,
    /// Anything, also the row's position: losses, and layers with dropout.
    Batch,
}

/// A layer in one form, with the arrays it reads.
pub(crate) struct Subject {
    /// The module of the crate that it tests.
    pub(crate) module: &'static str,
    pub(crate) name: &'static str,
    pub(crate) params: Params,
    pub(crate) n_in: usize,
    pub(crate) reach: Reach,
    pub(crate) layer: Box<dyn Layer>,
}

/// Output, gradient of the input, gradients of the parameters.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Pass {
    pub(crate) y: Vec<f32>,
    pub(crate) dx: Vec<f32>,
    pub(crate) gradients: Gradients,
}

impl Subject {
    /// An input for sequences of these lengths.
    pub(crate) fn input(&self, lengths: &[usize], seed: u64) -> Vec<f32> {
        numbers(lengths.iter().sum::<usize>() * self.n_in, seed)
    }

    pub(crate) fn forward(&self, x: &[f32], lengths: &[usize]) -> Vec<f32> {
        self.layer.forward(&self.params, x, lengths)
    }

    /// Forward and back; the gradient of the output is drawn from a fixed seed.
    pub(crate) fn pass(&self, x: &[f32], lengths: &[usize]) -> Pass {
        let y = self.forward(x, lengths);
        let dy = projection(y.len());
        let mut gradients = self.params.gradients();
        let dx = self.layer.backward(&self.params, Rows { x, lengths }, &dy, &mut gradients);
        assert_eq!(dx.len(), x.len(), "{}: gradient of the input", self.name);
        Pass { y, dx, gradients }
    }

    /// Changes all arrays, so that none is at a special value like zero or one.
    pub(crate) fn stirred(mut self) -> Self {
        for (at, array) in self.params.arrays_mut().iter_mut().enumerate() {
            let noise = numbers(array.values.len(), 900 + at as u64);
            array.values.iter_mut().zip(noise).for_each(|(value, noise)| *value += 0.3 * noise);
        }
        self
    }
}

/// The gradient of the output: the loss of the suite is `Σ r·y`.
pub(crate) fn projection(n: usize) -> Vec<f32> {
    numbers(n, 5)
}

/// Numbers in (−1, 1).
pub(crate) fn numbers(n: usize, seed: u64) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..n).map(|_| rng.random_range(-1.0..1.0)).collect()
}

/// The distance of two vectors over the length of the second, in f64.
pub(crate) fn relative_distance(received: &[f32], expected: &[f32]) -> f64 {
    assert_eq!(received.len(), expected.len());
    let squares = |values: &mut dyn Iterator<Item = f64>| values.map(|x| x * x).sum::<f64>();
    let pairs = || received.iter().zip(expected);
    let apart = squares(&mut pairs().map(|(a, b)| f64::from(*a) - f64::from(*b)));
    let length = squares(&mut expected.iter().map(|b| f64::from(*b)));
    if apart == 0.0 { 0.0 } else { (apart / length.max(1e-30)).sqrt() }
}
