//! A table of embeddings of which each step touches few rows: gradients, moments and work follow the rows that are used.

use rayon::prelude::*;

use crate::row_gradients::{RowGradients, Term, groups};
use crate::simd::{Kernel, vectorized};

/// Settings of lazy `AdamW` (Kingma and Ba, 2015; decoupled decay: Loshchilov and Hutter, 2019).
///
/// A step updates the rows that have a gradient and no other, as `SparseAdam` of `PyTorch` does: moments of a row decay in
/// the steps that touch it, while bias corrections follow the number of all steps, and ε is added to the uncorrected root
/// (the last formula of section 2 of the first paper). What `SparseAdam` lacks is weight decay: a row that is touched at
/// last gets the factor `Π (1 − rate · weight_decay)` over this step and all it missed, so that after [`RowTable::settle`]
/// each row has decayed as in a dense table. Between, a row reads as of its last step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LazyAdamW {
    /// Decay of the mean of gradients, in [0, 1).
    pub beta1: f64,
    /// Decay of the mean of squares, in [0, 1).
    pub beta2: f64,
    /// Added to the root, positive.
    pub epsilon: f32,
    /// Times the rate: the share that a step takes from each weight, at least 0.
    pub weight_decay: f64,
}

impl Default for LazyAdamW {
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.0 }
    }
}

/// A table with the state of its optimizer.
#[derive(Clone, Debug, PartialEq)]
pub struct RowTable {
    pub(crate) width: usize,
    pub(crate) values: Vec<f32>, // [n_rows, width]
    /// Where the moments of a row are, `[n_rows]`; `NO_SLOT` of a row that was never touched.
    slots: Vec<u32>,
    /// Rows in the order of their slots, `[n_slots]`.
    pub(crate) touched: Vec<u32>,
    /// Mean and mean square of slots, `[SLOTS_PER_PAGE, 2, width]` each; pages, so that growth copies nothing.
    pages: Vec<Vec<f32>>,
    /// Logarithm of the decay that a slot's row has had, `[n_slots]`.
    pub(crate) decay_of_slots: Vec<f64>,
    pub(crate) counters: RowCounters,
}

/// What a table counts over all steps.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct RowCounters {
    pub(crate) n_steps: u64,
    /// Logarithm of the decay of all steps.
    pub(crate) decay: f64,
    /// Of it, what rows without a slot have had.
    pub(crate) decay_of_others: f64,
}

const NO_SLOT: u32 = u32::MAX;
const SLOTS_PER_PAGE: usize = 256;
const ROWS_PER_BLOCK: usize = 256;

/// A row in the hands of one step.
struct Touched<'a> {
    values: &'a mut [f32],  // [width]
    moments: &'a mut [f32], // [2, width]
    /// What its gradient is the sum of.
    terms: &'a [Term],
    /// Decay of this step and those that the row missed.
    factor: f32,
}

/// Numbers of a step that all rows share.
#[derive(Clone, Copy)]
struct Rates {
    keep1: f32,
    keep2: f32,
    /// With both corrections.
    rate: f32,
    epsilon: f32,
}

impl RowTable {
    /// A table of these values, `[n_rows, width]`.
    ///
    /// # Panics
    /// When the values are not whole rows, or more than `u32` can number.
    pub fn new(width: usize, values: Vec<f32>) -> Self {
        assert!(
            width > 0 && values.len().is_multiple_of(width),
            "{} values in rows of {width}",
            values.len()
        );
        let n_rows = values.len() / width;
        assert!(n_rows < NO_SLOT as usize, "{n_rows} rows");
        Self {
            width,
            values,
            slots: vec![NO_SLOT; n_rows],
            touched: Vec::new(),
            pages: Vec::new(),
            decay_of_slots: Vec::new(),
            counters: RowCounters::default(),
        }
    }

    /// Values of a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Number of rows.
    pub fn n_rows(&self) -> usize {
        self.slots.len()
    }

    /// All rows, `[n_rows, width]`.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// Steps so far.
    pub fn n_steps(&self) -> u64 {
        self.counters.n_steps
    }

    /// Rows that were ever touched: so many have moments.
    pub fn n_touched(&self) -> usize {
        self.touched.len()
    }

    /// One step with this learning rate. Repeated rows count with their sum.
    ///
    /// # Panics
    /// When the gradients do not fit the table.
    pub fn step(&mut self, gradients: &RowGradients, learning_rate: f64, config: &LazyAdamW) {
        assert!(
            gradients.rows.is_empty() || gradients.width() == self.width,
            "gradients of width {}",
            self.width
        );
        let terms = gradients.terms();
        assert!(terms.last().is_none_or(|term| (term.row as usize) < self.slots.len()), "a row of the table");
        self.counters.n_steps += 1;
        self.counters.decay += (-learning_rate * config.weight_decay).ln_1p();
        self.add_slots(&terms);
        let rates = Rates::new(config, learning_rate, self.counters.n_steps);
        let mut touched = self.touched_rows(&terms);
        touched.par_chunks_mut(ROWS_PER_BLOCK).for_each(|rows| rates.update(rows, gradients));
        for term in &terms {
            self.decay_of_slots[self.slots[term.row as usize] as usize] = self.counters.decay;
        }
    }

    /// Gives every row the decay of the steps that it missed; before the table is stored for use or compared.
    pub fn settle(&mut self) {
        let (width, now) = (self.width, self.counters.decay);
        let missed = |slot: u32| {
            now - self.decay_of_slots.get(slot as usize).unwrap_or(&self.counters.decay_of_others)
        };
        let blocks =
            self.values.par_chunks_mut(ROWS_PER_BLOCK * width).zip(self.slots.par_chunks(ROWS_PER_BLOCK));
        blocks.for_each(|(rows, slots)| {
            for (row, slot) in rows.chunks_exact_mut(width).zip(slots) {
                let factor = missed(*slot).exp() as f32;
                row.iter_mut().for_each(|value| *value *= factor);
            }
        });
        self.decay_of_slots.fill(now);
        self.counters.decay_of_others = now;
    }

    /// Makes room for the moments of rows that are touched for the first time.
    fn add_slots(&mut self, terms: &[Term]) {
        for term in terms {
            self.add_slot(term.row);
        }
        self.add_pages();
    }

    /// Gives a row a slot; whether it is in the table and had none.
    pub(crate) fn add_slot(&mut self, row: u32) -> bool {
        let Some(slot) = self.slots.get_mut(row as usize).filter(|slot| **slot == NO_SLOT) else {
            return false;
        };
        *slot = self.touched.len() as u32;
        self.touched.push(row);
        self.decay_of_slots.push(self.counters.decay_of_others);
        true
    }

    pub(crate) fn add_pages(&mut self) {
        let n_pages = self.touched.len().div_ceil(SLOTS_PER_PAGE);
        self.pages.resize_with(n_pages, || vec![0.0; SLOTS_PER_PAGE * 2 * self.width]);
    }

    /// Moments of all slots, `[n_slots, 2, width]` in parts.
    pub(crate) fn moments(&self) -> Vec<&[f32]> {
        self.pages.iter().enumerate().map(|(page, values)| &values[..self.in_use(page)]).collect()
    }

    pub(crate) fn moments_mut(&mut self) -> Vec<&mut [f32]> {
        let lens: Vec<usize> = (0..self.pages.len()).map(|page| self.in_use(page)).collect();
        self.pages.iter_mut().zip(lens).map(|(values, len)| &mut values[..len]).collect()
    }

    /// Values of a page that belong to slots.
    fn in_use(&self, page: usize) -> usize {
        (self.touched.len() - page * SLOTS_PER_PAGE).min(SLOTS_PER_PAGE) * 2 * self.width
    }

    /// Rows and moments apart from each other, so that threads may write to them; rows ascend, slots do not.
    fn touched_rows<'a>(&'a mut self, terms: &'a [Term]) -> Vec<Touched<'a>> {
        let groups: Vec<&[Term]> = groups(terms).collect();
        let slot_of = |group: &&[Term]| self.slots[group[0].row as usize];
        let mut by_slot: Vec<(u32, u32)> = groups.iter().map(slot_of).zip(0..).collect();
        by_slot.sort_unstable();
        let n_groups = groups.len();
        let mut moments: Vec<Option<&mut [f32]>> = Vec::new();
        moments.resize_with(n_groups, || None);
        let mut all = self.pages.iter_mut().flat_map(|page| page.chunks_exact_mut(2 * self.width));
        let mut next = 0;
        for (slot, place) in by_slot {
            moments[place as usize] = all.nth((slot - next) as usize);
            next = slot + 1;
        }
        let mut all = self.values.chunks_exact_mut(self.width);
        let mut next = 0;
        let mut touched = Vec::with_capacity(n_groups);
        for (terms, moments) in groups.into_iter().zip(moments) {
            let row = terms[0].row;
            let missed = self.counters.decay - self.decay_of_slots[self.slots[row as usize] as usize];
            let values = all.nth((row - next) as usize);
            next = row + 1;
            if let (Some(values), Some(moments)) = (values, moments) {
                touched.push(Touched { values, moments, terms, factor: missed.exp() as f32 });
            }
        }
        assert_eq!(touched.len(), n_groups, "every row has a place");
        touched
    }
}

impl Rates {
    fn new(config: &LazyAdamW, learning_rate: f64, n_steps: u64) -> Self {
        let correction = |beta: f64| 1.0 - beta.powf(n_steps as f64);
        Self {
            keep1: config.beta1 as f32,
            keep2: config.beta2 as f32,
            rate: (learning_rate * correction(config.beta2).sqrt() / correction(config.beta1)) as f32,
            epsilon: config.epsilon,
        }
    }

    fn update(self, rows: &mut [Touched<'_>], gradients: &RowGradients) {
        let mut sum = vec![0.0; rows.first().map_or(0, |row| row.values.len())]; // [width]
        for row in rows {
            let gradient = if let [term] = row.terms {
                gradients.values_of(*term, sum.len())
            } else {
                sum.fill(0.0);
                gradients.add(row.terms, &mut sum);
                &sum
            };
            vectorized(UpdateRow(self, row, gradient));
        }
    }
}

struct UpdateRow<'a, 'b>(Rates, &'a mut Touched<'b>, &'a [f32]);

impl Kernel for UpdateRow<'_, '_> {
    #[inline(always)]
    fn run(self) {
        let Self(rates, row, gradient) = self;
        let (add1, add2) = (1.0 - rates.keep1, 1.0 - rates.keep2);
        let (means, squares) = row.moments.split_at_mut(row.values.len());
        let parts = means.iter_mut().zip(squares).zip(&mut *row.values).zip(gradient);
        for (((mean, square), value), gradient) in parts {
            *mean = rates.keep1 * *mean + add1 * gradient;
            *square = rates.keep2 * *square + add2 * gradient * gradient;
            *value = row.factor * *value - rates.rate * *mean / (square.sqrt() + rates.epsilon);
        }
    }
}
