//! [`Training`]: a trial's training, once for each seed, as far as the pruner lets it.

use std::path::Path;

use tch::Device;

use super::config::StudyConfig;
use super::pruner::{MedianPruner, Pruner, best};
use super::trial::{Trial, TrialState};
use crate::common::machine::print_line;
use crate::common::{Error, Result};
use crate::data::FaceData;
use crate::train::{Checkpoint, History, Monitor, Recipe, RunFolder, StopReason};

/// How a trial's training ended.
pub(super) enum Ended {
    /// At a rung of Hyperband.
    Paused,
    /// After the last epoch, or by a callback of the recipe.
    Complete(Option<StopReason>),
    /// By the median pruner.
    Pruned(StopReason),
    /// By what the values are to blame for.
    Failed(Error),
    /// By the user.
    Stopped(StopReason),
}

/// What a trial is trained with.
pub(super) struct Training<'a> {
    /// The study's folder.
    pub(super) study: &'a Path,
    pub(super) config: &'a StudyConfig,
    /// All trials.
    pub(super) trials: &'a [Trial],
    pub(super) data: &'a FaceData,
    pub(super) device: Device,
}

impl Training<'_> {
    /// Trains until `until` epochs of each seed are done; all, if it is `None`. Value, epochs and seconds are filled
    /// in, those of the seeds that are done so far.
    pub(super) fn run(&self, trial: &mut Trial, until: Option<usize>) -> Result<Ended> {
        if let Some(cost) = self.config.cost {
            match cost.of(&self.recipe_of(trial, 0)?) {
                Ok(value) => trial.cost = Some(value),
                Err(error @ Error::Setting { .. }) => return Ok(Ended::Failed(error)),
                Err(error) => return Err(error),
            }
        }
        let (mut reached, mut epochs, mut seconds) = (Vec::new(), 0, 0.0);
        let mut result = Ended::Complete(None);
        for seed in 0..self.config.seeds {
            let (history, ended) = self.run_seed(trial, seed, until, &reached)?;
            reached.extend(best(self.monitor(), &history));
            epochs += history.epochs.len();
            seconds += history.epochs.iter().map(|epoch| epoch.seconds).sum::<f64>();
            (trial.epochs, trial.seconds) = (epochs, seconds);
            trial.take_values(&reached, self.config.seeds);
            match (&result, ended) {
                (_, Ended::Paused) => result = Ended::Paused,
                (Ended::Complete(None), Ended::Complete(reason)) => {
                    result = Ended::Complete(reason);
                }
                (_, Ended::Complete(_)) => (),
                (_, last) => return Ok(last),
            }
        }
        Ok(result)
    }

    /// One seed's training, resumed if it was begun; `earlier` are the values that the seeds before it reached.
    fn run_seed(
        &self,
        trial: &Trial,
        seed: usize,
        until: Option<usize>,
        earlier: &[f64],
    ) -> Result<(History, Ended)> {
        let run = trial.run_of_seed(self.study, seed);
        let recipe = self.recipe_of(trial, seed)?;
        let last = recipe.train.epochs;
        let until = until.filter(|until| *until < last);
        if let Some(done) = self.done(&run, until, last) {
            return Ok(done);
        }
        let (number, seeds) = (trial.number, self.config.seeds);
        let name = match seeds {
            1 => format!("trial {number}"),
            _ => format!("trial {number}, seed {} of {seeds}", seed + 1),
        };
        if seeds > 1 {
            print_line(&name);
        }
        let mut trainer = recipe.trainer(self.device, run.path())?;
        if let Some(until) = until {
            trainer = trainer.pause_after(until);
        }
        if self.config.pruner == Some(Pruner::Median) {
            trainer = trainer.callback(self.median(seed, earlier)?);
        }
        if run.checkpoint().is_file() {
            match Checkpoint::load(run.checkpoint()) {
                Ok(_) => trainer = trainer.resume(),
                Err(Error::File { problem, .. }) => {
                    print_line(&format!("{name} starts over: {problem}"));
                }
                Err(error) => return Err(error),
            }
        }
        let result = trainer.fit(self.data);
        let history = trainer.history().clone();
        let ended = match result {
            Ok(history) => match history.stopped {
                Some(reason @ StopReason::User { .. }) => Ended::Stopped(reason),
                Some(StopReason::Rung { .. }) => Ended::Paused,
                Some(reason @ StopReason::Pruned { .. }) => Ended::Pruned(reason),
                reason => Ended::Complete(reason),
            },
            Err(error @ (Error::Training { .. } | Error::Setting { .. })) => Ended::Failed(error),
            Err(error) => return Err(error),
        };
        Ok((history, ended))
    }

    /// What the run folder holds, if nothing of it is left to train: a seed whose turn is over, or that was before
    /// the process died.
    fn done(&self, run: &RunFolder, until: Option<usize>, last: usize) -> Option<(History, Ended)> {
        if !run.checkpoint().is_file() || !run.weights().is_file() {
            return None;
        }
        let of = run.config().ok()?.data_fingerprint;
        if of != format!("{:016x}", self.data.fingerprint()) {
            return None; // the trainer says what differs
        }
        let history = run.history().ok()?;
        let trained = history.epochs.len();
        let ended = match &history.stopped {
            Some(reason @ StopReason::Pruned { .. }) => Ended::Pruned(reason.clone()),
            Some(reason) if !reason.is_pause() => Ended::Complete(Some(reason.clone())),
            _ if trained >= last => Ended::Complete(None),
            _ if until.is_some_and(|until| trained >= until) => Ended::Paused,
            _ => return None,
        };
        Some((history, ended))
    }

    /// The median pruner of one seed. It compares means over the same seeds: those before this one at their end, and
    /// this one at the epoch in question.
    fn median(&self, seed: usize, earlier: &[f64]) -> Result<MedianPruner> {
        let complete = self.trials.iter().filter(|trial| trial.state == TrialState::Complete);
        let others = complete
            .filter_map(|other| Some((other, other.reached.get(..seed)?)))
            .map(|(other, earlier)| {
                let history = other.run_of_seed(self.study, seed).history()?;
                let values = history.epochs.iter().map(|epoch| self.monitor().of(epoch));
                Ok((earlier.to_vec(), values.collect()))
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(MedianPruner::new(self.monitor(), &others, earlier))
    }

    fn recipe_of(&self, trial: &Trial, seed: usize) -> Result<Recipe> {
        let recipe = self.config.recipe_of(&trial.values, seed);
        recipe.map_err(|error| trial.at_fault(self.study, error))
    }

    fn monitor(&self) -> Monitor {
        self.config.monitor()
    }
}
