//! [`TerminateOnNan`]: ends training when the loss is not a number.

use tch::Device;

use super::{BatchEnd, Callback};
use crate::common::{Error, Failure, Result};
use crate::train::record::EpochRecord;

/// Keras' `TerminateOnNaN`: no later step can recover from a loss that is NaN or infinite. Every trainer has this
/// callback.
///
/// On a CPU, each batch's loss is available at once. On a GPU, reading it would wait, so only every 50th batch is
/// checked, and an epoch's last. The effect of the last step is visible in the validation loss, and an epoch whose
/// validation loss is not a number is not saved.
#[derive(Debug, Default)]
pub struct TerminateOnNan;

const EVERY_ON_GPU: usize = 50;

/// The maximum learning rate to suggest: Adam's usual one.
const LARGEST_ADVICE: f64 = 1e-3;

fn check_finite(
    epoch: usize,
    (metric, value): (&'static str, f64),
    learning_rate: f64,
    batch: Option<[usize; 2]>,
) -> Result<()> {
    if value.is_finite() {
        return Ok(());
    }
    let advice = (learning_rate / 10.0).min(LARGEST_ADVICE);
    let hint = format!(
        "Try a learning rate of {advice:e}, or clip_norm = 1 if nothing clips the gradient yet. What is in \
         the run folder is intact"
    );
    let cause = Failure::Diverged { metric, value, learning_rate, batch };
    Err(Error::Training { epoch, cause, hint })
}

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
        let (loss, place) = (batch.loss.f_double_value(&[])?, [batch.batch, batch.batches]);
        check_finite(batch.epoch, ("loss", loss), batch.learning_rate, Some(place))
    }
}

/// Checks the effect of the epoch's last step, which no batch of it shows. The trainer calls it before the epoch
/// counts.
pub(crate) fn check_validation(record: &EpochRecord) -> Result<()> {
    check_finite(record.epoch, ("val_loss", record.val_loss), record.learning_rate, None)
}
