//! [`Trial`]: one training of a study.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::common::files::{read_toml, write_toml};
use crate::common::{Result, named};
use crate::train::{RunFolder, off};

/// How a trial stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrialState {
    /// Enqueued: its values are given, and no process has begun it.
    Waiting,
    /// Begun, and neither over nor given up. Where no process holds it, it was stopped.
    Running,
    /// Trained to its end.
    Complete,
    /// Ended early, being worse than most.
    Pruned,
    /// Ended by an error, such as a loss that is not finite.
    Failed,
}

named! {
    TrialState: "state",
    Waiting => "waiting",
    Running => "running",
    Complete => "complete",
    Pruned => "pruned",
    Failed => "failed",
}

/// `trial.toml`: what a trial tried and what became of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trial {
    /// From 1.
    pub number: usize,
    /// How it stands.
    pub state: TrialState,
    /// The best value on validation images; `None` before the first epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// Epochs that were trained.
    #[serde(default)]
    pub epochs: usize,
    /// Seconds of training and validation.
    #[serde(default)]
    pub seconds: f64,
    /// Why it ended early, in words; `None` if it did not.
    #[serde(default, deserialize_with = "off::text")]
    pub reason: Option<String>,
    /// How many times a process died while it worked on this, and another one took it up.
    #[serde(default, skip_serializing_if = "is_none")]
    pub retries: usize,
    /// The values that were given for it, by path; `None` if all were drawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given: Option<toml::Table>,
    /// The values that it tries, by path. Of a trial that waits, those that were given.
    pub values: toml::Table,
}

/// Left out of the file then, which versions without it can read.
fn is_none(retries: &usize) -> bool {
    *retries == 0
}

impl Trial {
    /// One that begins.
    pub(super) fn new(number: usize, values: toml::Table) -> Self {
        let (state, value, reason) = (TrialState::Running, None, None);
        let (epochs, seconds, retries, given) = (0, 0.0, 0, None);
        Self { number, state, value, epochs, seconds, reason, retries, given, values }
    }

    /// One whose values are given, all or some, and that waits for a process.
    pub(super) fn waiting(number: usize, given: toml::Table) -> Self {
        let trial = Self::new(number, given.clone());
        Self { state: TrialState::Waiting, given: Some(given), ..trial }
    }

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
        !matches!(self.state, TrialState::Waiting | TrialState::Running)
    }

    /// Writes `trial.toml`.
    pub(super) fn save(&self, study: &Path) -> Result<()> {
        let path = Self::folder(study, self.number).join("trial.toml");
        write_toml(path, self)
    }

    /// Reads `trial.toml`; `None` if a process has made the folder and not written the file yet.
    pub(super) fn load(folder: &Path) -> Result<Option<Self>> {
        let hint = "Delete the trial's folder; the study does without it.";
        read_toml(folder.join("trial.toml"), "a trial", hint)
    }
}
