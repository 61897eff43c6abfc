//! Inverse of a symmetric positive definite matrix, in place.

use rayon::prelude::*;

use crate::matmul::{Matrix, matmul};

/// The matrix is not positive definite (or has a value that is not finite) at this pivot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the matrix is not positive definite at row {row}")]
pub struct NotPositiveDefinite {
    /// Zero-based row of the failing pivot.
    pub row: usize,
}

/// Columns swept at a time; also the rows of one parallel tile.
const BLOCK: usize = 192;

/// Replaces the symmetric positive definite `a` (`[n, n]`, row-major) by its inverse.
///
/// Blocked symmetric sweep (Gauss–Jordan without pivoting, which positive definiteness makes stable): for each
/// block `K`, `V = A[:,K] A[K,K]⁻¹`, `A ← A − V A[K,:]` outside the block, `A[:,K] ← V`, `A[K,K] ← −A[K,K]⁻¹`; at the
/// end `A = −A₀⁻¹`. Only the lower triangle is updated: `n³` floating-point operations, the same as Cholesky followed by
/// inversion.
///
/// # Errors
/// When a pivot is not positive; `a` is then left in an unspecified state.
///
/// # Panics
/// When `a` does not have `n * n` elements.
pub fn invert_spd(a: &mut [f32], n: usize) -> Result<(), NotPositiveDefinite> {
    assert_eq!(a.len(), n * n, "shape");
    let mut columns = vec![0.0; n * BLOCK]; // [n, b] A[:, K]
    let mut scaled = vec![0.0; n * BLOCK]; // [n, b] V
    for start in (0..n).step_by(BLOCK) {
        let b = BLOCK.min(n - start);
        let block = start..start + b;
        gather_columns(a, n, start, b, &mut columns);
        let pivot = invert_small(&columns[start * b..(start + b) * b], b)
            .map_err(|row| NotPositiveDefinite { row: start + row })?; // [b, b]
        let pivot_matrix = Matrix::new(&pivot, b, b, b);
        scaled[..n * b].par_chunks_mut(BLOCK * b).zip(columns[..n * b].par_chunks(BLOCK * b)).for_each(
            |(v, w)| {
                matmul(0.0, v, b, 1.0, Matrix::new(w, w.len() / b, b, b), pivot_matrix);
            },
        );
        a.par_chunks_mut(BLOCK * n).enumerate().for_each(|(tile, rows)| {
            let first = tile * BLOCK;
            let n_rows = rows.len() / n;
            if first == start {
                return;
            }
            // Lower triangle only: columns 0..first+n_rows.
            let v = Matrix::new(&scaled[first * b..], n_rows, b, b);
            let w = Matrix::new(&columns, first + n_rows, b, b);
            matmul(1.0, rows, n, -1.0, v, w.t());
        });
        // Rows of the block: A[K, j] = V[j]ᵀ for j before the block; columns of the block below it: V.
        write_block(a, n, &block, &scaled, &pivot);
    }
    a.par_iter_mut().for_each(|x| *x = -*x);
    mirror_lower(a, n);
    Ok(())
}

// columns[i] = A[i, K] for all i, read from the lower triangle.
fn gather_columns(a: &[f32], n: usize, start: usize, b: usize, columns: &mut [f32]) {
    columns[..n * b].par_chunks_mut(b).enumerate().for_each(|(i, row)| {
        for (at, value) in row.iter_mut().enumerate() {
            let k = start + at;
            *value = if i >= k { a[i * n + k] } else { a[k * n + i] };
        }
    });
}

fn write_block(a: &mut [f32], n: usize, block: &std::ops::Range<usize>, scaled: &[f32], pivot: &[f32]) {
    let b = block.len();
    a.par_chunks_mut(n).enumerate().skip(block.start).for_each(|(i, row)| {
        if block.contains(&i) {
            let at = i - block.start;
            for (j, value) in row[..block.start].iter_mut().enumerate() {
                *value = scaled[j * b + at];
            }
            for (value, inverse) in row[block.clone()].iter_mut().zip(&pivot[at * b..(at + 1) * b]) {
                *value = -inverse;
            }
        } else {
            row[block.clone()].copy_from_slice(&scaled[i * b..(i + 1) * b]);
        }
    });
}

fn mirror_lower(a: &mut [f32], n: usize) {
    // Tiles keep both the read and the written rows in cache.
    const TILE: usize = 64;
    for i0 in (0..n).step_by(TILE) {
        for j0 in (0..=i0).step_by(TILE) {
            for i in i0..(i0 + TILE).min(n) {
                for j in j0..(j0 + TILE).min(i) {
                    a[j * n + i] = a[i * n + j];
                }
            }
        }
    }
}

// Gauss–Jordan of a small symmetric positive definite block in f64; the error is the failing row.
fn invert_small(block: &[f32], b: usize) -> Result<Vec<f32>, usize> {
    let mut a: Vec<f64> = block.iter().map(|&x| f64::from(x)).collect();
    let mut pivot_row = vec![0.0; b];
    for k in 0..b {
        let pivot = a[k * b + k];
        if !(pivot > 0.0 && pivot.is_finite()) {
            return Err(k);
        }
        let inverse = 1.0 / pivot;
        a[k * b + k] = 1.0;
        for value in &mut a[k * b..(k + 1) * b] {
            *value *= inverse;
        }
        pivot_row.copy_from_slice(&a[k * b..(k + 1) * b]);
        for (i, row) in a.chunks_exact_mut(b).enumerate() {
            if i == k {
                continue;
            }
            let factor = row[k];
            row[k] = 0.0;
            for (value, pivot) in row.iter_mut().zip(&pivot_row) {
                *value -= factor * pivot;
            }
        }
    }
    Ok(a.into_iter().map(|x| x as f32).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spd(n: usize) -> Vec<f32> {
        let x: Vec<f32> = (0..n * n).map(|i| (((i * 7919) % 1009) as f32 / 1009.0) - 0.5).collect();
        let mut a = vec![0.0; n * n];
        let m = Matrix::new(&x, n, n, n);
        matmul(0.0, &mut a, n, 1.0, m, m.t());
        for i in 0..n {
            a[i * n + i] += n as f32 / 10.0;
        }
        a
    }

    #[test]
    fn a_times_its_inverse_is_the_identity_for_sizes_around_the_block() {
        for n in [1, 5, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 17] {
            let a = spd(n);
            let mut inverse = a.clone();
            invert_spd(&mut inverse, n).unwrap();
            let mut product = vec![0.0; n * n];
            matmul(0.0, &mut product, n, 1.0, Matrix::new(&a, n, n, n), Matrix::new(&inverse, n, n, n));
            for i in 0..n {
                for j in 0..n {
                    let expected = if i == j { 1.0 } else { 0.0 };
                    assert!(
                        (product[i * n + j] - expected).abs() < 2e-3,
                        "n {n} ({i},{j}) {}",
                        product[i * n + j]
                    );
                }
            }
        }
    }

    #[test]
    fn the_inverse_has_the_same_bytes_at_one_and_two_threads() {
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let mut a = spd(500);
            pool.install(|| invert_spd(&mut a, 500)).unwrap();
            a
        };
        assert_eq!(run(1), run(2));
    }

    #[test]
    fn an_indefinite_matrix_is_refused_with_its_row() {
        let mut a = vec![1.0, 2.0, 2.0, 1.0];
        assert_eq!(invert_spd(&mut a, 2), Err(NotPositiveDefinite { row: 1 }));
    }
}
