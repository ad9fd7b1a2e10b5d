//! [`zip_names`]: the names in a zip archive, from the directory at its end.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

/// The bytes of the directory's end, without a comment.
const END: usize = 22;
/// The maximum length of the comment after it.
const COMMENT: usize = 65_535;
/// The maximum size of the directory: some 50,000 names.
const LARGEST: u64 = 4 << 20;

/// The names in a zip archive; `None` for a file with another end, such as a truncated archive.
pub(super) fn zip_names(file: &mut File) -> Option<Vec<String>> {
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
    let mut names = Vec::new();
    while rest.starts_with(b"PK\x01\x02") {
        let field = |at| number(rest, at, 2).map(|length| length as usize);
        let (name, extra, comment) = (field(28)?, field(30)?, field(32)?);
        names.push(String::from_utf8_lossy(rest.get(46..46 + name)?).into_owned());
        rest = rest.get(46 + name + extra + comment..)?;
    }
    Some(names)
}

/// Reads `length` bytes from `offset`.
fn read(file: &mut File, offset: u64, length: u64) -> Option<Vec<u8>> {
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
