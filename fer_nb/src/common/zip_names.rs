//! [`zip_names`] and [`zip_file`]: what a zip archive holds, from the directory at its end.

use std::io::{Read, Seek, SeekFrom};

/// The bytes of the directory's end, without a comment.
const END: usize = 22;
/// The maximum length of the comment after it.
const COMMENT: usize = 65_535;
/// The maximum size of the directory: some 50,000 names.
const LARGEST: u64 = 4 << 20;

/// A file in a zip archive.
struct Entry {
    name: String,
    /// Where its own header is.
    offset: u64,
    /// Its bytes, if they are not compressed.
    stored: Option<u64>,
}

/// The names in a zip archive; `None` for a file that ends otherwise, as one that is cut short does.
pub(super) fn zip_names(file: &mut (impl Read + Seek)) -> Option<Vec<String>> {
    Some(directory(file)?.into_iter().map(|entry| entry.name).collect())
}

/// The first `most` bytes of the first file whose path ends in `name`; `None` if there is none, or if it is
/// compressed.
pub(super) fn zip_file(file: &mut (impl Read + Seek), name: &str, most: u64) -> Option<Vec<u8>> {
    const HEADER: u64 = 30;
    let entry = directory(file)?.into_iter().find(|entry| entry.name.ends_with(name))?;
    let header = read(file, entry.offset, HEADER)?;
    let before = number(&header, 26, 2)? + number(&header, 28, 2)?;
    read(file, entry.offset + HEADER + before, entry.stored?.min(most))
}

fn directory(file: &mut (impl Read + Seek)) -> Option<Vec<Entry>> {
    let length = file.seek(SeekFrom::End(0)).ok()?;
    let from = length.saturating_sub((END + COMMENT) as u64);
    let tail = read(file, from, length - from)?;
    let at = tail.windows(4).rposition(|bytes| bytes == b"PK\x05\x06")?;
    let end = tail.get(at..at + END)?;
    let (size, offset) = (number(end, 12, 4)?, number(end, 16, 4)?);
    if size > LARGEST {
        return None;
    }
    let directory = read(file, offset, size)?;
    let mut rest = &directory[..];
    let mut entries = Vec::new();
    while rest.starts_with(b"PK\x01\x02") {
        let field = |at| number(rest, at, 2).map(|length| length as usize);
        let (name, extra, comment) = (field(28)?, field(30)?, field(32)?);
        let stored = (field(10)? == 0).then_some(number(rest, 24, 4)?);
        let offset = number(rest, 42, 4)?;
        let shown = String::from_utf8_lossy(rest.get(46..46 + name)?).into_owned();
        entries.push(Entry { name: shown, offset, stored });
        rest = rest.get(46 + name + extra + comment..)?;
    }
    Some(entries)
}

/// `length` bytes from `offset`, all of them.
fn read(file: &mut (impl Read + Seek), offset: u64, length: u64) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(offset)).ok()?;
    file.take(length).read_to_end(&mut bytes).ok()?;
    (bytes.len() as u64 == length).then_some(bytes)
}

/// An unsigned little-endian number of `bytes` bytes.
fn number(from: &[u8], at: usize, bytes: usize) -> Option<u64> {
    let digits = from.get(at..at + bytes)?.iter().rev();
    Some(digits.fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    /// A directory of these names, as one behind no files.
    fn archive(names: &[&str], comment: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for name in names {
            let mut entry = [0; 46];
            entry[..4].copy_from_slice(b"PK\x01\x02");
            entry[28..30].copy_from_slice(&(name.len() as u16).to_le_bytes());
            bytes.extend([&entry[..], name.as_bytes()].concat());
        }
        let mut end = [0; END];
        end[..4].copy_from_slice(b"PK\x05\x06");
        end[12..16].copy_from_slice(&(bytes.len() as u32).to_le_bytes());
        bytes.extend(end);
        bytes.extend(comment);
        bytes
    }

    #[test]
    fn names_are_read_and_nonsense_is_none() {
        let found = |bytes: &[u8]| {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(bytes).unwrap();
            zip_names(&mut file)
        };
        let whole = archive(&["a/data.pkl", "a/code/x.py"], b"a comment");
        assert_eq!(found(&whole).unwrap(), ["a/data.pkl", "a/code/x.py"]);
        for length in 0..whole.len() - 9 {
            assert!(found(&whole[..length]).is_none(), "{length}");
        }
        let mut broken = whole.clone();
        broken[28] = 255;
        broken[29] = 255;
        assert!(found(&broken).is_none());
    }
}
