//! Files that are replaced as a whole or not at all, TOML files, and fingerprints of files.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use xxhash_rust::xxh3::Xxh3;

use crate::common::error::{Error, Place, Result};
use crate::common::plain_file::{self, PlainFile};

/// The prefix of temporary file names.
pub(crate) const TEMPORARY_PREFIX: &str = ".fer_nb-tmp";

/// Lets `write` fill a temporary file next to `path`, syncs it to disk, and renames it to `path`. If anything
/// fails, the temporary file is removed and the file at `path` stays. Missing parent folders are created.
pub fn replace_file(path: impl AsRef<Path>, write: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let path = path.as_ref();
    if fs::metadata(path).is_ok_and(|found| !found.is_file()) {
        let source = io::Error::other("it is not a regular file, so it can't be replaced");
        return Err(Error::io("write", path, source));
    }
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
        _ => PathBuf::from("."),
    };
    fs::create_dir_all(&folder).map_err(|source| Error::io("create", &folder, source))?;
    let mut builder = tempfile::Builder::new();
    builder.prefix(TEMPORARY_PREFIX);
    // Only the user can read temporary files; the final file gets the usual permissions.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let temporary =
        builder.tempfile_in(&folder).map_err(|source| Error::io("write", path, source))?;
    write(temporary.path())?;
    // `write` may have replaced the file, so it is opened again.
    File::open(temporary.path())
        .and_then(|file| file.sync_all())
        .and_then(|()| Ok(temporary.persist(path)?))
        .and_then(|_| File::open(&folder)?.sync_all())
        .map_err(|source| Error::io("write", path, source))
}

/// The parent folders to create, the innermost first.
pub(crate) fn missing_folders(folder: &Path) -> Vec<PathBuf> {
    let above = folder.ancestors().filter(|folder| !folder.as_os_str().is_empty());
    above.take_while(|folder| !folder.exists()).map(Path::to_path_buf).collect()
}

/// Writes a text file as a whole or not at all.
///
/// # Errors
/// [`Error::Io`] if the file can't be written.
pub(crate) fn write_text(path: &Path, text: impl AsRef<[u8]>) -> Result<()> {
    replace_file(path, |temporary| {
        fs::write(temporary, text).map_err(|error| Error::io("write", path, error))
    })
}

/// The text of a file of settings.
///
/// # Errors
/// [`Error::Io`] for a file that can't be read, is not a plain file, is not UTF-8, or is larger than 4 MiB.
pub fn read_settings(path: impl AsRef<Path>) -> Result<String> {
    let path = path.as_ref();
    plain_file::read_text(path, plain_file::SETTINGS)
        .map_err(|source| Error::io("read", path, source))
}

/// Writes a value as a TOML file, as a whole or not at all. A file with the same content is not written again,
/// because a write waits for the disk.
///
/// # Errors
/// [`Error::Io`] if the file can't be written; [`Error::Input`] for a value that TOML can't hold.
pub(crate) fn write_toml(path: impl AsRef<Path>, value: &impl Serialize) -> Result<()> {
    let path = path.as_ref();
    let name = || path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let text = toml::to_string_pretty(value)
        .map_err(|error| Error::input(name(), error, "values that TOML can hold"))?;
    if plain_file::read_text(path, plain_file::SETTINGS).is_ok_and(|before| before == text) {
        return Ok(());
    }
    replace_file(path, |temporary| {
        fs::write(temporary, text).map_err(|error| Error::io("write", path, error))
    })
}

/// Reads a TOML file; `None` if it does not exist. `what` (such as "a run's config") and the hint are for the error
/// message about an invalid file.
///
/// # Errors
/// [`Error::Io`] if the file can't be read; [`Error::File`], with the line, if it is not `what`.
pub(crate) fn read_toml<T: DeserializeOwned>(
    path: impl AsRef<Path>,
    what: &str,
    hint: &str,
) -> Result<Option<T>> {
    read_format(path, what, u32::MAX, hint)
}

/// [`read_toml`] of a file whose key `format` is its version; files without the key are older.
///
/// # Errors
/// As [`read_toml`]; [`Error::File`] for a version above `newest`.
pub(crate) fn read_format<T: DeserializeOwned>(
    path: impl AsRef<Path>,
    what: &str,
    newest: u32,
    hint: &str,
) -> Result<Option<T>> {
    #[derive(serde::Deserialize)]
    struct Versioned {
        #[serde(default)]
        format: u32,
    }
    let path = path.as_ref();
    let text = match plain_file::read_text(path, plain_file::SETTINGS) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io("read", path, error)),
    };
    if let Ok(Versioned { format }) = toml::from_str(&text)
        && format > newest
    {
        let problem = format!("{what} of format {format}; this version reads up to {newest}");
        let place = Place::Key("format".into());
        return Err(Error::file_at(path, place, problem, "Update fer_nb."));
    }
    parse_toml(&text, path, what, hint).map(Some)
}

/// Parses the text of a TOML file; `what` and the hint are for errors, as in [`read_toml`].
///
/// # Errors
/// [`Error::File`], with the line, if it is not `what`.
pub(crate) fn parse_toml<T: DeserializeOwned>(
    text: &str,
    path: &Path,
    what: &str,
    hint: &str,
) -> Result<T> {
    toml::from_str(text).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start));
        let line = before.map(|before| before.matches('\n').count() as u64 + 1);
        let place = line.map_or(Place::Whole, Place::Line);
        Error::file_at(path, place, format!("not {what}: {}", error.message()), hint)
    })
}

/// XXH3 of a file's bytes, 16 hexadecimal digits: equal for equal content.
pub(crate) fn file_fingerprint(path: impl AsRef<Path>) -> Result<String> {
    let path = path.as_ref();
    let failed = |source| Error::io("read", path, source);
    let mut file = PlainFile::open(path).map_err(failed)?;
    let (mut sum, mut piece) = (Xxh3::new(), vec![0; 1 << 20]);
    loop {
        match file.read(&mut piece) {
            Ok(0) => return Ok(format!("{:016x}", sum.digest())),
            Ok(length) => sum.update(piece.get(..length).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
            Err(error) => return Err(failed(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_file_can_be_read_by_whom_the_user_lets_read() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
        let (ours, plain) = (folder.path().join("ours"), folder.path().join("plain"));
        fs::write(&plain, "").unwrap();
        replace_file(&ours, |_| Ok(())).unwrap();
        assert_eq!(mode(&ours), mode(&plain));
    }

    #[test]
    fn toml_goes_to_disk_and_back_and_a_wrong_line_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/config.toml");
        let read =
            || read_toml::<std::collections::BTreeMap<String, i64>>(&path, "a map", "Mend it.");
        assert_eq!(read().unwrap(), None);
        let value = std::collections::BTreeMap::from([("a".to_string(), 1), ("b".to_string(), 2)]);
        write_toml(&path, &value).unwrap();
        assert_eq!(read().unwrap(), Some(value));
        fs::write(&path, "a = 1\nb = 'x'\n").unwrap();
        let error = read().unwrap_err();
        assert!(matches!(error, Error::File { place: Place::Line(2), .. }), "{error:?}");
    }

    #[test]
    fn a_failed_write_keeps_the_file_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.csv");
        replace_file(&path, |to| fs::write(to, "old").map_err(|e| Error::io("write", to, e)))
            .unwrap();
        let full = |to: &Path| {
            fs::write(to, "ne").map_err(|e| Error::io("write", to, e))?;
            Err(Error::io("write", to, std::io::Error::other("No space left on device")))
        };
        assert!(replace_file(&path, full).is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
