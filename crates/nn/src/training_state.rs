//! A training in a checkpoint: weights, moments, tables with their rows' state, what else the model remembers, and the trainer's own
//! numbers.

use std::path::Path;

use safetensors::tensor::Dtype;

use crate::checkpoint::{Array, Checkpoint, CheckpointError, Expected, Scalar, Scalars, Values, save};
use crate::optimizer::Optimizer;
use crate::params::{Gradients, Param, Params};
use crate::row_table::RowTable;

/// What stands in a checkpoint beside parameters and moments, by name.
#[derive(Debug, Default)]
pub struct Besides<'a> {
    /// Tables whose rows are trained one by one.
    pub tables: Vec<(&'a str, &'a RowTable)>,
    /// Other arrays that decide later steps, such as moving averages.
    pub memory: Vec<(String, &'a [f32])>,
}

/// Where what stood in [`Besides`] goes when a checkpoint is read.
#[derive(Debug, Default)]
pub struct BesidesMut<'a> {
    /// Tables of the same sizes.
    pub tables: Vec<(&'a str, &'a mut RowTable)>,
    /// Arrays of the same lengths.
    pub memory: Vec<(String, &'a mut [f32])>,
}

/// Writes all that a training needs to resume as if it had not stopped. Configurations are not stored: who loads has them.
///
/// Names in the file: `params.NAME`, of trained arrays `adamw.first.NAME` and `adamw.second.NAME` or `adagrad.sums.NAME`, and of each
/// table `tables.NAME.{values, touched, moments, decay}`; `memory.NAME`. Numbers: `adamw.step` or `adagrad.step`, `tables.NAME.{steps, decay, others}`, and
/// `trainer.NAME` of the caller's.
///
/// # Errors
/// When the system refuses.
///
/// # Panics
/// When two tables or two arrays have one name.
pub fn save_training(
    path: &Path,
    params: &Params,
    optimizer: &Optimizer,
    besides: &Besides<'_>,
    trainer: &Scalars,
) -> Result<(), CheckpointError> {
    let mut arrays: Vec<Array<'_>> = Vec::new();
    for (at, array) in params.arrays().iter().enumerate() {
        arrays.push(stored("params", array, &array.values));
        for (state, moments) in optimizer.moments() {
            if has_moments(moments, at, array) {
                let state = format!("{}.{state}", optimizer.name());
                arrays.push(stored(&state, array, &moments.arrays()[at]));
            }
        }
    }
    let mut scalars: Scalars = trainer.iter().map(|(name, x)| (format!("trainer.{name}"), *x)).collect();
    scalars.insert(format!("{}.step", optimizer.name()), Scalar::U64(optimizer.n_steps()));
    for (name, table) in &besides.tables {
        table.store(&format!("tables.{name}"), &mut arrays, &mut scalars);
    }
    for (name, values) in &besides.memory {
        let (name, shape) = (format!("memory.{name}"), vec![values.len()]);
        arrays.push(Array { name, shape, values: Values::F32(vec![values]) });
    }
    save(path, &arrays, &scalars)
}

fn stored<'a>(state: &str, array: &Param, values: &'a [f32]) -> Array<'a> {
    let name = format!("{state}.{}", array.name);
    Array { name, shape: array.shape.clone(), values: Values::F32(vec![values]) }
}

/// Reads what [`save_training`] wrote into arrays of the same names and shapes; the trainer's numbers.
///
/// # Errors
/// When the system refuses, the file is damaged, or it has other arrays: then nothing is changed unless reading itself fails.
pub fn load_training(
    path: &Path,
    params: &mut Params,
    optimizer: &mut Optimizer,
    besides: &mut BesidesMut<'_>,
) -> Result<Scalars, CheckpointError> {
    let BesidesMut { tables, memory } = besides;
    let mut file = Checkpoint::open(path)?;
    let mut expected = expected_arrays(params, optimizer);
    for (name, table) in tables.iter() {
        expected.extend(table.expected(&format!("tables.{name}"), &file)?);
    }
    let remembered =
        memory.iter().map(|(name, values)| (format!("memory.{name}"), vec![values.len()], Dtype::F32));
    expected.extend(remembered);
    file.expect(&expected)?;
    let name = optimizer.name();
    let n_steps = file.count(&format!("{name}.step"))?;
    let mut restored = Vec::new();
    for (name, table) in tables.iter() {
        restored.push(table.restored(&format!("tables.{name}"), &mut file)?);
    }
    for at in 0..params.arrays().len() {
        let array = &mut params.arrays_mut()[at];
        file.read_f32(&format!("params.{}", array.name), [array.values.as_mut_slice()])?;
        for (state, moments) in optimizer.moments_mut() {
            if has_moments(moments, at, array) {
                let moments = moments.arrays_mut()[at].as_mut_slice();
                file.read_f32(&format!("{name}.{state}.{}", array.name), [moments])?;
            }
        }
    }
    for (name, values) in memory.iter_mut() {
        file.read_f32(&format!("memory.{name}"), [&mut **values])?;
    }
    optimizer.set_n_steps(n_steps);
    tables.iter_mut().zip(restored).for_each(|((_, table), restored)| **table = restored);
    let trainer =
        file.scalars().iter().filter_map(|(name, x)| Some((name.strip_prefix("trainer.")?.to_owned(), *x)));
    Ok(trainer.collect())
}

fn has_moments(moments: &Gradients, at: usize, array: &Param) -> bool {
    moments.arrays()[at].len() == array.values.len()
}

fn expected_arrays(params: &Params, optimizer: &Optimizer) -> Vec<Expected> {
    let mut expected = Vec::new();
    for (at, array) in params.arrays().iter().enumerate() {
        let mut expect =
            |state: &str| expected.push((format!("{state}.{}", array.name), array.shape.clone(), Dtype::F32));
        expect("params");
        for (state, moments) in optimizer.moments() {
            if has_moments(moments, at, array) {
                expect(&format!("{}.{state}", optimizer.name()));
            }
        }
    }
    expected
}

impl Checkpoint {
    pub(crate) fn count(&self, name: &str) -> Result<u64, CheckpointError> {
        match self.scalars().get(name) {
            Some(Scalar::U64(x)) => Ok(*x),
            _ => Err(self.different(format!("no count `{name}` in the file"))),
        }
    }

    pub(crate) fn real(&self, name: &str) -> Result<f64, CheckpointError> {
        match self.scalars().get(name) {
            Some(Scalar::F64(x)) => Ok(*x),
            _ => Err(self.different(format!("no number `{name}` in the file"))),
        }
    }
}

// ---- tables

impl RowTable {
    fn store<'a>(&'a self, name: &str, arrays: &mut Vec<Array<'a>>, scalars: &mut Scalars) {
        let (n_rows, n_slots) = (self.n_rows(), self.n_touched());
        let mut push = |part: &str, shape: &[usize], values| {
            arrays.push(Array { name: format!("{name}.{part}"), shape: shape.to_vec(), values });
        };
        push("values", &[n_rows, self.width], Values::F32(vec![&self.values]));
        push("touched", &[n_slots], Values::U32(&self.touched));
        push("moments", &[n_slots, 2, self.width], Values::F32(self.moments()));
        push("decay", &[n_slots], Values::F64(&self.decay_of_slots));
        let counters = self.counters;
        scalars.insert(format!("{name}.steps"), Scalar::U64(counters.n_steps));
        scalars.insert(format!("{name}.decay"), Scalar::F64(counters.decay));
        scalars.insert(format!("{name}.others"), Scalar::F64(counters.decay_of_others));
    }

    /// What the file must hold; the number of touched rows is the file's own.
    fn expected(&self, name: &str, file: &Checkpoint) -> Result<Vec<Expected>, CheckpointError> {
        let n_slots = match file.shape(&format!("{name}.touched")) {
            Some(&[n_slots]) if n_slots <= self.n_rows() => n_slots,
            shape => {
                return Err(file.different(format!("`{name}.touched` {shape:?} of {} rows", self.n_rows())));
            }
        };
        let array = |part: &str, shape: &[usize], dtype| (format!("{name}.{part}"), shape.to_vec(), dtype);
        Ok(vec![
            array("values", &[self.n_rows(), self.width], Dtype::F32),
            array("touched", &[n_slots], Dtype::U32),
            array("moments", &[n_slots, 2, self.width], Dtype::F32),
            array("decay", &[n_slots], Dtype::F64),
        ])
    }

    fn restored(&self, name: &str, file: &mut Checkpoint) -> Result<Self, CheckpointError> {
        let mut values = vec![0.0; self.values.len()];
        file.read_f32(&format!("{name}.values"), [values.as_mut_slice()])?;
        let mut table = Self::new(self.width, values);
        for row in file.read_u32(&format!("{name}.touched"))? {
            if !table.add_slot(row) {
                return Err(file.damaged(format!("row {row} of `{name}` is named twice or not in the table")));
            }
        }
        table.add_pages();
        file.read_f32(&format!("{name}.moments"), table.moments_mut())?;
        table.decay_of_slots = file.read_f64(&format!("{name}.decay"))?;
        table.counters.n_steps = file.count(&format!("{name}.steps"))?;
        table.counters.decay = file.real(&format!("{name}.decay"))?;
        table.counters.decay_of_others = file.real(&format!("{name}.others"))?;
        Ok(table)
    }
}
