//! What keeps vectors short: the cube of every modulus (N3, Lacroix et al., ICML 2018), and the square for translations.

use rayon::prelude::*;

use crate::graph_links::score::ScoreFunction;

/// How a table is regularized.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Regularizer {
    /// `Σ |x|³`.
    Cube,
    /// `Σ |x|³` over complex numbers, real parts in the first half of a row.
    ComplexCube,
    /// `Σ x²`.
    Square,
    /// Nothing.
    None,
}

impl Regularizer {
    pub(crate) fn for_entities(function: ScoreFunction) -> Self {
        match function {
            ScoreFunction::ComplEx | ScoreFunction::RotatE => Self::ComplexCube,
            ScoreFunction::DistMult => Self::Cube,
            ScoreFunction::TransE => Self::Square,
        }
    }

    /// Angles need none: rotations have length 1.
    pub(crate) fn for_relations(function: ScoreFunction) -> Self {
        if function == ScoreFunction::RotatE { Self::None } else { Self::for_entities(function) }
    }

    /// `Σ weights[row] · penalty(row)`; adds its gradient. `values` and `gradient` have rows of `width`.
    pub(crate) fn penalty(self, weights: &[f32], width: usize, values: &[f32], gradient: &mut [f32]) -> f64 {
        let rows = weights.par_iter().zip(values.par_chunks(width)).zip(gradient.par_chunks_mut(width));
        let used = rows.filter(|((weight, _), _)| **weight > 0.0);
        let losses: Vec<f64> = used
            .map(|((weight, row), d_row)| f64::from(weight * self.row_penalty(*weight, row, d_row)))
            .collect();
        losses.iter().sum()
    }

    fn row_penalty(self, weight: f32, row: &[f32], d_row: &mut [f32]) -> f32 {
        let mut sum = 0.0;
        match self {
            Self::None => {}
            Self::Square => {
                for (x, d) in row.iter().zip(d_row) {
                    sum += x * x;
                    *d += 2.0 * weight * x;
                }
            }
            Self::Cube => {
                for (x, d) in row.iter().zip(d_row) {
                    sum += x.abs() * x * x;
                    *d += 3.0 * weight * x.abs() * x;
                }
            }
            Self::ComplexCube => {
                let (real, imaginary) = row.split_at(row.len() / 2);
                let (d_real, d_imaginary) = d_row.split_at_mut(row.len() / 2);
                let gradients = d_real.iter_mut().zip(d_imaginary);
                for ((d_x, d_y), (x, y)) in gradients.zip(real.iter().zip(imaginary)) {
                    let square = x * x + y * y;
                    let modulus = square.sqrt();
                    sum += square * modulus;
                    *d_x += 3.0 * weight * modulus * x;
                    *d_y += 3.0 * weight * modulus * y;
                }
            }
        }
        sum
    }
}
