//! [`Outputs`]: the paths that a command will write, checked before its work.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use fer_nb::error::{Error, Result};
use fer_nb::project::shown;

/// Every path that a command writes and every path that it reads. The checks leave no files behind.
#[derive(Default)]
pub(crate) struct Outputs {
    written: Vec<Written>,
    read: Vec<Read>,
}

struct Written {
    option: &'static str,
    path: PathBuf,
    is_folder: bool,
}

struct Read {
    what: &'static str,
    path: PathBuf,
}

/// The files of a run folder.
const OF_A_RUN: [&str; 10] = [
    "config.toml",
    "history.csv",
    "best.safetensors",
    "images.safetensors",
    "stopped.toml",
    "temperature.toml",
    "certainty.toml",
    "model_card.md",
    "last/checkpoint.safetensors",
    "study.toml",
];

impl Outputs {
    /// A file that is written if the option is given; its folder must exist.
    pub(crate) fn file(self, option: &'static str, path: Option<&Path>) -> Self {
        self.with(option, path, false)
    }

    /// A folder that is created if needed, with its parents, and written to.
    pub(crate) fn folder(self, option: &'static str, path: Option<&Path>) -> Self {
        self.with(option, path, true)
    }

    fn with(mut self, option: &'static str, path: Option<&Path>, is_folder: bool) -> Self {
        self.written.extend(path.map(|path| Written { option, path: path.into(), is_folder }));
        self
    }

    /// A file or a folder that is read, and so must not be overwritten.
    pub(crate) fn reads(mut self, what: &'static str, path: impl Into<PathBuf>) -> Self {
        self.read.push(Read { what, path: path.into() });
        self
    }

    /// The files of a run that is read.
    pub(crate) fn reads_run(self, run: &Path) -> Self {
        OF_A_RUN
            .iter()
            .fold(self, |outputs, name| outputs.reads("a run's own file", run.join(name)))
    }

    /// Returns an error for the first path that can't be written, that is written twice, or that is read.
    ///
    /// # Errors
    /// [`Error::Setting`] with the option, [`Error::Io`] if the system denies access, [`Error::WouldOverwrite`].
    pub(crate) fn check(&self) -> Result<()> {
        let mut places: Vec<(&Written, PathBuf)> = Vec::new();
        for written in &self.written {
            let Some(place) = written.place()? else { continue };
            self.check_read(written, &place)?;
            for (other, at) in &places {
                let clash = place == *at
                    || (other.is_folder && is_of_run(at, &place))
                    || (written.is_folder && is_of_run(&place, at));
                if clash {
                    let expected = format!("another path than that of --{}", other.option);
                    return Err(Error::setting(written.option, shown(&written.path), expected));
                }
            }
            places.push((written, place));
        }
        Ok(())
    }

    /// Fails if this output would replace an input of the command. In a folder that is read, only new files and
    /// reports may be written.
    fn check_read(&self, written: &Written, place: &Path) -> Result<()> {
        let is_report = place.extension().is_some_and(|extension| extension == "json");
        for Read { what, path } in &self.read {
            let Ok(read) = path.canonicalize() else { continue };
            let is_within = !written.is_folder
                && read.is_dir()
                && place.starts_with(&read)
                && place.is_file()
                && !is_report;
            if read == place || is_same_file(&read, place) || is_within {
                let hint = format!("Give another path after --{}.", written.option);
                return Err(Error::would_overwrite(&written.path, *what, hint));
            }
        }
        Ok(())
    }
}

impl Written {
    /// The resulting path, without links; `None` for a path that is neither a file nor a folder, such as /dev/null.
    fn place(&self) -> Result<Option<PathBuf>> {
        if self.path.as_os_str().is_empty() {
            return Err(self.unfit("", "a path"));
        }
        match self.is_folder {
            true => self.place_of_folder().map(Some),
            false => self.place_of_file(),
        }
    }

    fn place_of_file(&self) -> Result<Option<PathBuf>> {
        const EXPECTED: &str = "a file in a folder that exists";
        let refused = |error| Error::io("write", &self.path, error);
        let is_called_folder = self.path.as_os_str().as_encoded_bytes().ends_with(b"/");
        let folder = match self.path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        match fs::metadata(&self.path) {
            Ok(found) if found.is_dir() => Err(self.unfit("this is a folder", EXPECTED)),
            Ok(found) if found.is_file() => {
                OpenOptions::new().append(true).open(&self.path).map_err(refused)?;
                self.path.canonicalize().map(Some).map_err(refused)
            }
            Ok(_) => Ok(None),
            Err(_) if is_called_folder => Err(self.unfit("", EXPECTED)),
            Err(_) if !folder.exists() => {
                Err(self.unfit(&format!("{} does not", shown(folder)), EXPECTED))
            }
            Err(_) if !folder.is_dir() => {
                Err(self.unfit(&format!("{} is a file", shown(folder)), EXPECTED))
            }
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(refused(error)),
            Err(_) if fs::symlink_metadata(&self.path).is_ok() => {
                Err(self.unfit("this is a link to nothing", EXPECTED))
            }
            Err(_) => {
                probe(folder).map_err(refused)?;
                let name = self.path.file_name().unwrap_or_default();
                folder.canonicalize().map(|folder| Some(folder.join(name))).map_err(refused)
            }
        }
    }

    fn place_of_folder(&self) -> Result<PathBuf> {
        let refused = |error| Error::io("write to", &self.path, error);
        let path = std::path::absolute(&self.path).map_err(refused)?;
        // The nearest existing parent, even if it is a dead link: folders will be created below it.
        let there = path.ancestors().find(|path| fs::symlink_metadata(path).is_ok());
        let there = there.unwrap_or(Path::new("/"));
        if !there.is_dir() {
            let found = match there == path {
                true => "this is a file".to_string(),
                false => format!("{} is a file", shown(there)),
            };
            return Err(self.unfit(&found, "a folder"));
        }
        probe(there).map_err(refused)?;
        let below = path.strip_prefix(there).unwrap_or(Path::new(""));
        if below.components().any(|part| part.as_os_str().len() > LONGEST_NAME) {
            return Err(self.unfit("its name is too long", "a folder"));
        }
        there.canonicalize().map(|there| there.join(below)).map_err(refused)
    }

    fn unfit(&self, found: &str, expected: &str) -> Error {
        let found = if found.is_empty() { String::new() } else { format!("; {found}") };
        Error::setting(self.option, shown(&self.path), format!("{expected}{found}"))
    }
}

/// The maximum bytes of a file name on Linux.
const LONGEST_NAME: usize = 255;

/// Creates a file without a name in a folder; it disappears with its handle.
fn probe(folder: &Path) -> io::Result<()> {
    tempfile::tempfile_in(folder).map(drop)
}

/// Whether a file is one that a training keeps in this folder.
fn is_of_run(folder: &Path, file: &Path) -> bool {
    OF_A_RUN.iter().any(|name| folder.join(name) == *file)
}

/// Whether both names refer to the same file.
fn is_same_file(one: &Path, other: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let id = |path: &Path| {
        let found = fs::metadata(path).ok()?;
        Some((found.dev(), found.ino()))
    };
    id(one).is_some() && id(one) == id(other)
}
