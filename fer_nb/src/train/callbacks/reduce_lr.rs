//! [`ReduceLrOnPlateau`]: reduces the learning rate when a metric stops improving.

use serde::Serialize;

use super::{Callback, CallbackState, EpochEnd, TrainBegin};
use crate::common::{Result, check};
use crate::train::record::Monitor;

/// Keras' `ReduceLROnPlateau`: after `patience` epochs without an improvement of more than `min_delta`, the
/// learning rate is multiplied by `factor`, down to `min_lr`; then it counts again after `cooldown` epochs.
#[derive(Debug, Serialize)]
pub struct ReduceLrOnPlateau {
    monitor: Monitor,
    factor: f64,
    patience: usize,
    min_delta: f64,
    cooldown: usize,
    min_lr: f64,
    #[serde(skip)]
    best: Option<f64>,
    #[serde(skip)]
    waited: usize,
    #[serde(skip)]
    cooling: usize,
}

impl ReduceLrOnPlateau {
    /// Watches `monitor` with Keras' defaults: factor 0.1, patience 10, min_delta 1e-4, no
    /// cooldown, min_lr 0.
    pub fn on(monitor: Monitor) -> Self {
        Self {
            monitor,
            factor: 0.1,
            patience: 10,
            min_delta: 1e-4,
            cooldown: 0,
            min_lr: 0.0,
            best: None,
            waited: 0,
            cooling: 0,
        }
    }

    /// The factor of the learning rate; above 0 and below 1.
    pub fn factor(mut self, factor: f64) -> Self {
        self.factor = factor;
        self
    }

    /// Epochs without improvement after which the learning rate is reduced.
    pub fn patience(mut self, epochs: usize) -> Self {
        self.patience = epochs;
        self
    }

    /// The minimum improvement; 0 or more.
    pub fn min_delta(mut self, delta: f64) -> Self {
        self.min_delta = delta;
        self
    }

    /// Epochs after a reduction that are not counted.
    pub fn cooldown(mut self, epochs: usize) -> Self {
        self.cooldown = epochs;
        self
    }

    /// The minimum learning rate; 0 or more.
    pub fn min_lr(mut self, learning_rate: f64) -> Self {
        self.min_lr = learning_rate;
        self
    }
}

impl Callback for ReduceLrOnPlateau {
    fn name(&self) -> &'static str {
        "ReduceLROnPlateau"
    }

    fn validate(&self) -> Result<()> {
        let ok = self.factor > 0.0 && self.factor < 1.0;
        check::ensure(ok, "ReduceLROnPlateau.factor", self.factor, "above 0 and below 1")?;
        check::not_negative("ReduceLROnPlateau.min_delta", self.min_delta)?;
        check::not_negative("ReduceLROnPlateau.min_lr", self.min_lr)
    }

    fn on_train_begin(&mut self, begin: &TrainBegin<'_>) -> Result<()> {
        if begin.ended_early {
            (self.waited, self.cooling) = (0, 0);
        }
        Ok(())
    }

    fn on_epoch_end(&mut self, epoch: &mut EpochEnd<'_>) -> Result<()> {
        let value = self.monitor.of(&epoch.record);
        if self.cooling > 0 {
            self.cooling -= 1;
            self.waited = 0;
        }
        if self.monitor.improves(value, self.best, self.min_delta) {
            self.best = Some(value);
            self.waited = 0;
        } else if self.cooling == 0 {
            self.waited += 1;
            if self.waited >= self.patience && *epoch.learning_rate > self.min_lr {
                let monitor = self.monitor;
                let reduced = (*epoch.learning_rate * self.factor).max(self.min_lr);
                *epoch.learning_rate = reduced;
                self.cooling = self.cooldown;
                self.waited = 0;
                epoch.messages.push(format!(
                    "ReduceLROnPlateau: {monitor} did not improve, learning rate now {reduced:.3e}"
                ));
            }
        }
        Ok(())
    }

    fn state(&self) -> Result<CallbackState> {
        CallbackState::of(self)?
            .value("best", self.best)?
            .value("waited", Some(self.waited))?
            .value("cooling", Some(self.cooling))
    }

    fn restore(&mut self, state: &CallbackState) -> Result<()> {
        self.best = state.get("best")?;
        self.waited = state.get("waited")?.unwrap_or(0);
        self.cooling = state.get("cooling")?.unwrap_or(0);
        Ok(())
    }
}
