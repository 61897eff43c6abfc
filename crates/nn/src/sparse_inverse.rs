//! Dense inverse of a symmetric positive definite matrix that starts out sparse.
//!
//! The Gram matrix of a shop is sparse where its rare items are. Taking out the row with the fewest neighbors first
//! (minimum degree; George & Liu 1989) costs `degree` operations a column where the dense sweep costs `n`, and the
//! dense sweep, which is cubic, is left with the core where elimination has filled everything. On Amazon Beauty (12,101
//! items, 1.5 % filled) about 2,500 rows leave early, which halves the arithmetic. A dense matrix loses nothing: no row
//! leaves early.

use std::ops::Range;

use rayon::prelude::*;

use crate::inverse::{NotPositiveDefinite, invert_trailing};
use crate::matmul::{Matrix, MatrixMut, matmul};

/// Rows with more than this share of the remaining rows as neighbors stay for the dense sweep.
///
/// A row that leaves early costs `degree · n` multiplications at the speed of memory and saves `1.5 · n²` in matrix
/// products, which are some ten times faster.
const MAX_DEGREE_SHARE: usize = 8;

/// Early rows that enter the inverse together; the later ones share most of the rows that they read.
const GROUP: usize = 16;

/// Columns of one parallel piece.
const PIECE: usize = 512;

/// Where at least one in so many factors of a group is not zero, a matrix product beats adding row by row.
const DENSE: usize = 12;

/// In which order to invert a sparse matrix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Elimination {
    /// Original row at each place: rows that leave early, then the rest ascending.
    order: Vec<u32>,
    /// For each row that leaves early, the places that are its neighbors then, ascending and all behind it.
    neighbors: Vec<Vec<u32>>,
}

impl Elimination {
    /// The order for a matrix of `n` rows whose entry `(i, j)` may differ from zero only if one of the `cliques` has both.
    ///
    /// # Panics
    /// When a clique names a row outside `0..n`.
    pub fn plan(n: usize, cliques: &[Vec<u32>]) -> Self {
        let mut pattern = Pattern::of_cliques(n, cliques);
        let mut order = Vec::with_capacity(n);
        let mut neighbors = Vec::new();
        while let Some((row, degree)) = pattern.lowest_degree() {
            if degree as usize * MAX_DEGREE_SHARE > n - order.len() {
                break;
            }
            neighbors.push(pattern.eliminate(row));
            order.push(row as u32);
        }
        order.extend((0..n).filter(|&row| pattern.degrees[row] != GONE).map(|row| row as u32));
        let mut place = vec![0; n];
        for (at, &row) in order.iter().enumerate() {
            place[row as usize] = at as u32;
        }
        for list in &mut neighbors {
            list.iter_mut().for_each(|row| *row = place[*row as usize]);
            list.sort_unstable();
        }
        Self { order, neighbors }
    }

    /// The original row at each place.
    pub fn order(&self) -> &[u32] {
        &self.order
    }

    /// Number of rows that leave before the dense sweep.
    pub fn n_early(&self) -> usize {
        self.neighbors.len()
    }

    /// Replaces `a` (`[n, n]`, rows and columns in [`Self::order`]), of which only the lower triangle is read, by its
    /// inverse.
    ///
    /// With `a = L D Lᵀ` down to the core `S` that is left when the early rows are out, the inverse `P` of the core is
    /// dense and `P[e, j] = [e = j] / D[e] − Σ_k L[k, e] P[k, j]` for every earlier row, last one first (Takahashi,
    /// Fagan & Chin 1973).
    ///
    /// # Errors
    /// When a pivot is not positive; `a` is then left in an unspecified state.
    ///
    /// # Panics
    /// When `a` does not have `n * n` elements.
    pub fn invert(&self, a: &mut [f32]) -> Result<(), NotPositiveDefinite> {
        let (n, n_early) = (self.order.len(), self.n_early());
        assert_eq!(a.len(), n * n, "shape");
        let mut columns = Vec::with_capacity(n_early);
        for (e, neighbors) in self.neighbors.iter().enumerate() {
            let pivot = a[e * n + e];
            if !(pivot > 0.0 && pivot.is_finite()) {
                return Err(NotPositiveDefinite { row: e });
            }
            let factors = eliminate(a, n, e, neighbors);
            columns.push(Column { pivot, neighbors, factors });
        }
        invert_trailing(a, n, n_early)?;
        let mut end = n_early;
        while end > 0 {
            let start = end.saturating_sub(GROUP);
            extend_inverse(a, n, start..end, &columns);
            end = start;
        }
        Ok(())
    }
}

// Subtracts what row `e` explains of its neighbors, in the lower triangle; L[k, e] for the neighbors k.
fn eliminate(a: &mut [f32], n: usize, e: usize, neighbors: &[u32]) -> Vec<f32> {
    let pivot = a[e * n + e];
    let column: Vec<f32> = neighbors.iter().map(|&k| a[k as usize * n + e]).collect();
    let factors: Vec<f32> = column.iter().map(|value| value / pivot).collect();
    for (at, (&k, factor)) in neighbors.iter().zip(&factors).enumerate() {
        let row = &mut a[k as usize * n..(k as usize + 1) * n];
        for (&m, value) in neighbors[..=at].iter().zip(&column) {
            row[m as usize] -= factor * value;
        }
    }
    factors
}

/// A column of `L` and its pivot.
struct Column<'a> {
    pivot: f32,
    neighbors: &'a [u32],
    factors: Vec<f32>,
}

impl Column<'_> {
    // The places k behind this row where L[k, e] is not zero, with its value.
    fn entries(&self) -> impl Iterator<Item = (usize, f32)> {
        self.neighbors.iter().zip(&self.factors).map(|(&k, &factor)| (k as usize, factor))
    }
}

// Rows and columns of `group` of the inverse, given all rows and columns behind the group.
fn extend_inverse(a: &mut [f32], n: usize, group: Range<usize>, columns: &[Column<'_>]) {
    let (before, behind) = a.split_at_mut(group.end * n);
    let pieces = pieces_behind(behind, n, &group, columns);
    let piece_row =
        |e: usize, piece: usize| &pieces[(piece * group.len() + e - group.start) * PIECE..][..PIECE];
    for e in group.clone() {
        for (piece, part) in before[e * n + group.end..(e + 1) * n].chunks_mut(PIECE).enumerate() {
            part.copy_from_slice(&piece_row(e, piece)[..part.len()]);
        }
    }
    behind.par_chunks_mut(n).enumerate().for_each(|(k, row)| {
        for e in group.clone() {
            row[e] = piece_row(e, k / PIECE)[k % PIECE];
        }
    });
    for e in group.clone().rev() {
        for j in (e..group.end).rev() {
            let explained: f32 = columns[e].entries().map(|(k, factor)| factor * before[j * n + k]).sum();
            let own = if e == j { 1.0 / columns[e].pivot } else { 0.0 };
            before[e * n + j] = own - explained;
            before[j * n + e] = own - explained;
        }
    }
}

// The rows of a group in the columns behind it, `[piece, group, PIECE]`, from the rows behind the group.
fn pieces_behind(behind: &[f32], n: usize, group: &Range<usize>, columns: &[Column<'_>]) -> Vec<f32> {
    let (start, end) = (group.start, group.end);
    let (read, factors) = behind_group(group.clone(), columns); // [n_read], [group, n_read]
    let n_factors: usize = group.clone().map(|e| columns[e].factors.len()).sum();
    let dense = n_factors * DENSE >= factors.len();
    let factors = Matrix::new(&factors, group.len(), read.len(), read.len());
    let mut pieces = vec![0.0; (n - end).div_ceil(PIECE) * group.len() * PIECE];
    let fill = |gathered: &mut Vec<f32>, (piece, rows): (usize, &mut [f32])| {
        let first = end + piece * PIECE;
        let width = PIECE.min(n - first);
        let stored = |k: usize| &behind[(k - end) * n + first..][..width];
        if dense {
            gathered.clear(); // [n_read, width]
            read.iter().for_each(|&k| gathered.extend_from_slice(stored(k)));
            let gathered = Matrix::new(gathered, read.len(), width, width);
            matmul(MatrixMut::new(rows, PIECE), -1.0, factors, gathered);
        }
        for e in group.clone().rev() {
            let (row, later) = rows[(e - start) * PIECE..].split_at_mut(PIECE);
            for (k, factor) in columns[e].entries().take_while(|&(k, _)| k < end || !dense) {
                let values = if k < end { &later[(k - e - 1) * PIECE..][..width] } else { stored(k) };
                for (sum, value) in row.iter_mut().zip(values) {
                    *sum -= factor * value;
                }
            }
        }
    };
    pieces.par_chunks_mut(group.len() * PIECE).enumerate().for_each_init(Vec::new, fill);
    pieces
}

// The rows behind a group that any of its columns of `L` names, and those columns, dense: [group, n_read].
fn behind_group(group: Range<usize>, columns: &[Column<'_>]) -> (Vec<usize>, Vec<f32>) {
    let behind = |e: usize| columns[e].entries().filter(|&(k, _)| k >= group.end);
    let mut read: Vec<usize> = group.clone().flat_map(|e| behind(e).map(|(k, _)| k)).collect();
    read.sort_unstable();
    read.dedup();
    let mut factors = vec![0.0; group.len() * read.len()];
    for (e, row) in group.clone().zip(factors.chunks_exact_mut(read.len().max(1))) {
        let mut at = 0;
        for (k, factor) in behind(e) {
            at += read[at..].partition_point(|&other| other < k);
            row[at] = factor;
        }
    }
    (read, factors)
}

/// The degree of a row that has left.
const GONE: u32 = u32::MAX;

/// Which entries of the matrix may differ from zero, one bit for each pair of rows.
struct Pattern {
    bits: Vec<u64>,
    n_words: usize,
    degrees: Vec<u32>,
}

impl Pattern {
    fn of_cliques(n: usize, cliques: &[Vec<u32>]) -> Self {
        let n_words = n.div_ceil(64);
        let mut bits = vec![0; n * n_words];
        let mut members = vec![0u64; n_words];
        for clique in cliques {
            for &row in clique {
                members[row as usize / 64] |= 1 << (row % 64);
            }
            for &row in clique {
                let start = row as usize * n_words;
                or_into(&mut bits[start..start + n_words], &members);
            }
            for &row in clique {
                members[row as usize / 64] = 0;
            }
        }
        let mut pattern = Self { bits, n_words, degrees: vec![0; n] };
        for row in 0..n {
            pattern.leave(row, row);
        }
        pattern
    }

    // The row with the fewest neighbors, the first of them, and their number.
    fn lowest_degree(&self) -> Option<(usize, u32)> {
        let lowest = self.degrees.iter().enumerate().min_by_key(|&(_, &degree)| degree)?;
        (*lowest.1 != GONE).then_some((lowest.0, *lowest.1))
    }

    // Takes a row out; its neighbors, which it returns, become neighbors of each other.
    fn eliminate(&mut self, row: usize) -> Vec<u32> {
        let own = self.bits[row * self.n_words..(row + 1) * self.n_words].to_vec();
        let mut neighbors = Vec::with_capacity(self.degrees[row] as usize);
        for (at, &word) in own.iter().enumerate() {
            let mut word = word;
            while word != 0 {
                neighbors.push((at * 64) as u32 + word.trailing_zeros());
                word &= word - 1;
            }
        }
        for &neighbor in &neighbors {
            let start = neighbor as usize * self.n_words;
            or_into(&mut self.bits[start..start + self.n_words], &own);
            self.bits[start + neighbor as usize / 64] &= !(1 << (neighbor % 64));
            self.leave(neighbor as usize, row);
        }
        self.degrees[row] = GONE;
        neighbors
    }

    // `gone` is no neighbor of `row` any more.
    fn leave(&mut self, row: usize, gone: usize) {
        let own = &mut self.bits[row * self.n_words..(row + 1) * self.n_words];
        own[gone / 64] &= !(1 << (gone % 64));
        self.degrees[row] = own.iter().map(|word| word.count_ones()).sum();
    }
}

fn or_into(words: &mut [u64], other: &[u64]) {
    for (word, other) in words.iter_mut().zip(other) {
        *word |= other;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Cliques of a power law: few rows are in most of them, most rows in few.
    fn cliques(n: usize, n_cliques: usize) -> Vec<Vec<u32>> {
        let mut state = 1_u64;
        let mut draw = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let unit = (state >> 40) as f64 / f64::from(1 << 24);
            ((unit * unit * n as f64) as u32).min(n as u32 - 1)
        };
        let mut cliques: Vec<Vec<u32>> = (0..n_cliques).map(|_| (0..4).map(|_| draw()).collect()).collect();
        for clique in &mut cliques {
            clique.sort_unstable();
            clique.dedup();
        }
        cliques
    }

    fn gram(n: usize, cliques: &[Vec<u32>], order: &[u32]) -> Vec<f32> {
        let mut a = vec![0.0; n * n];
        let mut place = vec![0; n];
        for (at, &row) in order.iter().enumerate() {
            place[row as usize] = at;
        }
        for clique in cliques {
            for &i in clique {
                for &j in clique {
                    a[place[i as usize] * n + place[j as usize]] += 1.0;
                }
            }
        }
        for i in 0..n {
            a[i * n + i] += 3.0;
        }
        a
    }

    #[test]
    fn the_inverse_equals_the_dense_sweep_in_any_sparsity() {
        for (n, n_cliques) in [(1, 0), (7, 2), (150, 60), (500, 300), (500, 3000)] {
            let cliques = cliques(n, n_cliques);
            let plan = Elimination::plan(n, &cliques);
            let mut expected = gram(n, &cliques, plan.order());
            let mut received = expected.clone();
            invert_trailing(&mut expected, n, 0).unwrap();
            plan.invert(&mut received).unwrap();
            let worst = expected.iter().zip(&received).map(|(x, y)| (x - y).abs()).fold(0.0, f32::max);
            assert!(worst < 1e-5, "n {n}, {} early: {worst}", plan.n_early());
            assert!(n_cliques > 300 || plan.n_early() > n / 3, "n {n}, {} early", plan.n_early());
        }
    }

    #[test]
    fn the_order_has_every_row_once_and_neighbors_come_later() {
        let plan = Elimination::plan(300, &cliques(300, 200));
        let mut rows = plan.order().to_vec();
        rows.sort_unstable();
        assert!(rows.iter().enumerate().all(|(at, &row)| at == row as usize));
        for (e, neighbors) in plan.neighbors.iter().enumerate() {
            assert!(neighbors.iter().all(|&k| k as usize > e));
        }
    }

    #[test]
    fn the_inverse_has_the_same_bytes_at_one_and_two_threads() {
        let cliques = cliques(400, 300);
        let plan = Elimination::plan(400, &cliques);
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let mut a = gram(400, &cliques, plan.order());
            pool.install(|| plan.invert(&mut a)).unwrap();
            a
        };
        assert_eq!(run(1), run(2));
    }

    #[test]
    fn an_indefinite_matrix_is_refused() {
        let plan = Elimination::plan(2, &[]);
        assert_eq!(plan.invert(&mut [1.0, 0.0, 0.0, -1.0]), Err(NotPositiveDefinite { row: 1 }));
    }
}
