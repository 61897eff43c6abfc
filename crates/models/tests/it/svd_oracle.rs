//! The truncated SVD with room for the whole rank keeps every cosine within the rounding of its f32 passes, however many
//! columns depend on each other.

use proptest::prelude::*;
use segue_models::ItemSimilarity;
use segue_models::svd::row_vectors;

const N_ROWS: usize = 18;
const N_COLUMNS: usize = 12;

fn cosine(a: &[f64], b: &[f64]) -> f64 {
    let dot = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>();
    let norms = (dot(a, a) * dot(b, b)).sqrt();
    if norms > 0.0 { dot(a, b) / norms } else { 0.0 }
}

// As the rows of TF-IDF are.
fn unit(mut row: Vec<f32>) -> Vec<f32> {
    let norm = row.iter().map(|x| x * x).sum::<f32>().sqrt();
    row.iter_mut().filter(|_| norm > 0.0).for_each(|x| *x /= norm);
    row
}

proptest! {
    #![proptest_config(crate::world::fixed(256))]

    #[test]
    fn with_room_for_the_rank_no_cosine_changes(
        cells in prop::collection::vec(prop::option::weighted(0.3, 1.0_f32..2.0), N_ROWS * N_COLUMNS),
        n_repeats in 0..3_usize,
    ) {
        // Every column stands again `n_repeats` times, as a bigram does whose words occur nowhere else.
        let value = |row: usize, column: usize| cells[row * N_COLUMNS + column % N_COLUMNS].unwrap_or(0.0);
        let width = N_COLUMNS * (1 + n_repeats);
        let dense: Vec<Vec<f32>> = (0..N_ROWS).map(|i| unit((0..width).map(|j| value(i, j)).collect())).collect();
        let sparse = |(): &mut (), row: usize| {
            let columns: Vec<u32> = (0..width as u32).filter(|&j| dense[row][j as usize] > 0.0).collect();
            let values = columns.iter().map(|&j| dense[row][j as usize]).collect();
            (columns, values)
        };
        let rows = ItemSimilarity::build(N_ROWS, width, || (), sparse);
        let (vectors, dim) = row_vectors(&rows, 64);
        // Columns of one row alone are left out.
        let shared = |j: &usize| dense.iter().filter(|row| row[*j] > 0.0).count() > 1;
        let kept: Vec<usize> = (0..width).filter(shared).collect();
        let row = |i: usize| kept.iter().map(|&j| f64::from(dense[i][j])).collect::<Vec<f64>>();
        let vector = |i: usize| vectors[i * dim..(i + 1) * dim].iter().map(|&x| f64::from(x)).collect::<Vec<f64>>();
        for a in 0..N_ROWS {
            for b in 0..N_ROWS {
                let (exact, got) = (cosine(&row(a), &row(b)), cosine(&vector(a), &vector(b)));
                prop_assert!((exact - got).abs() < 3e-2, "{a} {b}: {exact} {got}");
            }
        }
    }
}
