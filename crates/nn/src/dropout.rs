//! Dropout whose mask is a function of a key: nothing is stored, and forward and backward are the same call.

use crate::simd::{Kernel, vectorized};

/// Which mask: derived from the seed, the step and the place, so that it does not depend on threads or on what ran before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DropoutKey(u64);

impl DropoutKey {
    /// Different seeds give independent masks.
    pub fn new(seed: u64) -> Self {
        Self(mix(seed))
    }

    /// The key of a part: a step, a lane, a layer, a site.
    #[must_use]
    pub fn of(self, part: u64) -> Self {
        Self(mix(self.0 ^ part.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
    }

    /// A number of 64 random bits, for draws that must not depend on a generator's state.
    pub fn number(self) -> u64 {
        mix(self.0)
    }
}

/// Sets each value to zero with probability `rate` and scales the others by `1 / (1 − rate)`; `rate` 0 changes nothing.
/// The backward pass is the same call on the gradient.
///
/// # Panics
/// When the rate is not in `[0, 1)`.
pub fn dropout(rate: f32, key: DropoutKey, x: &mut [f32]) {
    assert!((0.0..1.0).contains(&rate), "dropout rate {rate}");
    if rate == 0.0 {
        return;
    }
    let threshold = (f64::from(rate) * 2f64.powi(32)) as u32;
    let scale = 1.0 / (1.0 - rate);
    let (low, high) = (key.0 as u32, (key.0 >> 32) as u32);
    vectorized(MaskOut { x, low, high, threshold, scale });
}

struct MaskOut<'a> {
    x: &'a mut [f32],
    low: u32,
    high: u32,
    threshold: u32,
    scale: f32,
}

impl Kernel for MaskOut<'_> {
    #[inline(always)]
    fn run(self) {
        let Self { x, low, high, threshold, scale } = self;
        for (at, x) in x.iter_mut().enumerate() {
            let kept = hash(at as u32, low, high) >= threshold;
            *x *= if kept { scale } else { 0.0 };
        }
    }
}

// Two rounds of the finalizer of MurmurHash3 on the position, keyed between them; 32 bits, so that it is vectorized.
#[inline(always)]
fn hash(at: u32, low: u32, high: u32) -> u32 {
    let mut x = at.wrapping_mul(0x9e37_79b9) ^ low;
    x = (x ^ (x >> 16)).wrapping_mul(0x85eb_ca6b);
    x = (x ^ (x >> 13)).wrapping_mul(0xc2b2_ae35) ^ high;
    x = (x ^ (x >> 16)).wrapping_mul(0x85eb_ca6b);
    x ^ (x >> 15)
}

// One step of SplitMix64. Its constant goes first: the finalizer alone maps 0 to 0, and the masks of seed 0, step 0 and
// layer 0 would be one.
fn mix(mut x: u64) -> u64 {
    x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_met_the_mean_stays_and_keys_differ() {
        let mask = |key: DropoutKey| {
            let mut x = vec![1.0; 100_000];
            dropout(0.3, key, &mut x);
            x
        };
        let key = DropoutKey::new(7);
        let first = mask(key.of(1));
        let dropped = first.iter().filter(|&&x| x == 0.0).count() as f64 / 1e5;
        let mean = first.iter().map(|&x| f64::from(x)).sum::<f64>() / 1e5;
        assert!((dropped - 0.3).abs() < 0.006 && (mean - 1.0).abs() < 0.01, "{dropped} {mean}");
        assert_eq!(first, mask(key.of(1)), "the backward pass finds the same mask");
        let second = mask(key.of(2));
        let both = first.iter().zip(&second).filter(|&(&a, &b)| a == 0.0 && b == 0.0).count() as f64 / 1e5;
        assert!((both - 0.09).abs() < 0.004, "masks of two keys are independent: {both}");
    }

    #[test]
    fn keys_of_small_numbers_are_all_different() {
        let mut keys = Vec::new();
        for seed in 0..4 {
            let seed = DropoutKey::new(seed);
            keys.push(seed);
            for step in (0..8).map(|step| seed.of(step)) {
                keys.push(step);
                keys.extend((0..8).map(|layer| step.of(layer)));
            }
        }
        let distinct: std::collections::HashSet<u64> = keys.iter().map(|key| key.0).collect();
        assert_eq!(distinct.len(), keys.len());
    }
}
