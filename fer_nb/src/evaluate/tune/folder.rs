//! What a study's folder holds: `study.toml` and the trials' folders.

use std::path::{Path, PathBuf};

use super::claim::Claim;
use super::trial::Trial;
use crate::common::{Error, Result};

/// Removes a study: its trials, all or none, and then `study.toml`, without which trials belong to
/// nothing.
pub(super) fn remove(folder: &Path) -> Result<()> {
    let trials = trial_folders(folder)?;
    let mut claims = Vec::new();
    for trial in &trials {
        let Some(claim) = Claim::of(trial)? else {
            let hint = "Wait for it, or choose another folder.";
            return Err(Error::in_use(trial, "another process of the study", hint));
        };
        claims.push(claim);
    }
    for trial in &trials {
        std::fs::remove_dir_all(trial).map_err(|error| Error::io("remove", trial, error))?;
    }
    let path = folder.join("study.toml");
    std::fs::remove_file(&path).map_err(|error| Error::io("remove", &path, error))
}

/// The folders of the trials in a study's, in no order.
pub(super) fn trial_folders(folder: &Path) -> Result<Vec<PathBuf>> {
    let failed = |error| Error::io("read", folder, error);
    let mut folders = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.file_name().unwrap_or_default().to_string_lossy().starts_with("trial_") {
            folders.push(path);
        }
    }
    Ok(folders)
}

/// The trials in a study's folder, by number.
pub(super) fn read_trials(folder: &Path) -> Result<Vec<Trial>> {
    let mut trials = Vec::new();
    for trial in trial_folders(folder)? {
        trials.extend(Trial::load(&trial)?);
    }
    trials.sort_by_key(|trial: &Trial| trial.number);
    Ok(trials)
}
