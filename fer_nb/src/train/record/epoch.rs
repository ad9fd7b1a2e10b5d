//! [`EpochRecord`]: the metrics of an epoch.

use serde::{Deserialize, Serialize};

/// One epoch: a row of `history.csv`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// The epoch, from 1.
    pub epoch: usize,
    /// Cross-entropy on the augmented training images, in nats, mean over the epoch's steps.
    pub loss: f64,
    /// Accuracy on the augmented training images, over the epoch's steps.
    pub accuracy: f64,
    /// Cross-entropy on the validation images after the epoch, in nats.
    pub val_loss: f64,
    /// Accuracy on the validation images after the epoch.
    pub val_accuracy: f64,
    /// The learning rate of the epoch.
    pub learning_rate: f64,
    /// Wall-clock seconds, including validation.
    pub seconds: f64,
}
