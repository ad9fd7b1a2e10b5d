//! [`TerminateOnNan`]: ends training when the loss is no number any more.

use tch::Device;

use super::{BatchEnd, Callback};
use crate::common::{Error, Failure, Result};
use crate::train::record::EpochRecord;

/// Keras' `TerminateOnNaN`: no later step can mend a loss that is NaN or infinite. Every trainer has
/// one from the start.
///
/// A CPU has each batch's loss at once. A GPU would have to wait for it, so there every 50th is
/// looked at, and an epoch's last. What the last step did shows in the loss on the validation images, and an
/// epoch where that is no number is not kept.
#[derive(Debug, Default)]
pub struct TerminateOnNan;

const EVERY_ON_GPU: usize = 50;

/// No larger learning rate is ever suggested: it is Adam's usual one.
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

/// What the epoch's last step did: no batch of it shows that. For the trainer, before the epoch counts.
pub(crate) fn check_validation(record: &EpochRecord) -> Result<()> {
    check_finite(record.epoch, ("val_loss", record.val_loss), record.learning_rate, None)
}
