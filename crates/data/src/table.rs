//! Plain Parquet tables: typed columns in, typed columns out.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use parquet::basic::{Compression, ConvertedType, Encoding, Repetition, Type as Physical, ZstdLevel};
use parquet::column::reader::ColumnReader;
use parquet::column::writer::{ColumnCloseResult, ColumnWriter, get_column_writer};
use parquet::data_type::ByteArray;
use parquet::errors::ParquetError;
use parquet::file::properties::{WriterProperties, WriterPropertiesPtr};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::writer::{SerializedFileWriter, SerializedPageWriter, TrackedWrite};
use parquet::schema::types::{ColumnDescPtr, ColumnPath, Type};
use rayon::prelude::*;

use crate::error::DataError;

/// The values of one required column.
#[derive(Clone, Debug, PartialEq)]
pub enum Column {
    /// 32-bit integers: indexes and small codes.
    I32(Vec<i32>),
    /// 64-bit integers: Unix seconds.
    I64(Vec<i64>),
    /// 32-bit floats: values and scores.
    F32(Vec<f32>),
    /// UTF-8 text; empty = missing.
    Text(Vec<String>),
}

impl Column {
    fn physical(&self) -> Physical {
        match self {
            Self::I32(_) => Physical::INT32,
            Self::I64(_) => Physical::INT64,
            Self::F32(_) => Physical::FLOAT,
            Self::Text(_) => Physical::BYTE_ARRAY,
        }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        match self {
            Self::I32(values) => values.len(),
            Self::I64(values) => values.len(),
            Self::F32(values) => values.len(),
            Self::Text(values) => values.len(),
        }
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Named columns of equal length.
pub type Columns = Vec<(String, Column)>;

/// Writes a table in row groups, so that a long table never stands in memory as a whole.
pub struct TableWriter {
    path: PathBuf,
    writer: SerializedFileWriter<File>,
}

impl TableWriter {
    /// Creates `path` for columns shaped like those of `example` (only names and types are read).
    ///
    /// # Errors
    /// When the file cannot be created.
    pub fn create(path: &Path, example: &Columns) -> Result<Self, DataError> {
        let file = File::create(path).map_err(|e| DataError::io("create", path, e))?;
        let mut fields = Vec::with_capacity(example.len());
        for (name, column) in example {
            let mut builder =
                Type::primitive_type_builder(name, column.physical()).with_repetition(Repetition::REQUIRED);
            if matches!(column, Column::Text(_)) {
                builder = builder.with_converted_type(ConvertedType::UTF8);
            }
            fields.push(Arc::new(builder.build().map_err(|e| broken(path, &e))?));
        }
        let schema =
            Type::group_type_builder("table").with_fields(fields).build().map_err(|e| broken(path, &e))?;
        let properties = properties(path, example)?;
        let writer = SerializedFileWriter::new(file, Arc::new(schema), Arc::new(properties))
            .map_err(|e| broken(path, &e))?;
        Ok(Self { path: path.to_owned(), writer })
    }

    /// Appends one row group.
    ///
    /// # Errors
    /// When writing fails or a column has another type than at creation.
    pub fn write(&mut self, columns: &Columns) -> Result<(), DataError> {
        let path = &self.path;
        let schema = self.writer.schema_descr();
        if let Some((name, _)) = columns.get(schema.num_columns()) {
            let problem = format!("no column `{name}` in this table");
            return Err(DataError::format(path, None, problem, "report this as a bug"));
        }
        let properties = self.writer.properties();
        let encoded: Vec<(Bytes, ColumnCloseResult)> = columns
            .par_iter()
            .enumerate()
            .map(|(at, (_, column))| encode(column, schema.column(at), Arc::clone(properties)))
            .collect::<Result<_, _>>()
            .map_err(|e| broken(path, &e))?;
        let mut group = self.writer.next_row_group().map_err(|e| broken(path, &e))?;
        for (bytes, close) in encoded {
            group.append_column(&bytes, close).map_err(|e| broken(path, &e))?;
        }
        group.close().map_err(|e| broken(path, &e))?;
        Ok(())
    }

    /// Finishes the file and waits until it is on disk.
    ///
    /// # Errors
    /// When writing fails.
    pub fn finish(self) -> Result<(), DataError> {
        let path = self.path;
        let file = self.writer.into_inner().map_err(|e| broken(&path, &e))?;
        file.sync_all().map_err(|e| DataError::io("write", path, e))
    }
}

// Times differ from row to row: a dictionary of them would only be built and thrown away.
fn properties(path: &Path, example: &Columns) -> Result<WriterProperties, DataError> {
    let level = ZstdLevel::try_new(1).map_err(|e| broken(path, &e))?;
    let mut builder = WriterProperties::builder().set_compression(Compression::ZSTD(level));
    for (name, _) in example.iter().filter(|(_, column)| matches!(column, Column::I64(_))) {
        let column = ColumnPath::from(name.as_str());
        builder = builder
            .set_column_dictionary_enabled(column.clone(), false)
            .set_column_encoding(column, Encoding::DELTA_BINARY_PACKED);
    }
    Ok(builder.build())
}

// One column chunk on its own, so that columns are encoded in parallel.
fn encode(
    column: &Column,
    descriptor: ColumnDescPtr,
    properties: WriterPropertiesPtr,
) -> Result<(Bytes, ColumnCloseResult), ParquetError> {
    let mut sink = TrackedWrite::new(Vec::new());
    let mut writer =
        get_column_writer(descriptor, properties, Box::new(SerializedPageWriter::new(&mut sink)));
    match (&mut writer, column) {
        (ColumnWriter::Int32ColumnWriter(w), Column::I32(values)) => w.write_batch(values, None, None),
        (ColumnWriter::Int64ColumnWriter(w), Column::I64(values)) => w.write_batch(values, None, None),
        (ColumnWriter::FloatColumnWriter(w), Column::F32(values)) => w.write_batch(values, None, None),
        (ColumnWriter::ByteArrayColumnWriter(w), Column::Text(values)) => {
            let bytes: Vec<ByteArray> = values.iter().map(|text| text.as_str().into()).collect();
            w.write_batch(&bytes, None, None)
        }
        _ => Err(ParquetError::General("a column changed its type between row groups".to_owned())),
    }?;
    let close = writer.close()?;
    Ok((Bytes::from(sink.into_inner()?), close))
}

/// Writes a whole table.
///
/// # Errors
/// When writing fails.
pub fn write(path: &Path, columns: &Columns) -> Result<(), DataError> {
    let mut writer = TableWriter::create(path, columns)?;
    if columns.first().is_some_and(|(_, column)| !column.is_empty()) {
        writer.write(columns)?;
    }
    writer.finish()
}

/// Reads a whole table written by [`write()`] or [`TableWriter`].
///
/// # Errors
/// When the file is missing, damaged, or has a column type that Segue does not write.
pub fn read(path: &Path) -> Result<Columns, DataError> {
    let file = File::open(path).map_err(|e| DataError::io("open", path, e))?;
    let reader = SerializedFileReader::new(file).map_err(|e| broken(path, &e))?;
    let schema = reader.metadata().file_metadata().schema_descr_ptr();
    let mut columns: Columns = Vec::with_capacity(schema.num_columns());
    for descriptor in schema.columns() {
        let column = match descriptor.physical_type() {
            Physical::INT32 => Column::I32(Vec::new()),
            Physical::INT64 => Column::I64(Vec::new()),
            Physical::FLOAT => Column::F32(Vec::new()),
            Physical::BYTE_ARRAY => Column::Text(Vec::new()),
            other => {
                let problem = format!("column `{}` has type {other}", descriptor.name());
                return Err(DataError::format(
                    path,
                    None,
                    problem,
                    "this table was not written by segue: import it instead",
                ));
            }
        };
        columns.push((descriptor.name().to_owned(), column));
    }
    for group in 0..reader.num_row_groups() {
        let group = reader.get_row_group(group).map_err(|e| broken(path, &e))?;
        let n_rows = usize::try_from(group.metadata().num_rows()).unwrap_or(0);
        for (at, (_, column)) in columns.iter_mut().enumerate() {
            let pages = group.get_column_reader(at).map_err(|e| broken(path, &e))?;
            read_column(pages, n_rows, column, path)?;
        }
    }
    let n_rows = columns.first().map_or(0, |(_, column)| column.len());
    match columns.iter().find(|(_, column)| column.len() != n_rows) {
        Some((name, column)) => {
            let problem = format!("column `{name}` has {} rows, others have {n_rows}", column.len());
            Err(DataError::format(path, None, problem, "the file is damaged: import the data set again"))
        }
        None => Ok(columns),
    }
}

fn read_column(pages: ColumnReader, n_rows: usize, into: &mut Column, path: &Path) -> Result<(), DataError> {
    let read = match (pages, into) {
        (ColumnReader::Int32ColumnReader(mut r), Column::I32(values)) => {
            r.read_records(n_rows, None, None, values)
        }
        (ColumnReader::Int64ColumnReader(mut r), Column::I64(values)) => {
            r.read_records(n_rows, None, None, values)
        }
        (ColumnReader::FloatColumnReader(mut r), Column::F32(values)) => {
            r.read_records(n_rows, None, None, values)
        }
        (ColumnReader::ByteArrayColumnReader(mut r), Column::Text(values)) => {
            let mut bytes: Vec<ByteArray> = Vec::new();
            let read = r.read_records(n_rows, None, None, &mut bytes);
            for text in bytes {
                let Ok(text) = std::str::from_utf8(text.data()) else {
                    return Err(DataError::format(
                        path,
                        None,
                        "a text value is not UTF-8",
                        "import the data set again",
                    ));
                };
                values.push(text.to_owned());
            }
            read
        }
        _ => {
            return Err(DataError::format(
                path,
                None,
                "a column changes its type",
                "import the data set again",
            ));
        }
    };
    read.map_err(|e| broken(path, &e))?;
    Ok(())
}

fn broken(path: &Path, error: &ParquetError) -> DataError {
    DataError::format(
        path,
        None,
        format!("Parquet: {error}"),
        "the file is damaged or not Parquet: import the data set again",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_round_trips_over_several_row_groups() {
        let path = std::env::temp_dir().join(format!("segue-table-{}.parquet", std::process::id()));
        let group = |n: i32| -> Columns {
            vec![
                ("a".into(), Column::I32((0..n).collect())),
                ("b".into(), Column::I64((0..n).map(i64::from).collect())),
                ("c".into(), Column::F32((0..n).map(|x| x as f32 / 3.0).collect())),
                ("d".into(), Column::Text((0..n).map(|x| format!("é{x}")).collect())),
            ]
        };
        let mut writer = TableWriter::create(&path, &group(0)).unwrap();
        writer.write(&group(3)).unwrap();
        writer.write(&group(2)).unwrap();
        writer.finish().unwrap();
        let columns = read(&path).unwrap();
        assert_eq!(columns[0].1, Column::I32(vec![0, 1, 2, 0, 1]));
        assert_eq!(columns[3].1, Column::Text(["é0", "é1", "é2", "é0", "é1"].map(String::from).to_vec()));
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_file_that_is_not_parquet_is_an_error_with_a_remedy() {
        let path = std::env::temp_dir().join(format!("segue-not-{}.parquet", std::process::id()));
        std::fs::write(&path, b"hello").unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("hint:"));
        std::fs::remove_file(&path).unwrap();
    }
}
