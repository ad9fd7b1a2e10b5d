//! The training loop.

use std::time::Instant;

use tch::Tensor;

use super::initial_weights::load_initial_weights;
use super::resume::{resume_from, save};
use super::state::{EpochSoFar, Outcome, Session};
use crate::common::machine::{ConvolutionTrials, Interrupt, notebook_is_live};
use crate::common::{Error, Result};
use crate::data::FaceData;
use crate::train::callbacks::{BatchEnd, EpochEnd, TrainBegin, check_validation};
use crate::train::record::{BatchOf, EpochRecord};
use crate::train::run::{RunFolder, RunLock};
use crate::train::step::{Plan, Rule, TrainImages};

/// Values that the loop uses and does not change.
struct Setting {
    images: TrainImages,
    rule: Rule,
    /// u8 [N, 1, 48, 48] and i64 [N].
    validation: (Tensor, Tensor),
    interrupt: Interrupt,
    /// Batches per epoch.
    batches: usize,
}

/// Trains on the chosen images; `lines` describe the choice. Stores the outcome in the history.
pub(crate) fn fit(mut session: Session<'_>, data: &FaceData, lines: &[String]) -> Result<()> {
    session.check_images()?;
    if !session.state.is_done(session.config) {
        session.state.history.title = data.origin().title().into();
    }
    let setting = session.prepare(data)?;
    // Held until the session ends, for any reason.
    session.lock = session.folder.map(RunFolder::lock).transpose()?;
    lines.iter().for_each(|line| session.progress.line(line));
    let before = session.state.history.stopped.take();
    session.begin(before.is_some_and(|reason| !reason.is_pause()))?;
    if session.state.is_done(session.config) {
        session.progress.line(&all_done(session.config.epochs, notebook_is_live()));
    }
    let outcome = session.train(&setting)?;
    session.finish(outcome)
}

/// The line for a run without remaining epochs, with a way to train longer.
fn all_done(epochs: usize, in_notebook: bool) -> String {
    let longer = match in_notebook {
        true => "`trainer.fit_more(&data, 5)?` trains 5 epochs more",
        false => "a larger number of epochs trains longer",
    };
    format!("nothing to train: {} done already; {longer}", are(epochs))
}

/// "the 1 epoch is", "all 12 epochs are".
fn are(epochs: usize) -> String {
    if epochs == 1 { "the 1 epoch is".into() } else { format!("all {epochs} epochs are") }
}

impl Session<'_> {
    /// A stopped epoch can be continued on the same images only.
    fn check_images(&self) -> Result<()> {
        match &self.state.unfinished {
            Some(so_far) if so_far.data != self.run.data_fingerprint => {
                let epoch = self.state.epoch();
                let expected =
                    format!("those with which epoch {epoch} was stopped, or a new trainer");
                Err(Error::input("images", &self.run.data, expected))
            }
            _ => Ok(()),
        }
    }

    fn prepare(&self, data: &FaceData) -> Result<Setting> {
        let device = self.state.learner.device();
        let images = TrainImages::with_targets(&data.train, self.config, device)?;
        let validation = &data.validation;
        Ok(Setting {
            rule: Rule::new(self.config, &data.train, &self.state.learner)?,
            validation: (validation.images_tensor(device)?, validation.labels_tensor(device)?),
            interrupt: Interrupt::listen()?,
            batches: images.batches(self.config.batch_size),
            images,
        })
    }

    /// Before the first batch: a resume if requested, initial weights, and the callbacks.
    fn begin(&mut self, ended_early: bool) -> Result<()> {
        let wanted = self.must_resume || self.callbacks.iter().any(|callback| callback.resumes());
        if self.state.is_fresh() && wanted {
            let line = resume_from(self)?;
            self.progress.line(&line);
        }
        if let Some(line) = load_initial_weights(self.state, self.config)? {
            self.progress.line(&line);
        }
        let history = &self.state.history;
        let begin = TrainBegin { config: self.config, history, ended_early };
        self.callbacks.iter_mut().try_for_each(|callback| callback.on_train_begin(&begin))
    }

    /// Trains epoch by epoch, until all are completed or training has to stop.
    fn train(&mut self, setting: &Setting) -> Result<Outcome> {
        // A callback may already have ended the resumed run.
        self.stop = self.state.history.stopped.take();
        loop {
            if let Some(reason) = self.stop.take() {
                return Ok(Outcome::Stopped(reason));
            }
            if self.state.is_done(self.config) {
                return Ok(Outcome::Finished);
            }
            let epoch = self.state.epoch();
            if epoch > 1 && setting.interrupt.requested() && self.state.unfinished.is_none() {
                return Ok(Outcome::Paused { epoch: epoch - 1, batch: None });
            }
            if self.pause_after.is_some_and(|last| epoch > last) && self.state.unfinished.is_none()
            {
                return Ok(Outcome::AtRung { epoch: epoch - 1 });
            }
            let so_far = self.state.unfinished.take();
            let mut so_far = so_far.unwrap_or_else(|| EpochSoFar::new(&self.run.data_fingerprint));
            self.progress.epoch(epoch, so_far.totals.images());
            let mut done = self.train_batches(&mut so_far, setting);
            if so_far.batches == setting.batches {
                done = done.and_then(|()| self.finish_epoch(&mut so_far, setting));
            }
            if let Err(error) = done {
                // Training can't continue from such weights, but the best ones can be restored.
                self.state.failed = Some(epoch);
                let _ = self.end(); // the earlier error is the one to report
                return Err(error);
            }
            if so_far.batches < setting.batches {
                let batch = Some(BatchOf { number: so_far.batches, of: setting.batches });
                self.state.unfinished = Some(so_far);
                let stopped = self.stop.take().map(Outcome::Stopped);
                return Ok(stopped.unwrap_or(Outcome::Paused { epoch, batch }));
            }
        }
    }

    /// Trains the remaining batches of the epoch, until training has to stop.
    fn train_batches(&mut self, so_far: &mut EpochSoFar, setting: &Setting) -> Result<()> {
        let (epoch, batches, before) = (self.state.epoch(), setting.batches, so_far.seconds);
        let started = Instant::now();
        // Every batch but the last has the same shape, so finding the fastest convolutions is worthwhile.
        let _trials = ConvolutionTrials::on(self.state.learner.device());
        let plan = Plan::new(self.config, epoch, self.kind);
        for batch in setting.images.epoch(plan, so_far.batches) {
            let batch = batch?;
            let learning_rate = self.state.step_size(self.config, so_far.batches, batches);
            let inspect = |loss: &Tensor, logits: &Tensor| {
                for callback in self.callbacks.iter_mut() {
                    let batch = so_far.batches + 1;
                    let stop = &mut self.stop;
                    let mut end = BatchEnd { epoch, batch, batches, loss, learning_rate, stop };
                    callback.on_batch_end(&mut end)?;
                }
                so_far.totals.add(loss, logits, &batch.targets.labels)?;
                Ok(true)
            };
            self.state.learner.step(&batch, &setting.rule, learning_rate, inspect)?;
            so_far.batches += 1;
            so_far.seconds = before + started.elapsed().as_secs_f64();
            if setting.interrupt.requested() || self.stop.is_some() {
                break;
            }
            if self.progress.due() {
                let (loss, accuracy) = so_far.totals.read()?;
                self.progress.step(epoch, so_far.totals.images(), loss, accuracy);
            }
        }
        Ok(())
    }

    /// After an epoch's last batch: validation, the callbacks, and the run folder.
    fn finish_epoch(&mut self, so_far: &mut EpochSoFar, setting: &Setting) -> Result<()> {
        let (epoch, batches) = (self.state.epoch(), setting.batches);
        let validating = Instant::now();
        let (loss, accuracy) = so_far.totals.read()?;
        self.state.learner.hold_average(true)?;
        let (val_loss, val_accuracy) = self.state.learner.validate(&setting.validation)?;
        let record = EpochRecord {
            epoch,
            loss,
            accuracy,
            val_loss,
            val_accuracy,
            learning_rate: self.state.step_size(self.config, batches - 1, batches),
            seconds: so_far.seconds + validating.elapsed().as_secs_f64(),
        };
        check_validation(&record)?;
        self.state.history.epochs.push(record);
        if let Some(folder) = self.folder.filter(|_| !self.state.in_folder)
            && let Some(line) = folder.archive()?
        {
            self.progress.line(&line);
        }
        self.check_folder()?;
        let mut messages = Vec::new();
        for callback in self.callbacks.iter_mut() {
            callback.on_epoch_end(&mut EpochEnd {
                record,
                network: &mut *self.state.learner.network,
                learning_rate: &mut self.state.learning_rate,
                stop: &mut self.stop,
                messages: &mut messages,
            })?;
        }
        self.state.learner.hold_average(false)?;
        if let Some(folder) = self.folder {
            save(self, folder)?;
            if let Some(images) = self.images.take() {
                folder.save_images(images, self.state.in_folder)?;
            }
        }
        self.state.in_folder = true;
        self.progress.epoch_end(&record, so_far.seconds, &messages);
        Ok(())
    }

    /// Otherwise a removed run folder would be created again, with a part of its files.
    fn check_folder(&self) -> Result<()> {
        self.lock.as_ref().map_or(Ok(()), RunLock::check)
    }

    /// Stores the outcome in history and run folder, and calls the callbacks.
    fn finish(&mut self, outcome: Outcome) -> Result<()> {
        self.check_folder()?;
        let paused = matches!(outcome, Outcome::Paused { .. } | Outcome::AtRung { .. });
        let reason = outcome.reason();
        self.state.history.stopped = reason.clone();
        if let Some(folder) = self.folder.filter(|_| self.state.in_folder) {
            folder.save_stopped(reason.as_ref())?;
        }
        if let Some(reason) = &reason {
            self.progress.line(&reason.to_string());
        }
        // A pause is not the end: if a callback replaced the weights now, training could not be continued exactly.
        match reason {
            Some(reason) if paused => {
                self.callbacks.iter_mut().try_for_each(|callback| callback.on_stop(&reason))
            }
            _ => self.end(),
        }
    }

    /// After the last epoch: the callbacks.
    fn end(&mut self) -> Result<()> {
        self.state.learner.hold_average(true)?;
        for callback in self.callbacks.iter_mut() {
            if let Some(line) = callback.on_train_end(&mut *self.state.learner.network)? {
                self.progress.line(&line);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::all_done;

    #[test]
    fn a_finished_run_says_so_and_what_trains_longer_there() {
        let text = all_done(12, true);
        assert!(text.starts_with("nothing to train: all 12 epochs are done already"), "{text}");
        assert!(text.contains("trainer.fit_more(&data, 5)?"), "{text}");
        assert!(
            !all_done(1, false).contains("trainer")
                && all_done(1, false).contains("the 1 epoch is")
        );
    }
}
