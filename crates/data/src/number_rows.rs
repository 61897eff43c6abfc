//! Rows of numbers by item, from a Parquet file that another program wrote.

use std::fs::File;
use std::path::Path;

use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::DataType;
use parquet::errors::{ParquetError, Result as ParquetResult};
use parquet::file::reader::{FileReader, RowGroupReader, SerializedFileReader};
use parquet::schema::types::SchemaDescriptor;

use crate::error::DataError;
use crate::import::columnar::guarded;

/// Rows of equal length, each with the raw id of its item.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NumberRows {
    /// Raw ids, `[n]`.
    pub ids: Vec<String>,
    /// Numbers of a row.
    pub dim: usize,
    /// `[n, dim]`.
    pub values: Vec<f32>,
}

/// The column of raw ids.
const ITEM: &str = "item";

/// Where a row's numbers stand.
enum Layout {
    /// A column of lists.
    List(usize),
    /// One column a number, in their order.
    Columns(Vec<usize>),
}

/// Reads a Parquet file with a column `item` (text or whole numbers) and either one column of lists of floats or floats in columns that
/// are numbered from 0 or 1 on (`v0`, `v1`, …). Nothing may be missing.
///
/// # Errors
/// When the file cannot be read, has other columns, or rows of different lengths.
pub fn read(path: &Path) -> Result<NumberRows, DataError> {
    let file = File::open(path).map_err(|e| DataError::io("open", path, e))?;
    let reader = guarded(path, || SerializedFileReader::new(file))?;
    let schema = reader.metadata().file_metadata().schema_descr_ptr();
    let (item, layout) = find_columns(&schema).map_err(|problem| {
        let remedy = "it needs a column `item`, and one column of lists of floats or floats in numbered columns: `v0`, `v1`, …";
        DataError::format(path, None, problem, remedy)
    })?;
    let mut rows = NumberRows::default();
    // How deep a value stands that is there.
    let level = |at: usize| schema.column(at).max_def_level();
    let read = guarded(path, || {
        for group in 0..reader.num_row_groups() {
            let group = reader.get_row_group(group)?;
            let n = usize::try_from(group.metadata().num_rows()).unwrap_or(0);
            rows.ids.extend(texts(group.get_column_reader(item)?, (n, level(item)))?);
            if let Err(problem) = append(&mut rows, &*group, (&layout, n), &level)? {
                return Ok(Err(problem));
            }
        }
        Ok(Ok(()))
    })?;
    read.map_err(|problem| {
        DataError::format(path, None, problem, "every row needs as many floats, none missing")
    })?;
    Ok(rows)
}

fn find_columns(schema: &SchemaDescriptor) -> Result<(usize, Layout), String> {
    let columns = schema.columns();
    let name = |at: usize| columns[at].path().parts().first().map_or("", String::as_str);
    let names = || (0..columns.len()).map(name).take(8).collect::<Vec<_>>().join("`, `");
    let item = (0..columns.len()).find(|&at| name(at) == ITEM && columns[at].max_rep_level() == 0);
    let Some(item) = item else { return Err(format!("there is no column `{ITEM}` among `{}`", names())) };
    let others: Vec<usize> = (0..columns.len()).filter(|&at| at != item).collect();
    if let [list] = others[..]
        && columns[list].max_rep_level() == 1
    {
        return Ok((item, Layout::List(list)));
    }
    if let Some(&nested) = others.iter().find(|&&at| columns[at].max_rep_level() > 0) {
        return Err(format!(
            "the column `{}` holds lists and does not stand alone beside `{ITEM}`",
            name(nested)
        ));
    }
    let mut numbered = Vec::new();
    for at in others {
        let stem = name(at).trim_end_matches(|c: char| c.is_ascii_digit());
        let number: usize =
            name(at)[stem.len()..].parse().map_err(|_| format!("the column `{}` has no number", name(at)))?;
        numbered.push((number, stem.to_owned(), at));
    }
    numbered.sort();
    let Some((first, stem, _)) = numbered.first().cloned() else {
        return Err("there is no column of numbers".into());
    };
    for (place, (number, own, _)) in numbered.iter().enumerate() {
        if *own != stem || first > 1 || *number != first + place {
            return Err(format!(
                "after {place} numbered columns comes `{own}{number}`, not `{stem}{}`",
                first.min(1) + place
            ));
        }
    }
    Ok((item, Layout::Columns(numbered.into_iter().map(|(.., at)| at).collect())))
}

// The rows of a group behind those before; the inner error says what is wrong with a row.
fn append(
    rows: &mut NumberRows,
    group: &dyn RowGroupReader,
    (layout, n): (&Layout, usize),
    level: &dyn Fn(usize) -> i16,
) -> ParquetResult<Result<(), String>> {
    let first = rows.ids.len() - n;
    let at_row = |row: usize| format!("row {} (item `{}`)", first + row + 1, rows.ids[first + row]);
    match layout {
        Layout::List(at) => {
            let (values, lengths) = floats(group.get_column_reader(*at)?, (n, level(*at)))?;
            for (row, length) in lengths.iter().enumerate() {
                match length {
                    Some(length) if *length > 0 && (rows.dim == 0 || rows.dim == *length) => {
                        rows.dim = *length
                    }
                    Some(length) => {
                        return Ok(Err(format!(
                            "{} has {length} floats instead of {}",
                            at_row(row),
                            rows.dim
                        )));
                    }
                    None => return Ok(Err(format!("{} has no list, or one with a gap", at_row(row)))),
                }
            }
            rows.values.extend(values);
        }
        Layout::Columns(columns) => {
            rows.dim = columns.len();
            let start = rows.values.len();
            rows.values.resize(start + n * columns.len(), 0.0);
            for (place, &at) in columns.iter().enumerate() {
                let (values, lengths) = floats(group.get_column_reader(at)?, (n, level(at)))?;
                if let Some(row) = lengths.iter().position(Option::is_none) {
                    return Ok(Err(format!(
                        "{} has nothing in column {} of the numbers",
                        at_row(row),
                        place + 1
                    )));
                }
                let row_starts = (start + place..).step_by(columns.len());
                row_starts.zip(values).for_each(|(at, value)| rows.values[at] = value);
            }
        }
    }
    Ok(Ok(()))
}

// Of each of `n` rows its number of floats, `None` where one is missing; the floats that are there.
fn floats(reader: ColumnReader, n: (usize, i16)) -> ParquetResult<(Vec<f32>, Vec<Option<usize>>)> {
    match reader {
        ColumnReader::FloatColumnReader(reader) => cells(reader, n, |value| Ok(*value)),
        ColumnReader::DoubleColumnReader(reader) => cells(reader, n, |value| Ok(*value as f32)),
        _ => Err(ParquetError::General("a column of numbers has neither f32 nor f64".into())),
    }
}

fn texts(reader: ColumnReader, n: (usize, i16)) -> ParquetResult<Vec<String>> {
    let bad = || ParquetError::General(format!("the column `{ITEM}` has text that is not UTF-8"));
    let (texts, lengths) = match reader {
        ColumnReader::ByteArrayColumnReader(reader) => {
            cells(reader, n, |value| String::from_utf8(value.data().to_vec()).map_err(|_| bad()))?
        }
        ColumnReader::Int32ColumnReader(reader) => cells(reader, n, |value| Ok(value.to_string()))?,
        ColumnReader::Int64ColumnReader(reader) => cells(reader, n, |value| Ok(value.to_string()))?,
        _ => {
            return Err(ParquetError::General(format!(
                "the column `{ITEM}` has neither text nor whole numbers"
            )));
        }
    };
    if lengths.iter().any(Option::is_none) {
        return Err(ParquetError::General(format!("the column `{ITEM}` has a row without an item")));
    }
    Ok(texts)
}

// The values of `n` records and the number of each, `None` where something of it is missing.
fn cells<T: DataType, V>(
    mut reader: ColumnReaderImpl<T>,
    (n, level): (usize, i16),
    value_of: impl Fn(&T::T) -> ParquetResult<V>,
) -> ParquetResult<(Vec<V>, Vec<Option<usize>>)> {
    let (mut definitions, mut repetitions, mut values) = (Vec::<i16>::new(), Vec::<i16>::new(), Vec::new());
    let (n_read, ..) = reader.read_records(n, Some(&mut definitions), Some(&mut repetitions), &mut values)?;
    if n_read != n {
        return Err(ParquetError::EOF(format!("a column ends after {n_read} of {n} rows")));
    }
    let values = values.iter().map(value_of).collect::<ParquetResult<Vec<V>>>()?;
    let mut lengths: Vec<Option<usize>> = Vec::with_capacity(n);
    for at in 0..if level > 0 { definitions.len() } else { values.len() } {
        let continues = repetitions.get(at).is_some_and(|&level| level > 0);
        let is_there = level == 0 || definitions[at] == level;
        if !continues {
            lengths.push(Some(0));
        }
        if let Some(last) = lengths.last_mut() {
            *last = if is_there { last.map(|length| length + 1) } else { None };
        }
    }
    Ok((values, lengths))
}
