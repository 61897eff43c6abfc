//! Item → item weights, row-compressed: what an event on the row's item says about the candidates.

use rayon::prelude::*;
use segue_data::ItemIdx;

use crate::tensors::{ModelError, Tensors};

/// A sparse matrix `[n_rows, n_cols]`: rows are items of all domains, columns the target domain's candidates.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ItemSimilarity {
    offsets: Vec<u64>,
    columns: Vec<u32>,
    values: Vec<f32>,
    n_cols: usize,
}

/// One row: columns ascending, with their values.
pub type SparseRow = (Vec<u32>, Vec<f32>);

impl ItemSimilarity {
    /// A matrix from a function that gives each row, run in parallel with one scratch per worker.
    pub fn build<S: Send>(
        n_rows: usize,
        n_cols: usize,
        scratch: impl Fn() -> S + Sync + Send,
        row: impl Fn(&mut S, usize) -> SparseRow + Sync + Send,
    ) -> Self {
        let rows: Vec<SparseRow> = (0..n_rows).into_par_iter().map_init(scratch, row).collect();
        let n_values = rows.iter().map(|(columns, _)| columns.len()).sum();
        let mut built = Self {
            offsets: vec![0],
            columns: Vec::with_capacity(n_values),
            values: Vec::with_capacity(n_values),
            n_cols,
        };
        for (columns, values) in rows {
            built.columns.extend_from_slice(&columns);
            built.values.extend_from_slice(&values);
            built.offsets.push(built.columns.len() as u64);
        }
        built
    }

    /// Number of rows.
    pub fn n_rows(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }

    /// Number of columns.
    pub fn n_cols(&self) -> usize {
        self.n_cols
    }

    /// Number of stored values.
    pub fn n_values(&self) -> usize {
        self.values.len()
    }

    /// Columns and values of a row; empty when out of range.
    pub fn row(&self, row: usize) -> (&[u32], &[f32]) {
        if row >= self.n_rows() {
            return (&[], &[]);
        }
        let span = self.offsets[row] as usize..self.offsets[row + 1] as usize;
        (&self.columns[span.clone()], &self.values[span])
    }

    /// The value at `(row, column)`, 0 when not stored.
    pub fn get(&self, row: usize, column: u32) -> f32 {
        let (columns, values) = self.row(row);
        columns.binary_search(&column).map_or(0.0, |at| values[at])
    }

    /// `scores[j] += Σ weight · S[item, j]`.
    pub fn add_weighted(&self, history: &[(ItemIdx, f32)], scores: &mut [f32]) {
        for &(item, weight) in history {
            let (columns, values) = self.row(item.at());
            for (&column, &value) in columns.iter().zip(values) {
                scores[column as usize] += weight * value;
            }
        }
    }

    /// The value below which `share` of the stored values lie; `None` when nothing is stored.
    pub fn quantile(&self, share: f64) -> Option<f32> {
        let mut values = self.values.clone();
        values.sort_unstable_by(f32::total_cmp);
        let at = ((values.len() as f64 * share) as usize).min(values.len().checked_sub(1)?);
        values.get(at).copied()
    }

    /// Puts the arrays under `prefix`.
    pub fn save(&self, prefix: &str, tensors: &mut Tensors) {
        tensors.put_u64(&format!("{prefix}.offsets"), self.offsets.clone());
        tensors.put_u32(&format!("{prefix}.columns"), self.columns.clone());
        tensors.put_f32(&format!("{prefix}.values"), self.values.clone());
    }

    /// Takes the arrays under `prefix`, checked against the expected shape.
    ///
    /// # Errors
    /// When an array is missing, of another shape, or points outside.
    pub fn load(
        prefix: &str,
        n_rows: usize,
        n_cols: usize,
        tensors: &mut Tensors,
    ) -> Result<Self, ModelError> {
        let offsets = tensors.take_u64(&format!("{prefix}.offsets"))?;
        let columns = tensors.take_u32(&format!("{prefix}.columns"))?;
        let values = tensors.take_f32(&format!("{prefix}.values"))?;
        let ordered = offsets.windows(2).all(|pair| pair[0] <= pair[1]);
        let covers = offsets.first() == Some(&0) && offsets.last() == Some(&(columns.len() as u64));
        let inside = columns.iter().all(|&column| (column as usize) < n_cols);
        if offsets.len() != n_rows + 1 || !ordered || !covers || !inside || values.len() != columns.len() {
            return Err(ModelError::Inconsistent {
                tensor: prefix.to_owned(),
                expected: format!("{n_rows} x {n_cols}"),
            });
        }
        Ok(Self { offsets, columns, values, n_cols })
    }
}

/// Dense accumulator of one sparse row, reused between rows.
///
/// Which columns have a sum is kept in bits, and which words of bits are not zero in bits again: reading both in order
/// gives the columns ascending without a sort. Once an eighth of the columns has a sum, a row stops keeping track of
/// more, and all columns are read.
pub struct RowScratch {
    sums: Vec<f32>,
    touched: Vec<u64>,
    touched_words: Vec<u64>,
    n_touched: usize,
}

impl RowScratch {
    /// A scratch for rows of `n` columns.
    pub fn new(n: usize) -> Self {
        let touched = vec![0; n.div_ceil(64)];
        let touched_words = vec![0; touched.len().div_ceil(64)];
        Self { sums: vec![0.0; n], touched, touched_words, n_touched: 0 }
    }

    /// Adds to one column.
    pub fn add(&mut self, column: usize, value: f32) {
        let sum = &mut self.sums[column];
        if *sum == 0.0 {
            self.touched[column / 64] |= 1 << (column % 64);
            self.touched_words[column / 4096] |= 1 << (column / 64 % 64);
            self.n_touched += 1;
        }
        *sum += value;
    }

    /// Adds to many columns; those outside the row are passed over.
    pub fn add_all(&mut self, entries: impl Iterator<Item = (usize, f32)>) {
        if self.is_dense() {
            for (column, value) in entries {
                if let Some(sum) = self.sums.get_mut(column) {
                    *sum += value;
                }
            }
        } else {
            for (column, value) in entries {
                if column < self.sums.len() {
                    self.add(column, value);
                }
            }
        }
    }

    fn is_dense(&self) -> bool {
        self.n_touched * 8 > self.sums.len()
    }

    /// The columns with a sum, ascending, each with `finish(column, sum)`; the scratch is empty again.
    pub fn take(&mut self, finish: impl Fn(u32, f32) -> f32) -> SparseRow {
        let row = if self.is_dense() { self.take_dense(finish) } else { self.take_touched(finish) };
        self.n_touched = 0;
        row
    }

    fn take_dense(&mut self, finish: impl Fn(u32, f32) -> f32) -> SparseRow {
        self.touched.fill(0);
        self.touched_words.fill(0);
        let n_sums = self.sums.iter().filter(|&&sum| sum != 0.0).count();
        let (mut columns, mut values) = (Vec::with_capacity(n_sums), Vec::with_capacity(n_sums));
        for (column, sum) in self.sums.iter_mut().enumerate() {
            let sum = std::mem::take(sum);
            if sum != 0.0 {
                columns.push(column as u32);
                values.push(finish(column as u32, sum));
            }
        }
        (columns, values)
    }

    fn take_touched(&mut self, finish: impl Fn(u32, f32) -> f32) -> SparseRow {
        let (mut columns, mut values) =
            (Vec::with_capacity(self.n_touched), Vec::with_capacity(self.n_touched));
        for (at, words) in self.touched_words.iter_mut().enumerate() {
            for word in drain_bits(words) {
                let word = at * 64 + word;
                for column in drain_bits(&mut self.touched[word]) {
                    let column = word * 64 + column;
                    let sum = std::mem::take(&mut self.sums[column]);
                    if sum != 0.0 {
                        columns.push(column as u32);
                        values.push(finish(column as u32, sum));
                    }
                }
            }
        }
        (columns, values)
    }
}

// Places of the bits that are set, ascending; the word is zero afterwards.
fn drain_bits(word: &mut u64) -> impl Iterator<Item = usize> {
    let mut bits = std::mem::take(word);
    std::iter::from_fn(move || {
        let place = (bits != 0).then(|| bits.trailing_zeros() as usize);
        bits &= bits.wrapping_sub(1);
        place
    })
}

/// Keeps the `n` entries of largest magnitude (ties: smaller column first), columns ascending.
pub fn keep_largest(row: SparseRow, n: usize) -> SparseRow {
    let (columns, values) = row;
    if columns.len() <= n {
        return (columns, values);
    }
    if n == 0 {
        return SparseRow::default();
    }
    let mut magnitudes: Vec<f32> = values.iter().map(|value| value.abs()).collect();
    let (_, &mut smallest_kept, _) = magnitudes.select_nth_unstable_by(columns.len() - n, f32::total_cmp);
    let is_larger = |value: f32| value.abs().total_cmp(&smallest_kept).is_gt();
    let mut n_equal = n - values.iter().filter(|&&value| is_larger(value)).count();
    let mut kept: SparseRow = (Vec::with_capacity(n), Vec::with_capacity(n));
    for (&column, &value) in columns.iter().zip(&values) {
        if !is_larger(value) {
            if n_equal == 0 || value.abs().total_cmp(&smallest_kept).is_lt() {
                continue;
            }
            n_equal -= 1;
        }
        kept.0.push(column);
        kept.1.push(value);
    }
    kept
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn keeping_the_largest_equals_sorting(values in prop::collection::vec(-6_i8..6, 0..80), n in 0_usize..50) {
            let values: Vec<f32> = values.into_iter().map(f32::from).collect();
            let columns: Vec<u32> = (0..values.len() as u32).map(|column| column * 3).collect();
            let mut order: Vec<usize> = (0..values.len()).collect();
            order.sort_by(|&a, &b| values[b].abs().total_cmp(&values[a].abs()).then(a.cmp(&b)));
            order.truncate(n);
            order.sort_unstable();
            let expected: SparseRow = order.iter().map(|&at| (columns[at], values[at])).unzip();
            prop_assert_eq!(keep_largest((columns, values), n), expected);
        }

        #[test]
        fn a_scratch_gives_the_sums_in_column_order_and_is_empty_again(
            first in prop::collection::vec((0_usize..9000, -3_i8..3), 0..60), second in prop::collection::vec((0_usize..9000, 1_i8..3), 0..60),
        ) {
            let mut scratch = RowScratch::new(9000);
            for pairs in [first, second] {
                let mut sums = std::collections::BTreeMap::new();
                for (column, value) in pairs {
                    scratch.add(column, f32::from(value));
                    *sums.entry(column as u32).or_insert(0.0) += f32::from(value);
                }
                sums.retain(|_, sum| *sum != 0.0);
                let expected: SparseRow = sums.into_iter().map(|(column, sum)| (column, 2.0 * sum)).unzip();
                prop_assert_eq!(scratch.take(|_, sum| 2.0 * sum), expected);
            }
        }
    }
}
