//! [`Plan`]: what a process of a study does next, and which values a new trial tries.

use std::path::{Path, PathBuf};

use super::claim::Claim;
use super::config::StudyConfig;
use super::folder::not_comparable;
use super::hyperband::Verdict;
use super::pareto::places;
use super::sampler::Sampler;
use super::trial::{Trial, TrialState};
use crate::common::machine::print_line;
use crate::common::{Error, Result};

/// What a process of a study does next.
pub(super) enum Next {
    /// It trains this trial until so many epochs are done.
    Trial { claim: Claim, trial: Box<Trial>, until: usize },
    /// It looks again: a trial was pruned.
    Again,
    /// It waits for other processes.
    Wait,
    /// The study has its trials.
    Nothing,
}

/// A study as it stands, from which follows what is next.
#[derive(Clone, Copy)]
pub(super) struct Plan<'a> {
    /// The study's folder.
    pub(super) folder: &'a Path,
    pub(super) config: &'a StudyConfig,
    /// All trials, by number.
    pub(super) trials: &'a [Trial],
}

impl<'a> Plan<'a> {
    /// A trial to work on: one that was enqueued, that was stopped, whose process died or that others of its bracket
    /// have caught up with, or a new one if there are to be more.
    pub(super) fn next(self, wanted: usize) -> Result<Next> {
        let highest = self.trials.last().map_or(0, |trial| trial.number);
        let last = wanted.max(highest);
        // Of Hyperband, whether there may be more to do once other processes are further.
        let mut waits = false;
        for trial in self.trials.iter().filter(|trial| !trial.is_over()) {
            if self.verdict(trial, last) == Verdict::Wait {
                waits = true;
                continue;
            }
            let folder = Trial::folder(self.folder, trial.number);
            let Some(claim) = Claim::of(&folder)? else {
                waits = true;
                continue;
            };
            // It may have come further, or to its end, before the claim.
            let Some(trial) = Trial::load(&folder)?.filter(|trial| !trial.is_over()) else {
                continue;
            };
            match self.verdict(&trial, last) {
                Verdict::Wait => waits = true,
                Verdict::Train { until } => return self.take_up(claim, trial, until),
                Verdict::Prune { reason } => {
                    print_line(&format!("trial {} is {reason}", trial.number));
                    let state = TrialState::Pruned;
                    Trial { state, reason: Some(reason), ..trial }.save(self.folder)?;
                    return Ok(Next::Again);
                }
            }
        }
        if self.trials.len() < wanted {
            self.check_start()?;
        }
        let known: Vec<usize> = self.trials.iter().map(|trial| trial.number).collect();
        for number in (1..=wanted).filter(|number| !known.contains(number)) {
            if !self.may_draw(number) {
                waits = true;
                break;
            }
            let folder = Trial::folder(self.folder, number);
            if let Some(claim) = Claim::new(&folder)? {
                let trial = self.draw(number, &toml::Table::new());
                trial.save(self.folder)?;
                let until = self.until(&trial);
                return Ok(Next::Trial { claim, trial: Box::new(trial), until });
            }
            // Another process made it since the study was read, or died before it said what it tries.
            waits = true;
            if Trial::load(&folder)?.is_some() {
                continue;
            }
            let Some(claim) = Claim::of_unfinished(&folder)? else { continue };
            match Trial::load(&folder)? {
                Some(trial) if trial.is_over() => continue,
                Some(trial) => {
                    let until = self.until(&trial);
                    return self.take_up(claim, trial, until);
                }
                None => {
                    let trial = self.draw(number, &toml::Table::new());
                    self.clear(&trial)?;
                    let until = self.until(&trial);
                    return self.take_up(claim, trial, until);
                }
            }
        }
        Ok(if waits && self.config.hyperband().is_some() { Next::Wait } else { Next::Nothing })
    }

    /// What is to become of a trial that is not over.
    fn verdict(self, trial: &Trial, last: usize) -> Verdict {
        match self.config.hyperband() {
            None => Verdict::Train { until: self.config.recipe.train.epochs },
            Some(_) if trial.state == TrialState::Waiting && !self.may_draw(trial.number) => {
                Verdict::Wait
            }
            Some(hyperband) => hyperband.verdict(trial, self.trials, last, self.config.sign()),
        }
    }

    /// The epochs until which a trial that is new to this process is trained.
    fn until(self, trial: &Trial) -> usize {
        match self.config.hyperband() {
            None => self.config.recipe.train.epochs,
            Some(hyperband) => {
                let rungs = hyperband.bracket(trial.number).rungs;
                rungs.get(trial.rungs.len()).copied().unwrap_or(hyperband.epochs)
            }
        }
    }

    /// Whether the values of a trial can be drawn. TPE draws a bracket of Hyperband after the brackets before it, so
    /// that the values don't depend on which process is faster.
    fn may_draw(self, number: usize) -> bool {
        let Some(hyperband) = self.config.hyperband() else { return true };
        let first = hyperband.bracket(number).first;
        self.config.sampler == Sampler::Random
            || self.trials.iter().filter(|trial| trial.number < first && trial.is_over()).count()
                == first - 1
    }

    /// Trials can't be compared with those from other weights; trials that have begun no longer need them.
    fn check_start(self) -> Result<()> {
        if self.config.weights_now()? == self.config.starting_weights {
            return Ok(());
        }
        Err(not_comparable(self.folder, "trials that started from other weights of that name"))
    }

    /// A trial that waits, or that another process worked on, counted if that one died.
    fn take_up(self, claim: Claim, mut trial: Trial, until: usize) -> Result<Next> {
        if claim.is_after_death() {
            trial.retries += 1;
            let number = trial.number;
            print_line(&format!(
                "trial {number}: the process that worked on it died; it is retried"
            ));
        }
        if trial.state == TrialState::Waiting {
            self.check_start()?;
            trial.values = self.draw(trial.number, &trial.values).values;
            trial.state = TrialState::Running;
        }
        trial.save(self.folder)?;
        Ok(Next::Trial { claim, trial: Box::new(trial), until })
    }

    /// A new trial, with the given values and others that the sampler suggests.
    pub(super) fn draw(self, number: usize, given: &toml::Table) -> Trial {
        let StudyConfig { sampler, space, seed, .. } = self.config;
        Trial::new(number, sampler.suggest(space, &self.seen(number), (*seed, number), given))
    }

    /// What the sampler learns from for trial `number`: the values of other trials, and what they reached, less being
    /// better; of Hyperband, those of the brackets before. Of two objectives it is their place by non-dominated
    /// sorting, as in MOTPE (Ozaki et al., "Multiobjective Tree-Structured Parzen Estimator for Computationally
    /// Expensive Optimization Problems", GECCO 2020), with NSGA-II's crowding distance in place of hypervolumes.
    fn seen(self, number: usize) -> Vec<(&'a toml::Table, f64)> {
        let hyperband = self.config.hyperband();
        let before = hyperband.map_or(usize::MAX, |hyperband| hyperband.bracket(number).first);
        let others = self.trials.iter().filter(|trial| trial.number < before);
        if self.config.cost.is_none() {
            let sign = self.config.sign();
            return others.filter_map(|trial| Some((&trial.values, sign * trial.value?))).collect();
        }
        let pairs = others.filter_map(|trial| Some((&trial.values, self.config.pair(trial)?)));
        let (tables, pairs): (Vec<_>, Vec<_>) = pairs.unzip();
        tables.into_iter().zip(places(&pairs).into_iter().map(|place| place as f64)).collect()
    }

    /// Removes the checkpoints of a trial whose `trial.toml` is gone: they are of other values.
    fn clear(self, trial: &Trial) -> Result<()> {
        let runs = (0..self.config.seeds).map(|seed| trial.run_of_seed(self.folder, seed));
        let checkpoints = runs.map(|run| run.checkpoint());
        let checkpoints: Vec<PathBuf> = checkpoints.filter(|path| path.exists()).collect();
        if !checkpoints.is_empty() {
            let number = trial.number;
            print_line(&format!("trial {number} starts over: its trial.toml is gone"));
        }
        checkpoints.iter().try_for_each(|path| {
            std::fs::remove_file(path).map_err(|error| Error::io("remove", path, error))
        })
    }
}
