//! Inverse of a symmetric positive definite matrix, in place.

use std::ops::Range;

use rayon::prelude::*;

use crate::matmul::{Matrix, MatrixMut, add_matmul, matmul};

/// The matrix is not positive definite (or has a value that is not finite) at this pivot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the matrix is not positive definite at row {row}")]
pub struct NotPositiveDefinite {
    /// Zero-based row of the failing pivot.
    pub row: usize,
}

/// Columns swept at a time.
const BLOCK: usize = 192;

/// Rows of one parallel tile: the product packs its other side once per tile.
const TILE: usize = 2 * BLOCK;

/// Rows or columns that a transposition moves together: one cache line.
const LINE: usize = 16;

/// Replaces the trailing block of `a` (`[n, n]`, row-major), rows and columns from `first` on, by its inverse. The block is
/// symmetric positive definite; only its lower triangle is read.
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
pub(crate) fn invert_trailing(a: &mut [f32], n: usize, first: usize) -> Result<(), NotPositiveDefinite> {
    assert_eq!(a.len(), n * n, "shape");
    let size = n - first;
    let rows = &mut a[first * n..]; // [size, n]; the block is the columns from `first` on
    let mut columns = vec![0.0; size * BLOCK]; // [size, b] A[:, K]
    let mut scaled = vec![0.0; size * BLOCK]; // [size, b] V
    for start in (0..size).step_by(BLOCK) {
        let b = BLOCK.min(size - start);
        let panel = Panel { n, first, block: start..start + b };
        panel.gather_columns(rows, &mut columns);
        let pivot = invert_small(&columns[start * b..(start + b) * b], b)
            .map_err(|row| NotPositiveDefinite { row: first + start + row })?; // [b, b]
        let pivot_matrix = Matrix::new(&pivot, b, b, b);
        let tiles = scaled[..size * b].par_chunks_mut(TILE * b).zip(columns[..size * b].par_chunks(TILE * b));
        tiles.for_each(|(v, w)| {
            matmul(MatrixMut::new(v, b), 1.0, Matrix::new(w, w.len() / b, b, b), pivot_matrix);
        });
        let update = |rows: &mut [f32], top: usize| {
            let n_rows = rows.len() / n;
            // Lower triangle only: columns 0..top+n_rows.
            let v = Matrix::new(&scaled[top * b..], n_rows, b, b);
            let w = Matrix::new(&columns, top + n_rows, b, b);
            add_matmul(MatrixMut::new(&mut rows[first..], n), -1.0, v, w.t());
        };
        let (above, rest) = rows.split_at_mut(start * n);
        let below = &mut rest[b * n..];
        let tiles = above.par_chunks_mut(TILE * n).enumerate().map(|(tile, rows)| (tile * TILE, rows));
        let tiles_below =
            below.par_chunks_mut(TILE * n).enumerate().map(|(tile, rows)| (start + b + tile * TILE, rows));
        tiles.chain(tiles_below).for_each(|(top, rows)| update(rows, top));
        // Rows of the block: A[K, j] = V[j]ᵀ for j before the block; columns of the block below it: V.
        panel.write(rows, &scaled, &pivot);
    }
    rows.par_chunks_mut(n).for_each(|row| row[first..].iter_mut().for_each(|x| *x = -*x));
    mirror_lower(rows, n, first);
    Ok(())
}

// The columns `K` that are swept together, of the trailing block of a matrix.
struct Panel {
    // Values of a row of the whole matrix.
    n: usize,
    // Where the trailing block begins.
    first: usize,
    // `K`, counted from there.
    block: Range<usize>,
}

impl Panel {
    // columns[i] = A[i, K] for all i, read from the lower triangle.
    fn gather_columns(&self, rows: &[f32], columns: &mut [f32]) {
        let (n, first, block) = (self.n, self.first, &self.block);
        let b = block.len();
        let size = rows.len() / n;
        columns[..size * b].par_chunks_mut(LINE * b).enumerate().for_each(|(line, part)| {
            let top = line * LINE;
            if top >= block.end {
                for (i, row) in part.chunks_exact_mut(b).enumerate() {
                    row.copy_from_slice(&rows[(top + i) * n + first..][block.clone()]);
                }
                return;
            }
            for k in block.clone() {
                for (i, row) in part.chunks_exact_mut(b).enumerate() {
                    let (below, above) = if top + i >= k { (top + i, k) } else { (k, top + i) };
                    row[k - block.start] = rows[below * n + first + above];
                }
            }
        });
    }

    // Rows and columns of the inverse so far: V beside the block, its inverse inside.
    fn write(&self, rows: &mut [f32], scaled: &[f32], pivot: &[f32]) {
        let (n, first, block) = (self.n, self.first, &self.block);
        let b = block.len();
        let (_, from_block) = rows.split_at_mut(block.start * n);
        let (inside, below) = from_block.split_at_mut(b * n);
        inside.par_chunks_mut(LINE * n).enumerate().for_each(|(line, rows)| {
            let top = line * LINE;
            for (j, v) in scaled[..block.start * b].chunks_exact(b).enumerate() {
                for (row, value) in rows.chunks_exact_mut(n).zip(&v[top..]) {
                    row[first + j] = *value;
                }
            }
            for (row, inverse) in rows.chunks_exact_mut(n).zip(pivot[top * b..].chunks_exact(b)) {
                for (value, inverse) in row[first..][block.clone()].iter_mut().zip(inverse) {
                    *value = -inverse;
                }
            }
        });
        below.par_chunks_mut(n).zip(scaled[block.end * b..].par_chunks(b)).for_each(|(row, v)| {
            row[first..][block.clone()].copy_from_slice(v);
        });
    }
}

// Copies the lower triangle of the block from column `first` on to the upper one.
fn mirror_lower(rows: &mut [f32], n: usize, first: usize) {
    let size = rows.len() / n;
    for i0 in (0..size).step_by(LINE) {
        for j0 in (0..=i0).step_by(LINE) {
            for i in i0..(i0 + LINE).min(size) {
                for j in j0..(j0 + LINE).min(i) {
                    rows[j * n + first + i] = rows[i * n + first + j];
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
        matmul(MatrixMut::new(&mut a, n), 1.0, m, m.t());
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
            invert_trailing(&mut inverse, n, 0).unwrap();
            let mut product = vec![0.0; n * n];
            matmul(
                MatrixMut::new(&mut product, n),
                1.0,
                Matrix::new(&a, n, n, n),
                Matrix::new(&inverse, n, n, n),
            );
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
            pool.install(|| invert_trailing(&mut a, 500, 0)).unwrap();
            a
        };
        assert_eq!(run(1), run(2));
    }

    #[test]
    fn an_indefinite_matrix_is_refused_with_its_row() {
        let mut a = vec![1.0, 2.0, 2.0, 1.0];
        assert_eq!(invert_trailing(&mut a, 2, 0), Err(NotPositiveDefinite { row: 1 }));
    }
}
