//! [`FileKind`]: the format of a file by its first bytes, whatever its name.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::plain_file;
use super::zip_names::zip_names;

/// Formats of files that users give instead of an image, a table or weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum FileKind {
    Jpeg,
    Png,
    WebP,
    Bmp,
    Gif,
    Tiff,
    Heic,
    Avif,
    JpegXl,
    Jpeg2000,
    Svg,
    /// A camera's raw image; most others are TIFF.
    Raw,
    Photoshop,
    Icon,
    Video,
    Audio,
    Zip,
    Tar,
    Gzip,
    SevenZip,
    Rar,
    Xz,
    Zstandard,
    Bzip2,
    /// A zip archive written by torch.save.
    TorchCheckpoint,
    /// A file written by torch.save before PyTorch 1.6.
    TorchPickle,
    /// A zip archive written by torch.jit.save.
    TorchScript,
    /// Any other pickle.
    Pickle,
    Hdf5,
    Keras,
    Onnx,
    TfLite,
    Gguf,
    Safetensors,
    NumPy,
    /// A zip archive of arrays written by numpy.savez.
    NumPyArchive,
    /// Arrow's IPC format, and Feather.
    Arrow,
    Parquet,
    Sqlite,
    /// A workbook of Excel since 2007: a zip archive.
    Excel,
    /// A spreadsheet of LibreOffice: a zip archive.
    OpenDocument,
    /// Another document of Microsoft Office since 2007.
    Office,
    /// A document of Microsoft Office before 2007: .xls, .doc.
    OldOffice,
    Matlab,
    Pdf,
    Rtf,
    Html,
    Xml,
    Json,
    /// Git's placeholder for a file that Git LFS stores.
    GitLfs,
    Utf16,
    /// Only zeros in its first bytes: space that a download reserved and did not fill.
    Zeros,
    Empty,
}

use FileKind::*;

/// The number of bytes at the beginning of a file that [`FileKind::of`] reads.
pub(crate) const HEAD: usize = 1024;

impl FileKind {
    /// The format of a file that begins with these bytes, [`HEAD`] or more of them; `None` for text and for unknown
    /// formats.
    pub(crate) fn of(bytes: &[u8]) -> Option<Self> {
        let head = bytes.get(..HEAD).unwrap_or(bytes);
        let at = |offset: usize, magic: &[u8]| {
            head.get(offset..).is_some_and(|rest| rest.starts_with(magic))
        };
        Some(match head {
            [] => Empty,
            _ if at(0, b"\xFF\xD8\xFF") => Jpeg,
            _ if at(0, b"\x89PNG\r\n\x1A\n") => Png,
            _ if at(0, b"RIFF") && at(8, b"WEBP") => WebP,
            _ if at(0, b"BM") && at(6, &[0; 4]) => Bmp,
            _ if at(0, b"GIF8") => Gif,
            _ if at(0, b"II*\0") || at(0, b"MM\0*") => Tiff,
            _ if at(4, b"ftyp") => of_brands(head),
            _ if at(0, b"\xFF\x0A") || at(0, b"\0\0\0\x0CJXL ") => JpegXl,
            _ if at(0, b"\0\0\0\x0CjP  ") => Jpeg2000,
            _ if at(0, b"8BPS") => Photoshop,
            _ if at(0, b"FUJIFILMCCD-RAW") => Raw,
            _ if at(0, b"\0\0\x01\0") && at(5, b"\0") => Icon,
            _ if is_other_video(head) => Video,
            _ if at(0, b"RIFF") && at(8, b"WAVE") => Audio,
            _ if at(0, b"ID3") || at(0, b"fLaC") => Audio,
            _ if at(0, b"PK\x03\x04") => of_zip(head),
            _ if at(0, b"PK\x05\x06") || at(0, b"PK\x07\x08") => Zip,
            _ if at(257, b"ustar") || is_old_tar(head) => Tar,
            _ if at(0, b"\x1F\x8B") => Gzip,
            _ if at(0, b"7z\xBC\xAF\x27\x1C") => SevenZip,
            _ if at(0, b"Rar!\x1A\x07") => Rar,
            _ if at(0, b"\xFD7zXZ\0") => Xz,
            _ if at(0, b"\x28\xB5\x2F\xFD") => Zstandard,
            _ if at(0, b"BZh") && at(4, b"1AY&SY") => Bzip2,
            _ if at(0, b"\x89HDF\r\n\x1A\n") => Hdf5,
            _ if at(4, b"TFL3") => TfLite,
            _ if at(0, b"GGUF") => Gguf,
            _ if at(0, b"\x93NUMPY") => NumPy,
            _ if at(0, b"PAR1") => Parquet,
            _ if at(0, b"ARROW1") || at(0, b"FEA1") => Arrow,
            _ if at(0, b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1") => OldOffice,
            _ if at(0, b"MATLAB 5.0 MAT-file") => Matlab,
            _ if at(0, b"{\\rtf") => Rtf,
            _ if head.len() >= 16 && head.iter().all(|byte| *byte == 0) => Zeros,
            _ if at(0, b"SQLite format 3\0") => Sqlite,
            _ if at(0, b"%PDF-") => Pdf,
            // The magic number of torch.save's old format: 0x1950A86A20F9469CFC6C.
            _ if at(0, b"\x80\x02\x8A\x0Al\xFC\x9CF\xF9 j\xA8P\x19") => TorchPickle,
            [0x80, 2..=5, ..] => Pickle,
            _ if is_onnx(head) => Onnx,
            _ if at(0, b"\xFF\xFE") || at(0, b"\xFE\xFF") => Utf16,
            // The header's length, little-endian, and then JSON.
            _ if at(3, &[0; 5]) && at(8, b"{") => Safetensors,
            _ => return of_markup(head),
        })
    }

    /// The format of the file at a path; `None` also for a file that can't be read. For a zip archive, the
    /// directory at its end shows which program wrote it.
    pub(crate) fn at(path: &Path) -> Option<Self> {
        Self::open(path).ok().flatten()
    }

    /// [`FileKind::at`] that returns the system's error.
    pub(crate) fn open(path: &Path) -> io::Result<Option<Self>> {
        let (head, mut file) = head(path)?;
        Ok(match Self::of(&head) {
            Some(Zip | TorchCheckpoint) => {
                let names = zip_names(&mut file).unwrap_or_default();
                Self::of_names(&names).or_else(|| Self::of(&head))
            }
            kind => kind,
        })
    }

    /// The format of a zip archive with files of these names; `None` for a plain archive.
    fn of_names(names: &[String]) -> Option<Self> {
        let has = |end: &str| names.iter().any(|name| name.ends_with(end));
        match () {
            () if has("data.pkl") && has("constants.pkl") => Some(TorchScript),
            () if has("data.pkl") => Some(TorchCheckpoint),
            () if has("model.weights.h5") => Some(Keras),
            () if has("xl/workbook.xml") || has("xl/workbook.bin") => Some(Excel),
            () if has("[Content_Types].xml") => Some(Office),
            () if !names.is_empty() && names.iter().all(|name| name.ends_with(".npy")) => {
                Some(NumPyArchive)
            }
            () => None,
        }
    }

    /// Whether the crate reads images of this format.
    pub(crate) fn is_image(self) -> bool {
        matches!(self, Jpeg | Png | WebP | Bmp)
    }

    /// Whether this is an image format that the crate does not read.
    pub(crate) fn is_other_picture(self) -> bool {
        matches!(self, Gif | Tiff | Heic | Avif | JpegXl | Jpeg2000 | Svg | Raw | Photoshop | Icon)
    }

    /// Whether this is an archive or a compressed file.
    pub(crate) fn is_archive(self) -> bool {
        matches!(self, Zip | Tar | Gzip | SevenZip | Rar | Xz | Zstandard | Bzip2)
    }

    /// Whether it may contain a data set that has to be unpacked first.
    pub(crate) fn may_hold_data(self) -> bool {
        self.is_archive()
            || matches!(
                self,
                Hdf5 | NumPy
                    | NumPyArchive
                    | Arrow
                    | Parquet
                    | Sqlite
                    | Excel
                    | OpenDocument
                    | OldOffice
            )
            || matches!(self, Matlab | GitLfs)
    }

    /// The format in a word or two, for counts: "HEIC image".
    pub(crate) fn noun(self) -> &'static str {
        match self {
            Jpeg => "JPEG image",
            Png => "PNG image",
            WebP => "WebP image",
            Bmp => "BMP image",
            Gif => "GIF image",
            Tiff => "TIFF image",
            Heic => "HEIC image",
            Avif => "AVIF image",
            JpegXl => "JPEG XL image",
            Jpeg2000 => "JPEG 2000 image",
            Svg => "SVG drawing",
            Raw => "raw image",
            Photoshop => "Photoshop file",
            Icon => "Windows icon",
            Video => "video",
            Audio => "sound file",
            Zip => "zip archive",
            Tar => "tar archive",
            Gzip => "gzip archive",
            SevenZip => "7z archive",
            Rar => "rar archive",
            Xz => "xz archive",
            Zstandard => "zstd archive",
            Bzip2 => "bzip2 archive",
            TorchCheckpoint | TorchPickle => "PyTorch checkpoint",
            TorchScript => "TorchScript module",
            Pickle => "Python pickle",
            Hdf5 => "HDF5 file",
            Keras => "Keras model",
            Onnx => "ONNX model",
            TfLite => "TensorFlow Lite model",
            Gguf => "GGUF model",
            Safetensors => "safetensors file",
            NumPy => "NumPy array",
            NumPyArchive => "NumPy archive",
            Arrow => "Arrow table",
            Parquet => "Parquet table",
            Sqlite => "SQLite database",
            Excel => "Excel workbook",
            OpenDocument => "OpenDocument file",
            Office => "Microsoft Office document",
            OldOffice => "Microsoft Office file from before 2007",
            Matlab => "MATLAB file",
            Pdf => "PDF",
            Rtf => "RTF document",
            Html => "web page",
            Xml => "XML file",
            Json => "JSON file",
            GitLfs => "Git LFS pointer",
            Utf16 => "UTF-16 text",
            Zeros => "file of zeros",
            Empty => "empty file",
        }
    }
}

impl fmt::Display for FileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Empty => f.pad("a file of 0 bytes"),
            Zeros => f.pad("a file of nothing but zeros"),
            Utf16 => f.pad("text in UTF-16"),
            GitLfs => f.pad("a Git LFS pointer instead of the file"),
            kind @ (Avif | Svg | Xz | Onnx | Sqlite | Hdf5 | Arrow | Excel | OpenDocument | Rtf
            | Xml) => {
                write!(f, "an {}", kind.noun())
            }
            kind => write!(f, "a {}", kind.noun()),
        }
    }
}

/// The first [`HEAD`] bytes of a plain file, and the file.
pub(crate) fn head(path: &Path) -> io::Result<(Vec<u8>, File)> {
    let mut head = Vec::with_capacity(HEAD);
    let mut file = plain_file::open(path)?;
    file.by_ref().take(HEAD as u64).read_to_end(&mut head)?;
    Ok((head, file))
}

/// Whether a file of unknown format that begins with these bytes is text.
pub(crate) fn is_text(head: &[u8]) -> bool {
    let no_text = |byte: &u8| byte.is_ascii_control() && !byte.is_ascii_whitespace();
    let whole = match std::str::from_utf8(head) {
        Ok(_) => true,
        // The last character may be incomplete.
        Err(error) => error.error_len().is_none(),
    };
    whole && !head.iter().any(no_text)
}

/// The format of a file of ISO boxes by its brands: the major brand, and, if that names only a container, the
/// compatible ones.
fn of_brands(head: &[u8]) -> FileKind {
    let length = head.get(..4).and_then(|bytes| bytes.try_into().ok());
    let end = (length.map_or(12, u32::from_be_bytes) as usize).clamp(12, head.len().max(12));
    let all: Vec<&[u8]> = head.get(8..end).unwrap_or_default().chunks_exact(4).collect();
    let one_of = |brands: &[&[u8]], known: &[&[u8; 4]]| {
        brands.iter().any(|brand| known.iter().any(|known| known.as_slice() == *brand))
    };
    let major = all.get(..1).unwrap_or_default();
    const AVIF: [&[u8; 4]; 2] = [b"avif", b"avis"];
    const HEIC: [&[u8; 4]; 6] = [b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis"];
    match () {
        () if one_of(major, &AVIF) => Avif,
        () if one_of(major, &HEIC) => Heic,
        () if one_of(major, &[b"mif1", b"mif2", b"msf1"]) => match one_of(&all, &AVIF) {
            true => Avif,
            false => Heic,
        },
        () if one_of(major, &[b"crx "]) => Raw,
        () if one_of(major, &[b"M4A ", b"M4B "]) => Audio,
        () => Video,
    }
}

/// The format of a zip archive by the names of its first files.
fn of_zip(head: &[u8]) -> FileKind {
    let has = |word: &[u8]| head.windows(word.len()).any(|window| window == word);
    match () {
        () if has(b"/data.pkl") => TorchCheckpoint,
        () if head.get(30..).is_some_and(|name| name.starts_with(b"metadata.json"))
            || has(b"model.weights.h5") =>
        {
            Keras
        }
        () if has(b"mimetypeapplication/vnd.oasis.opendocument") => OpenDocument,
        () if has(b"[Content_Types].xml") && has(b"xl/") => Excel,
        () => Zip,
    }
}

/// ONNX is a protocol buffer: the version of its format, a number, and then the name of the program that wrote it,
/// the operators' versions or the graph.
fn is_onnx(head: &[u8]) -> bool {
    match head {
        [0x08, 1..=40, 0x12, length, rest @ ..] => {
            let name = rest.get(..usize::from(*length));
            name.is_some_and(|name| name.iter().all(|byte| (b' '..=b'~').contains(byte)))
        }
        [0x08, 1..=40, 0x3A | 0x42, ..] => true,
        _ => false,
    }
}

/// A tar file from before 1988 has no magic number: it has a name, and octal digits for the mode and the sizes.
fn is_old_tar(head: &[u8]) -> bool {
    let octal = |from: usize| {
        head.get(from..from + 7).is_some_and(|field| {
            field.iter().all(|byte| matches!(byte, b'0'..=b'7' | b' ')) && field.contains(&b'0')
        })
    };
    // The name is padded with zeros, which no text has.
    let name = head.get(..100).unwrap_or_default();
    head.len() >= 512
        && !name.starts_with(&[0])
        && name.contains(&0)
        && octal(100)
        && octal(124)
        && octal(148)
}

/// Matroska, AVI, QuickTime without a brand, MPEG transport and program streams, Flash, Ogg and Windows Media.
fn is_other_video(head: &[u8]) -> bool {
    let at = |offset: usize, magic: &[u8]| {
        head.get(offset..).is_some_and(|rest| rest.starts_with(magic))
    };
    let atoms: [&[u8]; 5] = [b"moov", b"mdat", b"wide", b"free", b"skip"];
    atoms.iter().any(|atom| at(0, &[0; 2]) && at(4, atom))
        || at(0, b"\x1A\x45\xDF\xA3")
        || at(0, b"RIFF") && at(8, b"AVI ")
        || at(0, b"G") && at(188, b"G") && at(376, b"G")
        || at(0, b"\0\0\x01\xBA")
        || at(0, b"FLV\x01")
        || at(0, b"OggS\0")
        || at(0, b"\x30\x26\xB2\x75\x8E\x66\xCF\x11")
}

fn of_markup(head: &[u8]) -> Option<FileKind> {
    let text = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(head).trim_ascii_start();
    let text = text.to_ascii_lowercase();
    let has = |word: &[u8]| text.windows(word.len()).any(|window| window == word);
    match () {
        () if text.starts_with(b"version https://git-lfs") => Some(GitLfs),
        () if [&b"<!doctype html"[..], b"<html", b"<head", b"<script"]
            .iter()
            .any(|tag| text.starts_with(tag)) =>
        {
            Some(Html)
        }
        () if text.starts_with(b"<!--") && has(b"<html") => Some(Html),
        () if text.starts_with(b"<svg") => Some(Svg),
        () if text.starts_with(b"<?xml") && has(b"<svg") => Some(Svg),
        () if text.starts_with(b"<?xml") && has(b"<html") => Some(Html),
        () if text.starts_with(b"<?xml") || text.starts_with(b"<error") => Some(Xml),
        () if is_json(&text) => Some(Json),
        () => None,
    }
}

/// Whether a text begins as JSON: an object with a key, or a list with one of JSON's values.
fn is_json(text: &[u8]) -> bool {
    match text {
        [b'{', rest @ ..] => matches!(rest.trim_ascii_start(), [b'"' | b'}', ..] | []),
        [b'[', rest @ ..] => {
            matches!(rest.trim_ascii_start(), [b'{' | b'[' | b'"' | b']' | b'-' | b'0'..=b'9', ..])
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_what_their_bytes_say() {
        let mut tar = vec![0; 512];
        tar[..5].copy_from_slice(b"a.csv");
        tar[257..262].copy_from_slice(b"ustar");
        let mut old = vec![0; 512];
        old[..5].copy_from_slice(b"a.csv");
        for at in [100, 124, 148] {
            old[at..at + 7].copy_from_slice(b"0000644");
        }
        for (bytes, kind) in [
            (&b""[..], Some(Empty)),
            (b"\xFF\xD8\xFF\xE0", Some(Jpeg)),
            (b"RIFF\x10\0\0\0WEBPVP8 ", Some(WebP)),
            (b"\0\0\0\x18ftypheic\0\0\0\0", Some(Heic)),
            (b"\0\0\0\x18ftypisom\0\0\0\0", Some(Video)),
            (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", Some(Heic)),
            (b"\0\0\0\x1Cftypmif1\0\0\0\0mif1avif", Some(Avif)),
            (b"\0\0\0\x08ftyp", Some(Video)),
            (b"\x08\x08\x12\x07pytorch\x1A\x062.11.0", Some(Onnx)),
            (b"\x08\x08\x12\x07pytor", None),
            (b"<?xml version='1.0'?>\n<svg xmlns=''>", Some(Svg)),
            (b"PK\x03\x04\x14\0\0\0archive/data.pkl", Some(TorchCheckpoint)),
            (b"PK\x03\x04\x14\0\0\0train/angry/1.jpg", Some(Zip)),
            (&tar, Some(Tar)),
            (&old, Some(Tar)),
            (b"\0\0\0\x14moov\0\0\0\x0Clvhd", Some(Video)),
            (b"\0\0\x01\xBA\x44\0", Some(Video)),
            (&[&b"G".repeat(189)[..], &b"G".repeat(300)].concat(), Some(Video)),
            (b"OggS\0\x02", Some(Video)),
            (b"\x80\x02\x8A\x0Al\xFC", Some(Pickle)),
            (b"\x80\x02\x8A\x0Al\xFC\x9CF\xF9 j\xA8P\x19.", Some(TorchPickle)),
            (b"\x40\0\0\0\0\0\0\0{\"a\":{", Some(Safetensors)),
            (b"  <!DOCTYPE html><html>", Some(Html)),
            (b"\xFF\xFEe\0m\0", Some(Utf16)),
            (b"emotion,pixels,Usage\n0,1", None),
            (&b"1 ".repeat(512), None),
            (b"BM is how this text begins", None),
            (b"\xEF\xBB\xBFemotion", None),
            (b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1\0\0", Some(OldOffice)),
            (b"version https://git-lfs.example/spec/v1\noid sha256:0", Some(GitLfs)),
            (b" {\n  \"code\": 401, \"message\": \"\"}", Some(Json)),
            (b"[{\"emotion\": 3}]", Some(Json)),
            (b"[0.5, 1]", Some(Json)),
            (b"{so a text may begin}", None),
            (b"[see below] emotion", None),
            (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code>", Some(Xml)),
            (b"<!-- saved from -->\n<html>", Some(Html)),
            (
                b"PK\x03\x04\x14\0\0\0mimetypeapplication/vnd.oasis.opendocument.spreadsheet",
                Some(OpenDocument),
            ),
            (&[0; 64], Some(Zeros)),
            (b"PAR1\x15\0", Some(Parquet)),
            (b"ARROW1\0\0", Some(Arrow)),
        ] {
            assert_eq!(FileKind::of(bytes), kind, "{}", String::from_utf8_lossy(bytes));
        }
    }
    #[test]
    fn a_kind_has_an_article_and_a_noun() {
        assert_eq!(Heic.to_string(), "a HEIC image");
        assert_eq!(Onnx.to_string(), "an ONNX model");
        assert_eq!(Zip.noun(), "zip archive");
        for (text, is) in [("1 2\n", true), ("é", true), ("a\0", false), ("\u{1b}[1m", false)] {
            assert_eq!(is_text(text.as_bytes()), is, "{text:?}");
        }
        assert!(is_text(&"é".as_bytes()[..1]) && !is_text(b"\xE9t\xE9 \n"));
    }
}
