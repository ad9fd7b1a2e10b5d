//! What happens at the end of an epoch: Keras' callbacks, and the trait to write one's own.

mod early_stopping;
mod model_checkpoint;
mod monitor;
mod reduce_lr;

pub use early_stopping::EarlyStopping;
pub use model_checkpoint::ModelCheckpoint;
pub use monitor::Monitor;
pub use reduce_lr::ReduceLrOnPlateau;

use super::history::EpochRecord;
use crate::error::Result;
use crate::model::Network;

/// What a callback may look at and change after an epoch.
pub struct EpochEnd<'a> {
    /// What the epoch reached.
    pub record: EpochRecord,
    /// The network, with the weights that the epoch left.
    pub network: &'a mut dyn Network,
    /// Step size of the next epoch.
    pub learning_rate: &'a mut f64,
    /// Set to a reason, it ends training.
    pub stop: &'a mut Option<String>,
    /// Lines for the user, shown below the epoch's own.
    pub messages: &'a mut Vec<String>,
}

/// Something that happens between epochs.
pub trait Callback {
    /// Names the callback in messages.
    fn name(&self) -> &'static str;

    /// Names the first parameter out of its range; called before training starts.
    fn validate(&self) -> Result<()> {
        Ok(())
    }

    /// After each epoch.
    fn on_epoch_end(&mut self, epoch: &mut EpochEnd<'_>) -> Result<()>;

    /// After the last epoch, however training ended. Returns a line for the user, or `None`.
    fn on_train_end(&mut self, _network: &mut dyn Network) -> Result<Option<String>> {
        Ok(None)
    }
}
