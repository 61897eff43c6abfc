//! The squared-error forms of the losses: `(1/N) Σ_i ‖x_i − x'_i‖²`.
//!
//! One formula serves the three: user vectors against those of what came next (`L_U`), scores of facts against 1 where a fact holds
//! and 0 where it does not (`L_K`), fused vectors against those of all modalities (`L_H`). The right side is a label: it gets no
//! gradient.

/// `weight · (1/n_rows) Σ (x − label)²` over all values, with its gradient added to `d_x`.
///
/// # Panics
/// When the shapes differ.
pub fn squared_error(x: &[f32], labels: &[f32], n_rows: usize, weight: f32, d_x: &mut [f32]) -> f64 {
    assert_eq!([x.len(), d_x.len()], [labels.len(); 2], "values and labels");
    let scale = weight / n_rows.max(1) as f32;
    let mut sum = 0.0;
    for ((d, x), label) in d_x.iter_mut().zip(x).zip(labels) {
        let error = x - label;
        sum += f64::from(error) * f64::from(error);
        *d = (2.0 * scale).mul_add(error, *d);
    }
    sum * f64::from(scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loss_of_users_is_the_mean_squared_distance_worked_by_hand() {
        // L_U of two users: ‖(1, 2) − (0, 4)‖² = 1 + 4, ‖(3, −1) − (3, 1)‖² = 0 + 4; (5 + 4) / 2 = 4.5.
        let mut d = vec![0.0; 4];
        let loss = squared_error(&[1.0, 2.0, 3.0, -1.0], &[0.0, 4.0, 3.0, 1.0], 2, 1.0, &mut d);
        assert!((loss - 4.5).abs() < 1e-12);
        // Half of 2 · (1, −2, 0, −2).
        assert_eq!(d, [1.0, -2.0, 0.0, -2.0]);
    }

    #[test]
    fn the_loss_of_a_graph_sums_over_both_ends_worked_by_hand() {
        // L_K of two entities, scores k_ij = (.5, .25; 1, 0), of which facts 1-1 and 2-1 hold:
        // (.5 − 1)² + .25² + 0² + 0² = .3125; / 2 = .15625; with λ = 2 twice that.
        let loss = squared_error(&[0.5, 0.25, 1.0, 0.0], &[1.0, 0.0, 1.0, 0.0], 2, 2.0, &mut [0.0; 4]);
        assert!((loss - 0.3125).abs() < 1e-7);
    }

    #[test]
    fn no_rows_cost_nothing() {
        assert_eq!(squared_error(&[], &[], 0, 1.0, &mut []).to_bits(), 0.0f64.to_bits());
    }
}
