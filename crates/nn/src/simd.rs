//! Element-wise work compiled for the vectors of the machine it runs on.

/// An element-wise computation. `run`, and what it calls, must be `#[inline(always)]`: what is not inlined is compiled for
/// the portable instruction set, where a fused multiply-add is a call of the C library. (A closure cannot be marked so.)
pub(crate) trait Kernel {
    /// Computes it.
    fn run(self);
}

/// Runs a kernel compiled for the widest instruction set present (AVX-512, AVX2 with FMA, NEON, or the portable one).
pub(crate) fn vectorized(kernel: impl Kernel) {
    pulp::Arch::new().dispatch(WithFeatures(kernel));
}

struct WithFeatures<K>(K);

impl<K: Kernel> pulp::WithSimd for WithFeatures<K> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) {
        self.0.run();
    }
}

/// `sums[i] += values[i]`.
pub(crate) fn add(sums: &mut [f32], values: &[f32]) {
    struct Add<'a>(&'a mut [f32], &'a [f32]);

    impl Kernel for Add<'_> {
        #[inline(always)]
        fn run(self) {
            let Self(sums, values) = self;
            for (sum, value) in sums.iter_mut().zip(values) {
                *sum += value;
            }
        }
    }
    vectorized(Add(sums, values));
}

/// `sums[i] += factor · values[i]`.
pub fn add_scaled(sums: &mut [f32], factor: f32, values: &[f32]) {
    struct AddScaled<'a>(&'a mut [f32], f32, &'a [f32]);

    impl Kernel for AddScaled<'_> {
        #[inline(always)]
        fn run(self) {
            let Self(sums, factor, values) = self;
            for (sum, value) in sums.iter_mut().zip(values) {
                *sum = value.mul_add(factor, *sum);
            }
        }
    }
    vectorized(AddScaled(sums, factor, values));
}

/// Partial sums kept apart, so that a sum is vectorized and has one fixed order on every machine.
pub(crate) const LANES: usize = 16;

/// `Σ term(i)` over `0..n` in [`LANES`] partial sums.
#[inline(always)]
pub(crate) fn sum_of(n: usize, term: impl Fn(usize) -> f32) -> f32 {
    let mut sums = [0.0f32; LANES];
    let whole = n / LANES * LANES;
    for start in (0..whole).step_by(LANES) {
        for (lane, sum) in sums.iter_mut().enumerate() {
            *sum += term(start + lane);
        }
    }
    let mut total = 0.0;
    for at in whole..n {
        total += term(at);
    }
    for sum in sums {
        total += sum;
    }
    total
}

/// `e^x` to 2 units in the last place; 0 is never returned, arguments beyond ±87 are cut there.
///
/// Source: the polynomial of Cephes `expf` (Moshier); rounding by adding 1.5·2²³.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    const MAGIC: f32 = 12_582_912.0;
    let x = x.clamp(-87.0, 87.0);
    let shifted = x.mul_add(std::f32::consts::LOG2_E, MAGIC);
    let n = shifted - MAGIC;
    let r = n.mul_add(2.121_944_4e-4, n.mul_add(-0.693_359_4, x));
    let p = 1.987_569_2e-4_f32
        .mul_add(r, 1.398_199_9e-3)
        .mul_add(r, 8.333_452e-3)
        .mul_add(r, 4.166_579_6e-2)
        .mul_add(r, 1.666_666_5e-1)
        .mul_add(r, 0.5);
    let y = p.mul_add(r * r, r + 1.0);
    y * f32::from_bits((shifted.to_bits() << 23).wrapping_add(0x3f80_0000))
}

/// `ln(1 + x)` for x in [0, 1], to 2 units in the last place.
///
/// Source: `2·artanh(x / (2 + x))` by its series, whose argument is at most 1/3.
#[inline(always)]
pub(crate) fn ln_1p_of_fraction(x: f32) -> f32 {
    let z = x / (2.0 + x);
    let square = z * z;
    let p = (2.0 / 13.0f32)
        .mul_add(square, 2.0 / 11.0)
        .mul_add(square, 2.0 / 9.0)
        .mul_add(square, 2.0 / 7.0)
        .mul_add(square, 2.0 / 5.0)
        .mul_add(square, 2.0 / 3.0);
    (p * square).mul_add(z, 2.0 * z)
}

/// The normal distribution function `Φ(x)` and its density `φ(x)`.
///
/// Source: Abramowitz and Stegun 7.1.26, error below 1.5e-7.
#[inline(always)]
pub(crate) fn normal_cdf_and_density(x: f32) -> (f32, f32) {
    let z = x.abs() * std::f32::consts::FRAC_1_SQRT_2;
    let t = 1.0 / z.mul_add(0.327_591_1, 1.0);
    let p = 1.061_405_4_f32
        .mul_add(t, -1.453_152_1)
        .mul_add(t, 1.421_413_8)
        .mul_add(t, -0.284_496_72)
        .mul_add(t, 0.254_829_6);
    let falling = exp(-(z * z));
    let upper = 0.5 * p * t * falling; // 1 − Φ(|x|)
    let cdf = if x < 0.0 { upper } else { 1.0 - upper };
    (cdf, falling * 0.398_942_3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_within_two_units_of_the_last_place() {
        for step in -8_600..8_600 {
            let x = step as f32 / 100.0;
            let (received, expected) = (f64::from(exp(x)), f64::from(x).exp());
            assert!((received / expected - 1.0).abs() < 2.5e-7, "{x}: {received} instead of {expected}");
        }
        assert!(exp(f32::NAN).is_nan());
        assert!(exp(-1e30) < 1e-37);
    }

    #[test]
    fn the_logarithm_is_within_two_units_of_the_last_place() {
        for step in 1..=10_000 {
            let x = step as f32 / 10_000.0;
            let (received, expected) = (f64::from(ln_1p_of_fraction(x)), f64::from(x).ln_1p());
            assert!((received / expected - 1.0).abs() < 2.5e-7, "{x}: {received} instead of {expected}");
        }
        assert_eq!([0.0, 1e-30].map(ln_1p_of_fraction), [0.0, 1e-30]);
        assert!(ln_1p_of_fraction(f32::NAN).is_nan());
    }

    #[test]
    fn the_normal_distribution_has_its_table_values() {
        let expected =
            [(0.0, 0.5, 0.398_942_3), (1.0, 0.841_344_7, 0.241_970_7), (-2.0, 0.022_750_1, 0.053_990_97)];
        for (x, cdf, density) in expected {
            let received = normal_cdf_and_density(x);
            assert!(
                (received.0 - cdf).abs() < 3e-7 && (received.1 - density).abs() < 3e-7,
                "{x}: {received:?}"
            );
        }
    }

    #[test]
    fn sums_have_all_terms() {
        for n in [0, 1, 15, 16, 17, 100] {
            assert_eq!(sum_of(n, |at| at as f32), (0..n).sum::<usize>() as f32);
        }
    }
}
