//! [`Study`]: trials in a folder, and their results.

use std::borrow::Borrow;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use polars::prelude::{DataFrame, IntoColumn, NamedFrom, Series, df};
use tch::Device;

use super::claim::Claim;
use super::config::StudyConfig;
use super::folder::{read_trials, remove, trial_folders};
use super::pruner::MedianPruner;
use super::space::{Space, number};
use super::trial::{Trial, TrialState};
use crate::common::files::{missing_folders, read_format, write_toml};
use crate::common::machine::print_line;
use crate::common::text::{plural, shown};
use crate::common::{Error, Result, brief};
use crate::data::FaceData;
use crate::train::{Checkpoint, Monitor, Recipe, RunFolder, StopReason};

/// A study of hyperparameters. Test images have no part in it.
#[derive(Clone)]
pub struct Study {
    folder: PathBuf,
    config: StudyConfig,
    /// All trials, by number, as they stood when the folder was last read.
    trials: Vec<Trial>,
    /// Why the last [`Study::optimize`] ended before it was done.
    stopped: Option<StopReason>,
    /// Folders that this made, the innermost first.
    made: Vec<PathBuf>,
}

brief!(Study, |study| "{}, {}", plural(study.trials.len(), "trial"), study.folder.display());

impl Study {
    /// The study in `folder`, which is made if it is not there. Trials are drawn from `space` by TPE, pruned
    /// by the median, and are `recipe` in all else.
    ///
    /// # Errors
    /// [`Error::Setting`] where space and recipe don't fit, or the folder holds another study;
    /// [`Error::Io`] where weights that the recipe starts from are not there.
    pub fn open(
        folder: impl Into<PathBuf>,
        space: impl Borrow<Space>,
        recipe: impl Borrow<Recipe>,
    ) -> Result<Self> {
        let config = StudyConfig::new(space.borrow().clone(), recipe.borrow().clone());
        Self::with_config(folder, config)
    }

    /// [`Study::open`]; but where the folder holds another study, of another space or recipe or from other
    /// starting weights, this one takes its place: the other one's trials are removed, and a line says
    /// so.
    ///
    /// # Errors
    /// As [`Study::open`]; and where another process works on a trial that would be removed.
    pub fn open_or_replace(
        folder: impl Into<PathBuf>,
        space: impl Borrow<Space>,
        recipe: impl Borrow<Recipe>,
    ) -> Result<Self> {
        let folder = folder.into();
        let config = StudyConfig::new(space.borrow().clone(), recipe.borrow().clone());
        let (config, points) = config.checked()?;
        if folder.join("study.toml").is_file() && Self::load(&folder)?.config != config {
            remove(&folder)?;
            let found = shown(&folder);
            print_line(&format!("{found} held another study; this one takes its place"));
        }
        Self::open_checked(folder, config, points)
    }

    /// [`Study::open`] with everything said.
    ///
    /// # Errors
    /// As [`Study::open`].
    pub fn with_config(folder: impl Into<PathBuf>, config: StudyConfig) -> Result<Self> {
        let (config, points) = config.checked()?;
        Self::open_checked(folder.into(), config, points)
    }

    /// Whether [`Study::with_config`] would open or start a study in this folder; nothing is written.
    ///
    /// # Errors
    /// As [`Study::open`].
    pub fn check(folder: impl AsRef<Path>, config: &StudyConfig) -> Result<()> {
        Self::existing(folder.as_ref(), &config.clone().checked()?.0).map(drop)
    }

    /// The study that the folder holds already, if it is this one.
    fn existing(folder: &Path, config: &StudyConfig) -> Result<Option<Self>> {
        if folder.join("study.toml").is_file() {
            let study = Self::load(folder)?;
            if study.config != *config {
                let what = "a study with another space, recipe or initial weights";
                return Err(Error::would_overwrite(folder, what, "Choose another folder."));
            }
            return Ok(Some(study));
        }
        let is_run = folder.join("config.toml").is_file();
        if is_run || (folder.is_dir() && !trial_folders(folder)?.is_empty()) {
            let what = "a run, or trials of another study";
            return Err(Error::would_overwrite(folder, what, "Choose another folder."));
        }
        Ok(None)
    }

    /// Removes the study from the disk if no trial has begun: what was refused with its first one leaves nothing.
    ///
    /// # Errors
    /// [`Error::Io`] where the system refuses.
    pub fn remove_if_empty(&self) -> Result<()> {
        for folder in trial_folders(&self.folder)? {
            let trial = Trial::load(&folder)?;
            if trial.is_none_or(|trial| trial.state != TrialState::Waiting) {
                return Ok(());
            }
        }
        remove(&self.folder)?;
        for folder in &self.made {
            let _ = std::fs::remove_dir(folder); // stays if something is in it
        }
        Ok(())
    }

    fn open_checked(
        folder: PathBuf,
        config: StudyConfig,
        points: Vec<toml::Table>,
    ) -> Result<Self> {
        let path = folder.join("study.toml");
        let mut study = match Self::existing(&folder, &config)? {
            Some(study) => study,
            None => {
                let made = missing_folders(&folder);
                let failed = |error| Error::io("create", &folder, error);
                std::fs::create_dir_all(&folder).map_err(failed)?;
                write_toml(&path, &config)?;
                Self { made, ..Self::load(&folder)? }
            }
        };
        for point in points {
            study.put(point)?;
        }
        Ok(study)
    }

    /// Adds a trial with these values, `"learning_rate=0.001, batch_size=64"`, by path or its last part; values that
    /// the point does not name are drawn when the trial begins. [`Study::optimize`] tries it before it draws new
    /// ones. `false` if the study has that trial already.
    ///
    /// # Errors
    /// As [`StudyConfig::values_of`]; [`Error::Io`] if the trial can't be written.
    pub fn enqueue(&mut self, point: &str) -> Result<bool> {
        let values = self.config.values_of(point)?;
        self.put(values)
    }

    fn put(&mut self, given: toml::Table) -> Result<bool> {
        self.trials = read_trials(&self.folder)?;
        let is_known = |trial: &Trial| trial.values == given || trial.given.as_ref() == Some(&given);
        if self.trials.iter().any(is_known) {
            return Ok(false);
        }
        // Further ones where another process makes its trial at this moment.
        for number in self.trials.last().map_or(0, |trial| trial.number) + 1.. {
            if let Some(claim) = Claim::new(&Trial::folder(&self.folder, number))? {
                Trial::waiting(number, given).save(&self.folder)?;
                drop(claim);
                break;
            }
        }
        self.trials = read_trials(&self.folder)?;
        Ok(true)
    }

    /// The study that a folder holds.
    ///
    /// # Errors
    /// Where there is none, or a file of it can't be read.
    pub fn load(folder: impl Into<PathBuf>) -> Result<Self> {
        let folder = folder.into();
        let path = folder.join("study.toml");
        let hint = "Start a study in another folder.";
        let config = read_format(&path, "a study", StudyConfig::FORMAT, hint)?;
        let config: StudyConfig = config.ok_or_else(|| {
            Error::missing("A study", &path, "`fer tune --space FILE`, or Study::open, starts one.")
        })?;
        let config = StudyConfig { format: StudyConfig::FORMAT, ..config };
        let trials = read_trials(&folder)?;
        Ok(Self { folder, config, trials, stopped: None, made: Vec::new() })
    }

    /// Trains until the study has `trials` completed trials, or the user stops it. Another call resumes, with
    /// the trial that was stopped first. Trials that other processes
    /// work on are left to them.
    ///
    /// # Errors
    /// Whatever does not depend on the values that are tried, such as a disk that is full. A trial that
    /// fails by its values is kept as failed.
    pub fn optimize(&mut self, data: &FaceData, trials: usize, device: Device) -> Result<()> {
        self.optimize_for(data, trials, None, device)
    }

    /// [`Study::optimize`] that begins no further trial after `limit`.
    ///
    /// # Errors
    /// As [`Study::optimize`].
    pub fn optimize_for(
        &mut self,
        data: &FaceData,
        trials: usize,
        limit: Option<Duration>,
        device: Device,
    ) -> Result<()> {
        let began = Instant::now();
        self.stopped = None;
        self.check_images(data)?;
        while self.stopped.is_none() {
            if limit.is_some_and(|limit| began.elapsed() >= limit) {
                self.stopped =
                    limit.map(|limit| StopReason::TimeLimit { seconds: limit.as_secs_f64() });
                break;
            }
            self.trials = read_trials(&self.folder)?;
            let Some((claim, trial)) = self.next(trials)? else { break };
            let number = trial.number;
            if let Err(error) = self.train(trial, data, device) {
                self.forget(number);
                return Err(error);
            }
            drop(claim);
        }
        self.trials = read_trials(&self.folder)?;
        Ok(())
    }

    /// Removes a trial of which nothing was trained, or lets it wait again if its values were given; what can't be
    /// removed is only in the way.
    fn forget(&self, number: usize) {
        let run = RunFolder::at(Trial::folder(&self.folder, number));
        if run.checkpoint().exists() || run.weights().exists() {
            return;
        }
        match Trial::load(run.path()) {
            Ok(Some(Trial { given: Some(given), .. })) => {
                let _ = Trial::waiting(number, given).save(&self.folder);
            }
            _ => {
                let _ = std::fs::remove_dir_all(run.path());
            }
        }
    }

    /// Trials on other images can't be compared.
    fn check_images(&self, data: &FaceData) -> Result<()> {
        let now = format!("{:016x}", data.fingerprint());
        let over = self.trials.iter().filter(|trial| trial.epochs > 0);
        for trial in over {
            if trial.run(&self.folder).config()?.data_fingerprint != now {
                return Err(self.other("trials that were trained on other images"));
            }
        }
        Ok(())
    }

    /// Nor can trials from other weights; trials that have begun no longer need them.
    fn check_start(&self) -> Result<()> {
        if self.config.weights_now()? == self.config.starting_weights {
            return Ok(());
        }
        Err(self.other("trials that started from other weights of that name"))
    }

    /// The study's trials can't be compared with the ones asked for.
    fn other(&self, what: &str) -> Error {
        Error::would_overwrite(&self.folder, what, "Start a study in another folder.")
    }

    /// A trial to work on: one that was enqueued, that was stopped or whose process died, or a new one if there are
    /// to be more.
    fn next(&self, wanted: usize) -> Result<Option<(Claim, Trial)>> {
        for trial in self.trials.iter().filter(|trial| !trial.is_over()) {
            let folder = Trial::folder(&self.folder, trial.number);
            let Some(claim) = Claim::of(&folder)? else { continue };
            // It may have come to its end before the claim.
            match Trial::load(&folder)? {
                Some(trial) if !trial.is_over() => return self.take_up(claim, trial).map(Some),
                _ => continue,
            }
        }
        if self.trials.len() < wanted {
            self.check_start()?;
        }
        let known: Vec<usize> = self.trials.iter().map(|trial| trial.number).collect();
        for number in (1..=wanted).filter(|number| !known.contains(number)) {
            let folder = Trial::folder(&self.folder, number);
            if let Some(claim) = Claim::new(&folder)? {
                let trial = self.draw(number);
                trial.save(&self.folder)?;
                return Ok(Some((claim, trial)));
            }
            // Another process made it since the study was read, or died before it said what it tries.
            if Trial::load(&folder)?.is_some() {
                continue;
            }
            let Some(claim) = Claim::of_unfinished(&folder)? else { continue };
            match Trial::load(&folder)? {
                Some(trial) if trial.is_over() => continue,
                Some(trial) => return self.take_up(claim, trial).map(Some),
                None => {
                    let trial = self.draw(number);
                    self.clear(&trial)?;
                    return self.take_up(claim, trial).map(Some);
                }
            }
        }
        Ok(None)
    }

    /// A trial that waits, or that another process worked on, counted if that one died.
    fn take_up(&self, claim: Claim, mut trial: Trial) -> Result<(Claim, Trial)> {
        if claim.is_after_death() {
            trial.retries += 1;
            let number = trial.number;
            print_line(&format!(
                "trial {number}: the process that worked on it died; it is retried"
            ));
        }
        if trial.state == TrialState::Waiting {
            let given = std::mem::replace(&mut trial.values, self.draw(trial.number).values);
            trial.values.extend(given);
            trial.state = TrialState::Running;
        }
        trial.save(&self.folder)?;
        Ok((claim, trial))
    }

    /// A new trial, with values that the sampler suggests after the finished ones.
    fn draw(&self, number: usize) -> Trial {
        let sign = self.sign();
        let over: Vec<(&toml::Table, f64)> = self
            .trials
            .iter()
            .filter_map(|trial| Some((&trial.values, sign * trial.value?)))
            .collect();
        let StudyConfig { sampler, space, seed, .. } = &self.config;
        Trial::new(number, sampler.suggest(space, &over, *seed, number).into_iter().collect())
    }

    /// Removes the checkpoint of a trial whose `trial.toml` is gone: it is of other values.
    fn clear(&self, trial: &Trial) -> Result<()> {
        let checkpoint = trial.run(&self.folder).checkpoint();
        if !checkpoint.exists() {
            return Ok(());
        }
        let number = trial.number;
        print_line(&format!("trial {number} starts over: its trial.toml is gone"));
        std::fs::remove_file(&checkpoint).map_err(|error| Error::io("remove", &checkpoint, error))
    }

    fn train(&mut self, mut trial: Trial, data: &FaceData, device: Device) -> Result<()> {
        let run = trial.run(&self.folder);
        let recipe = self.recipe_of(&trial)?;
        let values: Vec<_> =
            trial.values.iter().map(|(path, value)| format!("{path} = {value}")).collect();
        print_line(&format!("trial {}: {}", trial.number, values.join(", ")));
        let mut trainer = recipe.trainer(device, run.path())?;
        if self.config.prune {
            let complete = self.trials.iter().filter(|trial| trial.state == TrialState::Complete);
            let figures: Vec<Vec<f64>> = complete
                .map(|other| {
                    let history = other.run(&self.folder).history()?;
                    Ok(history.epochs.iter().map(|epoch| self.monitor().of(epoch)).collect())
                })
                .collect::<Result<_>>()?;
            trainer = trainer.callback(MedianPruner::new(self.monitor(), &figures));
        }
        if run.checkpoint().is_file() {
            match Checkpoint::load(run.checkpoint()) {
                Ok(_) => trainer = trainer.resume(),
                Err(Error::File { problem, .. }) => {
                    print_line(&format!("trial {} starts over: {problem}", trial.number));
                }
                Err(error) => return Err(error),
            }
        }
        let result = trainer.fit(data);
        let history = trainer.history();
        let figures = history.epochs.iter().map(|epoch| self.monitor().of(epoch));
        trial.value = figures.reduce(|best, next| {
            if self.monitor().improves(next, Some(best), 0.0) { next } else { best }
        });
        trial.epochs = history.epochs.len();
        trial.seconds = history.epochs.iter().map(|epoch| epoch.seconds).sum();
        match result {
            Ok(history) if history.stopped_by_user() => {
                self.stopped = history.stopped.clone();
            }
            Ok(history) => {
                trial.state = match history.stopped {
                    Some(StopReason::Pruned { .. }) => TrialState::Pruned,
                    _ => TrialState::Complete,
                };
                trial.reason = history.stopped.map(|reason| reason.to_string());
            }
            // What the values are to blame for.
            Err(error @ (Error::Training { .. } | Error::Setting { .. })) => {
                trial.state = TrialState::Failed;
                trial.reason = Some(error.to_string());
            }
            Err(error) => return Err(error),
        }
        trial.save(&self.folder)?;
        if trial.is_over() {
            let value = trial.value.map_or("none".to_string(), |value| format!("{value:.4}"));
            let (number, state, name) = (trial.number, trial.state.name(), self.monitor().name());
            print_line(&format!("trial {number} is {state}: {name} {value}"));
        }
        Ok(())
    }

    /// What trials are compared in.
    pub fn monitor(&self) -> Monitor {
        self.config.recipe.choice.monitor
    }

    /// 1 where less is better, -1 where more is.
    fn sign(&self) -> f64 {
        if self.monitor().is_minimised() { 1.0 } else { -1.0 }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Space, recipe and the rest.
    pub fn config(&self) -> &StudyConfig {
        &self.config
    }

    /// All trials, by number.
    pub fn trials(&self) -> &[Trial] {
        &self.trials
    }

    /// Why the last [`Study::optimize`] ended before it was done; `None` where it did not.
    pub fn stopped(&self) -> Option<&StopReason> {
        self.stopped.as_ref()
    }

    /// The best trial that was trained to its end; the first of equals.
    pub fn best(&self) -> Option<&Trial> {
        let sign = self.sign();
        let best = self.complete().min_by(|(_, a), (_, b)| (sign * a).total_cmp(&(sign * b)));
        best.map(|(trial, _)| trial)
    }

    /// The trials that were trained to their end, with the value that each reached.
    pub(super) fn complete(&self) -> impl Iterator<Item = (&Trial, f64)> {
        let complete = self.trials.iter().filter(|trial| trial.state == TrialState::Complete);
        complete.filter_map(|trial| Some((trial, trial.value?)))
    }

    /// The recipe with a trial's values.
    ///
    /// # Errors
    /// [`Error::Setting`] where a value does not fit.
    pub fn recipe_of(&self, trial: &Trial) -> Result<Recipe> {
        let mut recipe = self.config.recipe.clone();
        for (path, value) in &trial.values {
            recipe.set(path, &value.to_string())?;
        }
        Ok(recipe)
    }

    /// A row a trial. Columns: `trial` (u32), `state` (str), what trials are compared in (f64, null where
    /// there is none), `epochs` (u32), `seconds` (f64), and one for each value that is tuned: i64 or f64, or str
    /// where they are no numbers; null where a trial has none yet.
    ///
    /// # Errors
    /// Whatever polars refuses.
    pub fn to_table(&self) -> Result<DataFrame> {
        let trials = || self.trials.iter();
        let mut table = df![
            "trial" => trials().map(|trial| trial.number as u32).collect::<Vec<_>>(),
            "state" => trials().map(|trial| trial.state.name()).collect::<Vec<_>>(),
            self.monitor().name() => trials().map(|trial| trial.value).collect::<Vec<_>>(),
            "epochs" => trials().map(|trial| trial.epochs as u32).collect::<Vec<_>>(),
            "seconds" => trials().map(|trial| trial.seconds).collect::<Vec<_>>(),
        ]?;
        for (path, _) in self.config.space.ranges() {
            table.with_column(column(path, trials().map(|trial| trial.values.get(path))))?;
        }
        Ok(table)
    }
}

/// A column of the narrowest type that all values have.
fn column<'a>(
    path: &str,
    values: impl Iterator<Item = Option<&'a toml::Value>> + Clone,
) -> polars::prelude::Column {
    fn all<'a, T>(
        values: impl Iterator<Item = Option<&'a toml::Value>>,
        as_type: impl Fn(&toml::Value) -> Option<T>,
    ) -> Option<Vec<Option<T>>> {
        values
            .map(|value| match value {
                None => Some(None),
                Some(value) => as_type(value).map(Some),
            })
            .collect()
    }
    let series = if let Some(whole) = all(values.clone(), toml::Value::as_integer) {
        Series::new(path.into(), whole)
    } else if let Some(numbers) = all(values.clone(), number) {
        Series::new(path.into(), numbers)
    } else {
        let texts = values.map(|value| value.map(ToString::to_string));
        Series::new(path.into(), texts.collect::<Vec<_>>())
    };
    series.into_column()
}

impl std::fmt::Display for Study {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let count = |state| self.trials.iter().filter(|trial| trial.state == state).count();
        write!(
            f,
            "{}: {} complete, {} pruned, {} failed, {} running or stopped",
            crate::common::text::plural(self.trials.len(), "trial"),
            count(TrialState::Complete),
            count(TrialState::Pruned),
            count(TrialState::Failed),
            count(TrialState::Running)
        )?;
        if count(TrialState::Waiting) > 0 {
            write!(f, ", {} waiting", count(TrialState::Waiting))?;
        }
        let retried = self.trials.iter().filter(|trial| trial.retries > 0).count();
        if retried > 0 {
            write!(f, "; {retried} of them retried after their process died")?;
        }
        if let Some(best) = self.best() {
            let value = best.value.unwrap_or(f64::NAN);
            write!(f, "\nbest trial {}: {} {value:.4}", best.number, self.monitor().name())?;
            for (path, value) in &best.values {
                write!(f, "\n  {path} = {value}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::SampleConfig;
    use crate::model::{SeedCnn, weights};

    fn data() -> FaceData {
        FaceData::sample(SampleConfig { seed: 1, train: 70, test: 35 }).unwrap()
    }

    fn recipe() -> Recipe {
        let mut recipe = Recipe::default();
        recipe.train.epochs = 2;
        recipe.train.batch_size = 16;
        recipe.choice.monitor = Monitor::ValAccuracy;
        recipe.choice.plateau = false;
        recipe.choice.patience = None;
        recipe
    }

    #[test]
    fn a_study_goes_on_from_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let space = Space::new()
            .log("train.learning_rate", 1e-4, 1e-2)
            .choice("network.block_dropout", [0.0, 0.25]);
        let open = || Study::open(folder.path(), space.clone(), recipe()).unwrap();
        let data = data();
        let mut study = open();
        study.optimize(&data, 2, Device::Cpu).unwrap();
        assert_eq!(study.trials().len(), 2);
        assert!(study.trials().iter().all(Trial::is_over), "{study}");
        let first = study.trials()[0].clone();
        let mut study = open();
        study.optimize(&data, 3, Device::Cpu).unwrap();
        assert_eq!(study.trials().len(), 3);
        assert_eq!(study.trials()[0], first);
        let best = study.best().unwrap();
        assert!(study.trials().iter().all(|trial| trial.value <= best.value));
        assert_eq!(study.recipe_of(best).unwrap().train.epochs, 2);
        let table = study.to_table().unwrap();
        assert_eq!(table.shape(), (3, 7));
        assert!(study.to_string().starts_with("3 trials: 3 complete"), "{study}");
        // Every trial is a run.
        assert!(best.run(study.folder()).network(Device::Cpu).is_ok());

        let others = FaceData::sample(SampleConfig { seed: 2, train: 70, test: 35 }).unwrap();
        let refused = study.optimize(&others, 4, Device::Cpu);
        assert!(matches!(refused, Err(Error::WouldOverwrite { .. })), "{refused:?}");

        // A trial that was stopped is taken up again.
        let stopped = Trial { state: TrialState::Running, value: None, ..first.clone() };
        stopped.save(study.folder()).unwrap();
        let mut study = open();
        study.optimize(&data, 3, Device::Cpu).unwrap();
        assert_eq!(study.trials()[0].value, first.value);
        assert!(study.trials()[0].is_over());

        let other = Space::new().log("train.learning_rate", 1e-3, 1e-2);
        let refused = Study::open(folder.path(), other, recipe());
        assert!(matches!(refused, Err(Error::WouldOverwrite { .. })), "{refused:?}");
    }

    #[test]
    fn a_study_from_other_weights_takes_the_place_of_the_one_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("start.safetensors");
        let write = |seed| {
            let network = SeedCnn::new(Device::Cpu, seed).unwrap();
            weights::save(&network, &path).unwrap();
        };
        let mut recipe = recipe();
        recipe.train.epochs = 1;
        recipe.train.initial_weights = Some(path.display().to_string());
        let at = folder.path().join("study");
        let space = Space::new().log("train.learning_rate", 1e-4, 1e-2);
        let open = || Study::open_or_replace(&at, space.clone(), recipe.clone());
        write(1);
        open().unwrap().optimize(&data(), 1, Device::Cpu).unwrap();
        assert_eq!(open().unwrap().trials().len(), 1, "the same study goes on");
        write(2);
        let refused = Study::open(&at, space.clone(), recipe.clone());
        assert!(matches!(refused, Err(Error::WouldOverwrite { .. })), "{refused:?}");
        let refused = Study::load(&at).unwrap().optimize(&data(), 2, Device::Cpu);
        assert!(matches!(refused, Err(Error::WouldOverwrite { .. })), "{refused:?}");
        assert!(!Trial::folder(&at, 2).exists());
        // Not while another process works on it.
        let trial = Trial::folder(&at, 1);
        let claim = Claim::of(&trial).unwrap();
        let Err(Error::InUse { path: used, .. }) = open() else { panic!() };
        assert_eq!(used, trial);
        drop(claim);
        assert_eq!(open().unwrap().trials().len(), 0);
        assert!(!trial.exists());
        std::fs::remove_file(&path).unwrap();
        assert!(open().unwrap_err().to_string().contains("start.safetensors"));
    }

    #[test]
    fn no_study_begins_where_it_can_not_work() {
        let folder = tempfile::tempdir().unwrap();
        let begin = |low, high| {
            let space = Space::new().float("network.block_dropout", low, high);
            Study::open(folder.path(), space, recipe()).map(|_| ())
        };
        // Only the upper end is no share that can be dropped.
        let Err(Error::Setting { value, .. }) = begin(0.0, 1.5) else { panic!() };
        assert_eq!(value, "1.5");
        let trial = Trial::folder(folder.path(), 1);
        std::fs::create_dir(&trial).unwrap();
        assert!(matches!(begin(0.0, 0.5), Err(Error::WouldOverwrite { .. })));
        std::fs::remove_dir(&trial).unwrap();
        begin(0.0, 0.5).unwrap();
    }

    #[test]
    fn a_trial_whose_process_died_is_taken_up() {
        let parent = tempfile::tempdir().unwrap();
        let mut recipe = recipe();
        recipe.train.epochs = 1;
        let space = Space::new().log("train.learning_rate", 1e-4, 1e-2);
        let died_with = |name: &str, content: &dyn Fn(&Study, &Path)| {
            let folder = parent.path().join(name);
            let mut study = Study::open(&folder, space.clone(), recipe.clone()).unwrap();
            let trial = Trial::folder(&folder, 1);
            std::fs::create_dir(&trial).unwrap();
            content(&study, &trial);
            study.optimize(&data(), 2, Device::Cpu).unwrap();
            assert_eq!(study.trials().len(), 2, "{name}: {study}");
            let text = study.to_string();
            assert!(text.starts_with("2 trials: 2 complete"), "{name}: {text}");
            assert!(text.contains("; 1 of them retried"), "{name}: {text}");
            assert_eq!(study.trials()[0].retries, 1, "{name}");
            // Once: nothing is left to do.
            study.optimize(&data(), 2, Device::Cpu).unwrap();
            assert_eq!(study.trials().iter().map(|trial| trial.retries).sum::<usize>(), 1);
        };
        let claim = |trial: &Path| std::fs::write(trial.join("claim"), "4711").unwrap();
        died_with("before_its_claim", &|_, _| ());
        died_with("before_trial_toml", &|_, trial| claim(trial));
        died_with("while_writing_it", &|_, trial| {
            claim(trial);
            std::fs::write(trial.join(".fer_nb-tmp123"), "number = ").unwrap();
        });
        died_with("in_training", &|study, trial| {
            claim(trial);
            study.draw(1).save(study.folder()).unwrap();
        });
        // A run without its trial.toml is of nobody knows which values.
        let other = parent.path().join("other");
        let mut study = Study::open(&other, space.clone(), recipe.clone()).unwrap();
        study.optimize(&data(), 1, Device::Cpu).unwrap();
        died_with("after_a_run", &|study, trial| {
            std::fs::remove_dir(trial).unwrap();
            std::fs::rename(Trial::folder(&other, 1), trial).unwrap();
            std::fs::remove_file(trial.join("trial.toml")).unwrap();
            assert!(study.trials().is_empty());
        });
    }

    #[test]
    fn a_trial_that_another_process_begins_is_left_to_it() {
        let folder = tempfile::tempdir().unwrap();
        let space = Space::new().log("train.learning_rate", 1e-4, 1e-2);
        let mut study = Study::open(folder.path(), space, recipe()).unwrap();
        let claim = Claim::new(&Trial::folder(folder.path(), 1)).unwrap().unwrap();
        study.optimize(&data(), 2, Device::Cpu).unwrap();
        assert_eq!(study.trials().iter().map(|trial| trial.number).collect::<Vec<_>>(), [2]);
        drop(claim);
    }

    #[test]
    fn points_are_tried_before_values_are_drawn() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().join("study");
        let mut recipe = recipe();
        recipe.train.epochs = 1;
        let space = Space::new()
            .log("train.learning_rate", 1e-4, 1e-2)
            .float("network.block_dropout", 0.0, 0.4);
        let with = |points: &[&str]| {
            let space = points.iter().fold(space.clone(), |space, point| space.first(*point));
            Study::open(&at, space, recipe.clone())
        };
        let refused = with(&["learning_rate=0.1"]).unwrap_err().to_string();
        assert!(refused.contains("a number from 0.0001 to 0.01"), "{refused}");
        assert!(!at.exists(), "nothing is written of what is refused");
        let both = "learning_rate=0.003,block_dropout=0.1";
        let mut study = with(&[both, "block_dropout=0.2"]).unwrap();
        assert!(study.trials().iter().all(|trial| trial.state == TrialState::Waiting));
        assert!(study.to_string().contains("2 waiting"), "{study}");
        assert_eq!(study.to_table().unwrap().column("train.learning_rate").unwrap().null_count(), 1);
        // The cell again, and what the study has already, add nothing.
        assert_eq!(with(&[both]).unwrap().trials().len(), 2);
        assert!(!study.enqueue(both).unwrap());
        study.optimize(&data(), 3, Device::Cpu).unwrap();
        let value = |number: usize, path: &str| study.trials()[number - 1].values[path].as_float();
        assert_eq!(value(1, "train.learning_rate"), Some(0.003));
        assert_eq!(value(1, "network.block_dropout"), Some(0.1));
        assert_eq!(value(2, "network.block_dropout"), Some(0.2));
        assert!((1e-4..1e-2).contains(&value(2, "train.learning_rate").unwrap()), "{study}");
        let given: Vec<_> = study.trials().iter().map(|trial| trial.given.is_some()).collect();
        assert_eq!(given, [true, true, false]);
        assert!(study.to_string().starts_with("3 trials: 3 complete"), "{study}");
        assert!(!study.enqueue("block_dropout=0.2").unwrap(), "it was tried");
        // A study that has begun takes further ones.
        assert!(study.enqueue("block_dropout=0.3").unwrap());
        let again = study.draw(4);
        study.optimize(&data(), 3, Device::Cpu).unwrap();
        let fourth = &study.trials()[3];
        assert_eq!(fourth.values["network.block_dropout"].as_float(), Some(0.3));
        let rate = "train.learning_rate";
        assert_eq!(fourth.values[rate], again.values[rate], "the rest is drawn as ever");
    }

    #[test]
    fn a_point_survives_a_training_that_could_not_begin() {
        let folder = tempfile::tempdir().unwrap();
        let space = Space::new()
            .log("train.learning_rate", 1e-4, 1e-2)
            .float("network.block_dropout", 0.0, 0.4)
            .first("block_dropout=0.2");
        let at = folder.path().join("study");
        let mut study = Study::open(&at, &space, recipe()).unwrap();
        let mut nothing = data();
        nothing.train = nothing.train.take_per_class(0).unwrap();
        assert!(study.optimize(&nothing, 1, Device::Cpu).is_err());
        let study = Study::load(&at).unwrap();
        assert_eq!(study.trials()[0].state, TrialState::Waiting, "{study}");
        assert_eq!(study.trials()[0].values.len(), 1);
        study.remove_if_empty().unwrap();
        assert!(!at.join("study.toml").exists());
    }

    #[test]
    fn values_that_fail_are_kept_as_failed() {
        let folder = tempfile::tempdir().unwrap();
        let space = Space::new().log("train.learning_rate", 1e28, 1e30);
        let mut study = Study::open(folder.path(), space, recipe()).unwrap();
        study.optimize(&data(), 2, Device::Cpu).unwrap();
        assert!(study.trials().iter().all(|trial| trial.state == TrialState::Failed), "{study}");
        assert!(study.trials()[0].reason.is_some());
        assert!(study.best().is_none());
        let none = folder.path().join("none");
        assert!(matches!(Study::load(none), Err(Error::Missing { .. })));
    }
}
