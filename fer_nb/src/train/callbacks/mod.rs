//! What happens around epochs: Keras' callbacks, and the trait for custom ones.

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

/// What a callback sees before the first batch of a `fit`.
pub struct TrainBegin<'a> {
    /// The hyperparameters.
    pub config: &'a TrainConfig,
    /// The epochs so far; none unless training is continued.
    pub history: &'a History,
    /// Whether a callback ended the trainer's last `fit`. A callback that counts epochs starts counting
    /// again then; after Stop or a resume nothing is forgotten.
    pub ended_early: bool,
}

/// What a callback may look at after a batch, before the step against its gradient.
pub struct BatchEnd<'a> {
    /// Epoch, from 1.
    pub epoch: usize,
    /// Batch within the epoch, from 1.
    pub batch: usize,
    /// Batches an epoch.
    pub batches: usize,
    /// Mean loss of the batch, f32 [], on the device. Reading it makes a GPU wait.
    pub loss: &'a Tensor,
    /// Step size that the batch's gradient will be used with.
    pub learning_rate: f64,
    /// Set to a reason, it ends training after this batch; see [`BatchEnd::stop_training`].
    pub stop: &'a mut Option<StopReason>,
}

impl BatchEnd<'_> {
    /// Ends training after this batch, for a reason in the callback's words.
    pub fn stop_training(&mut self, reason: impl Into<String>) {
        let batch = Some(BatchOf { number: self.batch, of: self.batches });
        let (reason, epoch) = (reason.into(), self.epoch);
        *self.stop = Some(StopReason::Callback { reason, epoch, batch });
    }
}

/// What a callback may look at and change after an epoch.
pub struct EpochEnd<'a> {
    /// What the epoch reached.
    pub record: EpochRecord,
    /// The network, with the weights that the epoch left.
    pub network: &'a mut dyn Network,
    /// Step size of the next epoch, before the schedule.
    pub learning_rate: &'a mut f64,
    /// Set to a reason, it ends training; see [`EpochEnd::stop_training`].
    pub stop: &'a mut Option<StopReason>,
    /// Lines for the user, shown below the epoch's own.
    pub messages: &'a mut Vec<String>,
}

impl EpochEnd<'_> {
    /// Ends training after this epoch, for a reason in the callback's words.
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

/// Something that happens around epochs. Only `name` has to be given.
pub trait Callback {
    /// Names the callback in messages and checkpoints.
    fn name(&self) -> &'static str;

    /// Names the first parameter out of its range; called before training starts.
    fn validate(&self) -> Result<()> {
        Ok(())
    }

    /// Whether the first `fit` resumes from the run folder's checkpoint if that belongs to the same run.
    fn resumes(&self) -> bool {
        false
    }

    /// Whether it looks on and changes nothing: no weights, no learning rate, no regular end of the
    /// training. Such a callback is no part of a run, so a run can be resumed with it or without it;
    /// its [`Callback::state`] is not saved.
    fn observes_only(&self) -> bool {
        false
    }

    /// Before the first batch of a `fit`.
    fn on_train_begin(&mut self, _begin: &TrainBegin<'_>) -> Result<()> {
        Ok(())
    }

    /// After each batch's loss and gradient are there. Called hundreds of times an epoch: be quick.
    fn on_batch_end(&mut self, _batch: &mut BatchEnd<'_>) -> Result<()> {
        Ok(())
    }

    /// After each epoch.
    fn on_epoch_end(&mut self, _epoch: &mut EpochEnd<'_>) -> Result<()> {
        Ok(())
    }

    /// After the last epoch, but not after Stop, since training may be resumed then. Returns a line for
    /// the user, or `None`.
    fn on_train_end(&mut self, _network: &mut dyn Network) -> Result<Option<String>> {
        Ok(None)
    }

    /// After Stop, with the place; training may be resumed later.
    fn on_stop(&mut self, _reason: &StopReason) -> Result<()> {
        Ok(())
    }

    /// What a checkpoint saves, so that a resumed run continues as if it had never ended: the callback's
    /// settings and what it remembers.
    fn state(&self) -> Result<CallbackState> {
        Ok(CallbackState::default())
    }

    /// Takes over what [`Callback::state`] returned in the run that is resumed.
    fn restore(&mut self, _state: &CallbackState) -> Result<()> {
        Ok(())
    }
}
