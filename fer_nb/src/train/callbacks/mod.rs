//! Callbacks: Keras' callbacks, and the trait for custom ones.

mod backup_and_restore;
mod csv_logger;
mod early_stopping;
mod model_checkpoint;
mod reduce_lr;
mod state;
mod tensor_board;
mod terminate_on_nan;

pub use backup_and_restore::BackupAndRestore;
pub use csv_logger::CsvLogger;
pub use early_stopping::EarlyStopping;
pub use model_checkpoint::ModelCheckpoint;
pub use reduce_lr::ReduceLrOnPlateau;
pub use state::CallbackState;
pub use tensor_board::TensorBoard;
pub use terminate_on_nan::TerminateOnNan;
pub(crate) use terminate_on_nan::check_validation;

use tch::Tensor;

use super::config::TrainConfig;
use super::record::{BatchOf, EpochRecord, History, StopReason};
use crate::common::Result;
use crate::model::Network;

/// The values for a callback before the first batch of a `fit`.
pub struct TrainBegin<'a> {
    /// The hyperparameters.
    pub config: &'a TrainConfig,
    /// The completed epochs; none unless training is continued.
    pub history: &'a History,
    /// Whether a callback ended the trainer's last `fit`. A callback that counts epochs then starts counting again;
    /// after Stop or a resume it keeps its count.
    pub ended_early: bool,
}

/// The values for a callback after a batch, before the update of the weights.
pub struct BatchEnd<'a> {
    /// Epoch, from 1.
    pub epoch: usize,
    /// Batch within the epoch, from 1.
    pub batch: usize,
    /// Batches per epoch.
    pub batches: usize,
    /// Mean loss of the batch, f32 [], on the device. Reading it waits for a GPU.
    pub loss: &'a Tensor,
    /// The learning rate for the batch's gradient.
    pub learning_rate: f64,
    /// A reason ends training after this batch; see [`BatchEnd::stop_training`].
    pub stop: &'a mut Option<StopReason>,
}

impl BatchEnd<'_> {
    /// Ends training after this batch, with the callback's reason.
    pub fn stop_training(&mut self, reason: impl Into<String>) {
        let batch = Some(BatchOf { number: self.batch, of: self.batches });
        let (reason, epoch) = (reason.into(), self.epoch);
        *self.stop = Some(StopReason::Callback { reason, epoch, batch });
    }
}

/// The values for a callback after an epoch; it may change some of them.
pub struct EpochEnd<'a> {
    /// The metrics of the epoch.
    pub record: EpochRecord,
    /// The network, with the weights after the epoch.
    pub network: &'a mut dyn Network,
    /// The learning rate of the next epoch, before the schedule.
    pub learning_rate: &'a mut f64,
    /// A reason ends training; see [`EpochEnd::stop_training`].
    pub stop: &'a mut Option<StopReason>,
    /// Lines for the user, printed below the epoch's line.
    pub messages: &'a mut Vec<String>,
}

impl EpochEnd<'_> {
    /// Ends training after this epoch, with the callback's reason.
    pub fn stop_training(&mut self, reason: impl Into<String>) {
        let (reason, epoch) = (reason.into(), self.record.epoch);
        *self.stop = Some(StopReason::Callback { reason, epoch, batch: None });
    }
}

impl std::fmt::Debug for dyn Callback + '_ {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// A callback of the trainer. Only `name` is required.
pub trait Callback {
    /// The name of the callback in messages and checkpoints.
    fn name(&self) -> &'static str;

    /// Returns an error for the first parameter out of range; called before training starts.
    fn validate(&self) -> Result<()> {
        Ok(())
    }

    /// Whether the first `fit` resumes from the run folder's checkpoint if that belongs to the same run.
    fn resumes(&self) -> bool {
        false
    }

    /// Whether the callback only observes: it changes no weights, no learning rate and no regular end of the
    /// training. Such a callback is not part of a run, so a run can be resumed with it or without it; its
    /// [`Callback::state`] is not saved.
    fn observes_only(&self) -> bool {
        false
    }

    /// Called before the first batch of a `fit`.
    fn on_train_begin(&mut self, _begin: &TrainBegin<'_>) -> Result<()> {
        Ok(())
    }

    /// Called after the loss and the gradient of each batch are computed, hundreds of times per epoch: be quick.
    fn on_batch_end(&mut self, _batch: &mut BatchEnd<'_>) -> Result<()> {
        Ok(())
    }

    /// Called after each epoch.
    fn on_epoch_end(&mut self, _epoch: &mut EpochEnd<'_>) -> Result<()> {
        Ok(())
    }

    /// Called after the last epoch, but not after Stop, because training may be resumed. Returns a line for the
    /// user, or `None`.
    fn on_train_end(&mut self, _network: &mut dyn Network) -> Result<Option<String>> {
        Ok(None)
    }

    /// Called after Stop, with the epoch and the batch; training may be resumed later.
    fn on_stop(&mut self, _reason: &StopReason) -> Result<()> {
        Ok(())
    }

    /// The callback's settings and values for a checkpoint, so that a resumed run equals an uninterrupted one.
    fn state(&self) -> Result<CallbackState> {
        Ok(CallbackState::default())
    }

    /// Restores the result of [`Callback::state`] of the resumed run.
    fn restore(&mut self, _state: &CallbackState) -> Result<()> {
        Ok(())
    }
}
