//! [`PhotoFiles`]: the photos at paths and in folders with their subfolders, and the skipped files.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::common::file_kind::{FileKind, head, is_text};
use crate::common::litter::is_litter;
use crate::common::text::{plural, shown};
use crate::common::way_out::Wanted;
use crate::common::{Error, Result};

/// A photo that was given, or found in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhotoFile {
    /// The path for opening it.
    pub path: PathBuf,
    /// Its path below the given folder, or its name if the photo was given.
    pub(super) below: PathBuf,
}

/// The photos at paths, in order: given files, and files in folders and their subfolders by the byte order of their
/// paths. The content determines whether a file is a photo, not its name.
///
/// ```no_run
/// use fer_nb::prelude::*;
///
/// let found = PhotoFiles::find(&["holidays", "portrait.jpg"])?;
/// println!("{found}"); // 4 photos; passed over: 1 HEIC image (heif-convert FILE FILE.jpg), 2 texts
/// for photo in &found.photos {
///     let photo = Photo::open(&photo.path)?;
/// }
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PhotoFiles {
    /// The photos.
    pub photos: Vec<PhotoFile>,
    /// Whether a folder was among the paths.
    pub has_folder: bool,
    passed_over: BTreeMap<Reason, usize>,
}

/// Files that were skipped for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PassedOver {
    /// Their format: "HEIC image", "text".
    pub kind: String,
    /// Their number.
    pub files: usize,
    /// The command that converts them to photos; empty if none is known.
    pub way_out: String,
}

/// The reason why a file or a folder was skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reason {
    Kind(FileKind),
    Text,
    Unknown,
    /// A pipe, a socket, a dead link.
    NoFile,
    Unreadable,
    UnreadableFolder,
    Litter,
    Copies,
    Again,
}

impl PhotoFiles {
    /// Finds the photos at these paths. A path that is not a folder is a photo, whatever its content: opening it
    /// reports errors.
    ///
    /// # Errors
    /// [`Error::File`] for a folder without a photo in it; [`Error::Io`] for one that can't be read.
    pub fn find<P: AsRef<Path>>(paths: &[P]) -> Result<Self> {
        Self::find_without(paths, None)
    }

    /// [`PhotoFiles::find`] without one folder, such as the one for copies.
    ///
    /// # Errors
    /// As [`PhotoFiles::find`].
    pub fn find_without<P: AsRef<Path>>(paths: &[P], without: Option<&Path>) -> Result<Self> {
        let mut walk = Walk {
            found: Self::default(),
            seen: HashSet::new(),
            without: without.and_then(|folder| folder.canonicalize().ok()),
        };
        for path in paths.iter().map(AsRef::as_ref) {
            if !path.is_dir() {
                let below = path.file_name().unwrap_or_default().into();
                walk.add(PhotoFile { path: path.to_path_buf(), below });
                continue;
            }
            walk.found.has_folder = true;
            let before = walk.found.clone();
            walk.folder(path, Path::new("")).map_err(|error| Error::io("read", path, error))?;
            let again = |found: &Self| found.passed_over.get(&Reason::Again).copied();
            if walk.found.photos.len() == before.photos.len()
                && again(&walk.found) == again(&before)
            {
                let over = Self { photos: Vec::new(), ..walk.found }.over();
                let hint = match over.is_empty() {
                    true => "JPEG, PNG, WebP or BMP files are expected.".to_string(),
                    false => format!("JPEG, PNG, WebP or BMP files are expected; {over}."),
                };
                return Err(Error::file(path, "no photo is in this folder", hint));
            }
        }
        Ok(walk.found)
    }

    /// The skipped files, with the number of each format.
    pub fn passed_over(&self) -> Vec<PassedOver> {
        let over = |(reason, files): (&Reason, &usize)| {
            let kind = reason.noun().into();
            PassedOver { kind, files: *files, way_out: reason.way_out() }
        };
        self.passed_over.iter().map(over).collect()
    }

    /// "passed over: 1 HEIC image (…), 2 texts"; empty without skipped files.
    fn over(&self) -> String {
        if self.passed_over.is_empty() {
            return String::new();
        }
        let one = |(reason, files): (&Reason, &usize)| {
            let way_out = reason.way_out();
            let way_out = if way_out.is_empty() { way_out } else { format!(" ({way_out})") };
            format!("{}{way_out}", plural(*files, reason.noun()))
        };
        let all: Vec<String> = self.passed_over.iter().map(one).collect();
        format!("passed over: {}", all.join(", "))
    }
}

impl fmt::Display for PhotoFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&plural(self.photos.len(), "photo"))?;
        match self.passed_over.is_empty() {
            true => Ok(()),
            false => write!(f, "; {}", self.over()),
        }
    }
}

impl Reason {
    fn noun(self) -> &'static str {
        match self {
            Reason::Kind(kind) => kind.noun(),
            Reason::Text => "text",
            Reason::Unknown => "file of unknown kind",
            Reason::NoFile => "link without a target",
            Reason::Unreadable => "unreadable file",
            Reason::UnreadableFolder => "unreadable folder",
            Reason::Litter => "system file",
            Reason::Copies => "folder of annotated copies",
            Reason::Again => "path named twice",
        }
    }

    fn way_out(self) -> String {
        match self {
            Reason::Kind(kind) => kind.way_out(Path::new("FILE"), Wanted::Photo),
            _ => String::new(),
        }
    }
}

/// A recursive search of folders.
struct Walk {
    found: PhotoFiles,
    /// The files and folders found so far, by identity, whatever names and links led to them.
    seen: HashSet<PathBuf>,
    without: Option<PathBuf>,
}

impl Walk {
    fn add(&mut self, photo: PhotoFile) {
        match self.is_new(&photo.path) {
            true => self.found.photos.push(photo),
            false => self.pass_over(Reason::Again),
        }
    }

    fn is_new(&mut self, path: &Path) -> bool {
        path.canonicalize().map_or(true, |path| self.seen.insert(path))
    }

    fn pass_over(&mut self, reason: Reason) {
        *self.found.passed_over.entry(reason).or_default() += 1;
    }

    /// Adds the content of `root` below `below`. Links are followed; a folder is read once, or a link to a parent
    /// folder would never end.
    fn folder(&mut self, root: &Path, below: &Path) -> io::Result<()> {
        let folder = root.join(below);
        if !self.is_new(&folder) {
            self.pass_over(Reason::Again);
            return Ok(());
        }
        let names: io::Result<Vec<_>> =
            fs::read_dir(&folder)?.map(|entry| Ok(entry?.file_name())).collect();
        let mut names = names?;
        names.sort_unstable_by(|one, other| one.as_encoded_bytes().cmp(other.as_encoded_bytes()));
        for name in names {
            let below = below.join(&name);
            let path = root.join(&below);
            if is_litter(&name) {
                self.pass_over(Reason::Litter);
                continue;
            }
            match fs::metadata(&path).map(|metadata| metadata.file_type()) {
                Ok(kind) if kind.is_dir() && self.is_left_out(&path) => {
                    self.pass_over(Reason::Copies);
                }
                Ok(kind) if kind.is_dir() => {
                    if self.folder(root, &below).is_err() {
                        self.pass_over(Reason::UnreadableFolder);
                    }
                }
                Ok(kind) if kind.is_file() => match why_not(&path) {
                    None => self.add(PhotoFile { path, below }),
                    Some(reason) => self.pass_over(reason),
                },
                _ => self.pass_over(Reason::NoFile),
            }
        }
        Ok(())
    }

    fn is_left_out(&self, path: &Path) -> bool {
        self.without.is_some() && path.canonicalize().ok() == self.without
    }
}

/// Why a file in a folder is not a photo; `None` if it is one. A file with a photo's extension and unknown content
/// is a broken photo, so that opening it reports the error.
fn why_not(path: &Path) -> Option<Reason> {
    let called = is_called_photo(path);
    let Ok((head, _)) = head(path) else {
        return if called { None } else { Some(Reason::Unreadable) };
    };
    match FileKind::of(&head) {
        Some(kind) if kind.is_image() => None,
        Some(FileKind::Empty) | None if called => None,
        Some(_) => FileKind::at(path).map(Reason::Kind),
        None if is_text(&head) => Some(Reason::Text),
        None => Some(Reason::Unknown),
    }
}

fn is_called_photo(path: &Path) -> bool {
    let end = path.extension().unwrap_or_default();
    ["jpg", "jpeg", "jpe", "jfif", "png", "webp", "bmp", "dib"]
        .iter()
        .any(|known| end.eq_ignore_ascii_case(known))
}

impl fmt::Display for PhotoFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shown(&self.path))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::deploy) const JPEG: &[u8] = b"\xFF\xD8\xFF\xE0";
    const HEIC: &[u8] = b"\0\0\0\x18ftypheic\0\0\0\0";

    pub(in crate::deploy) fn tree(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        root
    }

    #[test]
    fn folders_are_walked_and_nothing_is_lost() {
        let root = tree(&[
            ("a.jpg", JPEG),
            ("2023/05/b", JPEG), // content decides
            ("c.png", b"broken"),
            ("d.HEIC", HEIC),
            ("e.txt", b"hello"),
            ("f.txt", b"hello again"),
            ("._a.jpg", b"x"),
            ("@eaDir/a.jpg", JPEG),
        ]);
        let found = PhotoFiles::find(&[root.path()]).unwrap();
        let below: Vec<_> = found.photos.iter().map(|photo| photo.below.as_path()).collect();
        assert_eq!(below, ["2023/05/b", "a.jpg", "c.png"].map(Path::new));
        assert_eq!(
            found.to_string(),
            "3 photos; passed over: 1 HEIC image (Convert it to JPEG: heif-convert FILE FILE.jpg), \
             2 texts, 2 system files"
        );
        assert_eq!(found.passed_over()[1].kind, "text");
    }

    #[test]
    fn a_folder_without_photos_is_an_error_that_says_what_it_has() {
        let root = tree(&[("a.mov", b"\0\0\0\x18ftypqt  "), ("b/c.txt", b"hello")]);
        let message = PhotoFiles::find(&[root.path()]).unwrap_err().to_string();
        assert!(message.contains("no photo is in this folder"), "{message}");
        assert!(message.contains("1 video") && message.contains("1 text"), "{message}");
    }

    #[cfg(unix)]
    #[test]
    fn links_that_lead_back_end() {
        let root = tree(&[("a.jpg", JPEG)]);
        std::os::unix::fs::symlink(root.path(), root.path().join("loop")).unwrap();
        std::os::unix::fs::symlink("nowhere", root.path().join("gone.jpg")).unwrap();
        let found = PhotoFiles::find(&[root.path()]).unwrap();
        assert_eq!(found.photos.len(), 1);
        assert_eq!(found.passed_over().iter().map(|over| over.files).sum::<usize>(), 2);
    }
}
