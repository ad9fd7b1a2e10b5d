//! Who works on a trial: the process that holds its folder's lock.

use std::fs::{File, TryLockError};
use std::path::Path;

use crate::common::{Error, Result};

/// A trial that this process works on, until it is dropped or the process ends, however it ends.
#[derive(Debug)]
pub(crate) struct Claim(#[expect(dead_code, reason = "holds the lock")] File);

impl Claim {
    /// Claims the trial in `folder`, which has to exist; `None` where another process holds it.
    pub(crate) fn of(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join("claim");
        let file = File::create(&path).map_err(|error| Error::io("write", &path, error))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(Error::io("lock", &path, error)),
        }
    }

    /// Makes `folder`, and claims it; `None` where it is there already.
    pub(crate) fn new(folder: &Path) -> Result<Option<Self>> {
        match std::fs::create_dir(folder) {
            Ok(()) => Self::of(folder),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(None),
            Err(error) => Err(Error::io("create", folder, error)),
        }
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
}
