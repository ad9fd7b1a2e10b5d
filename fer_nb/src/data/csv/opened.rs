//! [`Opened`]: a table that was found to be one, with how it is written and where its columns are.

use std::io::{Cursor, Read};
use std::path::Path;

use csv::{ByteRecord, Reader, ReaderBuilder};

use super::columns::Columns;
use super::utf16::Utf16;
use super::{EXPECTED_COLUMNS, holds_votes, row, unreadable};
use crate::common::command::path as word;
use crate::common::file_kind::FileKind;
use crate::common::plain_file::{Limited, PlainFile};
use crate::common::way_out::Wanted;
use crate::common::{Error, Place, Result, text};

/// Bytes at the beginning of a table in which its header is looked for: names for 2304 columns, and a row.
const HEAD: usize = 64 << 10;
/// What may be between the fields of a row.
pub(super) const SEPARATORS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// The most bytes of one row; an image's 2304 numbers take 9 KB.
const ROW: usize = 1 << 20;

/// A table's text in UTF-8 or what is near it.
pub(super) type Text = Limited<Box<dyn Read + Send>>;

/// A table whose rows are read next.
pub(super) struct Opened {
    pub(super) reader: Reader<Text>,
    pub(super) columns: Columns,
    /// Lines before the header, which the reader does not see.
    pub(super) skipped: u64,
    /// Whether it has no header: the columns are found by what is in them.
    pub(super) is_headless: bool,
}

/// Opens the table and finds the needed columns.
pub(super) fn open(path: &Path) -> Result<Opened> {
    let refused = |error| Error::io("read", path, error);
    let mut file = PlainFile::open(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            Error::missing("The table", path, "Give its path, or see data/README.md.")
        }
        _ => refused(error),
    })?;
    let mut head = Vec::with_capacity(HEAD);
    file.by_ref().take(HEAD as u64).read_to_end(&mut head).map_err(refused)?;
    let mut rest: Box<dyn Read + Send> = Box::new(file);
    match FileKind::of(&head) {
        None => {}
        Some(FileKind::Utf16) => {
            let mut text = Utf16::new(Cursor::new(std::mem::take(&mut head)).chain(rest));
            text.by_ref().take(HEAD as u64).read_to_end(&mut head).map_err(refused)?;
            rest = Box::new(text);
        }
        Some(FileKind::Empty) => return Err(Error::file(path, "is empty", EXPECTED_COLUMNS)),
        Some(kind) => {
            // A workbook is a zip archive, too.
            let kind = FileKind::at(path).unwrap_or(kind);
            let way_out = kind.way_out(path, Wanted::Data);
            let hint = if way_out.is_empty() { EXPECTED_COLUMNS } else { &way_out };
            return Err(Error::file(path, format!("is {kind}, not a table"), hint));
        }
    }
    let start = Start::of(&head);
    let mut bytes = Cursor::new(head);
    bytes.set_position(start.bytes as u64);
    let mut reader = ReaderBuilder::new()
        .delimiter(start.separator)
        .quoting(start.is_quoted)
        .flexible(true)
        .has_headers(!start.is_headless)
        .buffer_capacity(1 << 20)
        .from_reader(Limited::new(Box::new(bytes.chain(rest)) as Box<dyn Read + Send>, ROW));
    let (skipped, is_headless) = (start.lines, start.is_headless);
    if let Some(columns) = start.columns {
        return Ok(Opened { reader, columns, skipped, is_headless });
    }
    let header = reader.byte_headers().map_err(|error| unreadable(path, error))?.clone();
    let names: Vec<&[u8]> = header.iter().map(name_of).collect();
    if names.iter().all(|name| name.is_empty()) {
        return Err(Error::file(path, "is empty", EXPECTED_COLUMNS));
    }
    let missing = match Columns::of(&names) {
        Ok(columns) => return Ok(Opened { reader, columns, skipped, is_headless }),
        Err(missing) => missing,
    };
    if holds_votes(path) {
        let hint = "Give fer2013.csv, which the images are in.";
        return Err(Error::file(path, "holds FERPlus's votes for each class, and no image", hint));
    }
    let found: Vec<String> = names.iter().map(|name| text::excerpt(name)).collect();
    let found = text::list(&found);
    if names.iter().any(|name| super::pixels::has_numbers(name, 100)) {
        let problem = format!("is a row of data and no names of columns: {found}");
        let named = word(path.with_extension("named.csv"));
        let hint = format!(
            "Put a line with a name for each column in front, such as emotion,pixels,Usage, in the order of the \
             columns: (echo emotion,pixels,Usage; cat {}) > {named}",
            word(path)
        );
        return Err(Error::file_at(path, Place::Header, problem, hint));
    }
    let problem = format!("has no column {missing}; it has {found}");
    Err(Error::file_at(path, Place::Header, problem, EXPECTED_COLUMNS))
}

/// How a table begins, and how it is written.
struct Start {
    /// Bytes and lines before the header.
    bytes: usize,
    lines: u64,
    separator: u8,
    /// Whether quotes hold separators or line breaks. Where they don't, none is taken for one, so that a stray quote
    /// does not swallow the rows after it.
    is_quoted: bool,
    is_headless: bool,
    /// Where they are, of a table without a header.
    columns: Option<Columns>,
}

impl Start {
    /// Found from the beginning of the table: the first line that is no comment, no empty line and no line for
    /// Excel, "sep=;", is the header, and the separator is the one with which it has the needed columns.
    fn of(head: &[u8]) -> Self {
        let mut start = Self {
            bytes: if head.starts_with(MARK) { MARK.len() } else { 0 },
            lines: 0,
            separator: b',',
            is_quoted: false,
            is_headless: false,
            columns: None,
        };
        let mut said = None;
        let mut lines = Vec::new();
        for line in head[start.bytes..].split_inclusive(|byte| *byte == b'\n').take(MOST_LINES) {
            let text = line.trim_ascii();
            let of_excel = text.to_ascii_lowercase().strip_prefix(b"sep=").map(<[u8]>::to_vec);
            let is_before = text.is_empty()
                || (of_excel.is_some() && lines.is_empty())
                || (text.starts_with(b"#") && !start.is_header(text));
            if lines.is_empty() && is_before {
                start.bytes += line.len();
                start.lines += 1;
                said = said.or(of_excel.and_then(|separator| separator.first().copied()));
            } else {
                lines.push(text);
            }
        }
        let header = lines.first().copied().unwrap_or_default();
        let fits = |separator: &u8| {
            Columns::of(&header.split(|byte| byte == separator).map(name_of).collect::<Vec<_>>())
                .is_ok()
        };
        let separators = said.into_iter().chain(SEPARATORS);
        match separators.clone().find(|separator| fits(separator)) {
            Some(separator) => {
                start.separator = separator;
                let first = lines.get(1).copied().unwrap_or_default();
                let count = |line: &[u8], of: u8| line.iter().filter(|byte| **byte == of).count();
                let fields = |line: &[u8]| count(line, separator);
                // A quote that does not end in its line holds a line break.
                let goes_on = count(first, b'"') % 2 == 1
                    && lines.len() > 2
                    && fields(first) < fields(header);
                let holds_more = |line: &&[u8]| {
                    let quotes = count(line, b'"');
                    fields(line) > fields(header) && quotes > 0 && quotes % 2 == 0
                };
                start.is_quoted = goes_on || lines.iter().skip(1).any(holds_more);
            }
            None => {
                if let Some((separator, columns)) =
                    separators.into_iter().find_map(|separator| headless(header, separator))
                {
                    start.separator = separator;
                    start.is_quoted = header.contains(&b'"');
                    start.is_headless = true;
                    start.columns = Some(columns);
                }
            }
        }
        start
    }

    /// Whether a line that begins as a comment does is a header.
    fn is_header(&self, line: &[u8]) -> bool {
        SEPARATORS.iter().any(|separator| {
            Columns::of(&line.split(|byte| byte == separator).map(name_of).collect::<Vec<_>>())
                .is_ok()
        })
    }
}

/// UTF-8's byte-order mark.
const MARK: &[u8] = b"\xEF\xBB\xBF";
/// So many lines of the beginning are looked at.
const MOST_LINES: usize = 200;

/// The columns of a table whose first line is a row of data, if it can be read in one way.
fn headless(line: &[u8], separator: u8) -> Option<(u8, Columns)> {
    let mut reader = ReaderBuilder::new()
        .delimiter(separator)
        .has_headers(false)
        .flexible(true)
        .from_reader(line);
    let mut record = ByteRecord::new();
    reader.read_byte_record(&mut record).ok()?.then_some(())?;
    let fields: Vec<&[u8]> = record.iter().map(row::trim).collect();
    Some((separator, Columns::of_content(&fields)?))
}

/// A column's name without blanks and quotes, and without a mark of a comment.
fn name_of(field: &[u8]) -> &[u8] {
    row::trim(field.trim_ascii().strip_prefix(b"#").unwrap_or(field))
}
