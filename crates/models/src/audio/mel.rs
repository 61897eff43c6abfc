//! Mel spectrograms: the power of overlapping frames in bands as the ear spaces them.

use segue_nn::{Matrix, MatrixMut, matmul};

/// Sampling rate of everything that is analyzed here, samples a second.
pub const RATE: u32 = 16_000;

/// Frames tile by tile: their samples stay near the processor.
const FRAMES_PER_TILE: usize = 64;

/// Short-time analysis with a Hann window and Slaney's mel bands of equal area (as `librosa` has them by default).
#[derive(Clone, Debug)]
pub struct MelSpectrogram {
    n_window: usize,
    hop: usize,
    n_bins: usize,
    n_bands: usize,
    basis: Vec<f32>,   // [n_window, 2 · n_bins]: cosines, then sines, under the window
    filters: Vec<f32>, // [n_bins, n_bands]
}

impl MelSpectrogram {
    /// Windows of `n_window` samples every `hop` samples, in `n_bands` bands from 0 to 8 kHz.
    ///
    /// # Panics
    /// When a size is zero.
    pub fn new(n_window: usize, hop: usize, n_bands: usize) -> Self {
        assert!(n_window > 1 && hop > 0 && n_bands > 0, "{n_window} samples every {hop} in {n_bands} bands");
        let n_bins = n_window / 2 + 1;
        let mut basis = Vec::with_capacity(n_window * 2 * n_bins);
        for at in 0..n_window {
            let turn = std::f64::consts::TAU / n_window as f64;
            let window = 0.5 - 0.5 * (turn * at as f64).cos();
            // The angle of a whole turn more is the same, and smaller numbers are exact.
            let angle = |bin: usize| turn * (at * bin % n_window) as f64;
            basis.extend((0..n_bins).map(|bin| (window * angle(bin).cos()) as f32));
            basis.extend((0..n_bins).map(|bin| (window * angle(bin).sin()) as f32));
        }
        Self { n_window, hop, n_bins, n_bands, basis, filters: filters(n_window, n_bands) }
    }

    /// Frames of a sound of this many samples.
    pub fn n_frames(&self, n_samples: usize) -> usize {
        n_samples / self.hop + 1
    }

    /// Power in every band, `[n_frames, n_bands]`. The first frame is centered at the first sample; the sound is mirrored at its ends
    /// (silence where it is too short for that).
    pub fn power(&self, samples: &[f32]) -> Vec<f32> {
        let half = self.n_window / 2;
        let mut padded = Vec::with_capacity(samples.len() + self.n_window);
        let mirrored = |at: usize| samples.get(at).copied().filter(|_| samples.len() > half).unwrap_or(0.0);
        padded.extend((1..=half).rev().map(mirrored));
        padded.extend_from_slice(samples);
        padded.extend((0..half).map(|at| mirrored(samples.len().wrapping_sub(2 + at))));
        let n_frames = self.n_frames(samples.len());
        padded.resize(((n_frames - 1) * self.hop + self.n_window).max(padded.len()), 0.0);
        let mut power = vec![0.0; n_frames * self.n_bands];
        let basis = Matrix::new(&self.basis, self.n_window, 2 * self.n_bins, 2 * self.n_bins);
        let filters = Matrix::new(&self.filters, self.n_bins, self.n_bands, self.n_bands);
        let mut frames = Vec::new(); // [n, n_window]
        let mut waves = vec![0.0; FRAMES_PER_TILE * 2 * self.n_bins]; // [n, 2 · n_bins]
        let mut bins = vec![0.0; FRAMES_PER_TILE * self.n_bins]; // [n, n_bins]
        for (tile, power) in power.chunks_mut(FRAMES_PER_TILE * self.n_bands).enumerate() {
            let n = power.len() / self.n_bands;
            frames.clear();
            for at in 0..n {
                let start = (tile * FRAMES_PER_TILE + at) * self.hop;
                frames.extend_from_slice(&padded[start..start + self.n_window]);
            }
            let rows = Matrix::new(&frames, n, self.n_window, self.n_window);
            matmul(MatrixMut::new(&mut waves, 2 * self.n_bins), 1.0, rows, basis);
            for (wave, bins) in waves.chunks_exact(2 * self.n_bins).zip(bins.chunks_exact_mut(self.n_bins)) {
                let (real, imaginary) = wave.split_at(self.n_bins);
                for ((bin, a), b) in bins.iter_mut().zip(real).zip(imaginary) {
                    *bin = a * a + b * b;
                }
            }
            let bins = Matrix::new(&bins, n, self.n_bins, self.n_bins);
            matmul(MatrixMut::new(power, self.n_bands), 1.0, bins, filters);
        }
        power
    }
}

// Slaney's scale (Auditory Toolbox, 1998): linear below 1 kHz, logarithmic above.
fn hertz(mel: f64) -> f64 {
    const STEP: f64 = 200.0 / 3.0;
    if mel < 15.0 { STEP * mel } else { 1000.0 * ((mel - 15.0) * 6.4f64.ln() / 27.0).exp() }
}

fn mel(hertz: f64) -> f64 {
    if hertz < 1000.0 { hertz * 3.0 / 200.0 } else { 15.0 + (hertz / 1000.0).ln() * 27.0 / 6.4f64.ln() }
}

// Triangles of equal area, `[n_bins, n_bands]`.
fn filters(n_window: usize, n_bands: usize) -> Vec<f32> {
    let top = mel(f64::from(RATE) / 2.0);
    let edges: Vec<f64> = (0..n_bands + 2).map(|at| hertz(top * at as f64 / (n_bands + 1) as f64)).collect();
    let mut filters = Vec::new();
    for bin in 0..=n_window / 2 {
        let frequency = bin as f64 * f64::from(RATE) / n_window as f64;
        filters.extend(edges.windows(3).map(|edge| {
            let rising = (frequency - edge[0]) / (edge[1] - edge[0]);
            let falling = (edge[2] - frequency) / (edge[2] - edge[1]);
            (rising.min(falling).max(0.0) * 2.0 / (edge[2] - edge[0])) as f32
        }));
    }
    filters
}

#[cfg(test)]
mod tests {
    use super::*;

    // The definition, in f64: mirrored ends, Hann window, discrete Fourier transform, triangles.
    fn definition(samples: &[f32], n_window: usize, hop: usize, n_bands: usize) -> Vec<f64> {
        let n = samples.len() as i64;
        let sample = |at: i64| {
            let at = if at < 0 {
                -at
            } else if at >= n {
                2 * (n - 1) - at
            } else {
                at
            };
            f64::from(samples[at as usize])
        };
        let filters = filters(n_window, n_bands);
        let mut power = Vec::new();
        for frame in 0..=samples.len() / hop {
            let bins: Vec<f64> = (0..=n_window / 2)
                .map(|bin| {
                    let (mut real, mut imaginary) = (0.0, 0.0);
                    for at in 0..n_window {
                        let angle = std::f64::consts::TAU * at as f64 / n_window as f64;
                        let x = sample((frame * hop + at) as i64 - (n_window / 2) as i64)
                            * (0.5 - 0.5 * angle.cos());
                        real += x * (angle * bin as f64).cos();
                        imaginary += x * (angle * bin as f64).sin();
                    }
                    real * real + imaginary * imaginary
                })
                .collect();
            power.extend((0..n_bands).map(|band| {
                bins.iter()
                    .enumerate()
                    .map(|(bin, x)| x * f64::from(filters[bin * n_bands + band]))
                    .sum::<f64>()
            }));
        }
        power
    }

    #[test]
    fn power_equals_the_definition_for_any_length() {
        for (n, n_window, hop) in [(1_000, 64, 16), (333, 50, 20), (40, 64, 16)] {
            let samples: Vec<f32> = (0..n).map(|at| ((at * at % 97) as f32 - 48.0) / 48.0).collect();
            let received = MelSpectrogram::new(n_window, hop, 6).power(&samples);
            let expected = definition(&samples, n_window, hop, 6);
            assert_eq!(received.len(), expected.len());
            let largest = expected.iter().fold(0.0f64, |max, x| max.max(*x));
            for (received, expected) in received.iter().zip(expected) {
                assert!(
                    (f64::from(*received) - expected).abs() < 1e-5 * largest,
                    "{received} instead of {expected}"
                );
            }
        }
        assert_eq!(MelSpectrogram::new(64, 16, 4).power(&[1.0]).len(), 4, "one sample has one frame");
    }

    #[test]
    fn bands_have_the_edges_of_slaney() {
        // The scale's own formula in f64, worked out in another program.
        let top = mel(8_000.0);
        let edges: Vec<f64> = (0..4).map(|at| hertz(top * f64::from(at) / 3.0)).collect();
        assert!((top - 45.245_640_47).abs() < 1e-6, "{top}");
        assert!(
            (edges[1] - 1_005.645_281).abs() < 1e-4 && (edges[2] - 2_836.399_522).abs() < 1e-4,
            "{edges:?}"
        );
    }
}
