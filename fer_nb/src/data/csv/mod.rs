//! FER2013 as Kaggle's one table, `fer2013.csv`: columns emotion, pixels and Usage, a row an image.
//!
//! The file is 300 MB of text for 83 MB of pixels, so it is never held whole: one thread reads
//! records while the others turn the records before them into pixels.

mod row;

use std::collections::HashSet;
use std::fs::File;
use std::path::Path;

use csv::{ByteRecord, Reader, ReaderBuilder};
use rayon::prelude::*;

use self::row::{COLUMNS, Row, USAGES};
use super::dataset::{Dataset, Origin};
use super::loaded::{Loaded, compact};
use super::pixels::PIXELS;
use crate::common::{Error, Place, Result, text};
use crate::emotion::Emotion;
use crate::project::Task;

/// The share of bad rows up to which they are set aside; with more, the file is refused.
const TOLERATED: f64 = 0.01;
/// Records that are in flight between the reading thread and the others: 2 MB of text.
const BATCH: usize = 256;
/// The hint for a table with other columns.
const EXPECTED_COLUMNS: &str = "Expected are the columns emotion, pixels and Usage, in any order; \
                                see data/README.md.";

/// A row that can't be used: the problem names the field, its content and what was expected.
struct BadRow {
    /// "row 17 (line 18)": the 17th below the header.
    place: Place,
    problem: String,
}

/// Reads the table at `path`; rows keep their order.
///
/// A bad row is set aside and named in a note. A byte-order mark, CRLF, quotes around fields and blanks
/// around names are fine.
///
/// # Errors
/// [`Error::Missing`] for a file that is not there; [`Error::File`] with the first bad row if more than
/// 1 % are bad, and with the columns found if one is missing; [`Error::Stopped`] after the rows in flight
/// if the user stops it.
pub(super) fn load(path: &Path) -> Result<Loaded> {
    let (mut reader, columns) = open(path)?;
    let task = Task::begin("reading the rows of fer2013.csv", None)?;
    let mut parsed = Parsed::default();
    let (mut filled, mut empty) = (Vec::new(), Vec::new());
    loop {
        // The next batch is read while the one before it is parsed.
        let (read, ()) =
            rayon::join(|| fill(&mut reader, &mut empty), || parsed.add(&filled, &columns));
        read.map_err(|error| unreadable(path, error))?;
        task.step(filled.len())?;
        std::mem::swap(&mut filled, &mut empty);
        if filled.is_empty() {
            break;
        }
    }
    parsed.into_loaded(path)
}

/// Opens the table and finds the needed columns by name.
fn open(path: &Path) -> Result<(Reader<File>, [usize; 3])> {
    let file = File::open(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            Error::missing("fer2013.csv", path, "Give its path, or see data/README.md.")
        }
        _ => Error::io("read", path, error),
    })?;
    let mut reader = ReaderBuilder::new()
        // No field holds a line break, so a stray quote may not swallow the rows after it.
        .quoting(false)
        .flexible(true)
        .has_headers(true)
        .buffer_capacity(1 << 20)
        .from_reader(file);
    let header = reader.byte_headers().map_err(|error| unreadable(path, error))?.clone();
    let names: Vec<&[u8]> = header
        .iter()
        .map(|name| row::trim(name.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(name)))
        .collect();
    if names.iter().all(|name| name.is_empty()) {
        return Err(Error::file(path, "is empty", EXPECTED_COLUMNS));
    }
    let mut columns = [0; 3];
    for (column, wanted) in columns.iter_mut().zip(COLUMNS) {
        *column = names
            .iter()
            .position(|name| name.eq_ignore_ascii_case(wanted.as_bytes()))
            .ok_or_else(|| {
                let found: Vec<String> = names.iter().map(|name| text::excerpt(name)).collect();
                Error::file_at(
                    path,
                    Place::Header,
                    format!("has no column {wanted}; it has {}", text::list(&found)),
                    EXPECTED_COLUMNS,
                )
            })?;
    }
    Ok((reader, columns))
}

/// Reads up to a batch of records into `records`, keeping their buffers; none at the end.
fn fill(reader: &mut Reader<File>, records: &mut Vec<ByteRecord>) -> csv::Result<()> {
    records.resize_with(BATCH, ByteRecord::new);
    let mut count = 0;
    for record in records.iter_mut() {
        if !reader.read_byte_record(record)? {
            break;
        }
        count += 1;
    }
    records.truncate(count);
    Ok(())
}

/// What has been read so far.
#[derive(Default)]
struct Parsed {
    /// Rows seen, good and bad.
    seen: usize,
    images: Vec<u8>,
    labels: Vec<u8>,
    usages: Vec<&'static str>,
    sources: Vec<String>,
    bad: Vec<BadRow>,
}

impl Parsed {
    fn add(&mut self, records: &[ByteRecord], columns: &[usize; 3]) {
        let mut images = vec![0u8; records.len() * PIXELS];
        let rows: Vec<Result<Row, String>> = images
            .par_chunks_exact_mut(PIXELS)
            .zip(records)
            .with_min_len(8)
            .map(|(out, record)| row::parse(record, columns, out))
            .collect();
        let mut keep = Vec::with_capacity(rows.len());
        for (row, record) in rows.into_iter().zip(records) {
            self.seen += 1;
            keep.push(row.is_ok());
            match row {
                Ok(row) => {
                    self.labels.push(row.label);
                    self.usages.push(row.usage);
                    self.sources.push(format!("row {}", self.seen));
                }
                Err(problem) => {
                    let line = record.position().map_or(0, csv::Position::line);
                    let place = Place::Row { row: self.seen as u64, line: Some(line) };
                    self.bad.push(BadRow { place, problem });
                }
            }
        }
        compact(&mut images, &keep);
        self.images.extend_from_slice(&images);
    }

    fn into_loaded(self, path: &Path) -> Result<Loaded> {
        let mut notes = Vec::new();
        if let Some(first) = self.bad.first() {
            if self.bad.len() as f64 > TOLERATED * self.seen as f64 {
                return Err(Error::file_at(
                    path,
                    first.place.clone(),
                    &first.problem,
                    format!(
                        "{} of {} rows are bad, more than the 1 % that is set aside: mend the file \
                         or download it again, see data/README.md.",
                        text::count(self.bad.len()),
                        text::count(self.seen)
                    ),
                ));
            }
            let named: Vec<String> =
                self.bad.iter().map(|bad| format!("{}: {}", bad.place, bad.problem)).collect();
            notes.push(format!(
                "Set aside {} of {}: {}",
                text::plural(self.bad.len(), "bad row"),
                text::count(self.seen),
                text::list(&named)
            ));
        }
        let is_test: Vec<bool> = self.usages.iter().map(|usage| *usage != USAGES[0]).collect();
        for (part, test) in [("Training", false), ("PublicTest or PrivateTest", true)] {
            let rows = self.labels.iter().zip(&is_test).filter(|(_, is_test)| **is_test == test);
            let classes: HashSet<usize> = rows.map(|(label, _)| usize::from(*label)).collect();
            if classes.is_empty() {
                return Err(Error::file(
                    path,
                    format!("has no row whose Usage is {part}"),
                    "Both are needed: images to train with and images to test with.",
                ));
            }
            let absent = Emotion::ALL.into_iter().filter(|class| !classes.contains(&class.index()));
            let absent: Vec<&str> = absent.map(Emotion::name).collect();
            if !absent.is_empty() {
                notes.push(format!("No {part} row of {}", text::list(&absent)));
            }
        }
        let origin = Origin::Csv(path.to_path_buf());
        let dataset = Dataset::new(self.images, self.labels, self.sources, self.usages, origin)?;
        Ok(Loaded { dataset, is_test, notes })
    }
}

fn unreadable(path: &Path, error: csv::Error) -> Error {
    match error.into_kind() {
        csv::ErrorKind::Io(source) => Error::io("read", path, source),
        other => Error::file(
            path,
            format!("is not a table: {other:?}"),
            "Expected is Kaggle's fer2013.csv.",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::fixtures::Tree;

    /// `rows` of (emotion, pixels, Usage) under the usual header.
    fn csv_of(rows: &[(String, String, String)], newline: &str) -> String {
        let mut text = format!("emotion,pixels,Usage{newline}");
        for (emotion, pixels, usage) in rows {
            text.push_str(&format!("{emotion},{pixels},{usage}{newline}"));
        }
        text
    }

    fn pixels(seed: usize) -> String {
        let values: Vec<String> = (0..PIXELS).map(|n| ((n * 7 + seed) % 256).to_string()).collect();
        values.join(" ")
    }

    /// `count` good rows: classes in turn, every tenth for test.
    fn good(count: usize) -> Vec<(String, String, String)> {
        (0..count)
            .map(|n| {
                let usage = ["PublicTest", "PrivateTest"].get(n % 10).unwrap_or(&"Training");
                ((n % 7).to_string(), pixels(n), usage.to_string())
            })
            .collect()
    }

    fn load_text(text: impl AsRef<[u8]>) -> Result<Loaded> {
        let folder = Tree::empty();
        folder.write("fer2013.csv", text.as_ref());
        load(&folder.path().join("fer2013.csv"))
    }

    /// Where in the file the error is.
    fn place(text: impl AsRef<[u8]>) -> Place {
        match load_text(text).err() {
            Some(Error::File { place, .. }) => place,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn rows_become_images_with_our_class_order() {
        let loaded = load_text(csv_of(&good(700), "\n")).unwrap();
        assert_eq!(loaded.dataset.len(), 700);
        assert_eq!(loaded.notes, Vec::<String>::new());
        let expected: Vec<u8> = (0..PIXELS).map(|n| ((n * 7 + 11) % 256) as u8).collect();
        assert_eq!(loaded.dataset.image(11), Some(expected.as_slice()));
        // Kaggle's 4, 5, 6 are sad, surprise, neutral.
        let labels: Vec<_> = loaded.dataset.iter().map(|(_, emotion)| emotion.name()).collect();
        let names = ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"];
        assert_eq!(labels[..7], names);
        assert_eq!(loaded.is_test.iter().filter(|test| **test).count(), 140);
        let table = loaded.dataset.table().unwrap();
        let cell = |column: &str, row: usize| {
            table.column(column).unwrap().str().unwrap().get(row).unwrap().to_string()
        };
        assert_eq!((cell("source", 0), cell("usage", 0)), ("row 1".into(), "PublicTest".into()));
        assert_eq!(
            (cell("source", 699), cell("usage", 699)),
            ("row 700".into(), "Training".into())
        );
    }

    #[test]
    fn the_usual_dialects_give_the_same_images() {
        let rows = good(70);
        let plain = load_text(csv_of(&rows, "\n")).unwrap().dataset.fingerprint();
        let marked = format!("\u{feff}{}", csv_of(&rows, "\r\n"));
        let mut columns = String::from(" Usage,number,\"pixels\", emotion\n");
        for (emotion, pixels, usage) in &rows {
            columns.push_str(&format!("{usage},17,\"{pixels}\",\"{emotion}\"\n"));
        }
        let unfinished = csv_of(&rows, "\n").trim_end().to_string();
        let gaps = csv_of(&rows, "\n\n");
        for text in [marked, columns, unfinished, gaps] {
            assert_eq!(load_text(&text).unwrap().dataset.fingerprint(), plain, "{:.30}", text);
        }
    }

    #[test]
    fn one_bad_row_among_many_is_set_aside_and_named() {
        let short = pixels(0).rsplit_once(' ').unwrap().0.to_string();
        let long = format!("{} 9", pixels(0));
        let with = |value: &str| pixels(0).replacen("7 ", &format!("{value} "), 1);
        for (column, value, problem) in [
            (1, short, "pixels: 2,303 values, expected 2,304"),
            (1, long, "pixels: 2,305 values, expected 2,304"),
            (1, with("300"), "pixels: value 2 is '300', expected 0 to 255"),
            (1, with("x"), "pixels: value 2 is 'x', expected 0 to 255"),
            (1, with("-1"), "pixels: value 2 is '-1', expected 0 to 255"),
            (1, with("1.5"), "pixels: value 2 is '1.5', expected 0 to 255"),
            (1, with("1234"), "pixels: value 2 is '1234', expected 0 to 255"),
            (1, String::new(), "pixels: 0 values, expected 2,304"),
            (0, "7".into(), "emotion is '7', expected 0 to 6"),
            (0, "happy".into(), "emotion is 'happy', expected 0 to 6"),
            (0, String::new(), "emotion is '', expected 0 to 6"),
            (2, "Test".into(), "Usage is 'Test', expected Training, PublicTest, PrivateTest"),
            (1, "\"".to_string() + &pixels(0), "pixels: value 1 is '\\\"0', expected 0 to 255"),
            (1, "1,2".into(), "Usage is '2', expected Training, PublicTest, PrivateTest"),
        ] {
            let mut rows = good(300);
            let row = &mut rows[256];
            *[&mut row.0, &mut row.1, &mut row.2][column] = value;
            let loaded = load_text(csv_of(&rows, "\n")).unwrap();
            assert_eq!(loaded.dataset.len(), 299);
            let [note] = loaded.notes.as_slice() else { panic!("{:?}", loaded.notes) };
            let place = "Set aside 1 bad row of 300: row 257 (line 258): ";
            assert_eq!(note, &format!("{place}{problem}"));
            // The row after it kept its own number and pixels.
            let expected: Vec<u8> = (0..PIXELS).map(|n| ((n * 7 + 257) % 256) as u8).collect();
            assert_eq!(loaded.dataset.image(256), Some(expected.as_slice()));
        }
    }

    #[test]
    fn many_bad_rows_are_an_error_that_names_the_first() {
        let mut rows = good(300);
        for row in [20, 21, 22, 23] {
            rows[row].0 = "7".into();
        }
        assert_eq!(place(csv_of(&rows, "\n")), Place::Row { row: 21, line: Some(22) });
        rows[23].0 = "6".into();
        assert_eq!(load_text(csv_of(&rows, "\n")).unwrap().dataset.len(), 297);
        let missing = "emotion,pixels,Usage\n3,1 2 3\n";
        assert_eq!(place(missing), Place::Row { row: 1, line: Some(2) });
    }

    #[test]
    fn a_missing_column_is_an_error_of_the_header() {
        assert_eq!(place("label,pixels,split\n3,1 2 3,Training\n"), Place::Header);
        assert_eq!(place("emotion,pixels\n0,1\n"), Place::Header);
        for empty in ["", "\u{feff}", " , ,\n"] {
            assert_eq!(place(empty), Place::Whole, "{empty:?}");
        }
        assert_eq!(place(b"PK\x03\x04\xff\xfe\x00\n"), Place::Header);
    }

    #[test]
    fn both_parts_are_needed_and_missing_classes_are_noted() {
        assert_eq!(place("emotion,pixels,Usage\n"), Place::Whole);
        let only_training = format!("emotion,pixels,Usage\n3,{},Training\n", pixels(1));
        assert_eq!(place(&only_training), Place::Whole);
        let both = format!("{only_training}3,{},privatetest\n", pixels(2));
        let loaded = load_text(both).unwrap();
        assert_eq!(
            loaded.notes[0],
            "No Training row of angry, disgust, fear, neutral, sad, surprise"
        );
        assert_eq!(loaded.notes.len(), 2);
        let missing = load(Path::new("/nowhere/fer2013.csv"));
        assert!(matches!(missing, Err(Error::Missing { .. })));
    }
}
