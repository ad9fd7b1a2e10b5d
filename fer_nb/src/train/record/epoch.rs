//! [`EpochRecord`]: what an epoch reached.

use serde::{Deserialize, Serialize};

/// One epoch: a row of `history.csv`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// From 1.
    pub epoch: usize,
    /// Cross-entropy on the augmented training images, in nats, mean over the epoch's steps.
    pub loss: f64,
    /// Share of augmented training images classified right, over the epoch's steps.
    pub accuracy: f64,
    /// Cross-entropy on the validation images after the epoch, in nats.
    pub val_loss: f64,
    /// Share of validation images classified right after the epoch.
    pub val_accuracy: f64,
    /// Step size that the epoch used.
    pub learning_rate: f64,
    /// Wall-clock seconds, validation included.
    pub seconds: f64,
}
