//! [`State`]: the state of a trainer between two calls of `fit`; [`Session`]: one `fit`; [`Outcome`]: how it ended.

use tch::Kind;

use super::progress::Progress;
use crate::common::{Error, Failure, Result};
use crate::model::Network;
use crate::train::callbacks::Callback;
use crate::train::config::TrainConfig;
use crate::train::record::{BatchOf, History, StopReason};
use crate::train::run::{RunConfig, RunFolder, RunImages, RunLock};
use crate::train::step::{Learner, Totals};

/// The learner, the progress of training, and whether it can be continued.
pub(crate) struct State {
    pub(crate) learner: Learner,
    /// Learning rate after the callbacks, before the schedule.
    pub(crate) learning_rate: f64,
    pub(crate) history: History,
    /// The epoch within which the last `fit` was stopped.
    pub(crate) unfinished: Option<EpochSoFar>,
    /// The epoch within which training failed: neither weights nor optimizer are valid after that.
    pub(crate) failed: Option<usize>,
    /// Whether the run folder holds this run, and not a previous one.
    pub(crate) in_folder: bool,
}

/// The values of one `fit`.
pub(crate) struct Session<'a> {
    pub(crate) state: &'a mut State,
    pub(crate) config: &'a TrainConfig,
    pub(crate) callbacks: &'a mut [Box<dyn Callback>],
    pub(crate) folder: Option<&'a RunFolder>,
    /// The lock on the run folder.
    pub(crate) lock: Option<RunLock>,
    /// Whether the run folder's checkpoint must be resumed.
    pub(crate) must_resume: bool,
    /// The epoch after which training pauses; `None` trains to the end.
    pub(crate) pause_after: Option<usize>,
    /// The run's config.
    pub(crate) run: RunConfig,
    /// The images that it is trained on; `None` after the run folder has them.
    pub(crate) images: Option<RunImages>,
    /// The dtype of forward and backward passes.
    pub(crate) kind: Kind,
    /// The progress display.
    pub(crate) progress: Progress,
    /// The reason of a callback that ends training.
    pub(crate) stop: Option<StopReason>,
}

/// How a `fit` ended.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Outcome {
    /// All epochs are completed.
    Finished,
    /// A callback ended it.
    Stopped(StopReason),
    /// The user stopped it in this epoch, or, without a batch, after it; the next `fit` continues at this point.
    Paused { epoch: usize, batch: Option<BatchOf> },
    /// It was paused after this epoch; the next `fit` continues at this point.
    AtRung { epoch: usize },
}

impl Outcome {
    /// Why training ended before its last epoch, or `None`.
    pub(crate) fn reason(self) -> Option<StopReason> {
        match self {
            Outcome::Finished => None,
            Outcome::Stopped(reason) => Some(reason),
            Outcome::Paused { epoch, batch } => Some(StopReason::User { epoch, batch }),
            Outcome::AtRung { epoch } => Some(StopReason::Rung { epoch }),
        }
    }
}

/// The progress within an epoch.
#[derive(Debug)]
pub(crate) struct EpochSoFar {
    /// Fingerprint of the data.
    pub(crate) data: String,
    /// The number of completed batches.
    pub(crate) batches: usize,
    pub(crate) totals: Totals,
    pub(crate) seconds: f64,
}

impl EpochSoFar {
    pub(crate) fn new(data: &str) -> Self {
        Self { data: data.into(), batches: 0, totals: Totals::default(), seconds: 0.0 }
    }
}

impl State {
    pub(crate) fn new(network: Box<dyn Network>, config: &TrainConfig) -> Result<Self> {
        Ok(Self {
            learner: Learner::new(network, config)?,
            learning_rate: config.learning_rate,
            history: History::default(),
            unfinished: None,
            failed: None,
            in_folder: false,
        })
    }

    /// Whether no batch was trained yet.
    pub(crate) fn is_fresh(&self) -> bool {
        self.history.epochs.is_empty() && self.unfinished.is_none()
    }

    /// The current or next epoch, from 1.
    pub(crate) fn epoch(&self) -> usize {
        self.history.epochs.len() + 1
    }

    /// Whether all epochs are completed.
    pub(crate) fn is_done(&self, config: &TrainConfig) -> bool {
        self.history.epochs.len() >= config.epochs
    }

    /// The learning rate of batch `batch` (from 0) of the current epoch.
    pub(crate) fn step_size(&self, config: &TrainConfig, batch: usize, batches: usize) -> f64 {
        let step = self.history.epochs.len() * batches + batch;
        self.learning_rate * config.schedule.factor(step, config.epochs, batches)
    }

    /// # Errors
    /// [`Error::Training`] after a failure in the middle of an epoch.
    pub(crate) fn check(&self) -> Result<()> {
        let Some(epoch) = self.failed else { return Ok(()) };
        let hint = "Make a new network and trainer; with BackupAndRestore, it resumes after the last \
                    completed epoch of its run folder";
        Err(Error::Training { epoch, cause: Failure::Earlier, hint: hint.into() })
    }
}
