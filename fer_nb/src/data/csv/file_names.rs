//! [`of_files`]: tables of the names of image files, which are no images yet.

use std::path::Path;

use csv::{ByteRecord, ReaderBuilder};

use super::columns::{EMOTION, USAGE, is_called};
use super::opened::SEPARATORS;
use super::pixels::has_numbers;
use super::row::trim;
use crate::common::command::{path as word, quoted};
use crate::common::file_kind::head;
use crate::common::{Error, Place, text};

/// What the names of image files end in.
const ENDINGS: [&str; 8] = ["jpg", "jpeg", "png", "bmp", "webp", "tif", "tiff", "gif"];

/// The error for a table with a column of file names and one of classes, with the line that sorts the files into
/// folders; `None` for any other.
pub(in crate::data) fn of_files(path: &Path) -> Option<Error> {
    let (head, _) = head(path).ok()?;
    let head = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&head);
    SEPARATORS.iter().find_map(|separator| with_separator(path, head, *separator))
}

fn with_separator(path: &Path, head: &[u8], separator: u8) -> Option<Error> {
    let mut reader = ReaderBuilder::new().delimiter(separator).flexible(true).from_reader(head);
    let header = reader.byte_headers().ok()?.clone();
    let names: Vec<&[u8]> = header.iter().map(trim).collect();
    let mut first = ByteRecord::new();
    reader.read_byte_record(&mut first).ok()?.then_some(())?;
    let column = |known: &[&str]| {
        known.iter().find_map(|known| names.iter().position(|name| is_called(name, known)))
    };
    let files = first.iter().position(|field| is_file(trim(field)))?;
    // Names next to pixels are of no concern.
    if first.iter().any(|field| has_numbers(trim(field), 2)) {
        return None;
    }
    let class = column(&EMOTION).filter(|class| *class != files)?;
    let name = |place: usize| names.get(place).copied().map(String::from_utf8_lossy);
    let columns: Vec<usize> = column(&USAGE).into_iter().chain([class]).collect();
    let columns = columns.into_iter().filter_map(name).map(|name| quoted(&*name));
    let columns = columns.collect::<Vec<_>>().join(" ");
    let problem = format!(
        "has names of image files ({}: {}) and no pixels",
        text::excerpt(names.get(files).copied().unwrap_or_default()),
        text::excerpt(trim(first.get(files)?)),
    );
    let folder = path.with_extension("sorted");
    let separator = quoted(char::from(separator).to_string());
    let hint = format!(
        "Sort the files into folders of their classes, and give {}: python3 -c \"import csv, sys, pathlib, shutil; \
         t, o, s, n, *c = sys.argv[1:]; b = pathlib.Path(t).parent; \
         [(d.mkdir(parents=True, exist_ok=True), shutil.copy(f, d / q.replace('/', '_').replace(':', ''))) \
         for r in csv.DictReader(open(t, newline='', encoding='utf-8-sig'), delimiter=s) \
         for q in [r[n].strip().replace(chr(92), '/')] \
         for f in [next((f for f in (b / q, b / q.split('/')[-1]) if f.is_file()), b / q)] \
         for d in [pathlib.Path(o, *[r[k].strip() for k in c])]]\" {} {} {separator} {} {columns}",
        text::shown(&folder),
        word(path),
        word(&folder),
        quoted(&*name(files)?),
    );
    Some(Error::file_at(path, Place::Header, problem, hint))
}

fn is_file(field: &[u8]) -> bool {
    let ending = field.rsplit(|byte| *byte == b'.').next().unwrap_or_default();
    ending.len() < field.len()
        && ENDINGS.iter().any(|known| ending.eq_ignore_ascii_case(known.as_bytes()))
}
