//! [`BackupAndRestore`]: a run that was cut off goes on by itself.

use super::{Callback, EpochEnd};
use crate::common::Result;

/// Keras' `BackupAndRestore`: when `fit` starts and the run folder holds an unfinished run of the
/// same recipe on the same data, training goes on from its last finished epoch. After a finished run, or
/// one of another recipe, training begins anew, and a line says so; the run before is kept in the
/// folder's `before/`.
///
/// The backup itself needs no callback: a trainer with a run folder saves its state after every
/// epoch. [`Trainer::resume`](crate::train::Trainer::resume) insists where this only tries.
#[derive(Debug, Default)]
pub struct BackupAndRestore;

impl Callback for BackupAndRestore {
    fn name(&self) -> &'static str {
        "BackupAndRestore"
    }

    fn observes_only(&self) -> bool {
        true
    }

    fn resumes(&self) -> bool {
        true
    }

    fn on_epoch_end(&mut self, _epoch: &mut EpochEnd<'_>) -> Result<()> {
        Ok(())
    }
}
