//! Saving a run after each epoch, and going on from there as if nothing had happened.

use std::path::Path;

use super::callbacks::{Callback, CallbackState};
use super::checkpoint::{Checkpoint, RunState, SavedCallback};
use super::run::{RunConfig, first_difference};
use super::trainer::Trainer;
use crate::common::{Error, Result};

/// What to do about a run's file that can't be read but is also in its checkpoint.
pub(super) const MENDING: &str = "`fer train --run NAME --resume` writes it anew, if \
    last/checkpoint.safetensors is whole; if not, `fer train --run NAME --overwrite` trains anew.";

impl Trainer {
    /// Writes the checkpoint, `config.toml` and `history.csv`, if there is a run folder. The network holds the
    /// weights that are trained, not their average.
    pub(super) fn save(&self, run: &RunConfig, stopped: &Option<String>) -> Result<()> {
        let Some(folder) = &self.run else { return Ok(()) };
        // The others follow the checkpoint, so that they never tell of an epoch that is not there; and
        // a training that fails in its first epoch leaves the run before it as it was.
        self.checkpoint(run, stopped)?.save(folder.checkpoint())?;
        folder.save_config(run)?;
        folder.save_history(&self.history)
    }

    fn checkpoint(&self, run: &RunConfig, stopped: &Option<String>) -> Result<Checkpoint> {
        let mut tensors = Vec::new();
        for (name, tensor) in self.network.parameters().named_tensors()? {
            tensors.push((format!("network.{name}"), tensor));
        }
        for (name, tensor) in self.optimizer.tensors() {
            tensors.push((format!("optimizer.{name}"), tensor.shallow_clone()));
        }
        if let Some(average) = &self.average {
            tensors.push(("ema".to_string(), average.tensor().shallow_clone()));
        }
        let mut callbacks = Vec::new();
        for (index, callback) in self.acting_callbacks().enumerate() {
            let state = callback.state()?;
            for (name, tensor) in state.tensors {
                tensors.push((format!("callback.{index}.{name}"), tensor));
            }
            let name = callback.name().into();
            callbacks.push(SavedCallback { name, settings: state.settings, values: state.values });
        }
        let state = RunState {
            learning_rate: self.learning_rate,
            optimizer_steps: self.optimizer.steps(),
            ema_steps: self.average.as_ref().map_or(0, |average| average.steps()),
            stopped: stopped.clone(),
            run: run.clone(),
            epochs: self.history.epochs.clone(),
            callbacks,
        };
        Ok(Checkpoint { state, tensors })
    }

    /// The callbacks that are part of what a run is.
    fn acting_callbacks(&self) -> impl Iterator<Item = &dyn Callback> {
        let all = self.callbacks.iter().map(|callback| callback.as_ref());
        all.filter(|callback| !callback.observes_only())
    }

    /// Goes on from the run folder's checkpoint; returns a line for the user. Where
    /// [`Trainer::resume`] insists on it, not being able to is an error; otherwise the line says why
    /// training begins anew.
    pub(super) fn resume_from_run(&mut self, run: &RunConfig) -> Result<String> {
        let insists = self.resume;
        let Some(folder) = self.run.clone() else {
            let expected = "a trainer with a run folder: .run(runs(\"baseline\"))";
            return Err(Error::setting("resume", "no run folder", expected));
        };
        let path = folder.checkpoint();
        if !insists && !path.is_file() {
            return Ok("no run to go on from: training begins".into());
        }
        let checkpoint = match Checkpoint::load(&path) {
            Err(Error::File { problem, .. }) if !insists => {
                return Ok(format!(
                    "training begins anew, since the checkpoint of the run before can't be read: {problem}"
                ));
            }
            checkpoint => checkpoint?,
        };
        let state = &checkpoint.state;
        let done = state.epochs.len();
        let difference = match state.run.difference(run) {
            None => self.callbacks_difference(&state.callbacks)?,
            difference => difference,
        };
        if let Some(difference) = difference {
            if insists {
                let hint = "Resume it as it was, or train anew without resuming.";
                return Err(Error::file(&path, format!("another run: {difference}"), hint));
            }
            return Ok(format!(
                "training begins anew, since the run before is another: {difference}"
            ));
        }
        if insists && self.config.epochs < done {
            let expected = format!("{done}, which are done, or more");
            return Err(Error::setting("epochs", self.config.epochs, expected));
        }
        let finished = state.stopped.is_some() || done >= self.config.epochs;
        if finished && !insists {
            return Ok("the run before is finished: training begins anew".into());
        }
        self.take_over(&checkpoint, &path)?;
        self.in_folder = true;
        let then = &state.run.precision;
        let computed = match *then == run.precision {
            true => String::new(),
            false => format!(", computing in {} and not in {then} as before", run.precision),
        };
        // They may have been damaged, or lost.
        folder.save_config(&checkpoint.state.run)?;
        folder.save_history(&self.history)?;
        Ok(format!("going on after epoch {done} of {}{computed}", folder.path().display()))
    }

    /// The first thing in which the callbacks are not those that were saved, in words.
    fn callbacks_difference(&self, saved: &[SavedCallback]) -> Result<Option<String>> {
        let names = |names: Vec<&str>| format!("[{}]", names.join(", "));
        let then = names(saved.iter().map(|saved| saved.name.as_str()).collect());
        let now = names(self.acting_callbacks().map(|callback| callback.name()).collect());
        if then != now {
            return Ok(Some(format!("callbacks were {then} and are now {now}")));
        }
        for (saved, callback) in saved.iter().zip(self.acting_callbacks()) {
            let prefix = format!("{}.", saved.name);
            let settings = callback.state()?.settings;
            if let Some(difference) = first_difference(&saved.settings, &settings, &prefix) {
                return Ok(Some(difference));
            }
        }
        Ok(None)
    }

    fn take_over(&mut self, checkpoint: &Checkpoint, path: &Path) -> Result<()> {
        let state = &checkpoint.state;
        let weights = checkpoint.tensors_below("network.");
        self.network.parameters_mut().load_named(&weights, path)?;
        let moments = checkpoint.tensors_below("optimizer.");
        self.optimizer.restore(state.optimizer_steps, &moments)?;
        if let Some(average) = &mut self.average {
            let saved = checkpoint.tensors_below("ema");
            let Some((_, tensor)) = saved.first() else {
                return Err(Error::file(path, "no 'ema' in it", "Train anew."));
            };
            average.restore(state.ema_steps, tensor)?;
        }
        let device = self.network.parameters().device();
        let acting = self.callbacks.iter_mut().filter(|callback| !callback.observes_only());
        for (index, (callback, saved)) in acting.zip(&state.callbacks).enumerate() {
            let tensors = checkpoint.tensors_below(&format!("callback.{index}."));
            let tensors = tensors
                .into_iter()
                .map(|(name, tensor)| Ok((name, tensor.f_to_device(device)?)))
                .collect::<Result<_>>()?;
            let SavedCallback { settings, values, .. } = saved.clone();
            callback.restore(&CallbackState { settings, values, tensors })?;
        }
        self.learning_rate = state.learning_rate;
        self.history.epochs = state.epochs.clone();
        self.history.stopped = state.stopped.clone();
        Ok(())
    }
}
