//! [`Trainer`]: the training loop.

use std::path::PathBuf;
use std::time::Instant;

use tch::{Kind, Tensor, no_grad};

use super::batches::{Batch, Plan, TrainImages};
use super::callbacks::{
    BatchEnd, Callback, EpochEnd, TerminateOnNan, TrainBegin, check_validation,
};
use super::config::TrainConfig;
use super::history::{EpochRecord, History, STOPPED_BY_USER};
use super::loss::{LossFunction, cross_entropy};
use super::mixing::Mixing;
use super::objective::Objective;
use super::optim::{OptimizerState, WeightAverage, clip_norm, sharpness_shift};
use super::progress::Progress;
use super::run::{RunConfig, RunFolder};
use super::totals::Totals;
use crate::common::machine::{ConvolutionTrials, Interrupt, fix_threads, keep_freed_memory};
use crate::common::random::derive;
use crate::common::{Error, Failure, Result};
use crate::data::{Augmentation, FaceData};
use crate::model::{Network, logits_of};

/// Trains a network. It holds the network behind a pointer rather than as a type of its own, because a
/// notebook's cell would otherwise compile the whole loop anew for it, which takes seconds. It
/// owns everything that the next batch needs, so after Stop a further [`Trainer::fit`] goes on with the batch
/// after the last one.
pub struct Trainer {
    pub(super) network: Box<dyn Network>,
    pub(super) config: TrainConfig,
    pub(super) callbacks: Vec<Box<dyn Callback>>,
    pub(super) optimizer: OptimizerState,
    pub(super) average: Option<WeightAverage>,
    /// Whether the network holds the average, and `average` the weights that are trained.
    averaged: bool,
    /// Step size after the callbacks, before the schedule.
    pub(super) learning_rate: f64,
    pub(super) history: History,
    /// The epoch that Stop cut off.
    cut_off: Option<EpochSoFar>,
    /// The epoch within which training failed: neither weights nor optimizer are of use after that.
    failed: Option<usize>,
    pub(super) run: Option<RunFolder>,
    pub(super) resume: bool,
    /// Whether it is this run that the folder holds, and not one before.
    pub(super) in_folder: bool,
}

/// How far an epoch is.
#[derive(Debug)]
struct EpochSoFar {
    epoch: usize,
    /// Fingerprint of the data.
    data: String,
    /// Batches that are done.
    batches: usize,
    totals: Totals,
    seconds: f64,
}

impl EpochSoFar {
    fn new(epoch: usize, data: &str) -> Self {
        Self { epoch, data: data.into(), batches: 0, totals: Totals::default(), seconds: 0.0 }
    }
}

impl Trainer {
    /// Checks the hyperparameters before anything is computed.
    pub fn new(network: impl Network + 'static, config: TrainConfig) -> Result<Self> {
        Self::of(Box::new(network), config)
    }

    fn of(mut network: Box<dyn Network>, config: TrainConfig) -> Result<Self> {
        config.validate()?;
        network.parameters_mut().set_rates(&config.rates)?;
        let everything = network.parameters().flat();
        let learnt = everything.f_narrow(0, 0, network.parameters().count())?;
        let optimizer = OptimizerState::new(config.optimizer, &learnt)?;
        let average = match config.ema {
            0.0 => None,
            decay => Some(WeightAverage::new(decay, &everything)?),
        };
        let learning_rate = config.learning_rate;
        Ok(Self {
            network,
            config,
            callbacks: vec![Box::new(TerminateOnNan)],
            optimizer,
            average,
            averaged: false,
            learning_rate,
            history: History::default(),
            cut_off: None,
            failed: None,
            run: None,
            resume: false,
            in_folder: false,
        })
    }

    /// Adds a callback; they are called in the order in which they were added.
    pub fn callback(mut self, callback: impl Callback + 'static) -> Self {
        self.callbacks.push(Box::new(callback));
        self
    }

    /// Keeps `config.toml`, `history.csv` and `last/`, from which a run can be resumed, in this
    /// folder.
    pub fn run(mut self, folder: impl Into<PathBuf>) -> Self {
        self.run = Some(RunFolder::at(folder));
        self
    }

    /// Lets the first [`Trainer::fit`] go on from the run folder's last finished epoch. It fails
    /// where there is none, or where that run is another one: other data, network, callbacks or
    /// hyperparameters. Only `epochs` may differ, and what computes.
    pub fn resume(mut self) -> Self {
        self.resume = true;
        self
    }

    /// The network as it is now.
    pub fn network(&self) -> &dyn Network {
        &*self.network
    }

    /// The network as it is now, for good.
    pub fn into_network(self) -> Box<dyn Network> {
        self.network
    }

    /// The epochs so far.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// How many epochs the run shall have in all, to train longer after a finished [`Trainer::fit`]. The
    /// other hyperparameters are built into optimizer and network: for them a new trainer is made.
    pub fn set_epochs(&mut self, epochs: usize) {
        self.config.epochs = epochs;
    }

    /// Trains until `config.epochs` epochs are done, a callback ends it, or the user stops it.
    /// After each epoch the run folder is up to date. Training and validation compute in
    /// `config.precision`; afterwards the network computes in float32 again.
    ///
    /// A run that the run folder has already is kept in `before/` of it, once the first epoch of this
    /// one is done.
    ///
    /// # Errors
    /// A hyperparameter out of range; a loss that is not finite, with the epoch; memory that does not suffice,
    /// with the batch size to try; whatever a callback or the disk refuses. The epochs before are in
    /// [`Trainer::history`] all the same, and callbacks have put the best weights back if that is their task;
    /// for more training a new trainer is needed.
    pub fn fit(&mut self, data: &FaceData) -> Result<History> {
        self.check_state()?;
        for callback in &self.callbacks {
            callback.validate()?;
            callback.state()?; // or it would fail with the first checkpoint
        }
        let chosen = self.config.images.choose(data)?;
        let (learnt, lines) = match &chosen {
            Some((chosen, lines)) => (chosen, &lines[..]),
            None => (data, &[][..]),
        };
        self.config.validate_for(learnt.train.len())?;
        if learnt.validation.is_empty() {
            return Err(Error::setting("validation images", 0, "1 or more"));
        }
        keep_freed_memory();
        fix_threads();
        let kind = self.config.precision.kind(self.network.parameters().device());
        self.hold_average(false)?;
        self.network.parameters_mut().set_kind(kind)?;
        // Another choice of images is another hyperparameter, not other data.
        let mut run = RunConfig::new(&*self.network, &self.config, data);
        run.learnt = Some([learnt.train.len(), learnt.validation.len()]);
        let result = self.fit_in(learnt, &run, lines, kind).map_err(|error| self.explain(error));
        // What went wrong first counts, where memory does not suffice for this either.
        let whole = self.network.parameters_mut().set_kind(Kind::Float);
        let whole = whole.and_then(|()| self.hold_average(true));
        result.and(whole)?;
        Ok(self.history.clone())
    }

    fn fit_in(
        &mut self,
        data: &FaceData,
        run_config: &RunConfig,
        lines: &[String],
        kind: Kind,
    ) -> Result<()> {
        self.history.title = data.origin().title().into();
        if let Some(so_far) = &self.cut_off
            && so_far.data != run_config.data_fingerprint
        {
            let epoch = so_far.epoch;
            let expected = format!("those with which epoch {epoch} was stopped, or a new trainer");
            return Err(Error::setting("images", &run_config.data, expected));
        }
        let ended_early = self.history.stopped.is_some() && !self.history.stopped_by_user();
        let device = self.network.parameters().device();
        let (images, objective) = self.images_and_objective(data)?;
        let validation =
            (data.validation.images_tensor(device)?, data.validation.labels_tensor(device)?);
        // Held until this function ends, however it ends.
        let _lock = self.run.as_ref().map(RunFolder::lock).transpose()?;
        let interrupt = Interrupt::listen()?;
        let mut progress = Progress::new(self.config.epochs, images.len());
        lines.iter().for_each(|line| progress.line(line));
        self.history.stopped = None;
        self.begin(run_config, ended_early, &progress)?;
        let mut stop = self.history.stopped.take();
        let mut paused = None;
        while self.history.epochs.len() < self.config.epochs && stop.is_none() && paused.is_none() {
            let epoch = self.history.epochs.len() + 1;
            let mut so_far = match self.cut_off.take() {
                Some(so_far) => so_far,
                None => EpochSoFar::new(epoch, &run_config.data_fingerprint),
            };
            progress.epoch(epoch, so_far.totals.images());
            let batches = images.batches(self.config.batch_size);
            let signals = (&interrupt, &mut progress, &mut stop);
            let mut done = self.train_epoch(&mut so_far, &images, &objective, kind, signals);
            if done.is_ok() && so_far.batches == batches {
                done = self.finish_epoch(
                    &mut so_far,
                    &validation,
                    run_config,
                    (&mut progress, &mut stop),
                );
            }
            if let Err(error) = done {
                self.give_up(epoch, &progress);
                return Err(error);
            }
            if so_far.batches < batches {
                let place = format!("in epoch {epoch} after batch {} of {batches}", so_far.batches);
                match &mut stop {
                    Some(reason) => *reason = format!("{reason}, {place}"),
                    None => paused = Some(format!("{STOPPED_BY_USER} {place}")),
                }
                self.cut_off = Some(so_far);
                break;
            }
            // Stop in the last epoch leaves nothing to go on with.
            let more = self.history.epochs.len() < self.config.epochs;
            if interrupt.requested() && stop.is_none() && more {
                paused = Some(format!("{STOPPED_BY_USER} after epoch {epoch}"));
            }
        }
        self.history.stopped = stop.or_else(|| paused.clone());
        if let Some(reason) = &self.history.stopped {
            progress.line(reason);
        }
        // A pause is not the end: a callback that put other weights in place now would make it
        // impossible to go on as if nothing had happened.
        if let Some(reason) = paused {
            return self.callbacks.iter_mut().try_for_each(|callback| callback.on_stop(&reason));
        }
        self.end(&progress)
    }

    /// After the last epoch: the callbacks' turn.
    fn end(&mut self, progress: &Progress) -> Result<()> {
        self.hold_average(true)?;
        for callback in &mut self.callbacks {
            if let Some(line) = callback.on_train_end(&mut *self.network)? {
                progress.line(&line);
            }
        }
        Ok(())
    }

    /// After an epoch's last batch: validation, the callbacks' turn, and the run folder.
    fn finish_epoch(
        &mut self,
        so_far: &mut EpochSoFar,
        validation: &(Tensor, Tensor),
        run_config: &RunConfig,
        (progress, stop): (&mut Progress, &mut Option<String>),
    ) -> Result<()> {
        let EpochSoFar { epoch, batches, .. } = *so_far;
        let validating = Instant::now();
        let (loss, accuracy) = so_far.totals.read()?;
        self.hold_average(true)?;
        let (val_loss, val_accuracy) = self.validate(validation)?;
        let record = EpochRecord {
            epoch,
            loss,
            accuracy,
            val_loss,
            val_accuracy,
            learning_rate: self.step_size(batches - 1, batches),
            seconds: so_far.seconds + validating.elapsed().as_secs_f64(),
        };
        check_validation(&record)?;
        self.history.epochs.push(record);
        if let Some(folder) = self.run.as_ref().filter(|_| !self.in_folder)
            && let Some(line) = folder.keep_before()?
        {
            progress.line(&line);
        }
        let messages = self.end_epoch(record, stop)?;
        self.hold_average(false)?;
        self.save(run_config, stop)?;
        self.in_folder = true;
        progress.epoch_end(&record, so_far.seconds, &messages);
        Ok(())
    }

    /// After an error within an epoch or at its end: the weights are in the middle of something, so nothing
    /// goes on from them, but the best ones can be put back.
    fn give_up(&mut self, epoch: usize, progress: &Progress) {
        self.failed = Some(epoch);
        // The error that led here is the one to report.
        let _ = self.end(progress);
    }

    /// Whether `fit` can begin or go on from what is there.
    fn check_state(&self) -> Result<()> {
        if let Some(epoch) = self.failed {
            let hint =
                "Make a new network and trainer; with BackupAndRestore, it resumes after the \
                        last completed epoch of its run folder"
                    .into();
            return Err(Error::Training { epoch, cause: Failure::Earlier, hint });
        }
        Ok(())
    }

    /// Whether no batch was trained yet.
    pub(super) fn is_fresh(&self) -> bool {
        self.history.epochs.is_empty() && self.cut_off.is_none()
    }

    /// Before the first batch: a resume where one is asked for, and the callbacks' turn.
    fn begin(
        &mut self,
        run_config: &RunConfig,
        ended_early: bool,
        progress: &Progress,
    ) -> Result<()> {
        let wanted = self.resume || self.callbacks.iter().any(|callback| callback.resumes());
        if self.is_fresh() && wanted {
            progress.line(&self.resume_from_run(run_config)?);
        }
        self.resume = false;
        if let Some(line) = self.load_initial_weights()? {
            progress.line(&line);
        }
        let begin = TrainBegin { config: &self.config, history: &self.history, ended_early };
        self.callbacks.iter_mut().try_for_each(|callback| callback.on_train_begin(&begin))
    }

    /// The training images on the device, with what teachers say of them, and the loss.
    pub(super) fn images_and_objective(&self, data: &FaceData) -> Result<(TrainImages, Objective)> {
        let device = self.network.parameters().device();
        let distillation = self.config.distillation.clone();
        let mirrored = self.config.augmentation.horizontal_flip;
        let teachers = distillation.teach(&data.train, mirrored, device)?;
        let teachers = teachers.map(|logits| distillation.soften(&logits)).transpose()?;
        let images = TrainImages::new(&data.train, device)?.with_teachers(teachers)?;
        let labels = LossFunction::new(self.config.loss, data.train.class_counts(), device)?;
        Ok((images, Objective { labels, distillation }))
    }

    /// How the batches of an epoch, counted from 1, are made.
    pub(super) fn plan(&self, epoch: usize, seed: u64, kind: Kind) -> Plan {
        let TrainConfig { batch_size, sampling, mixing, ref augmentation, .. } = self.config;
        let clean = epoch + self.config.clean_epochs > self.config.epochs;
        let augmentation = match (clean, augmentation.horizontal_flip) {
            (false, _) => augmentation.clone(),
            (true, true) => Augmentation::flip_only(),
            (true, false) => Augmentation::none(),
        };
        let mixing = if clean { Mixing::default() } else { mixing };
        Plan { batch_size, sampling, augmentation, mixing, seed, kind }
    }

    /// The epoch's batches from where it is, until they are done or training has to stop.
    fn train_epoch(
        &mut self,
        so_far: &mut EpochSoFar,
        images: &TrainImages,
        objective: &Objective,
        kind: Kind,
        (interrupt, progress, stop): (&Interrupt, &mut Progress, &mut Option<String>),
    ) -> Result<()> {
        let epoch = so_far.epoch;
        let before = so_far.seconds;
        let started = Instant::now();
        let seed = derive(self.config.seed, epoch);
        let batches = images.batches(self.config.batch_size);
        // Every batch but the last has the same shape, so looking for the fastest convolutions pays.
        let _trials = ConvolutionTrials::on(self.network.parameters().device());
        for batch in images.epoch(self.plan(epoch, seed, kind), so_far.batches) {
            let batch = batch?;
            // Dropout draws from libtorch's generator. Seeded at each batch, it needs no state that
            // would have to be kept when an epoch is cut off.
            let dropout_seed = derive(seed, so_far.batches) as i64;
            tch::manual_seed(dropout_seed);
            let logits = self.network.forward_t(&batch.images, true)?;
            let loss = objective.loss(&logits, &batch.targets)?;
            let mut gradient = self.network.parameters().gradient(&loss)?;
            let learning_rate = self.step_size(so_far.batches, batches);
            for callback in &mut self.callbacks {
                callback.on_batch_end(&mut BatchEnd {
                    epoch,
                    batch: so_far.batches + 1,
                    batches,
                    loss: &loss,
                    learning_rate,
                    stop,
                })?;
            }
            so_far.totals.add(&loss, &logits, &batch.targets.labels)?;
            if self.config.sam > 0.0 {
                gradient = self.gradient_uphill(&gradient, &batch, objective, dropout_seed)?;
            }
            self.step(&mut gradient, learning_rate)?;
            so_far.batches += 1;
            so_far.seconds = before + started.elapsed().as_secs_f64();
            if interrupt.requested() || stop.is_some() {
                return Ok(());
            }
            if progress.due() {
                let (loss, accuracy) = so_far.totals.read()?;
                progress.step(epoch, so_far.totals.images(), loss, accuracy);
            }
        }
        Ok(())
    }

    /// Sharpness-aware minimisation: the gradient [P] where the loss is about highest within
    /// `config.sam` of the weights, from the gradient [P] at the weights. Dropout drops the same.
    fn gradient_uphill(
        &mut self,
        gradient: &Tensor,
        batch: &Batch,
        objective: &Objective,
        dropout_seed: i64,
    ) -> Result<Tensor> {
        let before = self.network.parameters().snapshot()?;
        let shift = sharpness_shift(gradient, self.config.sam)?;
        let learnt = shift.size1()?;
        self.network
            .parameters_mut()
            .update(|weights| Ok(weights.f_narrow(0, 0, learnt)?.f_add_(&shift).map(|_| ())?))?;
        tch::manual_seed(dropout_seed);
        let logits = self.network.forward_t(&batch.images, true)?;
        let loss = objective.loss(&logits, &batch.targets)?;
        let gradient = self.network.parameters().gradient(&loss)?;
        // Weights exactly as they were, and what normalisation keeps as the first pass left it.
        self.network.parameters_mut().restore(&before)?;
        Ok(gradient)
    }

    /// One optimizer step against a gradient [P].
    fn step(&mut self, gradient: &mut Tensor, learning_rate: f64) -> Result<()> {
        if self.config.clip_norm > 0.0 {
            clip_norm(gradient, self.config.clip_norm)?;
        }
        let optimizer = &mut self.optimizer;
        let average = &mut self.average;
        let spans = self.network.parameters().spans();
        self.network.parameters_mut().update(|weights| {
            optimizer.step_in(weights, gradient, learning_rate, &spans)?;
            match average {
                Some(average) => average.update(weights),
                None => Ok(()),
            }
        })
    }

    /// Step size of the epoch's `batch`-th batch, from 0.
    fn step_size(&self, batch: usize, batches: usize) -> f64 {
        let step = self.history.epochs.len() * batches + batch;
        self.learning_rate * self.config.schedule.factor(step, self.config.epochs, batches)
    }

    /// Lets the network hold the weights' average, or the weights themselves, if there is an average.
    fn hold_average(&mut self, held: bool) -> Result<()> {
        let Some(average) = &mut self.average else { return Ok(()) };
        if held != self.averaged {
            self.network.parameters_mut().update(|weights| average.exchange(weights))?;
            self.averaged = held;
        }
        Ok(())
    }

    /// Loss and accuracy on the validation images.
    fn validate(&self, (images, labels): &(Tensor, Tensor)) -> Result<(f64, f64)> {
        no_grad(|| {
            let logits = logits_of(&*self.network, images)?;
            let mut totals = Totals::default();
            totals.add(&cross_entropy(&logits, labels)?, &logits, labels)?;
            totals.read()
        })
    }

    fn end_epoch(&mut self, record: EpochRecord, stop: &mut Option<String>) -> Result<Vec<String>> {
        let mut messages = Vec::new();
        for callback in &mut self.callbacks {
            callback.on_epoch_end(&mut EpochEnd {
                record,
                network: &mut *self.network,
                learning_rate: &mut self.learning_rate,
                stop,
                messages: &mut messages,
            })?;
        }
        Ok(messages)
    }
}
