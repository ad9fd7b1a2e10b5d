//! Training images per second, measured in the real training loop by a callback.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Instant;

use serde::Serialize;
use tch::Device;

use fer_nb::data::FaceData;
use fer_nb::error::{Error, Result};
use fer_nb::model::Network;
use fer_nb::project::Precision;
use fer_nb::train::{BatchEnd, Callback, EpochEnd, TrainConfig, Trainer, augmented_at_once};

/// Batches before the clock runs.
const WARM_UP: usize = 10;

/// Validation images: few, because an epoch may end during the measurement.
const VALIDATION: usize = 64;

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Metrics {
    images_per_second: f64,
    images: usize,
    seconds: f64,
    /// Mean loss of the measured batches; on a GPU only of the last batch, because reading it takes time.
    loss: f64,
}

/// Trains until the clock has run for at least `seconds`.
pub(crate) fn measure(
    network: Box<dyn Network>,
    data: &FaceData,
    precision: Precision,
    batch_size: usize,
    seconds: f64,
) -> Result<Metrics> {
    let few: Vec<_> = (0..VALIDATION.min(data.validation.len())).collect();
    let data = FaceData { validation: data.validation.select(&few)?, ..data.clone() };
    let config = TrainConfig { epochs: 1_000_000, batch_size, precision, ..Default::default() };
    let metrics = Rc::new(RefCell::new(None));
    let clock = Clock {
        images: data.train.len(),
        batch_size,
        wanted: seconds,
        started: None,
        measured: 0,
        loss: 0.0,
        metrics: metrics.clone(),
    };
    Trainer::new(network, config)?.callback(clock).fit(&data)?;
    let metrics = metrics.borrow_mut().take();
    metrics.ok_or_else(|| Error::setting("seconds", seconds, "less than the training takes"))
}

struct Clock {
    /// Training images.
    images: usize,
    batch_size: usize,
    /// The minimum of seconds to measure.
    wanted: f64,
    started: Option<Instant>,
    /// Images since then, and the sum of their losses.
    measured: usize,
    loss: f64,
    metrics: Rc<RefCell<Option<Metrics>>>,
}

impl Callback for Clock {
    fn name(&self) -> &'static str {
        "Clock"
    }

    fn on_batch_end(&mut self, batch: &mut BatchEnd<'_>) -> Result<()> {
        let first = WARM_UP.min(batch.batches);
        // The clock stops at the same position of a chunk at which it started, so that the time includes exactly
        // the augmentation of the counted images.
        let chunk = (augmented_at_once(batch.loss.device()) / self.batch_size).max(1);
        let in_phase = batch.batch >= first && (batch.batch - first).is_multiple_of(chunk);
        let Some(started) = self.started else {
            if in_phase {
                batch.loss.f_double_value(&[])?; // waits until a GPU has finished its queue
                self.started = Some(Instant::now());
            }
            return Ok(());
        };
        // The last batch of an epoch may be smaller.
        let images = self.batch_size.min(self.images - (batch.batch - 1) * self.batch_size);
        self.measured += images;
        let on_cpu = batch.loss.device() == Device::Cpu;
        if on_cpu {
            self.loss += batch.loss.f_double_value(&[])? * images as f64;
        }
        if in_phase && started.elapsed().as_secs_f64() >= self.wanted {
            let last = batch.loss.f_double_value(&[])?;
            let seconds = started.elapsed().as_secs_f64();
            *self.metrics.borrow_mut() = Some(Metrics {
                images_per_second: self.measured as f64 / seconds,
                images: self.measured,
                seconds,
                loss: if on_cpu { self.loss / self.measured as f64 } else { last },
            });
            batch.stop_training("measured");
        }
        Ok(())
    }

    fn on_epoch_end(&mut self, _epoch: &mut EpochEnd<'_>) -> Result<()> {
        Ok(())
    }
}
