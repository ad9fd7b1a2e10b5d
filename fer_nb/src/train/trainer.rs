//! [`Trainer`]: what notebooks see of training.

use std::path::PathBuf;

use tch::Kind;

use super::callbacks::{Callback, TerminateOnNan};
use super::config::TrainConfig;
use super::record::History;
use super::run::{RunConfig, RunFolder};
use super::session::{Progress, Session, State, explain, fit};
use crate::common::machine::{fix_threads, keep_freed_memory};
use crate::common::{Error, Result};
use crate::data::FaceData;
use crate::model::Network;

/// Trains a network. It owns everything that the next batch needs, so after Stop a further
/// [`Trainer::fit`] continues with the batch after the last one.
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
    /// Whether training has to start from the run folder's checkpoint.
    must_resume: bool,
}

impl Trainer {
    /// A trainer of this network.
    ///
    /// # Errors
    /// [`Error::Setting`] for a hyperparameter out of range, before anything is computed.
    pub fn new(network: impl Network + 'static, config: TrainConfig) -> Result<Self> {
        // The network is behind a pointer, since a notebook's cell would otherwise compile the whole
        // loop for its type, which takes seconds.
        Self::of(Box::new(network), config)
    }

    fn of(network: Box<dyn Network>, config: TrainConfig) -> Result<Self> {
        config.validate()?;
        Ok(Self {
            state: State::new(network, &config)?,
            config,
            callbacks: vec![Box::new(TerminateOnNan)],
            folder: None,
            must_resume: false,
        })
    }

    /// Adds a callback; they are called in the order in which they were added.
    pub fn callback(mut self, callback: impl Callback + 'static) -> Self {
        self.callbacks.push(Box::new(callback));
        self
    }

    /// Keeps the run in this folder: `config.toml`, `history.csv`, and `last/`, from which it can be
    /// resumed. If the folder already holds a run, it is moved to `before/` after this run's first epoch.
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

    /// The network as it is now.
    pub fn network(&self) -> &dyn Network {
        &*self.state.learner.network
    }

    /// Gives the network away.
    pub fn into_network(self) -> Box<dyn Network> {
        self.state.learner.network
    }

    /// The epochs so far.
    pub fn history(&self) -> &History {
        &self.state.history
    }

    /// Sets how many epochs the run has in all, to train longer after a finished [`Trainer::fit`]. The
    /// other hyperparameters are built into optimizer and network: they need a new trainer.
    pub fn set_epochs(&mut self, epochs: usize) {
        self.config.epochs = epochs;
    }

    /// Trains until `config.epochs` epochs are done, a callback ends it, or the user stops it. After each
    /// epoch the run folder is up to date. Training and validation compute in `config.precision`;
    /// afterwards the network computes in float32 again.
    ///
    /// # Errors
    /// [`Error::Setting`] for a hyperparameter out of range; [`Error::Training`] for a loss that is not
    /// finite or memory that does not suffice; [`Error::InUse`] if another training holds the run folder;
    /// whatever a callback or the disk refuses. The epochs before stay in [`Trainer::history`], and
    /// callbacks have put the best weights back if that is their task; for more training, a new trainer is
    /// needed.
    pub fn fit(&mut self, data: &FaceData) -> Result<History> {
        self.state.check()?;
        for callback in &self.callbacks {
            callback.validate()?;
            callback.state()?; // or it would fail with the first checkpoint
        }
        let chosen = self.config.images.choose(data)?;
        let (used, lines) = match &chosen {
            Some((chosen, lines)) => (chosen, &lines[..]),
            None => (data, &[][..]),
        };
        self.config.validate_for(used.train.len())?;
        if used.validation.is_empty() {
            return Err(Error::input("validation images", 0, "1 or more"));
        }
        // Another choice of images is another hyperparameter, not other data.
        let mut run = RunConfig::new(self.network(), &self.config, data);
        run.trained_on = Some([used.train.len(), used.validation.len()]);
        self.computing(|trainer, kind| {
            let Self { state, config, callbacks, folder, must_resume } = trainer;
            let (folder, must_resume) = (folder.as_ref(), *must_resume);
            let progress = Progress::new(config.epochs, used.train.len());
            let session = Session {
                state,
                config,
                callbacks,
                folder,
                must_resume,
                run,
                kind,
                progress,
                stop: None,
            };
            fit(session, used, lines)
        })?;
        Ok(self.state.history.clone())
    }

    /// Does `work` with the network computing in the config's precision; puts float32, and the moving
    /// average in place of the weights, back after it.
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
        // What went wrong first counts, where memory does not suffice for this either.
        let (batch_size, epoch) = (self.config.batch_size, self.state.epoch());
        let done = result.map_err(|error| explain(error, batch_size, epoch))?;
        whole.map(|()| done)
    }
}
