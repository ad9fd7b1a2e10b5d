//! [`BackupAndRestore`]: resumes an interrupted run automatically.

use super::Callback;

/// Keras' `BackupAndRestore`: if the run folder holds an unfinished run of the same recipe on the same data when
/// `fit` starts, training resumes after its last completed epoch. If the run is finished, or has another recipe,
/// training starts over, and a line says so; the folder's run is moved to `before/`.
///
/// The backup needs no callback: a trainer with a run folder saves its state after every epoch.
/// [`Trainer::resume`](crate::train::Trainer::resume) requires a checkpoint; this callback does not.
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
}
