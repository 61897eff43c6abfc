//! Gradients against differences of the forward pass, for every input value and every parameter of every subject.
//!
//! The loss is `Σ r·y` with fixed random `r`, summed in f64. The difference is the central one of fourth order,
//! `(8·(f(x+h) − f(x−h)) − (f(x+2h) − f(x−2h))) / 12h`, so that a step large enough for f32 has no visible error of its own.

use crate::subject::{Subject, projection, relative_distance};
use crate::subjects::subjects;

/// Between the gradient and the differences of an array, as vectors; the noise of f32 stays below 1e-3.
const TOLERANCE: f64 = 2e-3;
const STEP: f32 = 0.04;

fn loss(subject: &Subject, x: &[f32], lengths: &[usize]) -> f64 {
    let y = subject.forward(x, lengths);
    projection(y.len()).iter().zip(&y).map(|(r, y)| f64::from(*r) * f64::from(*y)).sum()
}

/// The slope at one value, which `at` reads after it was moved by its argument.
fn slope(mut at: impl FnMut(f32) -> f64) -> f32 {
    let near = at(STEP) - at(-STEP);
    let far = at(2.0 * STEP) - at(-2.0 * STEP);
    ((8.0 * near - far) / (12.0 * f64::from(STEP))) as f32
}

fn slopes_of_input(subject: &Subject, x: &[f32], lengths: &[usize]) -> Vec<f32> {
    let mut moved = x.to_vec();
    let mut slope_at = |at: usize| {
        let slope = slope(|step| {
            moved[at] = x[at] + step;
            loss(subject, &moved, lengths)
        });
        moved[at] = x[at];
        slope
    };
    (0..x.len()).map(&mut slope_at).collect()
}

fn slopes_of_array(subject: &mut Subject, array: usize, x: &[f32], lengths: &[usize]) -> Vec<f32> {
    let n = subject.params.arrays()[array].values.len();
    let mut slopes = Vec::with_capacity(n);
    for at in 0..n {
        let value = subject.params.arrays()[array].values[at];
        slopes.push(slope(|step| {
            subject.params.arrays_mut()[array].values[at] = value + step;
            loss(subject, x, lengths)
        }));
        subject.params.arrays_mut()[array].values[at] = value;
    }
    slopes
}

#[test]
fn every_gradient_is_the_slope_of_the_forward_pass() {
    let lengths = [3, 1, 4];
    for mut subject in subjects() {
        let x = subject.input(&lengths, 1);
        let pass = subject.pass(&x, &lengths);
        let apart = relative_distance(&pass.dx, &slopes_of_input(&subject, &x, &lengths));
        assert!(apart < TOLERANCE, "{}: gradient of the input is {apart:.2e} away", subject.name);
        for array in 0..subject.params.arrays().len() {
            let slopes = slopes_of_array(&mut subject, array, &x, &lengths);
            let apart = relative_distance(&pass.gradients.arrays()[array], &slopes);
            let name = &subject.params.arrays()[array].name;
            assert!(apart < TOLERANCE, "{}: gradient of `{name}` is {apart:.2e} away", subject.name);
        }
    }
}
