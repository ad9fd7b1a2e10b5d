//! [`StopReason`]: why training ended before its last epoch.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

use super::monitor::Monitor;
use crate::common::text::{plural, shown};

/// Why training, or a study, ended before its last epoch or trial.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum StopReason {
    /// Ctrl-C, or a notebook's Stop button; another `fit` resumes at this point.
    User {
        /// The epoch in progress or just completed, from 1; 0 if a study waited for other processes.
        epoch: usize,
        /// The last trained batch of it; `None` if the epoch was completed.
        batch: Option<BatchOf>,
    },
    /// [`EarlyStopping`](crate::train::EarlyStopping).
    EarlyStopping {
        /// The last epoch, from 1.
        epoch: usize,
        /// The watched metric.
        monitor: Monitor,
        /// Epochs without improvement.
        waited: usize,
    },
    /// A study's pruner: the trial is worse than most.
    Pruned {
        /// The last epoch, from 1.
        epoch: usize,
        /// The metric that compares trials.
        monitor: Monitor,
        /// The trial's best value so far.
        best: f64,
        /// The median of the other trials' best values up to that epoch.
        median: f64,
    },
    /// A study's Hyperband: the trial waits until other trials have reached the same epoch.
    Rung {
        /// The last epoch, from 1.
        epoch: usize,
    },
    /// The time limit of a study.
    TimeLimit {
        /// The limit in seconds.
        seconds: f64,
    },
    /// A custom callback.
    Callback {
        /// The callback's reason.
        reason: String,
        /// The epoch, from 1.
        epoch: usize,
        /// The batch after which training ended; `None` if it ended after the epoch.
        batch: Option<BatchOf>,
    },
    /// A reason from a file of an older version, which stored sentences.
    Recorded {
        /// The sentence.
        text: String,
    },
}

/// A batch of an epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchOf {
    /// The batch, from 1.
    pub number: usize,
    /// The number of batches of the epoch.
    pub of: usize,
}

impl StopReason {
    /// Whether the user stopped training, so that it can be resumed.
    pub fn is_user(&self) -> bool {
        matches!(self, StopReason::User { .. })
    }

    /// Whether the run is only paused.
    pub(crate) fn is_pause(&self) -> bool {
        matches!(self, StopReason::User { .. } | StopReason::Rung { .. })
    }

    /// Reads a reason, or the sentence that older versions wrote instead.
    pub(crate) fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Self>, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Stored {
            Text(String),
            Reason(StopReason),
        }
        let stored = Option::<Stored>::deserialize(from)?;
        Ok(stored
            .map(|stored| match stored {
                Stored::Text(text) => StopReason::Recorded { text },
                Stored::Reason(reason) => reason,
            })
            .map(Self::into_shown))
    }

    /// The reason with its texts escaped, as they are read from a file: they can't move a terminal's cursor.
    pub(crate) fn into_shown(self) -> Self {
        match self {
            StopReason::Recorded { text } => StopReason::Recorded { text: shown(text) },
            StopReason::Callback { reason, epoch, batch } => {
                StopReason::Callback { reason: shown(reason), epoch, batch }
            }
            other => other,
        }
    }
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = |epoch: &usize, batch: &Option<BatchOf>| match batch {
            Some(BatchOf { number, of }) => {
                format!("in epoch {epoch} after batch {number} of {of}")
            }
            None => format!("after epoch {epoch}"),
        };
        match self {
            StopReason::User { epoch: 0, batch: None } => {
                f.write_str("stopped by the user while it waited for other processes")
            }
            StopReason::User { epoch, batch } => {
                write!(f, "stopped by the user {}", place(epoch, batch))
            }
            StopReason::EarlyStopping { epoch, monitor, waited } => write!(
                f,
                "EarlyStopping ended training after epoch {epoch}: {monitor} did not improve for \
                 {}",
                plural(*waited, "epoch")
            ),
            StopReason::Pruned { epoch, monitor, best, median } => write!(
                f,
                "pruned after epoch {epoch}: {monitor} is {best:.4} at best, the median of other \
                 trials {median:.4}"
            ),
            StopReason::Rung { epoch } => {
                write!(f, "paused after epoch {epoch}, at which Hyperband compares trials")
            }
            StopReason::TimeLimit { seconds } => {
                write!(f, "the time limit of {} minutes is over", seconds / 60.0)
            }
            StopReason::Callback { reason, epoch, batch } => {
                write!(f, "{reason}, {}", place(epoch, batch))
            }
            StopReason::Recorded { text } => f.write_str(text),
        }
    }
}
