//! The norm of all gradients, and the factor that keeps it within bounds: a single wild batch must not undo a training.

use rayon::prelude::*;

use crate::params::{Gradients, Params};
use crate::row_gradients::RowGradients;

const CHUNK: usize = 4096;

/// A gradient with NaN or infinity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the gradient of `{name}` is not finite at value {at}\n  hint: a lower learning rate or a longer warm-up keeps it finite"
)]
pub struct NotFinite {
    /// Of the array or table, as the model calls it.
    pub name: String,
    /// Place of the first such value.
    pub at: usize,
}

/// Gradients of a table's rows under the name of the table.
#[derive(Debug)]
pub struct NamedRows<'a> {
    /// As errors shall name it.
    pub name: &'a str,
    /// Its gradients, each row named once ([`RowGradients::distinct`]).
    pub gradients: &'a RowGradients,
}

/// The Euclidean norm of all gradients as one vector, summed in f64 in a fixed order.
///
/// # Errors
/// When a gradient is not finite.
///
/// # Panics
/// When rows are named more than once: the norm is that of their sums.
pub fn global_norm(params: &Params, gradients: &Gradients, rows: &[NamedRows<'_>]) -> Result<f64, NotFinite> {
    let mut sum = 0.0;
    for (array, gradient) in params.arrays().iter().zip(gradients.arrays()) {
        sum += sum_of_squares(&array.name, gradient)?;
    }
    for table in rows {
        assert!(table.gradients.is_distinct(), "rows of `{}` are named more than once", table.name);
        sum += sum_of_squares(table.name, &table.gradients.values)?;
    }
    Ok(sum.sqrt())
}

/// What gradients of this norm are to be multiplied by: `min(1, max_norm / norm)` (Pascanu et al., 2013, algorithm 1).
pub fn clip_factor(norm: f64, max_norm: f64) -> f32 {
    if norm > max_norm { (max_norm / norm) as f32 } else { 1.0 }
}

fn sum_of_squares(name: &str, values: &[f32]) -> Result<f64, NotFinite> {
    let square = |x: &f32| f64::from(*x) * f64::from(*x);
    let parts: Vec<f64> = values.par_chunks(CHUNK).map(|part| part.iter().map(square).sum()).collect();
    let sum: f64 = parts.iter().sum();
    // No sum of squares of finite f32 overflows f64.
    if sum.is_finite() {
        return Ok(sum);
    }
    let at = values.iter().position(|x| !x.is_finite()).unwrap_or(values.len());
    Err(NotFinite { name: name.to_owned(), at })
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::params::Init;

    fn gradients() -> (Params, Gradients, RowGradients) {
        let (mut params, mut rng) = (Params::new(), ChaCha8Rng::seed_from_u64(1));
        let a = params.add("a", &[2], Init::Zeros, &mut rng);
        params.add("frozen", &[2], Init::Zeros, &mut rng);
        params.arrays_mut()[1].trainable = false;
        let mut gradients = params.gradients();
        gradients.get_mut(a).unwrap().copy_from_slice(&[1.0, 2.0]);
        (params, gradients, RowGradients { rows: vec![7], values: vec![2.0, 4.0] })
    }

    #[test]
    fn all_gradients_are_one_vector_and_short_ones_stay() {
        let (params, gradients, rows) = gradients();
        let norm = global_norm(&params, &gradients, &[NamedRows { name: "t", gradients: &rows }]);
        assert_eq!(norm, Ok(5.0));
        assert_eq!([5.0, 2.5].map(|max_norm| clip_factor(5.0, max_norm)), [1.0, 0.5]);
    }

    #[test]
    fn great_values_do_not_overflow_and_what_is_not_finite_is_named() {
        let (params, mut gradients, mut rows) = gradients();
        gradients.arrays_mut()[0].copy_from_slice(&[3e38, 0.0]);
        let norm = global_norm(&params, &gradients, &[]).unwrap();
        assert!((norm / 3e38 - 1.0).abs() < 1e-6);
        rows.values[1] = f32::NAN;
        let error = global_norm(&params, &gradients, &[NamedRows { name: "table", gradients: &rows }]);
        assert_eq!(error, Err(NotFinite { name: "table".to_owned(), at: 1 }));
        gradients.arrays_mut()[0][1] = f32::INFINITY;
        let error = global_norm(&params, &gradients, &[]).unwrap_err();
        assert!(error.to_string().starts_with("the gradient of `a` is not finite at value 1"));
    }
}
