//! A data set as one table, a row an image, such as Kaggle's `fer2013.csv`: columns emotion, pixels and Usage.
//!
//! That file is 300 MB of text for 83 MB of pixels, so it is never held whole: one thread reads
//! records while the others turn the records before them into pixels. No row is longer than a megabyte.

mod columns;
pub(super) mod file_names;
mod opened;
mod parsed;
mod pixels;
mod row;
mod utf16;

use std::io::Read;
use std::path::{Path, PathBuf};

use csv::{ByteRecord, Reader};

use self::file_names::of_files;
use self::opened::{Opened, open};
use self::parsed::Parsed;
use super::layout::Change;
use super::loaded::Loaded;
use super::options::DataOptions;
use super::part::{Part, Usage};
use crate::common::file_kind::HEAD;
use crate::common::plain_file::PlainFile;
use crate::common::{Error, Result, text};
use crate::project::Task;

/// Records that are in flight between the reading thread and the others: 2 MB of text.
const BATCH: usize = 256;
/// Bytes of such records, after which no further one is read, however few they are.
const BATCH_BYTES: usize = 8 << 20;
/// The hint for a table with other columns.
const EXPECTED_COLUMNS: &str = "Expected are the columns emotion, pixels and Usage, in any order; \
                                see data/README.md.";

/// Reads the table, or those of several parts in one folder; rows keep their order.
///
/// Without a column that says the part of a row, the part is the one that the file is called after; without such a
/// name, everything is for testing. A bad row is set aside and named in a note. A byte-order mark, UTF-16, CRLF, quotes around fields, blanks
/// around names, and semicolons, tabs or bars between fields are fine.
///
/// # Errors
/// [`Error::Missing`] for a file that is not there; [`Error::File`] with the first bad row if more than
/// 1 % are bad, with the columns found if one is missing, and with its kind for a file that is no table;
/// [`Error::Stopped`] after the rows in flight if the user stops it.
pub(super) fn load(paths: &[PathBuf], options: &DataOptions) -> Result<Loaded> {
    let mut all: Option<Parsed> = None;
    let of_files = match paths {
        [one] => vec![Part::of_file(one)],
        several => Part::of_files(several),
    };
    for (path, of_file) in paths.iter().zip(of_files) {
        let parsed = read(path, of_file, options)?.checked(path)?;
        all = Some(match all {
            None => parsed, // not copied: it may be large
            Some(all) => all.joined(parsed),
        });
    }
    let all = all.unwrap_or_default();
    match paths {
        [one] => all.into_loaded(one, true, options),
        _ => {
            let folder = paths.first().and_then(|path| path.parent());
            let folder = folder.filter(|folder| !folder.as_os_str().is_empty());
            all.into_loaded(folder.unwrap_or(Path::new(".")), false, options)
        }
    }
}

/// Reads one table.
fn read(path: &Path, of_file: Option<Usage>, options: &DataOptions) -> Result<Parsed> {
    if let Some(error) = of_files(path) {
        return Err(error);
    }
    let Opened { mut reader, columns, skipped, is_headless } = open(path)?;
    let whole = of_file.unwrap_or((Part::Test, "test"));
    let name = text::shown(path.file_name().unwrap_or_default());
    let task = Task::begin(format!("reading the rows of {name}"), None)?;
    let without_parts = !columns.say_parts() && of_file.is_none();
    let mut parsed = Parsed::new(without_parts, skipped);
    let choices = columns.choices().into_iter().map(|(what, more)| Change { what, more });
    parsed.changes.extend(choices);
    if is_headless {
        let what = "The table has no header: its columns were found by what is in them".into();
        parsed.changes.push(Change { what, more: String::new() });
    }
    let (mut filled, mut empty) = (Vec::new(), Vec::new());
    loop {
        // The next batch is read while the one before it is parsed.
        let (read, ()) = rayon::join(
            || fill(&mut reader, &mut empty),
            || parsed.add(&filled, &columns, whole, options),
        );
        read.map_err(|error| unreadable(path, error))?;
        task.step(filled.len())?;
        std::mem::swap(&mut filled, &mut empty);
        if filled.is_empty() {
            break;
        }
    }
    Ok(parsed)
}

/// Whether a file holds FERPlus's labels, which are shared together with fer2013.csv: how many people chose each class, and
/// no image.
pub(super) fn holds_votes(path: &Path) -> bool {
    let mut head = Vec::with_capacity(HEAD);
    let read = PlainFile::open(path).map(|file| file.take(HEAD as u64).read_to_end(&mut head));
    let header = head.split(|byte| *byte == b'\n').next().unwrap_or_default().to_ascii_lowercase();
    let has = |word: &[u8]| header.windows(word.len()).any(|window| window == word);
    matches!(read, Ok(Ok(_))) && has(b"image name") && has(b"neutral") && has(b"contempt")
}

/// How many of the needed columns the table at `path` has; `None` if it is not a table of images.
pub(super) fn needed_columns(path: &Path) -> Option<usize> {
    let extension = path.extension()?.to_str()?.to_lowercase();
    if !["csv", "tsv", "txt"].contains(&extension.as_str()) {
        return None;
    }
    let Opened { mut reader, columns, .. } = open(path).ok()?;
    let mut first = ByteRecord::new();
    // A column "image" may also hold the names of files.
    if reader.read_byte_record(&mut first).ok()? && !row::has_pixels(&first, &columns) {
        return None;
    }
    Some(2 + usize::from(columns.say_parts()))
}

/// Why a file is no table of images; `None` for one that is, as far as its header says.
pub(super) fn why_no_table(path: &Path) -> Option<Error> {
    open(path).err()
}

/// Reads up to a batch of records into `records`, keeping their buffers; none at the end.
fn fill(reader: &mut Reader<opened::Text>, records: &mut Vec<ByteRecord>) -> csv::Result<()> {
    records.resize_with(BATCH, ByteRecord::new);
    let (mut count, mut bytes) = (0, 0);
    for record in records.iter_mut() {
        reader.get_mut().reset();
        // The buffer of a long row is not kept for a short one.
        if record.as_slice().len() > BATCH_BYTES / BATCH {
            *record = ByteRecord::new();
        }
        if bytes > BATCH_BYTES || !reader.read_byte_record(record)? {
            break;
        }
        (count, bytes) = (count + 1, bytes + record.as_slice().len());
    }
    records.truncate(count);
    Ok(())
}

fn unreadable(path: &Path, error: csv::Error) -> Error {
    match error.into_kind() {
        csv::ErrorKind::Io(source) => Error::io("read", path, source),
        other => Error::file(path, format!("is not a table: {other:?}"), EXPECTED_COLUMNS),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::Place;
    use crate::data::Dataset;
    use crate::data::fixtures::Tree;
    use crate::data::pixels::PIXELS;

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
        load(&[folder.path().join("fer2013.csv")], &DataOptions::default())
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
        assert_eq!(loaded.said(), Vec::<String>::new());
        let expected: Vec<u8> = (0..PIXELS).map(|n| ((n * 7 + 11) % 256) as u8).collect();
        assert_eq!(loaded.dataset.image(11), Some(expected.as_slice()));
        // Kaggle's 4, 5, 6 are sad, surprise, neutral.
        let labels: Vec<_> = loaded.dataset.iter().map(|(_, emotion)| emotion.name()).collect();
        let names = ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"];
        assert_eq!(labels[..7], names);
        assert_eq!(loaded.parts.iter().filter(|part| **part == Part::Test).count(), 140);
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
            (0, String::new(), "emotion is '', expected a class's number or name"),
            (
                2,
                "Quiz".into(),
                "Usage is 'Quiz', expected a part, such as Training, PublicTest or PrivateTest",
            ),
            (1, "\"".to_string() + &pixels(0), "pixels: value 1 is '\\\"0', expected 0 to 255"),
            (
                1,
                "1,2".into(),
                "Usage is '2', expected a part, such as Training, PublicTest or PrivateTest",
            ),
        ] {
            let mut rows = good(300);
            let row = &mut rows[256];
            *[&mut row.0, &mut row.1, &mut row.2][column] = value;
            let loaded = load_text(csv_of(&rows, "\n")).unwrap();
            assert_eq!(loaded.dataset.len(), 299);
            let said = loaded.said();
            let [note] = said.as_slice() else { panic!("{said:?}") };
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
            rows[row].2 = "Quiz".into();
        }
        assert_eq!(place(csv_of(&rows, "\n")), Place::Row { row: 21, line: Some(22) });
        rows[23].2 = "Training".into();
        assert_eq!(load_text(csv_of(&rows, "\n")).unwrap().dataset.len(), 297);
        let missing = "emotion,pixels,Usage\n3,1 2 3\n";
        assert_eq!(place(missing), Place::Row { row: 1, line: Some(2) });
    }

    #[test]
    fn a_missing_column_is_an_error_of_the_header() {
        assert_eq!(place("feeling,pixels,split\n3,1 2 3,Training\n"), Place::Header);
        assert_eq!(place("emotion,Usage\n0,Training\n"), Place::Header);
        for empty in ["", "\u{feff}", " , ,\n"] {
            assert_eq!(place(empty), Place::Whole, "{empty:?}");
        }
        assert_eq!(place(b"PK\x03\x04\xff\xfe\x00\n"), Place::Whole);
        let folder = Tree::empty();
        folder.write("fer2013.csv", b"PK\x03\x04train/");
        let path = folder.path().join("fer2013.csv");
        let Err(Error::File { problem, hint, .. }) = load(&[path], &DataOptions::default()) else {
            panic!()
        };
        assert_eq!(problem, "is a zip archive, not a table");
        assert!(hint.contains("unzip"), "{hint}");
    }

    #[test]
    fn other_ways_to_write_a_table_give_the_same_images() {
        let rows = good(70);
        let plain = csv_of(&rows, "\n");
        let expected = load_text(&plain).unwrap().dataset.fingerprint();
        for separator in [";", "\t", "|"] {
            let text = plain.replace(',', separator);
            assert_eq!(load_text(&text).unwrap().dataset.fingerprint(), expected, "{separator}");
        }
        let mark = |units: &[u8], text: &str, bytes: fn(u16) -> [u8; 2]| -> Vec<u8> {
            units.iter().copied().chain(text.encode_utf16().flat_map(bytes)).collect()
        };
        let little = mark(b"\xFF\xFE", &plain, u16::to_le_bytes);
        let big = mark(b"\xFE\xFF", &plain, u16::to_be_bytes);
        for text in [little, big] {
            assert_eq!(load_text(text).unwrap().dataset.fingerprint(), expected);
        }
        let names = ["angry", "Disgusted", "fear", "HAPPY", "sadness", "surprise", "neutral"];
        let (mut words, mut lists) = ("label,split,pixels\n".to_string(), String::new());
        lists.push_str("emotion,pixels,Usage\n");
        for (emotion, pixels, usage) in &rows {
            let number: usize = emotion.parse().unwrap();
            let floats = pixels.replace(' ', ".0 ");
            words.push_str(&format!("{},{usage},{floats}.0\n", names[number]));
            let list = pixels.replace(' ', ", ");
            lists.push_str(&format!("{number}.0,\"[{list}]\",{}\n", usage.to_lowercase()));
        }
        assert_eq!(load_text(&words).unwrap().dataset.fingerprint(), expected);
        assert_eq!(load_text(&lists).unwrap().dataset.fingerprint(), expected);
    }

    #[test]
    fn other_classes_are_left_out_with_a_count_or_mapped() {
        let mut rows = good(70);
        for row in [3, 10, 17] {
            rows[row].0 = "7".into();
        }
        let text = csv_of(&rows, "\n");
        let loaded = load_text(&text).unwrap();
        assert_eq!(loaded.dataset.len(), 67);
        assert!(
            loaded.said()[0].starts_with("Left out 3 images of class 7"),
            "{:?}",
            loaded.said()
        );
        let folder = Tree::empty();
        folder.write("a.csv", text.as_bytes());
        let options = DataOptions { map: "7=disgust".parse().unwrap(), ..Default::default() };
        assert_eq!(load(&[folder.path().join("a.csv")], &options).unwrap().dataset.len(), 70);
    }

    #[test]
    fn files_without_a_usage_column_are_the_parts_that_they_are_called_after() {
        let folder = Tree::empty();
        let text = |first: usize, count: usize| {
            let rows = (first..first + count).map(|n| format!("{},{}\n", n % 7, pixels(n)));
            format!("emotion,pixels\n{}", rows.collect::<String>())
        };
        let names = ["train.csv", "val.csv", "PrivateTest.csv"];
        for (name, (first, count)) in names.iter().zip([(0, 70), (100, 14), (200, 7)]) {
            folder.write(name, text(first, count).as_bytes());
        }
        let paths = names.map(|name| folder.path().join(name));
        let loaded = load(&paths, &DataOptions::default()).unwrap();
        let count = |part| loaded.parts.iter().filter(|is| **is == part).count();
        let counts = [Part::Train, Part::Validation, Part::Test].map(count);
        assert_eq!((counts, loaded.layout.without_parts), ([70, 14, 7], false));
        assert!(loaded.layout.own_validation);
        let train = load(&paths[..1], &DataOptions::default()).unwrap();
        assert!(train.parts.iter().all(|part| *part == Part::Train));
        // Found as one data set, or as several that are called otherwise.
        let data = crate::data::FaceData::from_path(folder.path()).unwrap();
        let sizes = [&data.train, &data.validation, &data.test].map(Dataset::len);
        assert_eq!(sizes, [70, 14, 7]);
        std::fs::rename(&paths[2], folder.path().join("other.csv")).unwrap();
        let Err(Error::File { problem, .. }) = crate::data::FaceData::from_path(folder.path())
        else {
            panic!()
        };
        assert!(problem.contains("could be 3 data sets"), "{problem}");
    }

    #[test]
    fn without_a_usage_column_all_is_one_part() {
        assert_eq!(place("emotion,pixels,Usage\n"), Place::Whole);
        let loaded = load_text(format!("emotion,pixels\n3,{}\n", pixels(1))).unwrap();
        assert!(loaded.layout.without_parts);
        assert_eq!(loaded.parts, [Part::Test]);
        let missing = load(&["/nowhere/fer2013.csv".into()], &DataOptions::default());
        assert!(matches!(missing, Err(Error::Missing { .. })));
    }
}
