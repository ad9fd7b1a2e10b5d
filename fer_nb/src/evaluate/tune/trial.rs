//! [`Trial`]: one training of a study.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::common::files::replace_file;
use crate::common::{Error, Result};
use crate::train::RunFolder;

/// How a trial stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrialState {
    /// Begun, and neither over nor given up. Where no process holds it, it was stopped.
    Running,
    /// Trained to its end.
    Complete,
    /// Ended early, being worse than most.
    Pruned,
    /// Ended by an error, such as a loss that is not finite.
    Failed,
}

impl TrialState {
    /// "complete"
    pub const fn name(self) -> &'static str {
        match self {
            TrialState::Running => "running",
            TrialState::Complete => "complete",
            TrialState::Pruned => "pruned",
            TrialState::Failed => "failed",
        }
    }
}

/// `trial.toml`: what a trial tried and what became of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trial {
    /// From 1.
    pub number: usize,
    /// How it stands.
    pub state: TrialState,
    /// The best figure on validation; none while there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// Epochs that were trained.
    #[serde(default)]
    pub epochs: usize,
    /// Seconds of training and validation.
    #[serde(default)]
    pub seconds: f64,
    /// Why it ended early; empty where it did not.
    #[serde(default)]
    pub reason: String,
    /// The values that it tried, by path.
    pub values: toml::Table,
}

impl Trial {
    /// The folder of trial `number` of the study in `study`: `trial_0007`.
    pub fn folder(study: &Path, number: usize) -> PathBuf {
        study.join(format!("trial_{number:04}"))
    }

    /// Its run folder in the study's.
    pub fn run(&self, study: &Path) -> RunFolder {
        RunFolder::at(Self::folder(study, self.number))
    }

    /// Whether it is over.
    pub fn is_over(&self) -> bool {
        self.state != TrialState::Running
    }

    /// Writes `trial.toml`.
    pub(super) fn save(&self, study: &Path) -> Result<()> {
        let path = Self::folder(study, self.number).join("trial.toml");
        let text = toml::to_string_pretty(self)
            .map_err(|error| Error::setting("trial.toml", error, "values that TOML can hold"))?;
        replace_file(&path, |temporary| {
            std::fs::write(temporary, text).map_err(|error| Error::io("write", &path, error))
        })
    }

    /// Reads `trial.toml`; `None` where a process has made the folder and not written the file yet.
    pub(super) fn load(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join("trial.toml");
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::io("read", &path, error)),
        };
        toml::from_str(&text).map(Some).map_err(|error| {
            let hint = "Delete the trial's folder; the study does without it.";
            Error::file(&path, format!("not a trial: {}", error.message()), hint)
        })
    }
}
