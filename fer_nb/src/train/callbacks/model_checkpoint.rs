//! [`ModelCheckpoint`]: saves weights to disk.

use std::path::PathBuf;

use super::{Callback, CallbackState, EpochEnd};
use crate::common::Result;
use crate::common::check::ensure;
use crate::model::weights;
use crate::train::record::Monitor;

/// Keras' `ModelCheckpoint` with `save_weights_only`. A file is replaced only after the new one is complete on
/// disk.
#[derive(Debug)]
pub struct ModelCheckpoint {
    run: PathBuf,
    keep: Keep,
}

#[derive(Debug)]
enum Keep {
    /// `best.safetensors`, whenever the metric is the best so far.
    Best { monitor: Monitor, best: Option<f64> },
    /// `epoch-010.safetensors`, after every n-th epoch.
    Every { epochs: usize },
}

impl ModelCheckpoint {
    /// Keras' `save_best_only`: watches `monitor` and writes `best.safetensors` to the folder `run`.
    pub fn best(monitor: Monitor, run: impl Into<PathBuf>) -> Self {
        Self { run: run.into(), keep: Keep::Best { monitor, best: None } }
    }

    /// Writes `epoch-010.safetensors` and so on to the folder `run` after every `epochs` epochs; 1 or more.
    pub fn every(epochs: usize, run: impl Into<PathBuf>) -> Self {
        Self { run: run.into(), keep: Keep::Every { epochs } }
    }
}

impl Callback for ModelCheckpoint {
    fn name(&self) -> &'static str {
        "ModelCheckpoint"
    }

    fn validate(&self) -> Result<()> {
        let ok = !matches!(self.keep, Keep::Every { epochs: 0 });
        ensure(ok, "ModelCheckpoint.every", 0, "1 epoch or more")
    }

    fn on_epoch_end(&mut self, epoch: &mut EpochEnd<'_>) -> Result<()> {
        match &mut self.keep {
            Keep::Best { monitor, best } => {
                let value = monitor.of(&epoch.record);
                if monitor.improves(value, *best, 0.0) {
                    weights::save(epoch.network, self.run.join("best.safetensors"))?;
                    *best = Some(value);
                }
            }
            Keep::Every { epochs } => {
                let number = epoch.record.epoch;
                if number.is_multiple_of(*epochs) {
                    let file = format!("epoch-{number:03}.safetensors");
                    weights::save(epoch.network, self.run.join(file))?;
                }
            }
        }
        Ok(())
    }

    fn state(&self) -> Result<CallbackState> {
        match self.keep {
            Keep::Best { best, monitor } => {
                CallbackState::default().setting("monitor", monitor)?.value("best", best)
            }
            Keep::Every { epochs } => CallbackState::default().setting("every", epochs),
        }
    }

    fn restore(&mut self, state: &CallbackState) -> Result<()> {
        if let Keep::Best { best, .. } = &mut self.keep {
            *best = state.get("best")?;
        }
        Ok(())
    }
}
