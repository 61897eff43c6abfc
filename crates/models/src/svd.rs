//! Truncated singular value decomposition of a sparse matrix: words that stand together become one direction.
//!
//! Randomized range finder with two power iterations (Halko, Martinsson & Tropp 2011, algorithms 4.4 and 5.1). The test matrix has
//! signs from a fixed mixing function instead of a random generator, so the result depends on the matrix alone.

use rayon::prelude::*;

use crate::similarity::ItemSimilarity;

const OVERSAMPLING: usize = 16;
const POWER_ITERATIONS: usize = 2;

/// Row vectors `U Σ` of the `dim` largest singular values, each scaled to length 1 (rows without entries stay zero).
///
/// Columns that only one row has tell nothing about pairs and are left out.
///
/// # Shapes
/// `rows` is `[n, f]`; the result is `[n, dim']` with `dim' = min(dim, n, f)`, which is returned beside it.
pub fn row_vectors(rows: &ItemSimilarity, dim: usize) -> (Vec<f32>, usize) {
    let rows = &shared_columns(rows);
    let (n, f) = (rows.n_rows(), rows.n_cols());
    let k = (dim + OVERSAMPLING).min(n).min(f);
    let dim = dim.min(k);
    if dim == 0 {
        return (Vec::new(), 0);
    }
    let signs: Vec<f32> = (0..f * k).map(|at| sign(at as u64)).collect(); // [f, k]
    let mut range = orthonormal(times(rows, &signs, k), k); // [k, n] rows of Q transposed
    for _ in 0..POWER_ITERATIONS {
        let back = transposed_times(rows, &range, k); // [f, k]
        range = orthonormal(times(rows, &back, k), k);
    }
    let projected = transposed_times(rows, &range, k); // [f, k] Z = XᵀQ
    let mut gram = vec![0.0f64; k * k]; // [k, k] ZᵀZ
    for row in projected.chunks_exact(k) {
        for (a, &x) in row.iter().enumerate().filter(|&(_, &x)| x != 0.0) {
            for (sum, &y) in gram[a * k..(a + 1) * k].iter_mut().zip(row) {
                *sum += f64::from(x) * f64::from(y);
            }
        }
    }
    let (values, vectors) = eigen(gram, k);
    let mut order: Vec<usize> = (0..k).collect();
    order.sort_by(|&a, &b| values[b].total_cmp(&values[a]).then(a.cmp(&b)));
    let mut result = vec![0.0f32; n * dim];
    result.par_chunks_mut(dim).enumerate().for_each(|(item, out)| {
        for (place, value) in out.iter_mut().enumerate() {
            let column = order[place];
            let coordinate: f64 =
                (0..k).map(|j| f64::from(range[j * n + item]) * vectors[j * k + column]).sum();
            *value = (coordinate * values[column].max(0.0).sqrt()) as f32;
        }
        let norm = out.iter().map(|x| x * x).sum::<f32>().sqrt();
        if norm > 1e-6 {
            out.iter_mut().for_each(|x| *x /= norm);
        } else {
            out.fill(0.0);
        }
    });
    (result, dim)
}

fn shared_columns(rows: &ItemSimilarity) -> ItemSimilarity {
    let mut counts = vec![0u32; rows.n_cols()];
    for row in 0..rows.n_rows() {
        rows.row(row).0.iter().for_each(|&column| counts[column as usize] += 1);
    }
    let mut place = vec![None; rows.n_cols()];
    let mut n_shared = 0;
    for (column, _) in counts.iter().enumerate().filter(|&(_, &count)| count > 1) {
        place[column] = Some(n_shared);
        n_shared += 1;
    }
    let shared = |(): &mut (), row: usize| {
        let (columns, values) = rows.row(row);
        let kept =
            columns.iter().zip(values).filter_map(|(&column, &value)| Some((place[column as usize]?, value)));
        kept.unzip()
    };
    ItemSimilarity::build(rows.n_rows(), n_shared as usize, || (), shared)
}

// The sign of one test entry: the top bit of SplitMix64.
fn sign(at: u64) -> f32 {
    let mut z = at.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    if (z ^ (z >> 31)) >> 63 == 0 { 1.0 } else { -1.0 }
}

// X · dense[f, k], given transposed as [k, n] so that each direction is contiguous.
fn times(rows: &ItemSimilarity, dense: &[f32], k: usize) -> Vec<f32> {
    let n = rows.n_rows();
    let mut product = vec![0.0f32; n * k]; // [n, k]
    product.par_chunks_mut(k).enumerate().for_each(|(row, out)| {
        let (columns, values) = rows.row(row);
        for (&column, &value) in columns.iter().zip(values) {
            let source = &dense[column as usize * k..(column as usize + 1) * k];
            out.iter_mut().zip(source).for_each(|(sum, x)| *sum += value * x);
        }
    });
    let mut transposed = vec![0.0f32; n * k]; // [k, n]
    transposed.par_chunks_mut(n).enumerate().for_each(|(j, out)| {
        out.iter_mut().enumerate().for_each(|(row, value)| *value = product[row * k + j]);
    });
    transposed
}

// Xᵀ · Q for Q given as [k, n]; the result is [f, k].
fn transposed_times(rows: &ItemSimilarity, range: &[f32], k: usize) -> Vec<f32> {
    let n = rows.n_rows();
    let mut product = vec![0.0f32; rows.n_cols() * k];
    let mut direction = vec![0.0f32; k];
    for row in 0..n {
        let (columns, values) = rows.row(row);
        if columns.is_empty() {
            continue;
        }
        direction.iter_mut().enumerate().for_each(|(j, x)| *x = range[j * n + row]);
        for (&column, &value) in columns.iter().zip(values) {
            let out = &mut product[column as usize * k..(column as usize + 1) * k];
            out.iter_mut().zip(&direction).for_each(|(sum, x)| *sum += value * x);
        }
    }
    product
}

// Gram–Schmidt over the k rows of [k, n]; a row that depends on earlier ones becomes zero.
fn orthonormal(mut rows: Vec<f32>, k: usize) -> Vec<f32> {
    let n = rows.len() / k.max(1);
    for j in 0..k {
        let (done, rest) = rows.split_at_mut((j + 1) * n);
        let own = &mut done[j * n..];
        let norm = dot(own, own).sqrt();
        let scale = if norm > 1e-6 { (1.0 / norm) as f32 } else { 0.0 };
        own.iter_mut().for_each(|x| *x *= scale);
        let own = &done[j * n..];
        rest.par_chunks_mut(n).for_each(|other| {
            let part = dot(own, other) as f32;
            other.iter_mut().zip(own).for_each(|(x, q)| *x -= part * q);
        });
    }
    rows
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(&x, &y)| f64::from(x) * f64::from(y)).sum()
}

// Eigenvalues and eigenvectors (columns of [k, k]) of a symmetric matrix by cyclic Jacobi rotations.
fn eigen(mut a: Vec<f64>, k: usize) -> (Vec<f64>, Vec<f64>) {
    let mut vectors = vec![0.0; k * k];
    (0..k).for_each(|i| vectors[i * k + i] = 1.0);
    let scale: f64 = (0..k).map(|i| a[i * k + i].abs()).sum::<f64>().max(f64::MIN_POSITIVE);
    for _ in 0..30 {
        let off: f64 =
            (0..k).flat_map(|i| (0..i).map(move |j| (i, j))).map(|(i, j)| a[i * k + j].abs()).sum();
        if off <= 1e-9 * scale {
            break;
        }
        for p in 0..k {
            for q in p + 1..k {
                rotate(&mut a, &mut vectors, k, p, q);
            }
        }
    }
    ((0..k).map(|i| a[i * k + i]).collect(), vectors)
}

fn rotate(a: &mut [f64], vectors: &mut [f64], k: usize, p: usize, q: usize) {
    let apq = a[p * k + q];
    if apq.abs() < 1e-300 {
        return;
    }
    let theta = (a[q * k + q] - a[p * k + p]) / (2.0 * apq);
    let t = theta.signum() / (theta.abs() + (theta * theta + 1.0).sqrt());
    let c = 1.0 / (t * t + 1.0).sqrt();
    let s = t * c;
    for i in 0..k {
        let (x, y) = (a[i * k + p], a[i * k + q]);
        (a[i * k + p], a[i * k + q]) = (c * x - s * y, s * x + c * y);
    }
    for i in 0..k {
        let (x, y) = (a[p * k + i], a[q * k + i]);
        (a[p * k + i], a[q * k + i]) = (c * x - s * y, s * x + c * y);
        let (x, y) = (vectors[i * k + p], vectors[i * k + q]);
        (vectors[i * k + p], vectors[i * k + q]) = (c * x - s * y, s * x + c * y);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_rank_vectors_keep_all_cosines_and_low_rank_ones_the_groups() {
        // Two groups of rows over disjoint columns, with small differences inside a group.
        let dense: Vec<Vec<f32>> = vec![
            vec![1.0, 0.9, 0.1, 0.0, 0.0],
            vec![0.9, 1.0, 0.0, 0.0, 0.0],
            vec![0.0, 0.0, 0.0, 1.0, 0.8],
            vec![0.0, 0.0, 0.1, 0.8, 1.0],
            vec![0.0; 5],
        ];
        let row = |(): &mut (), i: usize| {
            let columns: Vec<u32> = (0..5).filter(|&j| dense[i][j as usize] != 0.0).collect();
            let values = columns.iter().map(|&j| dense[i][j as usize]).collect();
            (columns, values)
        };
        let rows = ItemSimilarity::build(5, 5, || (), row);
        let cosine = |v: &[f32], d: usize, a: usize, b: usize| -> f32 {
            (0..d).map(|j| v[a * d + j] * v[b * d + j]).sum()
        };
        let norm = |i: usize| dense[i].iter().map(|x| x * x).sum::<f32>().sqrt();
        let (full, d) = row_vectors(&rows, 5);
        for a in 0..4 {
            for b in 0..4 {
                let exact: f32 = (0..5).map(|j| dense[a][j] * dense[b][j]).sum::<f32>() / (norm(a) * norm(b));
                assert!((cosine(&full, d, a, b) - exact).abs() < 1e-3, "{a} {b}");
            }
        }
        let (low, d) = row_vectors(&rows, 2);
        assert!(cosine(&low, d, 0, 1) > 0.999 && cosine(&low, d, 2, 3) > 0.999);
        assert!(cosine(&low, d, 0, 2).abs() < 0.05);
        assert!(low[4 * d..].iter().all(|&x| x == 0.0), "a row without words stays zero");
    }
}
