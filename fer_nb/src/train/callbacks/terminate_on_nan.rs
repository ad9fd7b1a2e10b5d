//! [`TerminateOnNan`]: ends training when the loss is no number any more.

use tch::Device;

use super::{BatchEnd, Callback, EpochEnd};
use crate::error::{Error, Result};

/// Keras' `TerminateOnNaN`: no later step can mend a loss that is NaN or infinite. Every trainer has
/// one from the start.
///
/// A CPU has each batch's loss at once. A GPU would have to wait for it, so there every 50th is
/// looked at, and an epoch's last: no epoch is saved whose weights are no numbers.
#[derive(Debug, Default)]
pub struct TerminateOnNan;

const EVERY_ON_GPU: usize = 50;

/// No larger learning rate is ever suggested: it is Adam's usual one.
const LARGEST_ADVICE: f64 = 1e-3;

impl Callback for TerminateOnNan {
    fn name(&self) -> &'static str {
        "TerminateOnNaN"
    }

    fn observes_only(&self) -> bool {
        true
    }

    fn on_batch_end(&mut self, batch: &mut BatchEnd<'_>) -> Result<()> {
        let due = batch.loss.device() == Device::Cpu
            || batch.batch.is_multiple_of(EVERY_ON_GPU)
            || batch.batch == batch.batches;
        if !due {
            return Ok(());
        }
        let loss = batch.loss.f_double_value(&[])?;
        if loss.is_finite() {
            return Ok(());
        }
        Err(Error::Training {
            epoch: batch.epoch,
            problem: format!(
                "the loss became {loss} at learning rate {:e} in batch {} of {}",
                batch.learning_rate, batch.batch, batch.batches
            ),
            hint: format!(
                "Try a learning rate of {:e}, or clip_norm = 1. What is in the run folder is intact",
                (batch.learning_rate / 10.0).min(LARGEST_ADVICE)
            ),
        })
    }

    fn on_epoch_end(&mut self, _epoch: &mut EpochEnd<'_>) -> Result<()> {
        Ok(())
    }
}
