//! [`FileKind`]: the format of a file by its first bytes, whatever its name.

use std::fmt;
use std::io::{self, Read};
use std::path::Path;

use super::plain_file::PlainFile;
use super::tensorflow::checkpoint_of;
use super::torch_pickle;
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
    /// A whole `torch.nn.Module` that torch.save wrote.
    TorchModule,
    /// A zip archive that torch.jit.save wrote.
    TorchScript,
    /// Any other pickle.
    Pickle,
    Hdf5,
    Keras,
    Onnx,
    TfLite,
    /// A file of a TensorFlow checkpoint or a SavedModel.
    TensorFlow,
    Gguf,
    Safetensors,
    /// The JSON file that says which of several files each tensor is in.
    ShardIndex,
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
    /// The kind of the file at a path; `None` also for one that can't be read. The directory of a zip archive,
    /// which is at its end, says what it was made for.
    pub(crate) fn at(path: &Path) -> Option<Self> {
        Self::open(path).ok().flatten()
    }

    /// [`FileKind::at`] that returns the system's error.
    pub(crate) fn open(path: &Path) -> io::Result<Option<Self>> {
        let (head, mut file) = head(path)?;
        Ok(match Self::of(&head) {
            Some(Zip | TorchCheckpoint) => {
                let names = zip_names(&mut file).unwrap_or_default();
                let kind = Self::of_names(&names).or_else(|| Self::of(&head));
                kind.map(|kind| kind.or_module(&mut file))
            }
            Some(TorchPickle) => Some(TorchPickle.or_module(&mut file)),
            None if checkpoint_of(path).is_some() => Some(TensorFlow),
            kind => kind,
        })
    }

    /// The same, or a whole module if torch.save wrote one.
    fn or_module(self, file: &mut PlainFile) -> Self {
        if !matches!(self, TorchCheckpoint | TorchPickle) {
            return self;
        }
        match torch_pickle::TorchPickle::in_file(file) {
            Some(pickle) if pickle.is_module => TorchModule,
            _ => self,
        }
    }

    /// What a zip archive with files of these names is; `None` for a plain one.
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
            TorchModule => "pickled PyTorch module",
            Pickle => "Python pickle",
            Hdf5 => "HDF5 file",
            Keras => "Keras model",
            Onnx => "ONNX model",
            TfLite => "TensorFlow Lite model",
            TensorFlow => "TensorFlow checkpoint",
            Gguf => "GGUF model",
            Safetensors => "safetensors file",
            ShardIndex => "index of weights in several files",
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
            GitLfs => f.pad("a Git LFS pointer and not the file itself"),
            kind @ (Avif | Svg | Xz | Onnx | ShardIndex | Sqlite | Hdf5 | Arrow | Excel
            | OpenDocument | Rtf | Xml) => {
                write!(f, "an {}", kind.noun())
            }
            kind => write!(f, "a {}", kind.noun()),
        }
    }
}

/// The first [`HEAD`] bytes of a plain file, and the file.
pub(crate) fn head(path: &Path) -> io::Result<(Vec<u8>, PlainFile)> {
    let mut head = Vec::with_capacity(HEAD);
    let mut file = PlainFile::open(path)?;
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

#[cfg(test)]
mod tests {
    use super::*;

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
