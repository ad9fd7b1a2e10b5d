//! The archive of a run folder, `before/`: the run that the current one replaced.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use super::folder::RunFolder;
use crate::common::files::{TEMPORARY_PREFIX, file_fingerprint};
use crate::common::text::{plural, shown};
use crate::common::{Error, Result};
use crate::train::record::History;

/// The extensions of a run's files.
const WEIGHTS: &str = "safetensors";
const TEXTS: [&str; 2] = ["toml", "csv"];

impl RunFolder {
    /// The replaced run, in `before/`.
    pub fn archived(&self) -> RunFolder {
        RunFolder::at(self.path().join("before"))
    }

    /// Moves the folder's run to its archive, before the next one replaces it. A longer archived run stays, so that
    /// short trials don't displace it. Returns a line for the user; `None` if the folder had no run.
    pub(crate) fn archive(&self) -> Result<Option<String>> {
        if !self.exists() && !self.checkpoint().is_file() {
            return Ok(None);
        }
        let before = self.archived();
        let place = shown(before.path());
        let (now, kept) = (epochs(self), epochs(&before));
        if kept > now {
            return Ok(Some(format!(
                "the folder's run of {} is replaced; {place} has a longer one, of {}",
                plural(now, "epoch"),
                plural(kept, "epoch")
            )));
        }
        let said = format!("the folder's run is archived in {place}");
        // A training that failed within its first epoch has archived the run, and may have replaced some of its
        // files since.
        let [own, other] = [self, &before].map(|run| file_fingerprint(run.checkpoint()).ok());
        if own.is_some() && own == other {
            return Ok(Some(said));
        }
        // Another training may be using it: it is a run folder, too.
        let _lock = before.path().is_dir().then(|| before.lock()).transpose()?;
        let copy = self.path().join(format!("{TEMPORARY_PREFIX}-before"));
        let done = self.copy_run(&copy).and_then(|()| put_in_place(&copy, before.path()));
        if let Err(error) = done {
            let _ = fs::remove_dir_all(&copy); // the disk may be full
            return Err(Error::io("archive the run in", before.path(), error));
        }
        Ok(Some(said))
    }

    /// Copies the run's files, and syncs them to disk.
    fn copy_run(&self, to: &Path) -> io::Result<()> {
        let last = to.join("last");
        fs::create_dir_all(&last)?;
        if self.checkpoint().is_file() {
            link(&self.checkpoint(), &last.join("checkpoint.safetensors"))?;
        }
        for entry in fs::read_dir(self.path())? {
            let path = entry?.path();
            let (Some(name), Some(kind)) = (path.file_name(), path.extension()) else { continue };
            if kind == WEIGHTS && path.is_file() {
                link(&path, &to.join(name))?;
            } else if TEXTS.iter().any(|text| kind == *text) && path.is_file() {
                copy(&path, &to.join(name))?;
            }
        }
        File::open(last)?.sync_all()?;
        File::open(to)?.sync_all()
    }
}

/// The number of epochs of a run, if it can be read.
fn epochs(run: &RunFolder) -> usize {
    History::load(run.path().join("history.csv"), "").map_or(0, |history| history.epochs.len())
}

/// Links large files. A writer replaces such a file by a new one, so the link keeps the old content. Copies the
/// file if the file system does not support links.
fn link(from: &Path, to: &Path) -> io::Result<()> {
    fs::hard_link(from, to).or_else(|_| copy(from, to))
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::copy(from, to)?;
    File::open(to)?.sync_all()
}

fn put_in_place(copy: &Path, before: &Path) -> io::Result<()> {
    if before.exists() {
        fs::remove_dir_all(before)?;
    }
    fs::rename(copy, before)?;
    match before.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder with the files of a run of so many epochs; what is in them does not matter here.
    fn run(path: &Path, name: &str, epochs: usize) -> RunFolder {
        let run = RunFolder::at(path);
        fs::create_dir_all(path.join("last")).unwrap();
        let header = "epoch,loss,accuracy,val_loss,val_accuracy,learning_rate,seconds\n";
        let rows: String = (1..=epochs).map(|epoch| format!("{epoch},1,0,1,0,0.1,1\n")).collect();
        for (file, text) in [
            ("history.csv", format!("{header}{rows}")),
            ("config.toml", format!("name = '{name}'")),
            ("best.safetensors", format!("best of {name}")),
            ("last/checkpoint.safetensors", format!("checkpoint of {name}")),
            ("notes.txt", "mine".into()),
        ] {
            // As everything in the crate writes: by a new file in its place.
            crate::common::files::replace_file(path.join(file), |temporary| {
                fs::write(temporary, &text).map_err(|error| Error::io("write", temporary, error))
            })
            .unwrap();
        }
        run
    }

    fn best(run: &RunFolder) -> String {
        fs::read_to_string(run.weights()).unwrap()
    }

    #[test]
    fn a_run_is_kept_whole_and_a_longer_one_is_not_pushed_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        assert_eq!(RunFolder::at(path).archive().unwrap(), None);
        assert!(!path.join("before").exists());

        let long = run(path, "long", 9);
        assert!(long.archive().unwrap().is_some());
        let short = run(path, "short", 2);
        assert_eq!(best(&short.archived()), "best of long", "what is kept changes with the run");
        assert!(short.archived().checkpoint().is_file());
        assert!(!short.archived().path().join("notes.txt").exists(), "that is no file of a run");

        assert!(short.archive().unwrap().is_some());
        assert_eq!(best(&short.archived()), "best of long");
        let longer = run(path, "longer", 9);
        longer.archive().unwrap();
        assert_eq!(best(&longer.archived()), "best of longer");
    }

    #[test]
    fn what_was_begun_over_a_run_is_no_part_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let old = run(folder.path(), "old", 3);
        old.archive().unwrap();
        // A training that ended after its best weights were written, and before its checkpoint.
        fs::remove_file(old.weights()).unwrap();
        fs::write(old.weights(), "best of another").unwrap();
        old.archive().unwrap();
        assert_eq!(best(&old.archived()), "best of old");
    }

    #[test]
    fn a_run_that_is_being_trained_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let old = run(folder.path(), "old", 3);
        old.archive().unwrap();
        let lock = old.archived().lock().unwrap();
        let other = run(folder.path(), "other", 3);
        assert!(matches!(other.archive(), Err(Error::InUse { .. })));
        assert_eq!(best(&other.archived()), "best of old");
        drop(lock);
        other.archive().unwrap();
        assert_eq!(best(&other.archived()), "best of other");
    }
}
