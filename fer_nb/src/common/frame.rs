//! polars tables as CSV files. polars' reader would add its engine for files, which takes minutes to compile.

use std::path::Path;

use polars::prelude::{AnyValue, Column, DataFrame};

use super::files::write_text;
use super::{Error, Place, Result, plain_file};

/// Writes tables as CSV files: `history.to_table()?.to_csv("history.csv")?`.
pub trait FrameCsv {
    /// Writes the table with a line of column names, as a whole or not at all; a null is an empty field, and
    /// numbers have all their digits. Missing folders are created. [`read_csv`] reads it.
    ///
    /// # Errors
    /// [`Error::Io`] if the file can't be written; [`Error::Table`] for a column of lists or structs.
    fn to_csv(&self, path: impl AsRef<Path>) -> Result<()>;
}

impl FrameCsv for DataFrame {
    fn to_csv(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let broken = |error: csv::Error| Error::io("write", path, error.into());
        let mut writer = csv::Writer::from_writer(Vec::new());
        let names = self.columns().iter().map(|column| column.name().to_string());
        writer.write_record(names).map_err(broken)?;
        for row in 0..self.height() {
            let fields = self.columns().iter().map(|column| Ok(field(&column.get(row)?)));
            writer.write_record(fields.collect::<Result<Vec<_>>>()?).map_err(broken)?;
        }
        let bytes = writer
            .into_inner()
            .map_err(|error| Error::io("write", path, std::io::Error::other(error.to_string())))?;
        write_text(path, &bytes)
    }
}

fn field(value: &AnyValue<'_>) -> String {
    match value {
        AnyValue::Null => String::new(),
        AnyValue::String(text) => (*text).to_string(),
        AnyValue::StringOwned(text) => text.to_string(),
        // The fewest digits that give the same number; polars rounds for display.
        AnyValue::Float32(value) => value.to_string(),
        AnyValue::Float64(value) => value.to_string(),
        other => other.to_string(),
    }
}

/// The maximum bytes of a CSV file: in memory each field takes 24 bytes and its text.
const LARGEST: u64 = 32 << 20;

/// Reads a CSV file with a line of column names. A column has whole numbers (i64, or u64 for larger ones), numbers
/// (f64), booleans, or text: the first of these that fits all its fields. An empty field is null.
///
/// # Errors
/// [`Error::Missing`] if the file does not exist; [`Error::Io`] if it is larger than 32 MiB; [`Error::File`] with
/// the line if it is not CSV, or two columns have the same name.
pub fn read_csv(path: impl AsRef<Path>) -> Result<DataFrame> {
    let path = path.as_ref();
    if !path.exists() {
        let hint = "Give the path of a CSV file; `frame.to_csv(path)?` writes one.";
        return Err(Error::missing("the CSV file", path, hint));
    }
    let broken = |error: csv::Error| {
        let place = error.position().map_or(Place::Whole, |at| Place::Line(at.line()));
        match error.into_kind() {
            csv::ErrorKind::Io(source) => Error::io("read", path, source),
            csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
                let problem = format!("{len} fields, but the first line has {expected_len}");
                Error::file_at(path, place, problem, "The file may be truncated.")
            }
            csv::ErrorKind::Utf8 { .. } => {
                Error::file_at(path, place, "this is not UTF-8 text", "Save the file as UTF-8.")
            }
            other => Error::file_at(path, place, format!("{other:?}"), "A CSV file is expected."),
        }
    };
    let text = plain_file::read(path, LARGEST);
    let text = text.map_err(|source| Error::io("read", path, source))?;
    let mut reader = csv::Reader::from_reader(&text[..]);
    let names = reader.headers().map_err(broken)?.clone();
    let mut fields: Vec<Vec<Option<String>>> = vec![Vec::new(); names.len()];
    for record in reader.records() {
        let record = record.map_err(broken)?;
        for (column, field) in fields.iter_mut().zip(&record) {
            column.push(Some(field.to_string()).filter(|field| !field.is_empty()));
        }
    }
    let height = fields.first().map_or(0, Vec::len);
    let names = names.iter().map(|name| name.trim_start_matches('\u{feff}'));
    let columns = names.zip(&fields).map(|(name, fields)| typed(name, fields)).collect();
    DataFrame::new(height, columns).map_err(|error| {
        let hint = "Each column needs a different name.";
        Error::file_at(path, Place::Header, error.to_string(), hint)
    })
}

/// A column of the narrowest type that fits all fields.
fn typed(name: &str, fields: &[Option<String>]) -> Column {
    fn all<T: std::str::FromStr>(fields: &[Option<String>]) -> Option<Vec<Option<T>>> {
        let parse = |field: &Option<String>| match field {
            None => Some(None),
            Some(text) => text.parse().ok().map(Some),
        };
        fields.iter().map(parse).collect()
    }
    let name = name.into();
    if fields.iter().all(Option::is_none) {
        return Column::new(name, fields);
    }
    if let Some(values) = all::<i64>(fields) {
        Column::new(name, values)
    } else if let Some(values) = all::<u64>(fields) {
        Column::new(name, values)
    } else if let Some(values) = all::<f64>(fields) {
        Column::new(name, values)
    } else if let Some(values) = all::<bool>(fields) {
        Column::new(name, values)
    } else {
        Column::new(name, fields)
    }
}

#[cfg(test)]
mod tests {
    use polars::prelude::df;

    use super::*;

    #[test]
    fn a_written_table_comes_back() {
        let frame = df!(
            "run" => ["a, b", "say \"x\""],
            "epoch" => [1i64, -2],
            "hash" => [u64::MAX, 1],
            "loss" => [Some(0.1 + 0.2), None],
            "text" => [Some("7a"), None],
            "best" => [true, false],
            "nothing" => [None::<&str>, None],
        )
        .unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/table.csv");
        frame.to_csv(&path).unwrap();
        let back = read_csv(&path).unwrap();
        assert!(back.equals_missing(&frame), "{back:?}");
        let empty = frame.head(Some(0));
        empty.to_csv(&path).unwrap();
        assert_eq!(read_csv(&path).unwrap().shape(), (0, 7));
    }

    /// What an exercise does with a table, with what the crate's polars has.
    #[test]
    fn a_table_is_filtered_grouped_and_sorted() {
        use polars::prelude::*;
        let frame = df!("run" => ["a", "b", "a", "b"], "loss" => [1.0, 2.0, 3.0, 5.0]).unwrap();
        let mask = frame.column("loss").unwrap().f64().unwrap().gt(1.5);
        let found = frame.filter(&mask).unwrap();
        assert_eq!(found.height(), 3);
        let sorted = found.sort(["loss"], SortMultipleOptions::new().with_order_descending(true));
        let first = sorted.unwrap().column("loss").unwrap().f64().unwrap().get(0);
        assert_eq!(first, Some(5.0));
        let groups = frame.group_by(["run"]).unwrap().groups().unwrap();
        assert_eq!(groups.height(), 2);
    }

    #[test]
    fn errors_name_file_and_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table.csv");
        assert!(matches!(read_csv(&path), Err(Error::Missing { .. })));
        std::fs::write(&path, "a,b\n1,2\n3\n").unwrap();
        assert!(matches!(read_csv(&path), Err(Error::File { place: Place::Line(3), .. })));
        std::fs::write(&path, b"a,b\n1,\xff\n").unwrap();
        assert!(matches!(read_csv(&path), Err(Error::File { place: Place::Line(2), .. })));
        std::fs::write(&path, "a,a\n1,2\n").unwrap();
        assert!(matches!(read_csv(&path), Err(Error::File { place: Place::Header, .. })));
        assert!(matches!(read_csv(folder.path()), Err(Error::Io { .. })));
    }
}
