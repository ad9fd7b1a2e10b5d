//! [`FileKind::way_out`]: what to do about a file with another format than expected.

use std::ffi::OsString;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::command::{path as word, quoted};
use super::file_kind::FileKind::{self, *};
use super::gzip_head::{self, gzip_head};
use super::plain_file::PlainFile;

/// The expected content of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// A data set: folders of images, or a table.
    Data,
    Photo,
    Weights,
}

/// The required form of a table.
const TABLE: &str = "Save it as csv with the columns emotion, pixels and Usage";

/// The beginning of a gzip file's content; `None` if it can't be read.
fn packed(path: &Path) -> Option<Vec<u8>> {
    let mut head = Vec::with_capacity(gzip_head::NEEDED);
    let file = PlainFile::open(path).ok()?;
    file.take(gzip_head::NEEDED as u64).read_to_end(&mut head).ok()?;
    gzip_head(&head)
}

/// A file of the same name that ends in `extension`, and never the same file: "h.jpg" becomes "h.converted.jpg".
pub(super) fn beside(path: &Path, extension: &str) -> PathBuf {
    let other = path.with_extension(extension);
    if other == path { path.with_extension(format!("converted.{extension}")) } else { other }
}

/// A new folder next to an archive: "faces.tar.gz" is unpacked into "faces", or into "faces.unpacked" if such a
/// file or folder exists.
fn folder_beside(archive: &Path) -> PathBuf {
    let mut folder = archive.with_extension("");
    if folder.extension().is_some_and(|end| end.eq_ignore_ascii_case("tar")) {
        folder.set_extension("");
    }
    let is_taken = |folder: &Path| folder == archive || folder.symlink_metadata().is_ok();
    let name = folder.file_name().unwrap_or_default().to_os_string();
    for number in 1.. {
        if !is_taken(&folder) {
            break;
        }
        let mut other = name.clone();
        other.push(if number == 1 { ".unpacked".into() } else { format!(".unpacked{number}") });
        folder.set_file_name(other);
    }
    folder
}

impl FileKind {
    /// What to do about the file at `path` of this format, in a sentence; empty if nothing is known. Commands can
    /// be pasted into a shell.
    pub(crate) fn way_out(self, path: &Path, wanted: Wanted) -> String {
        if let Some(sentence) = self.unpacked(path, wanted) {
            return sentence;
        }
        match wanted {
            Wanted::Weights if self.is_no_file() => self.downloaded_again(path),
            Wanted::Weights => self.to_safetensors(path),
            // A table beside photos needs nothing.
            Wanted::Photo if self.is_table() => String::new(),
            Wanted::Data | Wanted::Photo => self.as_image_or_table(path),
        }
    }

    /// The command that unpacks an archive, in a sentence.
    fn unpacked(self, path: &Path, wanted: Wanted) -> Option<String> {
        let then = match wanted {
            _ if self.is_single(path) => "and give that file",
            Wanted::Data | Wanted::Photo => "and give the folder",
            Wanted::Weights => "and give the weights in it",
        };
        self.unpack(path).map(|command| format!("Unpack it: {command}, {then}."))
    }

    /// The command that unpacks an archive at this path into a folder with the archive's name, so that several
    /// archives don't mix. `None` for other formats.
    pub(crate) fn unpack(self, path: &Path) -> Option<String> {
        let file = word(path);
        let program = match self {
            Zip => return Some(format!("unzip {file} -d {}", word(folder_beside(path)))),
            SevenZip | Rar => {
                let mut to = OsString::from("-o");
                to.push(folder_beside(path));
                return Some(format!("7z x {file} {}", quoted(to)));
            }
            Gzip => "gunzip",
            Xz => "xz -d",
            Bzip2 => "bzip2 -d",
            Zstandard => "zstd -d",
            Tar => "",
            _ => return None,
        };
        if !self.is_single(path) {
            let folder = word(folder_beside(path));
            return Some(format!("mkdir {folder} && tar -xf {file} -C {folder}"));
        }
        let ending = match self {
            Gzip => "gz",
            Xz => "xz",
            Bzip2 => "bz2",
            _ => "zst",
        };
        // The programs reject names with another extension.
        Some(match path.extension().is_some_and(|is| is.eq_ignore_ascii_case(ending)) {
            true => format!("{program} -k {file}"),
            false => {
                let mut end = OsString::from("unpacked");
                if let Some(extension) = path.extension() {
                    end.push(".");
                    end.push(extension);
                }
                format!("{program} -c {file} > {}", word(path.with_extension(end)))
            }
        })
    }

    /// Whether a file of this format contains one compressed file that is not a tar. For gzip the content is
    /// checked, otherwise the name.
    fn is_single(self, path: &Path) -> bool {
        if !matches!(self, Gzip | Xz | Bzip2 | Zstandard) {
            return false;
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        let is_tar = |part: &str| ["tar", "tgz", "txz", "tbz", "tbz2", "tzst"].contains(&part);
        let holds_tar = || packed(path).is_some_and(|content| FileKind::of(&content) == Some(Tar));
        !(name.split('.').any(is_tar) || self == Gzip && holds_tar())
    }

    /// Whether it may contain a table, or text, but no photo.
    fn is_table(self) -> bool {
        matches!(self, Json | Xml | Pickle | Office | Rtf)
            || (self.may_hold_data() && self != GitLfs)
    }

    /// Whether it stands in place of a file that was not fetched.
    fn is_no_file(self) -> bool {
        matches!(self, Html | Xml | GitLfs | Zeros | Empty)
    }

    fn as_image_or_table(self, path: &Path) -> String {
        let file = word(path);
        let other = |extension: &str| word(beside(path, extension));
        match self {
            Heic | Avif => format!("Convert it to JPEG: heif-convert {file} {}", other("jpg")),
            Gif | Tiff | Icon => {
                format!("Convert it to PNG: magick {file}'[0]' {}", other("png"))
            }
            JpegXl | Jpeg2000 | Raw | Photoshop | Svg => {
                format!("Convert it to PNG: magick {file} {}", other("png"))
            }
            Video => format!(
                "`fer predict` takes a video alone; for frames: ffmpeg -i {file} -vf fps=1 frame%04d.png"
            ),
            Pdf => format!("Take the images out of it: pdfimages -png {file} image"),
            Excel => self.as_csv(path, "read_excel", "pandas and openpyxl"),
            OpenDocument => self.as_csv(path, "read_excel", "pandas and odfpy"),
            OldOffice => self.as_csv(path, "read_excel", "pandas and xlrd"),
            Parquet => self.as_csv(path, "read_parquet", "pandas and pyarrow"),
            Arrow => self.as_csv(path, "read_feather", "pandas and pyarrow"),
            Json => format!(
                "A server's message may have been saved instead of the file: look at it. {}",
                self.as_csv(path, "read_json", "pandas")
            ),
            NumPy | NumPyArchive => format!(
                "{TABLE}. What is in it: python3 -c \"import sys, numpy; d = numpy.load(sys.argv[1]); \
                 print({{k: d[k].shape for k in d.files}} if hasattr(d, 'files') else d.shape)\" {file}"
            ),
            Hdf5 => format!(
                "{TABLE}, unless these are a network's weights. What is in it: python3 -c \"import sys, h5py; \
                 h5py.File(sys.argv[1]).visititems(lambda k, v: print(k, v))\" {file} (needs h5py)"
            ),
            Matlab => format!(
                "{TABLE}. What is in it: python3 -c \"import sys, scipy.io as s; \
                 print(s.whosmat(sys.argv[1]))\" {file} (needs scipy)"
            ),
            Sqlite => format!(
                "{TABLE}: sqlite3 {file} .tables names its tables, and sqlite3 -header -csv {file} \
                 'select * from TABLE' > {} writes one",
                other("csv")
            ),
            Pickle => format!("{TABLE}, unless these are a network's weights."),
            kind if kind.is_no_file() => self.downloaded_again(path),
            TorchCheckpoint | TorchPickle | TorchModule | TorchScript | Keras | Onnx | TfLite
            | TensorFlow | Gguf | Safetensors | ShardIndex => {
                "These are a network's weights, not images.".into()
            }
            Office | Rtf => "Save what is in it as images, or as csv.".into(),
            _ => String::new(),
        }
    }

    /// A command that writes a table of this format as csv.
    fn as_csv(self, path: &Path, reader: &str, needs: &str) -> String {
        let (from, to) = (word(path), word(beside(path, "csv")));
        format!(
            "{TABLE}: python3 -c \"import sys, pandas; pandas.{reader}(sys.argv[1]).to_csv(sys.argv[2], \
             index=False)\" {from} {to} (needs {needs})"
        )
    }

    /// What to do about a file with unexpected content.
    fn downloaded_again(self, path: &Path) -> String {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        match self {
            Html => "A web page was saved instead of the file: download the file again, signed in."
                .into(),
            Xml => "If the file is short, it is a server's message: read it, and download \
                    the file again."
                .into(),
            GitLfs => format!(
                "Fetch the file: git -C {} lfs pull (needs git-lfs), or download it from the repository's page.",
                word(folder.unwrap_or(Path::new(".")))
            ),
            _ => "Copy or download it again.".into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_fits_the_name_and_the_purpose() {
        let hint = |kind: FileKind, name: &str, wanted| kind.way_out(Path::new(name), wanted);
        let photo = |kind, name| hint(kind, name, Wanted::Photo);
        assert_eq!(
            photo(Heic, "my photos/IMG 2.HEIC"),
            "Convert it to JPEG: heif-convert 'my photos/IMG 2.HEIC' 'my photos/IMG 2.jpg'"
        );
        assert!(photo(Heic, "h.jpg").ends_with("heif-convert h.jpg h.converted.jpg"));
        for kind in [Json, Parquet, NumPy, Office] {
            assert_eq!(photo(kind, "x"), "", "{kind}");
        }
        assert!(photo(GitLfs, "x.jpg").contains("lfs pull"));
        assert!(photo(Zip, "a.zip").ends_with("unzip a.zip -d a, and give the folder."));
        let weights = |kind, name| hint(kind, name, Wanted::Weights);
        assert!(weights(Gzip, "a.pth.gz").contains("gunzip -k a.pth.gz"));
        assert!(weights(Gzip, "a.tar.gz").contains("tar -xf a.tar.gz"));
        let data = |kind, name| hint(kind, name, Wanted::Data);
        for (kind, name, command) in [
            (
                Gzip,
                "fer2013.csv",
                "gunzip -c fer2013.csv > fer2013.unpacked.csv, and give that file",
            ),
            (Gzip, "fer2013", "gunzip -c fer2013 > fer2013.unpacked,"),
            (Gzip, "fer2013.csv.gz", "gunzip -k fer2013.csv.gz, and give that file"),
            (Xz, "fer2013.csv", "xz -d -c fer2013.csv > "),
            (Bzip2, "a.csv.bz2", "bzip2 -d -k a.csv.bz2"),
            (Zstandard, "a b.csv", "zstd -d -c 'a b.csv' > 'a b.unpacked.csv'"),
            (
                Zstandard,
                "fer.tar.zst",
                "mkdir fer && tar -xf fer.tar.zst -C fer, and give the folder",
            ),
            (Gzip, "archive.tgz", "tar -xf"),
            (SevenZip, "fer2013.csv", "7z x fer2013.csv -ofer2013"),
            (Excel, "fer2013.csv", "fer2013.csv fer2013.converted.csv (needs pandas"),
            (GitLfs, "data/fer2013.csv", "git -C data lfs pull"),
            (Sqlite, "a.db", "'select * from TABLE' > a.csv"),
        ] {
            assert!(data(kind, name).contains(command), "{}", data(kind, name));
        }
        for kind in [
            TorchCheckpoint,
            TorchPickle,
            TorchModule,
            TorchScript,
            Onnx,
            NumPyArchive,
            Pickle,
            Hdf5,
            Keras,
            Gguf,
            TensorFlow,
            ShardIndex,
        ] {
            let line = weights(kind, "it's.pth");
            assert!(line.contains(r"'it'\''s.pth' 'it'\''s.safetensors'"), "{line}");
            assert!(!line.contains(['!', '`', '$']) && line.matches('"').count() == 2, "{line}");
        }
    }
}
