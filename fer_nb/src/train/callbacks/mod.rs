//! What happens around epochs: Keras' callbacks, and the trait to write one's own.

mod backup_and_restore;
mod csv_logger;
mod early_stopping;
mod model_checkpoint;
mod monitor;
mod reduce_lr;
mod state;
mod tensor_board;
mod terminate_on_nan;

pub use backup_and_restore::BackupAndRestore;
pub use csv_logger::CsvLogger;
pub use early_stopping::EarlyStopping;
pub use model_checkpoint::ModelCheckpoint;
pub use monitor::Monitor;
pub use reduce_lr::ReduceLrOnPlateau;
pub use state::CallbackState;
pub use tensor_board::TensorBoard;
pub use terminate_on_nan::TerminateOnNan;
pub(super) use terminate_on_nan::check_validation;

use tch::Tensor;

use super::config::TrainConfig;
use super::history::{EpochRecord, History};
use crate::common::Result;
use crate::model::Network;

/// What a callback may look at before the first batch of a `fit`.
pub struct TrainBegin<'a> {
    /// The hyperparameters.
    pub config: &'a TrainConfig,
    /// The epochs so far; none unless training goes on.
    pub history: &'a History,
    /// Whether a callback had ended the trainer's `fit` before this one. Whoever waits for something
    /// waits anew then; after Stop or a resume nothing is forgotten.
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
    /// Set to a reason, it ends training after this batch.
    pub stop: &'a mut Option<String>,
}

/// What a callback may look at and change after an epoch.
pub struct EpochEnd<'a> {
    /// What the epoch reached.
    pub record: EpochRecord,
    /// The network, with the weights that the epoch left.
    pub network: &'a mut dyn Network,
    /// Step size of the next epoch, before the schedule.
    pub learning_rate: &'a mut f64,
    /// Set to a reason, it ends training.
    pub stop: &'a mut Option<String>,
    /// Lines for the user, shown below the epoch's own.
    pub messages: &'a mut Vec<String>,
}

/// Something that happens around epochs. `name` and `on_epoch_end` are all that one needs.
pub trait Callback {
    /// Names the callback in messages and checkpoints.
    fn name(&self) -> &'static str;

    /// Names the first parameter out of its range; called before training starts.
    fn validate(&self) -> Result<()> {
        Ok(())
    }

    /// Whether the first `fit` shall go on from the run folder's last checkpoint where that fits.
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
    fn on_epoch_end(&mut self, epoch: &mut EpochEnd<'_>) -> Result<()>;

    /// After the last epoch, but not after Stop, since training may go on then. Returns a line for
    /// the user, or `None`.
    fn on_train_end(&mut self, _network: &mut dyn Network) -> Result<Option<String>> {
        Ok(None)
    }

    /// After Stop, with the reason and the place; training may go on later.
    fn on_stop(&mut self, _reason: &str) -> Result<()> {
        Ok(())
    }

    /// What has to be saved so that a resumed run goes on as if it had never ended: what it was made
    /// with, and what it remembers.
    fn state(&self) -> Result<CallbackState> {
        Ok(CallbackState::default())
    }

    /// Takes over what [`Callback::state`] returned in the run that is resumed.
    fn restore(&mut self, _state: &CallbackState) -> Result<()> {
        Ok(())
    }
}
