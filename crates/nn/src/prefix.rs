//! Prefix tuning: trained keys and values in front of every sequence.

use rand::Rng;

use crate::attention::{PrefixGradients, PrefixRows};
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
    pub fn new(params: &mut Params, name: &str, n_prefix: usize, width: usize, rng: &mut impl Rng) -> Self {
        let keys = params.add(format!("{name}.keys"), &[n_prefix, width], Init::Normal(0.02), rng);
        let values = params.add(format!("{name}.values"), &[n_prefix, width], Init::Zeros, rng);
        Self { keys, values }
    }

    /// Keys and values as attention reads them.
    pub fn rows<'p>(&self, params: &'p Params) -> PrefixRows<'p> {
        PrefixRows { keys: params.get(self.keys), values: params.get(self.values) }
    }

    /// Where the gradients of its arrays are added.
    pub fn gradients<'g>(&self, gradients: &'g mut Gradients) -> PrefixGradients<'g> {
        let [keys, values] = gradients.pair_mut(self.keys, Some(self.values));
        PrefixGradients { keys, values }
    }
}
