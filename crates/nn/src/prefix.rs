//! Prefix tuning: trained keys and values in front of every sequence.

use rand::Rng;

use crate::attention::PrefixRows;
use crate::params::{Gradients, Init, ParamId, Params};

/// Keys and values of one block that every position of every sequence sees (Li and Liang, 2021; trained as they are, without the
/// network that the paper derives them from).
#[derive(Clone, Debug, PartialEq)]
pub struct Prefix {
    /// `[n_prefix, width]`.
    pub keys: ParamId,
    /// `[n_prefix, width]`, zero at the start.
    pub values: ParamId,
}

impl Prefix {
    /// A prefix of `n_prefix` rows; arrays `NAME.keys` and `NAME.values`. Its values are zero at the start: what it changes then
    /// is the share of attention that its rows take.
    pub fn new(
        params: &mut Params,
        name: &str,
        (n_prefix, width): (usize, usize),
        rng: &mut impl Rng,
    ) -> Self {
        let keys = params.add(format!("{name}.keys"), &[n_prefix, width], Init::Normal(0.02), rng);
        let values = params.add(format!("{name}.values"), &[n_prefix, width], Init::Zeros, rng);
        Self { keys, values }
    }

    /// Its numbers.
    pub fn rows<'p>(&self, params: &'p Params) -> PrefixRows<'p> {
        PrefixRows { keys: params.get(self.keys), values: params.get(self.values) }
    }

    /// Where its gradients are added, keys and values; `None` where they are frozen.
    pub fn gradients<'g>(&self, gradients: &'g mut Gradients) -> [Option<&'g mut [f32]>; 2] {
        gradients.pair_mut(self.keys, Some(self.values))
    }
}
