//! Layers that only run forward: no gradient, so no place in `subjects/`. Each is held to its definition, written as plain
//! loops in f64 and without any of the crate's code, and to giving an image the same numbers whatever else is in the batch.

use segue_nn::activation::{Activation, ScaleShift, add_bias};
use segue_nn::convolution::{Convolution, Frame, Padding};
use segue_nn::depthwise::Depthwise;
use segue_nn::pooling::{max_of_places, mean_of_places};

use crate::subject::{numbers, relative_distance};

type Run = Box<dyn Fn(&[f32]) -> Vec<f32>>;

/// A layer in one form beside its definition; both take whole images one behind the other.
pub(crate) struct InferenceSubject {
    /// The module of the crate that it tests.
    pub(crate) module: &'static str,
    name: String,
    n_in: usize,
    forward: Run,
    definition: Run,
}

pub(crate) fn inference_subjects() -> Vec<InferenceSubject> {
    let same = |size, kernel, stride| Padding::same(size, kernel, stride);
    let mut all = vec![
        bias(Activation::Identity),
        bias(Activation::Relu),
        bias(Activation::Relu6),
        norm(false),
        norm(true),
    ];
    all.extend([pooling("mean", false), pooling("max", true)]);
    for (size, kernel, stride, padding) in [
        ([7, 9], [3, 3], 2, same([7, 9], [3, 3], 2)),
        ([8, 8], [3, 3], 2, same([8, 8], [3, 3], 2)),
        ([6, 5], [1, 1], 1, Padding::none()),
        ([6, 5], [1, 1], 2, Padding::none()),
        ([1, 40], [1, 7], 1, Padding { rows: [0, 0], columns: [3, 2] }),
        ([9, 11], [7, 4], 1, Padding::none()),
        ([2, 2], [5, 5], 1, same([2, 2], [5, 5], 1)),
    ] {
        all.push(convolution(Window { size, kernel, stride, padding }));
    }
    for (size, kernel, stride, n_channels) in [
        ([7, 12], [3, 3], 1, 32),
        ([9, 13], [3, 3], 2, 19),
        ([14, 14], [5, 5], 1, 16),
        ([14, 15], [5, 5], 2, 33),
        ([2, 1], [5, 5], 1, 3),
    ] {
        all.push(depthwise(Window { size, kernel, stride, padding: same(size, kernel, stride) }, n_channels));
    }
    all
}

#[derive(Clone, Copy)]
struct Window {
    size: [usize; 2],
    kernel: [usize; 2],
    stride: usize,
    padding: Padding,
}

impl Window {
    // Places of the output, row by row: for each the pairs (place of the window, place of the image).
    fn places(self) -> Vec<Vec<(usize, usize)>> {
        let n = |at: usize, [before, after]: [usize; 2]| {
            (self.size[at] + before + after - self.kernel[at]) / self.stride + 1
        };
        let (n_rows, n_columns) = (n(0, self.padding.rows), n(1, self.padding.columns));
        let place = |at: usize| {
            let mut pairs = Vec::new();
            for row in 0..self.kernel[0] {
                for column in 0..self.kernel[1] {
                    let y = (at / n_columns * self.stride + row) as i64 - self.padding.rows[0] as i64;
                    let x = (at % n_columns * self.stride + column) as i64 - self.padding.columns[0] as i64;
                    if (0..self.size[0] as i64).contains(&y) && (0..self.size[1] as i64).contains(&x) {
                        pairs.push((row * self.kernel[1] + column, y as usize * self.size[1] + x as usize));
                    }
                }
            }
            pairs
        };
        (0..n_rows * n_columns).map(place).collect()
    }
}

fn activated(activation: Activation, x: f64) -> f32 {
    let y = match activation {
        Activation::Identity => x,
        Activation::Relu => x.max(0.0),
        Activation::Relu6 => x.clamp(0.0, 6.0),
    };
    y as f32
}

fn bias(activation: Activation) -> InferenceSubject {
    let values: Vec<f32> = numbers(7, 3).iter().map(|x| 5.0 * x).collect();
    let own = values.clone();
    InferenceSubject {
        module: "activation",
        name: format!("bias, {activation:?}"),
        n_in: 21,
        forward: Box::new(move |x| {
            let mut y = x.to_vec();
            add_bias(activation, &values, &mut y);
            y
        }),
        definition: Box::new(move |x| {
            let sums = x.iter().enumerate().map(|(at, x)| f64::from(*x) + f64::from(own[at % 7]));
            sums.map(|sum| activated(activation, sum)).collect()
        }),
    }
}

// A batch norm applied, or folded into a pointwise layer of one channel to five.
fn norm(folds: bool) -> InferenceSubject {
    let arrays: Vec<Vec<f32>> =
        (0..4).map(|at| numbers(5, 20 + at).iter().map(|x| x.abs() + 0.1).collect()).collect();
    let own = arrays.clone();
    let (weight, bias) = (numbers(5, 30), numbers(5, 31));
    let before: Vec<f64> = weight.iter().map(|x| f64::from(*x)).collect();
    let before_bias: Vec<f64> = bias.iter().map(|x| f64::from(*x)).collect();
    InferenceSubject {
        module: "activation",
        name: format!("batch norm, folded: {folds}"),
        n_in: 5,
        forward: Box::new(move |x| {
            let norm = ScaleShift::of_batch_norm([&arrays[0], &arrays[1], &arrays[2], &arrays[3]], 1e-3);
            let (mut folded, mut folded_bias) = (weight.clone(), bias.clone());
            if folds {
                norm.fold_into(&mut folded, &mut folded_bias);
            }
            let mut y: Vec<f32> =
                x.iter().enumerate().map(|(at, x)| x * folded[at % 5] + folded_bias[at % 5]).collect();
            if !folds {
                norm.apply(&mut y);
            }
            y
        }),
        definition: Box::new(move |x| {
            let value = |(at, x): (usize, &f32)| {
                let [gain, bias, mean, variance] = [0, 1, 2, 3].map(|array| f64::from(own[array][at % 5]));
                let x = f64::from(*x) * before[at % 5] + before_bias[at % 5];
                (gain * (x - mean) / (variance + 1e-3).sqrt() + bias) as f32
            };
            x.iter().enumerate().map(value).collect()
        }),
    }
}

fn pooling(name: &str, is_max: bool) -> InferenceSubject {
    const N_CHANNELS: usize = 19;
    InferenceSubject {
        module: "pooling",
        name: format!("{name} of places"),
        n_in: 6 * N_CHANNELS,
        forward: Box::new(move |x| {
            let mut y = vec![f32::NAN; x.len() / 6];
            for (x, y) in x.chunks_exact(6 * N_CHANNELS).zip(y.chunks_exact_mut(N_CHANNELS)) {
                if is_max { max_of_places(x, y) } else { mean_of_places(x, y) }
            }
            y
        }),
        definition: Box::new(move |x| {
            let pool = |x: &[f32], channel: usize| {
                let values = (0..6).map(|place| f64::from(x[place * N_CHANNELS + channel]));
                if is_max { values.fold(f64::MIN, f64::max) } else { values.sum::<f64>() / 6.0 }
            };
            x.chunks_exact(6 * N_CHANNELS)
                .flat_map(|x| (0..N_CHANNELS).map(move |channel| pool(x, channel) as f32))
                .collect()
        }),
    }
}

fn convolution(window: Window) -> InferenceSubject {
    let (n_in, n_out, activation) = (3, 5, Activation::Relu);
    let area = window.kernel[0] * window.kernel[1];
    let torch = numbers(n_out * n_in * area, 5); // [n_out, n_in, kernel]
    let bias = numbers(n_out, 6);
    let layer = Convolution {
        kernel: window.kernel,
        stride: window.stride,
        n_in,
        n_out,
        weight: Convolution::weight_of_torch(&torch, n_out, n_in, window.kernel),
        bias: bias.clone(),
        activation,
    };
    let n_places = window.size[0] * window.size[1];
    InferenceSubject {
        module: "convolution",
        name: format!("convolution {:?} by {} of {:?}", window.kernel, window.stride, window.size),
        n_in: n_places * n_in,
        forward: Box::new(move |x| {
            let n = x.len() / (n_places * n_in) * window.places().len();
            let (mut y, mut patches) = (vec![f32::NAN; n * n_out], vec![f32::NAN; 9_999]);
            layer.forward(x, Frame { size: window.size, padding: window.padding }, &mut y, &mut patches);
            y
        }),
        definition: Box::new(move |x| {
            let mut y = Vec::new();
            for x in x.chunks_exact(n_places * n_in) {
                for pairs in window.places() {
                    for out in 0..n_out {
                        let mut sum = f64::from(bias[out]);
                        for (of_window, of_image) in &pairs {
                            for channel in 0..n_in {
                                let weight = torch[(out * n_in + channel) * area + of_window];
                                sum += f64::from(x[of_image * n_in + channel]) * f64::from(weight);
                            }
                        }
                        y.push(activated(activation, sum));
                    }
                }
            }
            y
        }),
    }
}

fn depthwise(window: Window, n_channels: usize) -> InferenceSubject {
    let area = window.kernel[0] * window.kernel[1];
    let (weight, bias) = (numbers(area * n_channels, 7), numbers(n_channels, 8));
    let activation = Activation::Relu6;
    let layer = Depthwise {
        kernel: window.kernel,
        stride: window.stride,
        weight: weight.clone(),
        bias: bias.clone(),
        activation,
    };
    let n_places = window.size[0] * window.size[1];
    InferenceSubject {
        module: "depthwise",
        name: format!("depthwise {:?} by {} of {:?}", window.kernel, window.stride, window.size),
        n_in: n_places * n_channels,
        forward: Box::new(move |x| {
            let n = x.len() / (n_places * n_channels) * window.places().len();
            let mut y = vec![f32::NAN; n * n_channels];
            layer.forward(x, Frame { size: window.size, padding: window.padding }, &mut y);
            y
        }),
        definition: Box::new(move |x| {
            let mut y = Vec::new();
            for x in x.chunks_exact(n_places * n_channels) {
                for pairs in window.places() {
                    for channel in 0..n_channels {
                        let product = |(of_window, of_image): &(usize, usize)| {
                            f64::from(x[of_image * n_channels + channel])
                                * f64::from(weight[of_window * n_channels + channel])
                        };
                        let sum = f64::from(bias[channel]) + pairs.iter().map(product).sum::<f64>();
                        y.push(activated(activation, sum));
                    }
                }
            }
            y
        }),
    }
}

#[test]
fn inference_layers_equal_their_definitions() {
    for subject in inference_subjects() {
        let x: Vec<f32> = numbers(3 * subject.n_in, 1).iter().map(|x| 3.0 * x).collect();
        let (received, expected) = ((subject.forward)(&x), (subject.definition)(&x));
        assert_eq!(received.len(), expected.len(), "{}", subject.name);
        assert!(expected.iter().any(|y| *y != 0.0), "{}", subject.name);
        let apart = relative_distance(&received, &expected);
        assert!(apart < 2e-6, "{}: {apart:.2e} away", subject.name);
    }
}

#[test]
fn an_image_has_the_same_numbers_alone_and_in_a_batch() {
    for subject in inference_subjects() {
        let x = numbers(5 * subject.n_in, 2);
        let all = (subject.forward)(&x);
        let n_out = all.len() / 5;
        for (at, x) in x.chunks_exact(subject.n_in).enumerate() {
            let apart = relative_distance(&(subject.forward)(x), &all[at * n_out..(at + 1) * n_out]);
            assert!(apart < 1e-6, "{}: {apart:.2e} away", subject.name);
        }
    }
}
