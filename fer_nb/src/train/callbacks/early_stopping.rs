//! [`EarlyStopping`]: ends training when a metric stops improving.

use serde::Serialize;
use tch::Tensor;

use super::{Callback, CallbackState, EpochEnd, TrainBegin};
use crate::common::{Result, check};
use crate::model::Network;
use crate::train::record::{Monitor, StopReason};

/// Keras' `EarlyStopping`: after `patience` epochs without an improvement of more than `min_delta`, training ends.
/// Epochs before `start_from_epoch` are not counted. After it ended a `fit`, the next `fit` counts `patience`
/// epochs again; unlike in Keras, it remembers the best epoch.
#[derive(Debug, Serialize)]
pub struct EarlyStopping {
    monitor: Monitor,
    min_delta: f64,
    patience: usize,
    start_from_epoch: usize,
    restore_best_weights: bool,
    #[serde(skip)]
    best: Option<f64>,
    /// The best epoch's number and weights, [P].
    #[serde(skip)]
    best_weights: Option<(usize, Tensor)>,
    #[serde(skip)]
    waited: usize,
}

impl EarlyStopping {
    /// Watches `monitor` with Keras' defaults: patience 0, `min_delta` 0, and no restored weights.
    pub fn on(monitor: Monitor) -> Self {
        Self {
            monitor,
            min_delta: 0.0,
            patience: 0,
            start_from_epoch: 0,
            restore_best_weights: false,
            best: None,
            best_weights: None,
            waited: 0,
        }
    }

    /// Epochs without improvement after which training ends.
    pub fn patience(mut self, epochs: usize) -> Self {
        self.patience = epochs;
        self
    }

    /// The minimum improvement; 0 or more.
    pub fn min_delta(mut self, delta: f64) -> Self {
        self.min_delta = delta;
        self
    }

    /// The number of first epochs that are not counted.
    pub fn start_from_epoch(mut self, epochs: usize) -> Self {
        self.start_from_epoch = epochs;
        self
    }

    /// Restores the best epoch's weights when training ends, for any reason.
    pub fn restore_best_weights(mut self) -> Self {
        self.restore_best_weights = true;
        self
    }
}

impl Callback for EarlyStopping {
    fn name(&self) -> &'static str {
        "EarlyStopping"
    }

    fn validate(&self) -> Result<()> {
        check::not_negative("EarlyStopping.min_delta", self.min_delta)
    }

    fn on_train_begin(&mut self, begin: &TrainBegin<'_>) -> Result<()> {
        // Otherwise the first worse epoch of a further fit would end it at once. The best epoch is kept.
        if begin.ended_early {
            self.waited = 0;
        }
        Ok(())
    }

    fn on_epoch_end(&mut self, epoch: &mut EpochEnd<'_>) -> Result<()> {
        let record = epoch.record;
        if record.epoch <= self.start_from_epoch {
            return Ok(());
        }
        let value = self.monitor.of(&record);
        let improved = self.monitor.improves(value, self.best, self.min_delta);
        if self.restore_best_weights && (improved || self.best_weights.is_none()) {
            self.best_weights = Some((record.epoch, epoch.network.parameters().snapshot()?));
        }
        if improved {
            self.best = Some(value);
            self.waited = 0;
            return Ok(());
        }
        self.waited += 1;
        if self.waited >= self.patience && record.epoch > 1 {
            *epoch.stop = Some(StopReason::EarlyStopping {
                epoch: record.epoch,
                monitor: self.monitor,
                waited: self.waited,
            });
        }
        Ok(())
    }

    fn on_train_end(&mut self, network: &mut dyn Network) -> Result<Option<String>> {
        let Some((epoch, weights)) = &self.best_weights else { return Ok(None) };
        network.parameters_mut().restore(weights)?;
        Ok(Some(format!("EarlyStopping restored the weights of epoch {epoch}, the best one")))
    }

    fn state(&self) -> Result<CallbackState> {
        let (epoch, weights) = self.best_weights.as_ref().map(|(n, weights)| (n, weights)).unzip();
        Ok(CallbackState::of(self)?
            .value("best", self.best)?
            .value("waited", Some(self.waited))?
            .value("best_epoch", epoch)?
            .tensor("best_weights", weights))
    }

    fn restore(&mut self, state: &CallbackState) -> Result<()> {
        self.best = state.get("best")?;
        self.waited = state.get("waited")?.unwrap_or(0);
        self.best_weights = state.get("best_epoch")?.zip(state.get_tensor("best_weights"));
        Ok(())
    }
}
