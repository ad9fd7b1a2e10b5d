//! Who works on a trial: the process that holds its folder's lock.

use std::fs::{File, TryLockError};
use std::io::{Read, Write};
use std::path::Path;
use std::time::Duration;

use crate::common::plain_file::open_lock;
use crate::common::{Error, Result};

/// The file in a trial's folder that is locked.
const NAME: &str = "claim";
/// How long a process may take between making a trial's folder and locking it.
const BEGINNING: Duration = Duration::from_millis(250);

/// A trial that this process works on, until it is dropped or the process ends, however it ends.
///
/// The lock ends with the process. The file's content does not: it holds the process's number until the
/// claim is dropped, so that a process that was killed leaves it behind.
#[derive(Debug)]
pub(crate) struct Claim {
    file: File,
    /// Whether the process before this one died while it held the claim.
    after_death: bool,
}

impl Claim {
    /// Claims the trial in `folder`, which has to exist; `None` if another process holds it.
    ///
    /// # Errors
    /// [`Error::Io`] if the file can't be written or locked, or is a symbolic link.
    pub(crate) fn of(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join(NAME);
        let failed = |error| Error::io("write", &path, error);
        // Not truncated: what the process before wrote says how it ended.
        let mut file = open_lock(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => (),
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(Error::io("lock", &path, error)),
        }
        let after_death = file.read(&mut [0]).map_err(failed)? > 0;
        file.set_len(0).map_err(failed)?;
        file.write_all(std::process::id().to_string().as_bytes()).map_err(failed)?;
        Ok(Some(Self { file, after_death }))
    }

    /// Makes `folder`, and claims it; `None` if it is there already, or another process took it.
    ///
    /// # Errors
    /// As [`Claim::of`]; [`Error::Io`] if the folder can't be made.
    pub(crate) fn new(folder: &Path) -> Result<Option<Self>> {
        match std::fs::create_dir(folder) {
            Ok(()) => Self::of(folder),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(None),
            Err(error) => Err(Error::io("create", folder, error)),
        }
    }

    /// Claims a folder in which another process has not written what the trial is. That process may be
    /// about to, so it is given a moment to lock the folder; `None` if it does.
    ///
    /// # Errors
    /// As [`Claim::of`].
    pub(crate) fn of_unfinished(folder: &Path) -> Result<Option<Self>> {
        std::thread::sleep(BEGINNING);
        let claim = Self::of(folder)?;
        Ok(claim.map(|mut claim| {
            claim.after_death = true;
            claim
        }))
    }

    /// Whether the process that worked on the trial before was killed.
    pub(crate) fn is_after_death(&self) -> bool {
        self.after_death
    }
}

impl Drop for Claim {
    /// Gives the trial back, unlike a process that is killed.
    fn drop(&mut self) {
        // If that fails, the trial counts as one whose process died: the lock is free all the same.
        let _ = self.file.set_len(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let trial = folder.path().join("trial_0001");
        let claim = Claim::new(&trial).unwrap();
        assert!(claim.is_some());
        assert!(Claim::new(&trial).unwrap().is_none());
        assert!(Claim::of(&trial).unwrap().is_none());
        drop(claim);
        assert!(Claim::of(&trial).unwrap().is_some());
    }

    #[test]
    fn a_process_that_died_is_told_from_one_that_stopped() {
        let folder = tempfile::tempdir().unwrap();
        let claim = || Claim::of(folder.path()).unwrap().unwrap();
        assert!(!claim().is_after_death());
        assert!(!claim().is_after_death());
        // A process that is killed drops nothing.
        std::fs::write(folder.path().join(NAME), "4711").unwrap();
        assert!(claim().is_after_death());
        assert!(!claim().is_after_death());
    }

    #[cfg(unix)]
    #[test]
    fn what_a_link_points_to_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let thesis = folder.path().join("thesis.txt");
        std::fs::write(&thesis, "all of it").unwrap();
        std::os::unix::fs::symlink(&thesis, folder.path().join(NAME)).unwrap();
        let error = Claim::of(folder.path()).unwrap_err();
        assert!(error.to_string().contains("symbolic link"), "{error}");
        assert_eq!(std::fs::read_to_string(&thesis).unwrap(), "all of it");
    }
}
