//! The contrast of two views: each finds its other half among those of a batch.

use segue_nn::info_nce::{Directions, InfoNce};

const TEMPERATURE: f32 = 0.1;

/// Mean contrast between the halves of `views` (`[2 n, width]`: one view of each, then the other), with its gradient, weighted.
/// Scores are cosines over [`TEMPERATURE`] (`SimCSE`, Gao et al., 2021, for sequences `DuoRec`, Qiu et al., 2022).
pub(crate) fn contrast(views: &[f32], width: usize, weight: f32, d_views: &mut [f32]) -> f64 {
    let mut lengths = Vec::with_capacity(views.len() / width);
    let mut units = views.to_vec();
    for unit in units.chunks_exact_mut(width) {
        let length = segue_nn::dot(unit, unit).sqrt().max(1e-6);
        unit.iter_mut().for_each(|x| *x /= length);
        lengths.push(length);
    }
    let half = units.len() / 2;
    let mut d_units = vec![0.0; units.len()];
    let (d_first, d_second) = d_units.split_at_mut(half);
    let nce =
        InfoNce { width, temperature: TEMPERATURE, directions: Directions::Both, false_negatives: None };
    let loss = nce.run(&units[..half], &units[half..], d_first, d_second);
    let rows =
        d_views.chunks_exact_mut(width).zip(d_units.chunks_exact(width)).zip(units.chunks_exact(width));
    for (((d_view, d_unit), unit), length) in rows.zip(&lengths) {
        // Through the normalization: what points along the vector changes nothing.
        let along = segue_nn::dot(d_unit, unit);
        for ((d, d_unit), unit) in d_view.iter_mut().zip(d_unit).zip(unit) {
            *d += weight * (d_unit - along * unit) / length;
        }
    }
    loss * f64::from(weight)
}
