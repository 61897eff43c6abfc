//! Another sampling rate by a windowed sinc (Smith, "Digital Audio Resampling").

use segue_nn::dot;

/// Zero crossings of the sinc on either side.
const CROSSINGS: f64 = 24.0;
/// Share of the lower rate's band that is kept; above it the filter falls.
const KEPT: f64 = 0.94;
/// Shape of the Kaiser window: some 80 dB between what is kept and what is not.
const BETA: f64 = 8.0;

/// `samples` at rate `from` as they would have been taken at rate `to`; as long in seconds.
pub fn resample(samples: &[f32], from: u32, to: u32) -> Vec<f32> {
    if from == to || samples.is_empty() || from == 0 || to == 0 {
        return samples.to_vec();
    }
    let shared = greatest_common_divisor(from, to);
    let (up, down) = ((to / shared) as usize, (from / shared) as usize);
    let cutoff = KEPT * f64::min(1.0, f64::from(to) / f64::from(from));
    let half = (CROSSINGS / cutoff).ceil();
    let n_taps = 2 * half as usize + 1;
    // The filter for every phase that occurs, `[up, n_taps]`.
    let mut filters = Vec::with_capacity(up * n_taps);
    for phase in 0..up {
        let shift = phase as f64 / up as f64;
        let taps: Vec<f64> =
            (0..n_taps).map(|tap| cutoff * kernel(tap as f64 - half - shift, cutoff, half)).collect();
        let sum: f64 = taps.iter().sum(); // a constant stays as it is
        filters.extend(taps.iter().map(|tap| (tap / sum) as f32));
    }
    let mut padded = vec![0.0; half as usize];
    padded.extend_from_slice(samples);
    padded.resize(samples.len() + n_taps, 0.0);
    let n = (samples.len() as u64 * up as u64).div_ceil(down as u64);
    let sample = |at: u64| {
        let place = at * down as u64;
        let (first, phase) = ((place / up as u64) as usize, (place % up as u64) as usize);
        dot(&filters[phase * n_taps..(phase + 1) * n_taps], &padded[first..first + n_taps])
    };
    (0..n).map(sample).collect()
}

// `sinc(cutoff · t)` under a Kaiser window that ends at `half`.
fn kernel(t: f64, cutoff: f64, half: f64) -> f64 {
    let x = std::f64::consts::PI * cutoff * t;
    let sinc = if x.abs() < 1e-9 { 1.0 } else { x.sin() / x };
    let place = t / (half + 1.0);
    sinc * bessel(BETA * (1.0 - place * place).max(0.0).sqrt()) / bessel(BETA)
}

// The modified Bessel function I₀ by its series.
fn bessel(x: f64) -> f64 {
    let (mut term, mut sum) = (1.0, 1.0);
    for n in 1..40 {
        term *= (x / (2.0 * f64::from(n))).powi(2);
        sum += term;
    }
    sum
}

fn greatest_common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(rate: u32, frequency: f64, seconds: f64) -> Vec<f32> {
        let n = (f64::from(rate) * seconds) as usize;
        (0..n)
            .map(|at| (std::f64::consts::TAU * frequency * at as f64 / f64::from(rate)).sin() as f32)
            .collect()
    }

    #[test]
    fn tones_keep_their_frequency_and_height() {
        for from in [8_000, 11_025, 22_050, 44_100, 48_000, 44_101] {
            let received = resample(&tone(from, 1_000.0, 0.5), from, 16_000);
            let expected = tone(16_000, 1_000.0, 0.5);
            assert!(received.len().abs_diff(expected.len()) <= 1, "{from}");
            let inner = 200..7_800; // the ends hear the silence outside
            let apart = inner.map(|at| (received[at] - expected[at]).abs()).fold(0.0, f32::max);
            assert!(apart < 1e-3, "from {from}: {apart}");
        }
    }

    #[test]
    fn what_the_lower_rate_cannot_hold_is_silent() {
        let received = resample(&tone(44_100, 10_000.0, 0.5), 44_100, 16_000);
        let loudest = received[200..7_800].iter().fold(0.0f32, |max, x| max.max(x.abs()));
        assert!(loudest < 2e-3, "{loudest}");
        assert_eq!(resample(&[1.0, 2.0], 16_000, 16_000), [1.0, 2.0]);
    }
}
