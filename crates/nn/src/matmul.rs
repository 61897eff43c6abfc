//! Matrix product on the `gemm` crate behind a checked interface.

use std::ops::Range;

use rayon::prelude::*;

use crate::simd::{Kernel, sum_of, vectorized};

/// A borrowed matrix: element `(i, j)` is `data[i * row_stride + j * col_stride]`.
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'a> {
    data: &'a [f32],
    n_rows: usize,
    n_cols: usize,
    row_stride: usize,
    col_stride: usize,
}

impl<'a> Matrix<'a> {
    /// A row-major matrix `[n_rows, n_cols]` whose rows are `stride` apart.
    ///
    /// # Panics
    /// When `data` is too short for the shape.
    pub fn new(data: &'a [f32], n_rows: usize, n_cols: usize, stride: usize) -> Self {
        assert!(stride >= n_cols, "stride {stride} < {n_cols} columns");
        assert!(
            n_rows == 0 || data.len() >= (n_rows - 1) * stride + n_cols,
            "{} < {n_rows}x{n_cols}",
            data.len()
        );
        Self { data, n_rows, n_cols, row_stride: stride, col_stride: 1 }
    }

    /// Number of rows.
    pub fn n_rows(self) -> usize {
        self.n_rows
    }

    /// Number of columns.
    pub fn n_cols(self) -> usize {
        self.n_cols
    }

    /// Some of the columns, without copying.
    ///
    /// # Panics
    /// When there are fewer columns.
    #[must_use]
    pub fn columns(self, columns: Range<usize>) -> Self {
        assert!(
            columns.start <= columns.end && columns.end <= self.n_cols,
            "columns {columns:?} of {}",
            self.n_cols
        );
        let first = (columns.start * self.col_stride).min(self.data.len());
        Self { data: &self.data[first..], n_cols: columns.len(), ..self }
    }

    /// The transpose, without copying.
    #[must_use]
    pub fn t(self) -> Self {
        Self {
            data: self.data,
            n_rows: self.n_cols,
            n_cols: self.n_rows,
            row_stride: self.col_stride,
            col_stride: self.row_stride,
        }
    }
}

/// Where a product goes: row-major, of the shape that the product has.
#[derive(Debug)]
pub struct MatrixMut<'a> {
    values: &'a mut [f32],
    stride: usize,
}

impl<'a> MatrixMut<'a> {
    /// Rows that are `stride` values apart.
    pub fn new(values: &'a mut [f32], stride: usize) -> Self {
        Self { values, stride }
    }
}

/// `c ← scale · a · b` on one thread; `c` is `[a.n_rows, b.n_cols]`, and what stood in it is not read.
///
/// # Panics
/// When the shapes do not fit.
pub fn matmul(c: MatrixMut<'_>, scale: f32, a: Matrix<'_>, b: Matrix<'_>) {
    product(0.0, c, scale, a, b);
}

/// `c ← c + scale · a · b` on one thread; `c` is `[a.n_rows, b.n_cols]`.
///
/// # Panics
/// When the shapes do not fit.
pub fn add_matmul(c: MatrixMut<'_>, scale: f32, a: Matrix<'_>, b: Matrix<'_>) {
    product(1.0, c, scale, a, b);
}

fn product(keep: f32, c: MatrixMut<'_>, scale: f32, a: Matrix<'_>, b: Matrix<'_>) {
    let MatrixMut { values: c, stride: c_stride } = c;
    let (m, n, k) = (a.n_rows, b.n_cols, a.n_cols);
    assert_eq!(k, b.n_rows, "inner dimensions");
    assert!(c_stride >= n && (m == 0 || c.len() >= (m - 1) * c_stride + n), "output too small for {m}x{n}");
    if m == 0 || n == 0 {
        return;
    }
    #[expect(unsafe_code, reason = "the product kernel takes raw pointers")]
    // SAFETY: the asserts above and in `Matrix::new` bound every element that the strides reach; `c` is borrowed
    // mutably, so it cannot alias `a` or `b`.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            c.as_mut_ptr(),
            1,
            c_stride as isize,
            keep != 0.0,
            a.data.as_ptr(),
            a.col_stride as isize,
            a.row_stride as isize,
            b.data.as_ptr(),
            b.col_stride as isize,
            b.row_stride as isize,
            keep,
            scale,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

const ROWS_PER_TILE: usize = 256;

/// `c ← a · b` over row tiles in parallel; `c` is row-major `[a.n_rows, b.n_cols]`, dense.
///
/// # Panics
/// When the shapes do not fit.
pub fn matmul_parallel(c: &mut [f32], a: Matrix<'_>, b: Matrix<'_>) {
    let n = b.n_cols;
    assert_eq!(c.len(), a.n_rows * n, "output shape");
    if n == 0 {
        return;
    }
    c.par_chunks_mut(ROWS_PER_TILE * n).enumerate().for_each(|(tile, rows)| {
        let first = tile * ROWS_PER_TILE;
        let part = Matrix { data: &a.data[first * a.row_stride..], n_rows: rows.len() / n, ..a };
        matmul(MatrixMut::new(rows, n), 1.0, part, b);
    });
}

/// `products[i] = rows[i] · vector`, as many rows as there are products; `rows` has at least so many of the vector's width.
///
/// # Panics
/// When there are too few rows.
pub fn dot_rows(rows: &[f32], vector: &[f32], products: &mut [f32]) {
    let width = vector.len();
    assert!(rows.len() >= products.len() * width, "{} < {} rows of {width}", rows.len(), products.len());
    vectorized(DotEach(rows, vector, products));
}

/// `a · b` of two vectors of the length of `a`.
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut product = [0.0];
    vectorized(DotEach(&b[..a.len()], a, &mut product));
    product[0]
}

struct DotEach<'a>(&'a [f32], &'a [f32], &'a mut [f32]);

impl Kernel for DotEach<'_> {
    #[inline(always)]
    fn run(self) {
        let Self(rows, vector, products) = self;
        let width = vector.len();
        for (row, product) in rows.chunks_exact(width).zip(products) {
            *product = sum_of(width, |at| row[at] * vector[at]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn naive(a: Matrix<'_>, b: Matrix<'_>) -> Vec<f32> {
        let at = |m: &Matrix<'_>, i: usize, j: usize| m.data[i * m.row_stride + j * m.col_stride];
        let mut c = Vec::new();
        for i in 0..a.n_rows {
            for j in 0..b.n_cols {
                c.push((0..a.n_cols).map(|k| at(&a, i, k) * at(&b, k, j)).sum());
            }
        }
        c
    }

    #[test]
    fn products_equal_the_triple_loop_also_transposed_and_strided() {
        let values: Vec<f32> = (0..700 * 9).map(|i| ((i * 37 % 101) as f32 - 50.0) / 50.0).collect();
        let a = Matrix::new(&values, 600, 7, 9);
        let b = Matrix::new(&values[13..], 5, 7, 8).t();
        let expected = naive(a, b);
        let mut c = vec![0.0; 600 * 5];
        matmul_parallel(&mut c, a, b);
        assert!(c.iter().zip(&expected).all(|(x, y)| (x - y).abs() < 1e-4));
        let mut twice = c.clone();
        add_matmul(MatrixMut::new(&mut twice, 5), 1.0, a, b);
        assert!(twice.iter().zip(&expected).all(|(x, y)| (x - 2.0 * y).abs() < 1e-4));
    }
}
