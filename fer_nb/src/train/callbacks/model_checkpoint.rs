//! [`ModelCheckpoint`]: keeps the best epoch's weights on disk.

use std::path::PathBuf;

use super::{Callback, EpochEnd, Monitor};
use crate::error::Result;
use crate::model::weights;

/// Keras' `ModelCheckpoint` with `save_best_only` and `save_weights_only`: writes
/// `best.safetensors` into a run folder whenever the figure beats all epochs before. The file
/// before is kept until the new one is whole on disk.
#[derive(Debug)]
pub struct ModelCheckpoint {
    monitor: Monitor,
    path: PathBuf,
    best: Option<f64>,
}

impl ModelCheckpoint {
    /// Watches `monitor` and writes into the folder `run`.
    pub fn best(monitor: Monitor, run: impl Into<PathBuf>) -> Self {
        Self { monitor, path: run.into().join("best.safetensors"), best: None }
    }
}

impl Callback for ModelCheckpoint {
    fn name(&self) -> &'static str {
        "ModelCheckpoint"
    }

    fn on_epoch_end(&mut self, epoch: &mut EpochEnd<'_>) -> Result<()> {
        let value = self.monitor.of(&epoch.record);
        if self.monitor.improves(value, self.best, 0.0) {
            weights::save(epoch.network, &self.path)?;
            self.best = Some(value);
        }
        Ok(())
    }
}
