//! What a study's folder holds: `study.toml` and the trials' folders.

use std::path::{Path, PathBuf};

use super::claim::Claim;
use super::config::StudyConfig;
use super::trial::Trial;
use crate::common::files::{missing_folders, read_format, write_toml};
use crate::common::{Error, Result};

/// The file that holds the [`StudyConfig`].
const CONFIG: &str = "study.toml";

/// Whether a folder holds a study.
pub(super) fn holds_study(folder: &Path) -> bool {
    folder.join(CONFIG).is_file()
}

/// Makes a study's folder, and those above it; returns what was made, the innermost first.
pub(super) fn create(folder: &Path, config: &StudyConfig) -> Result<Vec<PathBuf>> {
    let made = missing_folders(folder);
    std::fs::create_dir_all(folder).map_err(|error| Error::io("create", folder, error))?;
    write_toml(folder.join(CONFIG), config)?;
    Ok(made)
}

/// What `study.toml` holds; older formats are read, too.
pub(super) fn read_config(folder: &Path) -> Result<StudyConfig> {
    let path = folder.join(CONFIG);
    let hint = "Start a study in another folder.";
    let config = read_format(&path, "a study", StudyConfig::FORMAT, hint)?;
    let config: StudyConfig = config.ok_or_else(|| {
        Error::missing("A study", &path, "`fer tune --space FILE`, or Study::open, starts one.")
    })?;
    Ok(StudyConfig { format: StudyConfig::FORMAT, ..config })
}

/// A study has trials that can't be compared with the ones asked for.
pub(super) fn not_comparable(folder: &Path, what: &str) -> Error {
    Error::would_overwrite(folder, what, "Start a study in another folder.")
}

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
    let path = folder.join(CONFIG);
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
