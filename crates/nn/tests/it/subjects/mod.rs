//! All layers, each in the forms that take different paths through it. A new public layer is added here.

mod rows;
mod sequences;
mod sets;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use segue_nn::attention::Mask;
use segue_nn::block::NormOrder;
use segue_nn::distance::Distance;

use crate::losses::losses;
use crate::subject::Subject;
use rows::{adapter, dropped, elementwise, layer_norm, linear, linear_without_bias, orthogonality, singular};
use sequences::{attention, block, block_with_parts, prefixed_attention};
use sets::{distances, fusion, neighborhood};

pub(crate) use rows::Elementwise;
pub(crate) use sequences::Prefixed;
pub(crate) use sets::{Fused, Neighbors};

pub(crate) fn subjects() -> Vec<Subject> {
    let mut all = vec![linear(0), linear(1), linear(2), linear_without_bias()];
    all.extend([singular(), orthogonality(), layer_norm(), elementwise(), adapter()]);
    for mask in [Mask::Causal, Mask::Bidirectional] {
        all.extend([attention(mask), prefixed_attention(mask)]);
        all.extend([NormOrder::Pre, NormOrder::Post].map(|order| block_with_parts(mask, order)));
    }
    for mask in [Mask::Causal, Mask::Bidirectional] {
        for order in [NormOrder::Pre, NormOrder::Post] {
            all.extend([block(mask, order, 0.0), block(mask, order, 0.3)]);
        }
    }
    all.push(dropped());
    all.extend([Distance::CityBlock, Distance::ComplexModulus].map(distances));
    all.extend([fusion(false), fusion(true), neighborhood()]);
    all.extend(losses());
    all
}

pub(crate) fn generator() -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(11)
}
