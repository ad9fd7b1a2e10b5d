//! [`Trial`]: one training of a study.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::common::files::{read_toml, write_toml};
use crate::common::text::shown;
use crate::common::{Error, Result, named};
use crate::train::{RunFolder, off};

/// What to do about a trial.toml that can't be used.
const HINT: &str = "Delete the trial's folder; the study does without it.";

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
    /// The best value on validation images, the mean over the seeds that were trained; `None` before the first epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// The second objective's value; `None` if the study has one objective.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<f64>,
    /// The best value of each seed; empty if a trial is one training.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reached: Vec<f64>,
    /// The value at each rung of Hyperband that it came to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rungs: Vec<f64>,
    /// Epochs that were trained, of all seeds together.
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
    /// The values that it tries, by path. Of a trial that waits, the given ones.
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
        let (reached, rungs, epochs, seconds) = (Vec::new(), Vec::new(), 0, 0.0);
        let (cost, retries, given) = (None, 0, None);
        Self {
            number,
            state,
            value,
            cost,
            reached,
            rungs,
            epochs,
            seconds,
            reason,
            retries,
            given,
            values,
        }
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

    /// Its run folder in the study's: that of the first seed.
    pub fn run(&self, study: &Path) -> RunFolder {
        self.run_of_seed(study, 0)
    }

    /// The run folder of a seed, counted from 0: `trial_0007`, `trial_0007/seed_2`, `trial_0007/seed_3`.
    pub(super) fn run_of_seed(&self, study: &Path, seed: usize) -> RunFolder {
        let folder = Self::folder(study, self.number);
        RunFolder::at(match seed {
            0 => folder,
            seed => folder.join(format!("seed_{}", seed + 1)),
        })
    }

    /// The standard deviation over its seeds, with n - 1; `None` for fewer than two.
    pub fn spread(&self) -> Option<f64> {
        let (mean, count) = (self.value?, self.reached.len());
        let squares: f64 = self.reached.iter().map(|value| (value - mean).powi(2)).sum();
        (count > 1).then(|| (squares / (count - 1) as f64).sqrt())
    }

    /// The value as tables show it: with the spread over seeds, if there is one.
    pub(super) fn shown_value(&self) -> String {
        match (self.value, self.spread()) {
            (None, _) => "none".into(),
            (Some(value), None) => format!("{value:.4}"),
            (Some(value), Some(spread)) => {
                format!("{value:.4} ± {spread:.4} over {} seeds", self.reached.len())
            }
        }
    }

    /// Takes over what its seeds reached; `of` is how many a trial of the study has.
    pub(super) fn take_values(&mut self, reached: &[f64], of: usize) {
        let mean = reached.iter().sum::<f64>() / reached.len().max(1) as f64;
        self.value = (!reached.is_empty()).then_some(mean);
        self.reached = if of > 1 { reached.to_vec() } else { Vec::new() };
    }

    /// Whether an error ended it.
    pub(super) fn is_failed(&self) -> bool {
        self.state == TrialState::Failed
    }

    /// An error of a value that its file holds, with the file.
    pub(super) fn at_fault(&self, study: &Path, error: Error) -> Error {
        error.in_file(Self::folder(study, self.number).join("trial.toml"), HINT)
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
        let trial: Option<Self> = read_toml(folder.join("trial.toml"), "a trial", HINT)?;
        // Whoever wrote it, what is shown of it moves no cursor.
        Ok(trial.map(|trial| Self { reason: trial.reason.map(shown), ..trial }))
    }
}
