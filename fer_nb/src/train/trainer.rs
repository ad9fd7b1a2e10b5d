//! [`Trainer`]: the training loop.

use std::path::PathBuf;
use std::time::Instant;

use tch::{Device, Kind, Tensor, no_grad};

use super::batches::TrainImages;
use super::callbacks::{Callback, EpochEnd};
use super::config::TrainConfig;
use super::history::{EpochRecord, History};
use super::interrupt::Interrupt;
use super::optim::Adam;
use super::progress::Progress;
use super::run::{RunConfig, RunFolder};
use crate::data::Fer2013;
use crate::error::{Error, Result};
use crate::model::{Network, logits_of};

/// Images a step when no gradient is needed; more don't make it faster on a CPU.
const EVALUATION_BATCH: usize = 256;

/// Trains a network. It owns everything that the next epoch needs, so after Stop a further
/// [`Trainer::fit`] goes on where the last finished epoch ended.
pub struct Trainer<N: Network> {
    network: N,
    config: TrainConfig,
    callbacks: Vec<Box<dyn Callback>>,
    optimizer: Adam,
    learning_rate: f64,
    history: History,
    run: Option<RunFolder>,
}

/// A sum that stays on the device, so that counting does not wait for it.
struct Totals {
    /// Sum of the loss over images, f64 [].
    loss: Tensor,
    /// Images classified right, i64 [].
    correct: Tensor,
    images: usize,
}

impl<N: Network> Trainer<N> {
    /// Checks the hyperparameters before anything is computed.
    pub fn new(network: N, config: TrainConfig) -> Result<Self> {
        config.validate()?;
        let optimizer = Adam::new(&network.parameters().flat(), &config)?;
        let learning_rate = config.learning_rate;
        Ok(Self {
            network,
            config,
            callbacks: Vec::new(),
            optimizer,
            learning_rate,
            history: History::default(),
            run: None,
        })
    }

    /// Adds a callback; they are called in the order in which they were added.
    pub fn callback(mut self, callback: impl Callback + 'static) -> Self {
        self.callbacks.push(Box::new(callback));
        self
    }

    /// Keeps `config.toml` and `history.csv` in this folder.
    pub fn run(mut self, folder: impl Into<PathBuf>) -> Self {
        self.run = Some(RunFolder::at(folder));
        self
    }

    /// The network as it is now.
    pub fn network(&self) -> &N {
        &self.network
    }

    /// The network as it is now, for good.
    pub fn into_network(self) -> N {
        self.network
    }

    /// The epochs so far.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// The hyperparameters. To train longer after a finished [`Trainer::fit`], raise `epochs`.
    pub fn config_mut(&mut self) -> &mut TrainConfig {
        &mut self.config
    }

    /// Trains until `config.epochs` epochs are done, a callback ends it, or the user stops it.
    /// After each epoch the run folder is up to date.
    ///
    /// # Errors
    /// A hyperparameter out of range; a loss that is not finite, with the epoch; whatever a
    /// callback or the disk refuses. The epochs before are in [`Trainer::history`] all the same.
    pub fn fit(&mut self, data: &Fer2013) -> Result<History> {
        self.config.validate_for(data.train.len())?;
        for callback in &self.callbacks {
            callback.validate()?;
        }
        if data.validation.is_empty() {
            return Err(Error::config("validation images", 0, "1 or more"));
        }
        self.history.title = data.origin().title().into();
        self.history.stopped = None;
        let device = self.network.parameters().device();
        let images = TrainImages::new(&data.train, device)?;
        let validation =
            (data.validation.images_tensor(device)?, data.validation.labels_tensor(device)?);
        if let Some(run) = &self.run {
            run.save_config(&RunConfig::new(&self.network, &self.config, data))?;
        }
        let interrupt = Interrupt::listen()?;
        let mut progress = Progress::new(self.config.epochs, images.len());
        let mut stop = None;
        while self.history.epochs.len() < self.config.epochs && stop.is_none() {
            let epoch = self.history.epochs.len() + 1;
            progress.epoch(epoch);
            let started = Instant::now();
            let Some(train) = self.train_epoch(epoch, &images, &interrupt, &mut progress)? else {
                stop = Some(format!("stopped by the user in epoch {epoch}"));
                break;
            };
            let train_seconds = started.elapsed().as_secs_f64();
            let (loss, accuracy) = train.read()?;
            let (val_loss, val_accuracy) = self.validate(&validation)?;
            let record = EpochRecord {
                epoch,
                loss,
                accuracy,
                val_loss,
                val_accuracy,
                learning_rate: self.learning_rate,
                seconds: started.elapsed().as_secs_f64(),
            };
            self.history.epochs.push(record);
            let messages = self.end_epoch(record, &mut stop)?;
            if let Some(run) = &self.run {
                run.save_history(&self.history)?;
            }
            progress.epoch_end(&record, train_seconds, &messages);
            if interrupt.requested() && stop.is_none() {
                stop = Some(format!("stopped by the user after epoch {epoch}"));
            }
        }
        self.history.stopped = stop;
        if let Some(reason) = &self.history.stopped {
            progress.line(reason);
        }
        for callback in &mut self.callbacks {
            if let Some(line) = callback.on_train_end(&mut self.network)? {
                progress.line(&line);
            }
        }
        Ok(self.history.clone())
    }

    /// One pass over the training images; `None` when the user stopped it.
    fn train_epoch(
        &mut self,
        epoch: usize,
        images: &TrainImages,
        interrupt: &Interrupt,
        progress: &mut Progress,
    ) -> Result<Option<Totals>> {
        // Everything random in an epoch follows from the seed and the epoch's number, so no
        // generator's state has to be carried from one epoch to the next.
        let seed = epoch_seed(self.config.seed, epoch);
        tch::manual_seed(seed as i64);
        let mut totals = Totals::new(self.network.parameters().device())?;
        let mut parameters = self.network.parameters().flat();
        let mut batch_number = 0;
        for batch in images.epoch(self.config.batch_size, &self.config.augmentation, seed) {
            let (xs, labels) = batch?;
            let logits = self.network.forward_t(&xs, true)?;
            let loss = cross_entropy(&logits, &labels)?;
            let gradient = self.network.parameters().gradient(&loss)?;
            totals.add(&loss, &logits, &labels)?;
            // Asking a GPU for a number makes it wait for all work so far; a CPU has it at once.
            batch_number += 1;
            if parameters.device() == Device::Cpu || batch_number % 50 == 0 {
                self.check_finite(epoch, &totals)?;
            }
            self.optimizer.step(&mut parameters, &gradient, self.learning_rate)?;
            if interrupt.requested() {
                return Ok(None);
            }
            if progress.due() {
                let (loss, accuracy) = totals.read()?;
                progress.step(epoch, totals.images, loss, accuracy);
            }
        }
        Ok(Some(totals))
    }

    /// Ends training when the loss so far is NaN or infinite: no later step can mend it.
    fn check_finite(&self, epoch: usize, totals: &Totals) -> Result<()> {
        let loss = totals.loss.f_double_value(&[])?;
        if loss.is_finite() {
            return Ok(());
        }
        Err(Error::Training {
            epoch,
            problem: format!("the loss became {loss} at learning rate {}", self.learning_rate),
            hint: format!(
                "Try a learning rate of {:.1e}. The best weights so far are kept",
                self.learning_rate / 10.0
            ),
        })
    }

    /// Loss and accuracy on the validation images.
    fn validate(&self, (images, labels): &(Tensor, Tensor)) -> Result<(f64, f64)> {
        no_grad(|| {
            let logits = logits_of(&self.network, images, EVALUATION_BATCH)?;
            let mut totals = Totals::new(self.network.parameters().device())?;
            totals.add(&cross_entropy(&logits, labels)?, &logits, labels)?;
            totals.read()
        })
    }

    fn end_epoch(&mut self, record: EpochRecord, stop: &mut Option<String>) -> Result<Vec<String>> {
        let mut messages = Vec::new();
        for callback in &mut self.callbacks {
            callback.on_epoch_end(&mut EpochEnd {
                record,
                network: &mut self.network,
                learning_rate: &mut self.learning_rate,
                stop,
                messages: &mut messages,
            })?;
        }
        Ok(messages)
    }
}

impl Totals {
    fn new(device: Device) -> Result<Self> {
        Ok(Self {
            loss: Tensor::f_zeros([], (Kind::Double, device))?,
            correct: Tensor::f_zeros([], (Kind::Int64, device))?,
            images: 0,
        })
    }

    /// Counts a batch: its mean loss, logits [B, 7] and labels [B].
    fn add(&mut self, loss: &Tensor, logits: &Tensor, labels: &Tensor) -> Result<()> {
        no_grad(|| {
            let count = labels.size1()?;
            let sum = loss.f_to_kind(Kind::Double)?.f_mul_scalar(count as f64)?;
            let _ = self.loss.f_add_(&sum)?;
            let right = logits.f_argmax(1, false)?.f_eq_tensor(labels)?.f_sum(Kind::Int64)?;
            let _ = self.correct.f_add_(&right)?;
            self.images += count as usize;
            Ok(())
        })
    }

    /// Mean loss and accuracy so far; waits for the device.
    fn read(&self) -> Result<(f64, f64)> {
        let images = self.images.max(1) as f64;
        let loss = self.loss.f_double_value(&[])? / images;
        Ok((loss, self.correct.f_int64_value(&[])? as f64 / images))
    }
}

/// Mean categorical cross-entropy in nats, f32 [], of logits [B, 7] and labels i64 [B].
fn cross_entropy(logits: &Tensor, labels: &Tensor) -> Result<Tensor> {
    const NO_CLASS: i64 = -100;
    let mean = tch::Reduction::Mean;
    Ok(logits.f_cross_entropy_loss(labels, None::<Tensor>, mean, NO_CLASS, 0.0)?)
}

/// A seed for each epoch, unrelated to its neighbours' (the finaliser of SplitMix64; Steele, Lea
/// and Flood, "Fast splittable pseudorandom number generators", 2014).
fn epoch_seed(seed: u64, epoch: usize) -> u64 {
    let mut z = seed.wrapping_add((epoch as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
