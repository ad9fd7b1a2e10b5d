//! [`Monitor`]: the metric of an epoch that a callback watches, and whether higher or lower values are better.

use serde::{Deserialize, Serialize};

use super::epoch::EpochRecord;
use crate::common::named;

/// A metric of [`EpochRecord`].
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

named! {
    Monitor: "monitor",
    Loss => "loss",
    Accuracy => "accuracy",
    ValLoss => "val_loss",
    ValAccuracy => "val_accuracy",
}

impl Monitor {
    /// The metric's value in an epoch.
    pub fn of(self, record: &EpochRecord) -> f64 {
        match self {
            Monitor::Loss => record.loss,
            Monitor::Accuracy => record.accuracy,
            Monitor::ValLoss => record.val_loss,
            Monitor::ValAccuracy => record.val_accuracy,
        }
    }

    /// Whether lower values are better.
    pub fn is_minimised(self) -> bool {
        matches!(self, Monitor::Loss | Monitor::ValLoss)
    }

    /// Whether `value` is better than `best` by more than `min_delta`; every number is better than `None`, and NaN
    /// is never better.
    pub fn improves(self, value: f64, best: Option<f64>, min_delta: f64) -> bool {
        match best {
            None => !value.is_nan(),
            Some(best) if self.is_minimised() => value < best - min_delta,
            Some(best) => value > best + min_delta,
        }
    }
}
