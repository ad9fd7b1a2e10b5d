//! [`Trainer`]: the interface of training for notebooks.

use std::borrow::Borrow;
use std::path::PathBuf;

use tch::Kind;

use super::callbacks::{Callback, TerminateOnNan};
use super::config::TrainConfig;
use super::record::History;
use super::run::{RunConfig, RunFolder, RunImages};
use super::session::{Progress, Session, State, explain, fit};
use crate::common::check::{self, ensure};
use crate::common::machine::{fix_threads, keep_freed_memory};
use crate::common::text::plural;
use crate::common::{Result, brief};
use crate::data::FaceData;
use crate::model::Network;

/// Trains a network. It owns all state that the next batch needs, so after Stop a further [`Trainer::fit`]
/// continues with the next batch.
///
/// ```
/// use fer_nb::prelude::*;
///
/// let data = FaceData::sample(SampleConfig { seed: 1, train: 140, test: 35 })?;
/// let config = TrainConfig { epochs: 1, ..TrainConfig::default() };
/// let mut trainer = Trainer::new(SeedCnn::new(Device::Cpu, config.seed)?, config)?
///     .callback(ReduceLrOnPlateau::on(ValLoss).factor(0.5).patience(3));
/// assert_eq!(trainer.fit(&data)?.epochs.len(), 1);
/// # Ok::<(), Error>(())
/// ```
pub struct Trainer {
    pub(super) state: State,
    pub(super) config: TrainConfig,
    callbacks: Vec<Box<dyn Callback>>,
    folder: Option<RunFolder>,
    /// Whether training must start from the run folder's checkpoint.
    must_resume: bool,
    /// The epoch after which training pauses.
    pause_after: Option<usize>,
}

brief!(
    Trainer,
    |trainer| "{:?}, {} of {}",
    trainer.network(),
    trainer.history().epochs.len(),
    plural(trainer.config.epochs, "epoch")
);

impl Trainer {
    /// A trainer of this network. Pass `&config` to use the config again: a notebook's cell that consumes it can't
    /// be run twice.
    ///
    /// # Errors
    /// [`Error::Setting`](crate::error::Error::Setting) for a hyperparameter out of range, before anything is computed.
    pub fn new(network: impl Network + 'static, config: impl Borrow<TrainConfig>) -> Result<Self> {
        // The network is boxed, because otherwise a notebook's cell would compile the whole loop for its type,
        // which takes seconds.
        Self::of(Box::new(network), config.borrow().clone())
    }

    fn of(network: Box<dyn Network>, config: TrainConfig) -> Result<Self> {
        config.validate()?;
        Ok(Self {
            state: State::new(network, &config)?,
            config,
            callbacks: vec![Box::new(TerminateOnNan)],
            folder: None,
            must_resume: false,
            pause_after: None,
        })
    }

    /// Adds a callback; callbacks are called in the order in which they were added.
    pub fn callback(mut self, callback: impl Callback + 'static) -> Self {
        self.callbacks.push(Box::new(callback));
        self
    }

    /// Saves the run in this folder: `config.toml`, `history.csv`, and `last/`, from which it can be resumed. If
    /// the folder already holds a run, it is moved to `before/` after this run's first epoch.
    pub fn run_folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = Some(RunFolder::at(folder));
        self
    }

    /// Resumes from the run folder's last completed epoch. The first [`Trainer::fit`] fails if there is
    /// no checkpoint, or if it belongs to a different run: other data, network, callbacks or
    /// hyperparameters. Only `epochs` and the device may differ.
    pub fn resume(mut self) -> Self {
        self.must_resume = true;
        self
    }

    /// Pauses after this epoch, as if the user had stopped training; the schedule is that of all epochs. A study's
    /// Hyperband uses it.
    pub(crate) fn pause_after(mut self, epoch: usize) -> Self {
        self.pause_after = Some(epoch);
        self
    }

    /// The network in its present state.
    pub fn network(&self) -> &dyn Network {
        &*self.state.learner.network
    }

    /// Returns the network and drops the trainer.
    pub fn into_network(self) -> Box<dyn Network> {
        self.state.learner.network
    }

    /// The metrics of the completed epochs.
    pub fn history(&self) -> &History {
        &self.state.history
    }

    /// Sets the total number of epochs of the run. [`Trainer::fit_more`] counts from the completed epochs. Of the
    /// other hyperparameters only the learning rate can be changed; the others are part of optimizer and network,
    /// and need a new trainer.
    pub fn set_epochs(&mut self, epochs: usize) {
        self.config.epochs = epochs;
    }

    /// Sets the learning rate of the next batches, before the schedule; callbacks may change it further. Optimizer
    /// and weights do not change. `config.toml` holds the initial learning rate of the run, and `history.csv` that
    /// of each epoch.
    ///
    /// # Errors
    /// [`Error::Setting`](crate::error::Error::Setting) unless it is a number above 0.
    pub fn set_learning_rate(&mut self, learning_rate: f64) -> Result<()> {
        check::positive("learning_rate", learning_rate)?;
        self.state.learning_rate = learning_rate;
        if self.state.is_fresh() {
            self.config.learning_rate = learning_rate; // the initial learning rate of the run
        }
        Ok(())
    }

    /// The learning rate of the next batches, before the schedule.
    pub fn learning_rate(&self) -> f64 {
        self.state.learning_rate
    }

    /// Trains `epochs` more epochs, as Keras' `fit` with `initial_epoch`. If the run was stopped within an epoch,
    /// it first finishes that one, which counts as one of them. The schedule then covers all epochs.
    ///
    /// # Errors
    /// As [`Trainer::fit`].
    pub fn fit_more(&mut self, data: &FaceData, epochs: usize) -> Result<History> {
        ensure(epochs >= 1, "epochs", epochs, "1 or more")?;
        let (before, done) = (self.config.epochs, self.history().epochs.len());
        self.config.epochs = done.saturating_add(epochs);
        let history = self.fit(data);
        if history.is_err() && self.history().epochs.len() == done {
            self.config.epochs = before;
        }
        history
    }

    /// Trains until `config.epochs` epochs are completed, a callback ends training, or the user stops it. If all
    /// epochs are already completed, it prints a line with a way to train longer. It updates the run folder after
    /// each epoch. Training and validation compute in `config.precision`; afterwards the network computes in
    /// float32 again.
    ///
    /// # Errors
    /// [`Error::Setting`](crate::error::Error::Setting) for a hyperparameter out of range;
    /// [`Error::Training`](crate::error::Error::Training) for a loss that is not finite or too little memory;
    /// [`Error::InUse`](crate::error::Error::InUse) if another training uses the run folder; errors of callbacks
    /// and of the disk. [`Trainer::history`] keeps the completed epochs, and callbacks have restored the best
    /// weights if that is their task; further training needs a new trainer.
    pub fn fit(&mut self, data: &FaceData) -> Result<History> {
        self.state.check()?;
        for callback in &self.callbacks {
            callback.validate()?;
            callback.state()?; // otherwise the first checkpoint would fail
        }
        let chosen = self.config.images.choose(data)?;
        let (used, lines) = match &chosen {
            Some((chosen, lines)) => (chosen, &lines[..]),
            None => (data, &[][..]),
        };
        used.require_train()?;
        self.config.validate_for(used.train.len())?;
        // Another choice of images is another hyperparameter, not other data.
        let mut run = RunConfig::new(self.network(), &self.config, data);
        run.trained_on = Some([used.train.len(), used.validation.len()]);
        self.computing(|trainer, kind| {
            let Self { state, config, callbacks, folder, must_resume, pause_after } = trainer;
            let (folder, must_resume, pause_after) = (folder.as_ref(), *must_resume, *pause_after);
            let progress = Progress::new(config.epochs, used.train.len());
            let session = Session {
                state,
                config,
                callbacks,
                folder,
                lock: None,
                must_resume,
                pause_after,
                run,
                images: Some(RunImages::of(used)),
                kind,
                progress,
                stop: None,
            };
            fit(session, used, lines)
        })?;
        Ok(self.state.history.clone())
    }

    /// Calls `work` with the network computing in the config's precision; afterwards restores float32, and replaces
    /// the weights by their moving average.
    pub(super) fn computing<T>(
        &mut self,
        work: impl FnOnce(&mut Self, Kind) -> Result<T>,
    ) -> Result<T> {
        keep_freed_memory();
        fix_threads();
        let kind = self.config.precision.kind(self.state.learner.device());
        self.state.learner.hold_average(false)?;
        self.state.learner.network.parameters_mut().set_kind(kind)?;
        let result = work(self, kind);
        let whole = self.state.learner.network.parameters_mut().set_kind(Kind::Float);
        let whole = whole.and_then(|()| self.state.learner.hold_average(true));
        // The first error is returned, even if this fails as well for lack of memory.
        let (batch_size, epoch) = (self.config.batch_size, self.state.epoch());
        let done = result.map_err(|error| explain(error, batch_size, epoch))?;
        whole.map(|()| done)
    }
}
