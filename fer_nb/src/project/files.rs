//! Writing files so that a crash, a full disk or a kill leaves the file before intact, and telling
//! whether a file is as it was.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// What the names of temporary files begin with.
pub const TEMPORARY_PREFIX: &str = ".fer_nb-tmp";

/// Lets `write` fill a temporary file beside `path`, syncs it to disk, and puts it in `path`'s
/// place in one step. If anything fails, the temporary file is removed and what was at `path`
/// stays. Folders above `path` are made.
pub fn replace_file(path: impl AsRef<Path>, write: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let path = path.as_ref();
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
        _ => PathBuf::from("."),
    };
    fs::create_dir_all(&folder).map_err(|source| Error::io("create", &folder, source))?;
    let mut builder = tempfile::Builder::new();
    builder.prefix(TEMPORARY_PREFIX);
    // Temporary files are the user's alone; what comes of these is as any file the user makes.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let temporary =
        builder.tempfile_in(&folder).map_err(|source| Error::io("write", path, source))?;
    write(temporary.path())?;
    // `write` may have replaced the file by one of its own, so it is opened anew.
    File::open(temporary.path())
        .and_then(|file| file.sync_all())
        .and_then(|()| Ok(temporary.persist(path)?))
        .and_then(|_| File::open(&folder)?.sync_all())
        .map_err(|source| Error::io("write", path, source))
}

/// XXH3 of a file's bytes, 16 hexadecimal digits: the same where the content is.
pub fn file_fingerprint(path: impl AsRef<Path>) -> Result<String> {
    let path = path.as_ref();
    let bytes = fs::read(path).map_err(|source| Error::io("read", path, source))?;
    Ok(format!("{:016x}", xxhash_rust::xxh3::xxh3_64(&bytes)))
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
