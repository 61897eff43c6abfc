//! Parquet written by others: columns of any simple type (and lists of them) as cells of text.

use std::fmt::Write as _;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use parquet::basic::{ConvertedType, LogicalType};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::DataType;
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::schema::types::ColumnDescriptor;

use super::batch::{Batch, LIST_SEPARATOR, Span};
use super::skipped::SkipReason;
use crate::error::DataError;

const BATCH_ROWS: usize = 1 << 16;
// Positions in a batch are 32-bit.
const TEXT_BYTES_MAX: usize = 1 << 31;

/// Reads the wanted columns of a Parquet file.
pub(super) struct ColumnarReader {
    path: PathBuf,
    reader: SerializedFileReader<File>,
    wanted: Vec<usize>,
    next_group: usize,
    columns: Vec<ColumnReader>,
    n_left: usize,
}

impl ColumnarReader {
    pub(super) fn open(path: &Path, wanted: &[usize]) -> Result<Self, DataError> {
        let file = File::open(path).map_err(|e| DataError::io("open", path, e))?;
        let reader = guarded(path, || SerializedFileReader::new(file))?;
        Ok(Self {
            path: path.to_owned(),
            reader,
            wanted: wanted.to_vec(),
            next_group: 0,
            columns: Vec::new(),
            n_left: 0,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Compressed bytes of the row groups read so far.
    pub(super) fn n_bytes(&self) -> u64 {
        let groups = self.reader.metadata().row_groups().iter().take(self.next_group);
        groups.map(|group| u64::try_from(group.compressed_size()).unwrap_or(0)).sum()
    }

    fn names(&self) -> Vec<String> {
        let schema = self.reader.metadata().file_metadata().schema_descr();
        let name = |column: &std::sync::Arc<ColumnDescriptor>| {
            column.path().parts().first().cloned().unwrap_or_default()
        };
        schema.columns().iter().map(name).collect()
    }

    /// The next rows, `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Batch>, DataError> {
        let path = self.path.clone();
        guarded(&path, || self.next_unguarded())
    }

    fn next_unguarded(&mut self) -> ParquetResult<Option<Batch>> {
        while self.n_left == 0 {
            if self.next_group == self.reader.num_row_groups() {
                return Ok(None);
            }
            let group = self.reader.get_row_group(self.next_group)?;
            self.next_group += 1;
            self.n_left = usize::try_from(group.metadata().num_rows()).unwrap_or(0);
            self.columns =
                self.wanted.iter().map(|&at| group.get_column_reader(at)).collect::<ParquetResult<_>>()?;
        }
        let n = self.n_left.min(BATCH_ROWS);
        self.n_left -= n;
        let schema = self.reader.metadata().file_metadata().schema_descr_ptr();
        let mut batch = Batch::new(self.wanted.len());
        batch.spans = vec![Span::EMPTY; n * self.wanted.len()];
        for (slot, (reader, &at)) in self.columns.iter_mut().zip(&self.wanted).enumerate() {
            read_cells(reader, n, &schema.column(at), Slot { batch: &mut batch, at: slot })?;
        }
        // Rows are counted from 1 like the lines of text.
        batch.lines = (0..n as u32).collect();
        batch.n_lines = n as u32;
        reject_nul(&mut batch);
        Ok(Some(batch))
    }
}

fn reject_nul(batch: &mut Batch) {
    if memchr::memchr(0, batch.text.as_bytes()).is_none() {
        return;
    }
    let has_nul =
        |batch: &Batch, row| (0..batch.n_columns).any(|column| batch.cell(row, column).contains('\0'));
    let bad: Vec<usize> = (0..batch.n_rows()).filter(|&row| has_nul(batch, row)).collect();
    for &row in &bad {
        let excerpt = batch.excerpt(row);
        batch.bad.push(batch.lines[row], SkipReason::NulByte, excerpt.as_bytes());
    }
    let keep: Vec<usize> = (0..batch.n_rows()).filter(|row| bad.binary_search(row).is_err()).collect();
    let n = batch.n_columns;
    batch.spans = keep.iter().flat_map(|&row| batch.spans[row * n..(row + 1) * n].to_vec()).collect();
    batch.lines = keep.iter().map(|&row| batch.lines[row]).collect();
}

/// Names of the columns and the first rows.
pub(super) fn look(path: &Path, n_rows: usize) -> Result<(Vec<String>, Vec<Vec<String>>), DataError> {
    let names = ColumnarReader::open(path, &[])?.names();
    let all: Vec<usize> = (0..names.len()).collect();
    let mut reader = ColumnarReader::open(path, &all)?;
    let Some(batch) = reader.next()? else {
        return Err(DataError::format(path, None, "the table has no rows", "export it again"));
    };
    let row = |row| (0..names.len()).map(|column| batch.cell(row, column).to_owned()).collect();
    let rows = (0..batch.n_rows().min(n_rows)).map(row).collect();
    Ok((names, rows))
}

// How the stored values become text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum CellForm {
    Plain,
    Days,
    Unsupported,
}

impl CellForm {
    fn of(column: &ColumnDescriptor) -> Self {
        let is_decimal = matches!(column.logical_type_ref(), Some(LogicalType::Decimal { .. }))
            || column.converted_type() == ConvertedType::DECIMAL;
        if column.max_rep_level() > 1 || is_decimal {
            return Self::Unsupported;
        }
        let is_date = matches!(column.logical_type_ref(), Some(LogicalType::Date))
            || column.converted_type() == ConvertedType::DATE;
        if is_date { Self::Days } else { Self::Plain }
    }
}

// A column of a batch that is being filled.
struct Slot<'a> {
    batch: &'a mut Batch,
    at: usize,
}

fn read_cells(
    reader: &mut ColumnReader,
    n: usize,
    column: &ColumnDescriptor,
    into: Slot<'_>,
) -> ParquetResult<()> {
    let form = CellForm::of(column);
    let bad_text = || ParquetError::General(format!("column `{}` has text that is not UTF-8", column.name()));
    match reader {
        _ if form == CellForm::Unsupported => Ok(()),
        ColumnReader::BoolColumnReader(r) => cells(r, n, column, into, |value, text| write(text, value)),
        ColumnReader::Int32ColumnReader(r) if form == CellForm::Days => {
            cells(r, n, column, into, |days, text| write(text, i64::from(*days) * 86_400))
        }
        ColumnReader::Int32ColumnReader(r) => cells(r, n, column, into, |value, text| write(text, value)),
        ColumnReader::Int64ColumnReader(r) => cells(r, n, column, into, |value, text| write(text, value)),
        ColumnReader::Int96ColumnReader(r) => {
            cells(r, n, column, into, |value, text| write(text, value.to_seconds()))
        }
        ColumnReader::FloatColumnReader(r) => cells(r, n, column, into, |value, text| write(text, value)),
        ColumnReader::DoubleColumnReader(r) => cells(r, n, column, into, |value, text| write(text, value)),
        ColumnReader::ByteArrayColumnReader(r) => cells(r, n, column, into, |value, text| {
            text.push_str(std::str::from_utf8(value.data()).map_err(|_| bad_text())?);
            Ok(())
        }),
        ColumnReader::FixedLenByteArrayColumnReader(r) => cells(r, n, column, into, |value, text| {
            value.data().iter().try_for_each(|byte| write(text, format_args!("{byte:02x}")))
        }),
    }
}

fn write(text: &mut String, value: impl std::fmt::Display) -> ParquetResult<()> {
    write!(text, "{value}").map_err(|e| ParquetError::General(e.to_string()))
}

// Reads `n` records; the elements of a list are joined into one cell.
fn cells<T: DataType>(
    reader: &mut ColumnReaderImpl<T>,
    n: usize,
    column: &ColumnDescriptor,
    into: Slot<'_>,
    push: impl Fn(&T::T, &mut String) -> ParquetResult<()>,
) -> ParquetResult<()> {
    let Slot { batch, at: slot } = into;
    let (mut definitions, mut repetitions, mut values) = (Vec::new(), Vec::new(), Vec::new());
    let (n_read, ..) = reader.read_records(n, Some(&mut definitions), Some(&mut repetitions), &mut values)?;
    if n_read != n {
        return Err(ParquetError::EOF(format!("column `{}` ends after {n_read} of {n} rows", column.name())));
    }
    let n_levels = if column.max_def_level() > 0 { definitions.len() } else { values.len() };
    let mut values = values.iter();
    let mut row = 0;
    for level in 0..n_levels {
        let continues = column.max_rep_level() > 0 && repetitions[level] > 0;
        if level > 0 && !continues {
            row += 1;
        }
        let is_present = column.max_def_level() == 0 || definitions[level] == column.max_def_level();
        let (true, Some(value), Some(span)) = (
            is_present,
            if is_present { values.next() } else { None },
            batch.spans.get_mut(row * batch.n_columns + slot),
        ) else {
            continue;
        };
        if span.len > 0 {
            batch.text.push(LIST_SEPARATOR);
        } else {
            span.start = batch.text.len() as u32;
        }
        push(value, &mut batch.text)?;
        if batch.text.len() > TEXT_BYTES_MAX {
            return Err(ParquetError::General(format!("{n} rows hold more than {TEXT_BYTES_MAX} bytes")));
        }
        span.len = batch.text.len() as u32 - span.start;
    }
    Ok(())
}

// The Parquet reader panics on some damaged files: that is an error of the file, too.
pub(crate) fn guarded<T>(path: &Path, read: impl FnOnce() -> ParquetResult<T>) -> Result<T, DataError> {
    let problem = match catch_unwind(AssertUnwindSafe(read)) {
        Ok(Ok(value)) => return Ok(value),
        Ok(Err(error)) => error.to_string(),
        Err(_) => "the content makes no sense".to_owned(),
    };
    let remedy = "the file is damaged or uses an unknown encoding: write it again (zstd or snappy)";
    Err(DataError::format(path, None, format!("Parquet: {problem}"), remedy))
}
