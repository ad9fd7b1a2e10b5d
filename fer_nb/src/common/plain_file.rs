//! Safe reading of untrusted files: only plain files are opened, and none is read beyond a limit.
//!
//! Opening a named pipe waits for a writer, a device may have no end, and a file of 3 GB takes 3 GB of memory
//! before its content is checked. So the crate opens every file that it reads with this module.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

/// The maximum bytes of a settings file; in memory each byte may take a hundred.
pub(crate) const SETTINGS: u64 = 4 << 20;
/// The maximum bytes of a table that is read as a whole: histories, tables of runs.
pub(crate) const TABLE: u64 = 16 << 20;
/// The maximum bytes of an image file: a BMP file of 50 megapixels in color at 8 bits, and some reserve.
pub(crate) const IMAGE: u64 = 256 << 20;

/// A plain file that is open for reading, and its size when it was opened: the system is asked once.
#[derive(Debug)]
pub(crate) struct PlainFile {
    file: File,
    size: u64,
}

impl PlainFile {
    /// Opens a plain file, without ever waiting for one.
    ///
    /// # Errors
    /// As [`File::open`]; [`io::ErrorKind::InvalidInput`] for a folder, a pipe, a device or a socket.
    pub(crate) fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        let path = path.as_ref();
        let mut options = OpenOptions::new();
        // Without O_NONBLOCK, a pipe is waited for; for plain files it means nothing.
        let file = options.read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path);
        let file = file.map_err(|error| match error.raw_os_error() {
            Some(libc::ENXIO) => not_plain("a socket"),
            _ => error,
        })?;
        let found = file.metadata()?;
        let kind = found.file_type();
        match kind {
            _ if kind.is_file() => Ok(Self { file, size: found.len() }),
            _ if kind.is_dir() => Err(not_plain("a folder")),
            _ if kind.is_fifo() => Err(not_plain("a named pipe")),
            _ if kind.is_socket() => Err(not_plain("a socket")),
            _ => Err(not_plain("a device")),
        }
    }

    /// Its size when it was opened, in bytes.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Adds what is left of the file to `bytes`, of which there are then at most `most`. Meanwhile it may grow.
    ///
    /// # Errors
    /// [`io::ErrorKind::FileTooLarge`] for a larger file, before it is read; what the system refuses.
    pub(crate) fn read_rest(&mut self, bytes: &mut Vec<u8>, most: u64) -> io::Result<()> {
        check_size(self.size, most)?;
        let left = most.saturating_sub(bytes.len() as u64);
        let expected = self.size.saturating_sub(bytes.len() as u64);
        bytes.reserve_exact(usize::try_from(expected).unwrap_or(0));
        let mut rest = (&self.file).take(left.saturating_add(1));
        if rest.read_to_end(bytes)? as u64 > left {
            return Err(too_large(bytes.len() as u64, most));
        }
        Ok(())
    }
}

impl Read for PlainFile {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        self.file.read(to)
    }
}

impl Seek for PlainFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

fn not_plain(kind: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, format!("this is {kind}, not a plain file"))
}

/// Reads all bytes of a plain file of at most `most` bytes.
///
/// # Errors
/// As [`PlainFile::open`]; [`io::ErrorKind::FileTooLarge`] for a larger one, before it is read.
pub(crate) fn read(path: impl AsRef<Path>, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    PlainFile::open(path)?.read_rest(&mut bytes, most)?;
    Ok(bytes)
}

/// Reads the text of a plain file of at most `most` bytes.
///
/// # Errors
/// As [`read`]; [`io::ErrorKind::InvalidData`] if it is not UTF-8.
pub(crate) fn read_text(path: impl AsRef<Path>, most: u64) -> io::Result<String> {
    String::from_utf8(read(path, most)?)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "this is not UTF-8 text"))
}

/// Fails for a file of more than `most` bytes.
///
/// # Errors
/// [`io::ErrorKind::FileTooLarge`].
pub(crate) fn check_size(size: u64, most: u64) -> io::Result<()> {
    if size > most { Err(too_large(size, most)) } else { Ok(()) }
}

fn too_large(size: u64, most: u64) -> io::Error {
    let mib = |bytes: u64| bytes.div_ceil(1 << 20);
    let text = format!("it has {} MiB, and at most {} MiB are read", mib(size), mib(most));
    io::Error::new(io::ErrorKind::FileTooLarge, text)
}

/// Opens a file for locking, and creates it if it does not exist. Its content stays.
///
/// # Errors
/// Errors of the system, and an error for a symbolic link, which may lead to another file, and for a pipe.
pub(crate) fn open_lock(path: impl AsRef<Path>) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    let file = options.custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path);
    let file = file.map_err(|error| match error.raw_os_error() {
        Some(libc::ELOOP) => not_plain("a symbolic link"),
        _ => error,
    })?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(not_plain("a pipe or a device")),
    }
}

/// A reader that fails after more than `most` bytes since the last [`Limited::reset`]: for formats whose parsers
/// hold a whole row in memory.
pub(crate) struct Limited<R> {
    from: R,
    most: usize,
    left: usize,
}

impl<R: Read> Limited<R> {
    pub(crate) fn new(from: R, most: usize) -> Self {
        Self { from, most, left: most }
    }

    /// Starts the next row.
    pub(crate) fn reset(&mut self) {
        self.left = self.most;
    }
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 && !to.is_empty() {
            let text = format!("a row of more than {} MiB", self.most >> 20);
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
        }
        let most = to.len().min(self.left);
        let read = self.from.read(to.get_mut(..most).unwrap_or_default())?;
        self.left -= read;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::CString;
    use std::io::{ErrorKind, Write};

    use super::*;

    #[test]
    fn what_is_no_plain_file_is_refused_without_waiting() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe.jpg");
        let name = CString::new(pipe.to_str().unwrap()).unwrap();
        // SAFETY: the name ends in a zero and outlives the call.
        assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
        let socket = folder.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        for (path, kind) in [
            (pipe.as_path(), "a named pipe"),
            (socket.as_path(), "a socket"),
            (folder.path(), "a folder"),
            (Path::new("/dev/zero"), "a device"),
        ] {
            let error = PlainFile::open(path).unwrap_err();
            assert_eq!(error.to_string(), format!("this is {kind}, not a plain file"));
        }
    }

    #[test]
    fn a_large_file_is_refused_before_it_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("large");
        let mut file = File::create(&path).unwrap();
        file.write_all(b"abcd").unwrap();
        assert_eq!(read(&path, 4).unwrap(), b"abcd");
        assert_eq!(read(&path, 3).unwrap_err().kind(), ErrorKind::FileTooLarge);
        file.set_len(1 << 40).unwrap(); // sparse: 1 TiB
        let error = read_text(&path, SETTINGS).unwrap_err();
        assert!(error.to_string().ends_with("at most 4 MiB are read"), "{error}");
    }

    #[test]
    fn a_file_that_grows_ends_at_the_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        std::fs::write(&path, "ab").unwrap();
        for (most, expected) in [(6, Ok(6)), (5, Err(ErrorKind::FileTooLarge))] {
            std::fs::write(&path, "ab").unwrap();
            let mut file = PlainFile::open(&path).unwrap();
            assert_eq!(file.size(), 2);
            std::fs::write(&path, "abcdef").unwrap();
            let mut bytes = Vec::new();
            let read = file.read_rest(&mut bytes, most).map(|()| bytes.len());
            assert_eq!(read.map_err(|error| error.kind()), expected);
        }
    }

    #[test]
    fn a_lock_is_never_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let (thesis, lock) = (folder.path().join("thesis.txt"), folder.path().join("lock"));
        std::fs::write(&thesis, "all of it").unwrap();
        std::os::unix::fs::symlink(&thesis, &lock).unwrap();
        let error = open_lock(&lock).unwrap_err();
        assert_eq!(error.to_string(), "this is a symbolic link, not a plain file");
        assert_eq!(std::fs::read_to_string(&thesis).unwrap(), "all of it");
        std::fs::remove_file(&lock).unwrap();
        open_lock(&lock).unwrap().write_all(b"4711").unwrap();
        open_lock(&lock).unwrap();
        assert_eq!(std::fs::read_to_string(&lock).unwrap(), "4711");
    }

    #[test]
    fn a_row_has_an_end() {
        let mut reader = Limited::new(io::repeat(b'1'), 1 << 20);
        assert!(io::copy(&mut reader.by_ref().take(1 << 20), &mut io::sink()).is_ok());
        assert!(reader.read(&mut [0]).unwrap_err().to_string().contains("more than 1 MiB"));
        reader.reset();
        assert_eq!(reader.read(&mut [0]).unwrap(), 1);
    }
}
