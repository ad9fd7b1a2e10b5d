//! Which figure of an epoch a callback watches, and what counts as better.

use serde::{Deserialize, Serialize};

use crate::train::history::EpochRecord;

/// A figure of [`EpochRecord`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Monitor {
    /// Training loss; lower is better.
    Loss,
    /// Training accuracy; higher is better.
    Accuracy,
    /// Validation loss; lower is better.
    ValLoss,
    /// Validation accuracy; higher is better.
    ValAccuracy,
}

impl Monitor {
    /// The figure's name as Keras writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Monitor::Loss => "loss",
            Monitor::Accuracy => "accuracy",
            Monitor::ValLoss => "val_loss",
            Monitor::ValAccuracy => "val_accuracy",
        }
    }

    /// The figure.
    pub fn of(self, record: &EpochRecord) -> f64 {
        match self {
            Monitor::Loss => record.loss,
            Monitor::Accuracy => record.accuracy,
            Monitor::ValLoss => record.val_loss,
            Monitor::ValAccuracy => record.val_accuracy,
        }
    }

    /// Whether `value` beats `best` by more than `min_delta`; anything but NaN beats nothing.
    pub fn improves(self, value: f64, best: Option<f64>, min_delta: f64) -> bool {
        match (best, self) {
            (None, _) => !value.is_nan(),
            (Some(best), Monitor::Loss | Monitor::ValLoss) => value < best - min_delta,
            (Some(best), Monitor::Accuracy | Monitor::ValAccuracy) => value > best + min_delta,
        }
    }
}
