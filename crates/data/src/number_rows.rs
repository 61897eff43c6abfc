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
enum NumberColumns {
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
    let (item, columns) = find_columns(&schema).map_err(|problem| {
        let remedy = "it needs a column `item`, and one column of lists of floats or floats in numbered columns: `v0`, `v1`, …";
        DataError::format(path, None, problem, remedy)
    })?;
    let mut rows = NumberRows::default();
    // How deep a value stands that is there.
    let level = |at: usize| schema.column(at).max_def_level();
    let read = guarded(path, || {
        for group in 0..reader.num_row_groups() {
            let group = reader.get_row_group(group)?;
            let n_rows = usize::try_from(group.metadata().num_rows()).unwrap_or(0);
            rows.ids.extend(texts(group.get_column_reader(item)?, n_rows, level(item))?);
            let group = Group { reader: &*group, n_rows, level: &level };
            if let Err(problem) = group.append(&mut rows, &columns)? {
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

fn find_columns(schema: &SchemaDescriptor) -> Result<(usize, NumberColumns), String> {
    let columns = schema.columns();
    let name = |at: usize| columns[at].path().parts().first().map_or("", String::as_str);
    let names = || (0..columns.len()).map(name).take(8).collect::<Vec<_>>().join("`, `");
    let item = (0..columns.len()).find(|&at| name(at) == ITEM && columns[at].max_rep_level() == 0);
    let Some(item) = item else { return Err(format!("there is no column `{ITEM}` among `{}`", names())) };
    let others: Vec<usize> = (0..columns.len()).filter(|&at| at != item).collect();
    if let [list] = others[..]
        && columns[list].max_rep_level() == 1
    {
        return Ok((item, NumberColumns::List(list)));
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
    Ok((item, NumberColumns::Columns(numbered.into_iter().map(|(.., at)| at).collect())))
}

// What reading gives: an error of the file outside, what is wrong with a row inside.
type OfRows<T> = ParquetResult<Result<T, String>>;

// A row group of which only the numbers are still to be read.
struct Group<'a> {
    reader: &'a dyn RowGroupReader,
    n_rows: usize,
    // How deep a value stands that is there, by column.
    level: &'a dyn Fn(usize) -> i16,
}

impl Group<'_> {
    fn floats(&self, column: usize) -> ParquetResult<(Vec<f32>, Vec<Option<usize>>)> {
        floats(self.reader.get_column_reader(column)?, self.n_rows, (self.level)(column))
    }

    // Behind the rows of the groups before; their ids stand in `rows` already.
    fn append(&self, rows: &mut NumberRows, columns: &NumberColumns) -> OfRows<()> {
        match columns {
            NumberColumns::List(column) => self.append_lists(rows, *column),
            NumberColumns::Columns(columns) => self.append_columns(rows, columns),
        }
    }

    fn append_lists(&self, rows: &mut NumberRows, column: usize) -> OfRows<()> {
        let (values, lengths) = self.floats(column)?;
        for (row, length) in lengths.iter().enumerate() {
            let Some(length) = *length else {
                return Ok(Err(format!("{} has no list, or one with a gap", self.name(rows, row))));
            };
            if length == 0 || (rows.dim != 0 && rows.dim != length) {
                let row = self.name(rows, row);
                return Ok(Err(format!("{row} has {length} floats instead of {}", rows.dim)));
            }
            rows.dim = length;
        }
        rows.values.extend(values);
        Ok(Ok(()))
    }

    fn append_columns(&self, rows: &mut NumberRows, columns: &[usize]) -> OfRows<()> {
        rows.dim = columns.len();
        let start = rows.values.len();
        rows.values.resize(start + self.n_rows * columns.len(), 0.0);
        for (place, &column) in columns.iter().enumerate() {
            let (values, lengths) = self.floats(column)?;
            if let Some(row) = lengths.iter().position(Option::is_none) {
                let row = self.name(rows, row);
                return Ok(Err(format!("{row} has nothing in column {} of the numbers", place + 1)));
            }
            let row_starts = (start + place..).step_by(columns.len());
            row_starts.zip(values).for_each(|(at, value)| rows.values[at] = value);
        }
        Ok(Ok(()))
    }

    // A row of this group, as a person would count it in the file.
    fn name(&self, rows: &NumberRows, row: usize) -> String {
        let at = rows.ids.len() - self.n_rows + row;
        format!("row {} (item `{}`)", at + 1, rows.ids[at])
    }
}

// Of each of `n` rows its number of floats, `None` where one is missing; the floats that are there.
fn floats(reader: ColumnReader, n: usize, level: i16) -> ParquetResult<(Vec<f32>, Vec<Option<usize>>)> {
    match reader {
        ColumnReader::FloatColumnReader(reader) => cells(reader, n, level, |value| Ok(*value)),
        ColumnReader::DoubleColumnReader(reader) => cells(reader, n, level, |value| Ok(*value as f32)),
        _ => Err(ParquetError::General("a column of numbers has neither f32 nor f64".into())),
    }
}

fn texts(reader: ColumnReader, n: usize, level: i16) -> ParquetResult<Vec<String>> {
    let bad = || ParquetError::General(format!("the column `{ITEM}` has text that is not UTF-8"));
    let (texts, lengths) = match reader {
        ColumnReader::ByteArrayColumnReader(reader) => {
            cells(reader, n, level, |value| String::from_utf8(value.data().to_vec()).map_err(|_| bad()))?
        }
        ColumnReader::Int32ColumnReader(reader) => cells(reader, n, level, |value| Ok(value.to_string()))?,
        ColumnReader::Int64ColumnReader(reader) => cells(reader, n, level, |value| Ok(value.to_string()))?,
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
    n: usize,
    level: i16,
    value_of: impl Fn(&T::T) -> ParquetResult<V>,
) -> ParquetResult<(Vec<V>, Vec<Option<usize>>)> {
    let (mut definitions, mut repetitions, mut values) = (Vec::<i16>::new(), Vec::<i16>::new(), Vec::new());
    let (n_read, ..) = reader.read_records(n, Some(&mut definitions), Some(&mut repetitions), &mut values)?;
    if n_read != n {
        return Err(ParquetError::EOF(format!("a column ends after {n_read} of {n} rows")));
    }
    let values = values.iter().map(value_of).collect::<ParquetResult<Vec<V>>>()?;
    let mut lengths: Vec<Option<usize>> = Vec::with_capacity(n);
    let n_entries = if level > 0 { definitions.len() } else { values.len() };
    for at in 0..n_entries {
        let continues = repetitions.get(at).is_some_and(|&level| level > 0);
        let is_there = level == 0 || definitions.get(at) == Some(&level);
        if !continues {
            lengths.push(Some(0));
        }
        if let Some(last) = lengths.last_mut() {
            *last = if is_there { last.map(|length| length + 1) } else { None };
        }
    }
    Ok((values, lengths))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::sync::Arc;

    use parquet::column::writer::ColumnWriter;
    use parquet::data_type::ByteArray;
    use parquet::file::properties::WriterProperties;
    use parquet::file::writer::SerializedFileWriter;
    use parquet::schema::parser::parse_message_type;

    use super::*;

    /// Values of a column, with their levels where they have some.
    enum Column {
        Texts(&'static [&'static str]),
        Numbers(&'static [i64]),
        Floats(&'static [f32], Option<&'static [i16]>, Option<&'static [i16]>),
        Doubles(&'static [f64]),
    }

    fn written(name: &str, schema: &str, groups: &[&[Column]]) -> PathBuf {
        let path = std::env::temp_dir().join(format!("segue-rows-{name}-{}.parquet", std::process::id()));
        let schema = Arc::new(parse_message_type(schema).unwrap());
        let properties = Arc::new(WriterProperties::builder().build());
        let mut file = SerializedFileWriter::new(File::create(&path).unwrap(), schema, properties).unwrap();
        for columns in groups {
            let mut group = file.next_row_group().unwrap();
            for column in *columns {
                let mut writer = group.next_column().unwrap().unwrap();
                match (writer.untyped(), column) {
                    (ColumnWriter::ByteArrayColumnWriter(w), Column::Texts(texts)) => {
                        let texts: Vec<ByteArray> = texts.iter().map(|text| ByteArray::from(*text)).collect();
                        w.write_batch(&texts, None, None).unwrap()
                    }
                    (ColumnWriter::Int64ColumnWriter(w), Column::Numbers(values)) => {
                        w.write_batch(values, None, None).unwrap()
                    }
                    (
                        ColumnWriter::FloatColumnWriter(w),
                        Column::Floats(values, definitions, repetitions),
                    ) => w.write_batch(values, *definitions, *repetitions).unwrap(),
                    (ColumnWriter::DoubleColumnWriter(w), Column::Doubles(values)) => {
                        w.write_batch(values, None, None).unwrap()
                    }
                    _ => panic!("the test's own schema"),
                };
                writer.close().unwrap();
            }
            group.close().unwrap();
        }
        file.close().unwrap();
        path
    }

    fn refused(path: &Path) -> String {
        let problem = read(path).unwrap_err().to_string();
        std::fs::remove_file(path).unwrap();
        problem
    }

    // As pandas and pyarrow write lists: both the list and its elements may be missing.
    const LISTS: &str = "message m { required binary item (UTF8); optional group vector (LIST) { repeated group list \
        { optional float element; } } }";

    #[test]
    fn a_column_of_lists_is_read_over_all_row_groups() {
        let one = [
            Column::Texts(&["a", "b"]),
            Column::Floats(&[1.0, 2.0, 3.0, 4.0], Some(&[3; 4]), Some(&[0, 1, 0, 1])),
        ];
        let two = [Column::Texts(&["c"]), Column::Floats(&[5.0, 6.0], Some(&[3; 2]), Some(&[0, 1]))];
        let path = written("lists", LISTS, &[&one, &two]);
        let rows = read(&path).unwrap();
        assert_eq!((rows.dim, rows.ids), (2, vec!["a".to_owned(), "b".into(), "c".into()]));
        assert_eq!(rows.values, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        let whole = std::fs::read(&path).unwrap();
        for end in [0, 4, whole.len() / 2, whole.len() - 1] {
            std::fs::write(&path, &whole[..end]).unwrap();
            assert!(read(&path).is_err(), "{end} of {} bytes", whole.len());
        }
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn lists_of_other_lengths_and_gaps_are_refused_by_row() {
        let rows: [(&str, Column, &str); 4] = [
            (
                "longer",
                Column::Floats(&[1.0, 2.0, 3.0], Some(&[3; 3]), Some(&[0, 0, 1])),
                "row 2 (item `b`) has 2 floats instead of 1",
            ),
            (
                "gap",
                Column::Floats(&[1.0, 3.0], Some(&[3, 2, 3]), Some(&[0, 1, 0])),
                "row 1 (item `a`) has no list, or one with a gap",
            ),
            ("null", Column::Floats(&[1.0], Some(&[3, 0]), Some(&[0, 0])), "row 2 (item `b`) has no list"),
            ("empty", Column::Floats(&[], Some(&[0, 0]), Some(&[0, 0])), "row 1 (item `a`) has no list"),
        ];
        for (name, column, said) in rows {
            let problem = refused(&written(name, LISTS, &[&[Column::Texts(&["a", "b"]), column]]));
            assert!(problem.contains(said), "{name}: {problem}");
        }
    }

    #[test]
    fn numbered_columns_are_read_in_the_order_of_their_numbers() {
        let schema =
            "message m { required double v1; required double v0; required int64 item; required double v2; }";
        let columns = [
            Column::Doubles(&[1.0, 11.0]),
            Column::Doubles(&[0.0, 10.0]),
            Column::Numbers(&[7, -8]),
            Column::Doubles(&[2.0, 12.0]),
        ];
        let path = written("numbered", schema, &[&columns]);
        let rows = read(&path).unwrap();
        assert_eq!((rows.dim, rows.ids), (3, vec!["7".to_owned(), "-8".into()]));
        assert_eq!(rows.values, [0.0, 1.0, 2.0, 10.0, 11.0, 12.0]);
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn other_columns_are_named() {
        let floats = || Column::Floats(&[1.0], None, None);
        let cases: [(&str, &str, Vec<Column>, &str); 4] = [
            ("unnamed", "message m { required float v0; }", vec![floats()], "no column `item`"),
            (
                "alone",
                "message m { required int64 item; }",
                vec![Column::Numbers(&[1])],
                "no column of numbers",
            ),
            (
                "jump",
                "message m { required int64 item; required float v0; required float v2; }",
                vec![Column::Numbers(&[1]), floats(), floats()],
                "comes `v2`, not `v1`",
            ),
            (
                "price",
                "message m { required int64 item; required float price; }",
                vec![Column::Numbers(&[1]), floats()],
                "`price` has no number",
            ),
        ];
        for (name, schema, columns, said) in cases {
            let problem = refused(&written(name, schema, &[&columns]));
            assert!(problem.contains(said) && problem.contains("hint"), "{name}: {problem}");
        }
    }
}
