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
    pub fn load(prefix: &str, shape: (usize, usize), tensors: &mut Tensors) -> Result<Self, ModelError> {
        let (n_rows, n_cols) = shape;
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
pub struct RowScratch {
    sums: Vec<f32>,
    touched: Vec<u32>,
}

impl RowScratch {
    /// A scratch for rows of `n` columns.
    pub fn new(n: usize) -> Self {
        Self { sums: vec![0.0; n], touched: Vec::new() }
    }

    /// Adds to one column.
    pub fn add(&mut self, column: usize, value: f32) {
        if self.sums[column] == 0.0 {
            self.touched.push(column as u32);
        }
        self.sums[column] += value;
    }

    /// The columns with a sum, ascending, each with `finish(column, sum)`; the scratch is empty again.
    pub fn take(&mut self, finish: impl Fn(u32, f32) -> f32) -> SparseRow {
        self.touched.sort_unstable();
        self.touched.dedup();
        let mut columns = Vec::with_capacity(self.touched.len());
        let mut values = Vec::with_capacity(self.touched.len());
        for &column in &self.touched {
            let sum = std::mem::take(&mut self.sums[column as usize]);
            if sum != 0.0 {
                columns.push(column);
                values.push(finish(column, sum));
            }
        }
        self.touched.clear();
        (columns, values)
    }
}

/// Keeps the `n` entries of largest magnitude (ties: smaller column first), columns ascending.
pub fn keep_largest((columns, values): SparseRow, n: usize) -> SparseRow {
    if columns.len() <= n {
        return (columns, values);
    }
    let mut order: Vec<usize> = (0..columns.len()).collect();
    order.select_nth_unstable_by(n, |&a, &b| values[b].abs().total_cmp(&values[a].abs()).then(a.cmp(&b)));
    order.truncate(n);
    order.sort_unstable();
    (order.iter().map(|&at| columns[at]).collect(), order.iter().map(|&at| values[at]).collect())
}
