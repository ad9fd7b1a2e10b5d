//! [`Study`]: trials in a folder, and their results.

use std::borrow::Borrow;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use polars::prelude::{DataFrame, IntoColumn, NamedFrom, Series, df};
use tch::Device;

use super::claim::Claim;
use super::config::StudyConfig;
use super::folder::{read_trials, remove, trial_folders};
use super::hyperband::Verdict;
use super::sampler::Sampler;
use super::space::{Space, number};
use super::training::{Ended, Training};
use super::trial::{Trial, TrialState};
use crate::common::files::{missing_folders, read_format, write_toml};
use crate::common::frame::FrameCsv;
use crate::common::machine::{Interrupt, print_line};
use crate::common::text::{plural, shown};
use crate::common::{Error, Result, brief};
use crate::data::FaceData;
use crate::train::{Monitor, Recipe, RunFolder, StopReason};

/// How long a process waits before it looks again whether others are further.
const PATIENCE: Duration = Duration::from_millis(500);

/// What a process of a study does next.
enum Next {
    /// It trains this trial until so many epochs are done.
    Trial { claim: Claim, trial: Box<Trial>, until: usize },
    /// It looks again: a trial was pruned.
    Again,
    /// It waits for other processes.
    Wait,
    /// The study has its trials.
    Nothing,
}

/// A study of hyperparameters. It compares trials on validation images and never uses test images.
///
/// ```no_run
/// use fer_nb::prelude::*;
///
/// let data = FaceData::open()?;
/// let space = Space::new()
///     .log("train.learning_rate", 1e-4, 1e-2)
///     .choice("train.batch_size", [32, 64]);
/// let mut study = Study::open_or_replace(runs("wide"), &space, Recipe::open("original")?)?;
/// study.optimize(&data, 20, device()?)?; // after Stop or a crash, the same call continues
/// println!("{study}");
/// # Ok::<(), Error>(())
/// ```
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
        let is_known =
            |trial: &Trial| trial.values == given || trial.given.as_ref() == Some(&given);
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
        let mut waiting: Option<Interrupt> = None;
        while self.stopped.is_none() {
            if limit.is_some_and(|limit| began.elapsed() >= limit) {
                self.stopped =
                    limit.map(|limit| StopReason::TimeLimit { seconds: limit.as_secs_f64() });
                break;
            }
            self.trials = read_trials(&self.folder)?;
            match self.next(trials)? {
                Next::Nothing => break,
                Next::Again => (),
                Next::Wait => {
                    let interrupt = match waiting.take() {
                        Some(interrupt) => interrupt,
                        None => Interrupt::listen()?,
                    };
                    std::thread::sleep(PATIENCE);
                    if interrupt.requested() {
                        self.stopped = Some(StopReason::User { epoch: 0, batch: None });
                    }
                    waiting = Some(interrupt);
                }
                Next::Trial { claim, trial, until } => {
                    waiting = None;
                    let number = trial.number;
                    if let Err(error) = self.train(*trial, until, data, device) {
                        self.forget(number);
                        return Err(error);
                    }
                    drop(claim);
                }
            }
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

    /// A trial to work on: one that was enqueued, that was stopped, whose process died or that others of its bracket
    /// have caught up with, or a new one if there are to be more.
    fn next(&self, wanted: usize) -> Result<Next> {
        let highest = self.trials.last().map_or(0, |trial| trial.number);
        let last = wanted.max(highest);
        // Of Hyperband, whether there may be more to do once other processes are further.
        let mut waits = false;
        for trial in self.trials.iter().filter(|trial| !trial.is_over()) {
            if self.verdict(trial, last) == Verdict::Wait {
                waits = true;
                continue;
            }
            let folder = Trial::folder(&self.folder, trial.number);
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
                    Trial { state, reason: Some(reason), ..trial }.save(&self.folder)?;
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
            let folder = Trial::folder(&self.folder, number);
            if let Some(claim) = Claim::new(&folder)? {
                let trial = self.draw(number);
                trial.save(&self.folder)?;
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
                    let trial = self.draw(number);
                    self.clear(&trial)?;
                    let until = self.until(&trial);
                    return self.take_up(claim, trial, until);
                }
            }
        }
        Ok(if waits && self.config.hyperband().is_some() { Next::Wait } else { Next::Nothing })
    }

    /// What is to become of a trial that is not over.
    fn verdict(&self, trial: &Trial, last: usize) -> Verdict {
        match self.config.hyperband() {
            None => Verdict::Train { until: self.config.recipe.train.epochs },
            Some(_) if trial.state == TrialState::Waiting && !self.may_draw(trial.number) => {
                Verdict::Wait
            }
            Some(hyperband) => hyperband.verdict(trial, &self.trials, last, self.sign()),
        }
    }

    /// The epochs until which a trial that is new to this process is trained.
    fn until(&self, trial: &Trial) -> usize {
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
    fn may_draw(&self, number: usize) -> bool {
        let Some(hyperband) = self.config.hyperband() else { return true };
        let first = hyperband.bracket(number).first;
        self.config.sampler == Sampler::Random
            || self.trials.iter().filter(|trial| trial.number < first && trial.is_over()).count()
                == first - 1
    }

    /// A trial that waits, or that another process worked on, counted if that one died.
    fn take_up(&self, claim: Claim, mut trial: Trial, until: usize) -> Result<Next> {
        if claim.is_after_death() {
            trial.retries += 1;
            let number = trial.number;
            print_line(&format!(
                "trial {number}: the process that worked on it died; it is retried"
            ));
        }
        if trial.state == TrialState::Waiting {
            self.check_start()?;
            let given = std::mem::replace(&mut trial.values, self.draw(trial.number).values);
            trial.values.extend(given);
            trial.state = TrialState::Running;
        }
        trial.save(&self.folder)?;
        Ok(Next::Trial { claim, trial: Box::new(trial), until })
    }

    /// A new trial, with values that the sampler suggests after the finished ones; of Hyperband, after those of the
    /// brackets before.
    fn draw(&self, number: usize) -> Trial {
        let sign = self.sign();
        let hyperband = self.config.hyperband();
        let before = hyperband.map_or(usize::MAX, |hyperband| hyperband.bracket(number).first);
        let over: Vec<(&toml::Table, f64)> = self
            .trials
            .iter()
            .filter(|trial| trial.number < before)
            .filter_map(|trial| Some((&trial.values, sign * trial.value?)))
            .collect();
        let StudyConfig { sampler, space, seed, .. } = &self.config;
        Trial::new(number, sampler.suggest(space, &over, *seed, number).into_iter().collect())
    }

    /// Removes the checkpoints of a trial whose `trial.toml` is gone: they are of other values.
    fn clear(&self, trial: &Trial) -> Result<()> {
        let checkpoints = self.runs_of(trial).into_iter().map(|run| run.checkpoint());
        let checkpoints: Vec<PathBuf> = checkpoints.filter(|path| path.exists()).collect();
        if !checkpoints.is_empty() {
            let number = trial.number;
            print_line(&format!("trial {number} starts over: its trial.toml is gone"));
        }
        checkpoints.iter().try_for_each(|path| {
            std::fs::remove_file(path).map_err(|error| Error::io("remove", path, error))
        })
    }

    /// Trains a trial, with Hyperband until `until` epochs are done.
    fn train(
        &mut self,
        mut trial: Trial,
        until: usize,
        data: &FaceData,
        device: Device,
    ) -> Result<()> {
        let values: Vec<_> =
            trial.values.iter().map(|(path, value)| format!("{path} = {value}")).collect();
        print_line(&format!("trial {}: {}", trial.number, values.join(", ")));
        let (study, config, trials) = (&*self.folder, &self.config, &*self.trials);
        let until = config.hyperband().and(Some(until));
        let training = Training { study, config, trials, data, device };
        match training.run(&mut trial, until)? {
            Ended::Stopped(reason) => self.stopped = Some(reason),
            Ended::Paused => trial.rungs.extend(trial.value),
            Ended::Complete(reason) => {
                trial.state = TrialState::Complete;
                trial.reason = reason.map(|reason| reason.to_string());
                // One that early stopping ended is compared at later rungs with what it reached.
                let rungs = config.hyperband().map(|it| it.bracket(trial.number).rungs.len());
                if let (Some(rungs), Some(value)) = (rungs, trial.value) {
                    trial.rungs.resize(rungs, value);
                }
            }
            Ended::Pruned(reason) => {
                trial.state = TrialState::Pruned;
                trial.reason = Some(reason.to_string());
            }
            Ended::Failed(error) => {
                trial.state = TrialState::Failed;
                trial.reason = Some(error.to_string());
            }
        }
        trial.save(&self.folder)?;
        if trial.is_over() {
            let (number, state, name) = (trial.number, trial.state.name(), self.monitor().name());
            print_line(&format!("trial {number} is {state}: {name} {}", trial.shown_value()));
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

    /// The recipe with a trial's values, and the first of its seeds.
    ///
    /// # Errors
    /// [`Error::Setting`] where a value does not fit.
    pub fn recipe_of(&self, trial: &Trial) -> Result<Recipe> {
        let recipe = self.config.recipe_of(&trial.values, 0);
        recipe.map_err(|error| trial.at_fault(&self.folder, error))
    }

    /// The run folders of a trial, one for each seed, whether they are there yet or not.
    pub fn runs_of(&self, trial: &Trial) -> Vec<RunFolder> {
        (0..self.config.seeds).map(|seed| trial.run_of_seed(&self.folder, seed)).collect()
    }

    /// A row a trial. Columns: `trial` (u32), `state` (str), what trials are compared in (f64, null where
    /// there is none), `spread` (f64; only if a trial has several seeds: their standard deviation), `epochs` (u32), `seconds` (f64), and one for each value that is tuned: i64 or f64, or str
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
        if self.config.seeds > 1 {
            let spread = trials().map(Trial::spread).collect::<Vec<_>>();
            table.insert_column(3, Series::new("spread".into(), spread).into_column())?;
        }
        for (path, _) in self.config.space.ranges() {
            table.with_column(column(path, trials().map(|trial| trial.values.get(path))))?;
        }
        Ok(table)
    }

    /// Writes [`Study::to_table`] as a CSV file.
    ///
    /// # Errors
    /// [`Error::Io`] if it can't be written.
    pub fn to_csv(&self, path: impl AsRef<Path>) -> Result<()> {
        self.to_table()?.to_csv(path)
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
            let (number, name) = (best.number, self.monitor().name());
            write!(f, "\nbest trial {number}: {name} {}", best.shown_value())?;
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
    use crate::evaluate::tune::Pruner;
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

    /// Dropout draws from libtorch's generator, which the tests of a process share.
    fn without_dropout() -> Recipe {
        let mut recipe = recipe();
        recipe.set("network.block_dropout", "0.0").unwrap();
        recipe.set("network.hidden_dropout", "0.0").unwrap();
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
        let space = Space::new().log("train.learning_rate", 1e-4, 1e-2).float(
            "network.block_dropout",
            0.0,
            0.4,
        );
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
        assert_eq!(
            study.to_table().unwrap().column("train.learning_rate").unwrap().null_count(),
            1
        );
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
    fn a_value_is_the_mean_over_seeds() {
        let folder = tempfile::tempdir().unwrap();
        let mut recipe = without_dropout();
        recipe.train.epochs = 1;
        recipe.choice.monitor = Monitor::ValLoss;
        let space = Space::new().log("train.learning_rate", 1e-4, 1e-2);
        let config = StudyConfig { seeds: 3, ..StudyConfig::new(space, recipe) };
        let none = StudyConfig { seeds: 0, ..config.clone() };
        let refused = Study::with_config(folder.path(), none).unwrap_err().to_string();
        assert!(refused.contains("seeds") && refused.contains("1 or more"), "{refused}");
        let mut study = Study::with_config(folder.path(), config).unwrap();
        study.optimize(&data(), 1, Device::Cpu).unwrap();
        let trial = study.trials()[0].clone();
        let runs = study.runs_of(&trial);
        let losses: Vec<f64> =
            runs.iter().map(|run| run.history().unwrap().epochs[0].val_loss).collect();
        assert_eq!(trial.reached, losses);
        assert!(losses[0] != losses[1] && losses[1] != losses[2], "{losses:?}");
        let mean = losses.iter().sum::<f64>() / 3.0;
        assert!((trial.value.unwrap() - mean).abs() < 1e-12);
        let variance = losses.iter().map(|loss| (loss - mean).powi(2)).sum::<f64>() / 2.0;
        assert!((trial.spread().unwrap() - variance.sqrt()).abs() < 1e-12);
        assert_eq!(trial.epochs, 3);
        let seeds: Vec<u64> = runs.iter().map(|run| run.config().unwrap().train.seed).collect();
        assert_eq!(seeds, [seeds[0], seeds[0] + 1, seeds[0] + 2]);
        let names = study.to_table().unwrap();
        let names: Vec<_> =
            names.get_column_names().into_iter().map(|name| name.as_str()).collect();
        assert_eq!(names[..5], ["trial", "state", "val_loss", "spread", "epochs"]);
        assert!(study.to_string().contains("over 3 seeds"), "{study}");
        // A process that died within the second seed: the first is not trained again.
        let begun = Trial { state: TrialState::Running, value: None, ..trial.clone() };
        begun.save(study.folder()).unwrap();
        std::fs::remove_dir_all(runs[1].path()).unwrap();
        let before = std::fs::metadata(runs[0].checkpoint()).unwrap().modified().unwrap();
        study.optimize(&data(), 1, Device::Cpu).unwrap();
        assert_eq!(study.trials()[0].reached, losses);
        assert_eq!(std::fs::metadata(runs[0].checkpoint()).unwrap().modified().unwrap(), before);
    }

    #[test]
    fn hyperband_waits_at_a_rung_and_trains_the_best_further() {
        let parent = tempfile::tempdir().unwrap();
        let mut recipe = without_dropout();
        recipe.train.epochs = 3;
        recipe.choice.monitor = Monitor::ValLoss;
        let space = Space::new().log("train.learning_rate", 1e-5, 1e-2);
        let config = StudyConfig {
            pruner: Some(Pruner::Hyperband),
            ..StudyConfig::new(space.clone(), recipe.clone())
        };
        let tuned = StudyConfig { space: space.int("train.epochs", 1, 3), ..config.clone() };
        let refused = Study::with_config(parent.path().join("tuned"), tuned);
        assert!(refused.unwrap_err().to_string().contains("train.epochs"));
        let data = data();
        let folder = parent.path().join("study");
        let mut alone = Study::with_config(&folder, config).unwrap();
        // Another process holds the first trial: the rung waits for it, until that process gives it up.
        let claim = Claim::new(&Trial::folder(&folder, 1)).unwrap();
        alone.draw(1).save(&folder).unwrap();
        loop {
            alone.trials = read_trials(&folder).unwrap();
            let Next::Trial { claim: _held, trial, until } = alone.next(3).unwrap() else { break };
            alone.train(*trial, until, &data, Device::Cpu).unwrap();
        }
        assert!(matches!(alone.next(3).unwrap(), Next::Wait), "{alone}");
        assert!(alone.trials().iter().all(|trial| !trial.is_over()), "{alone}");
        let rungs: Vec<_> = alone.trials().iter().map(|trial| trial.rungs.len()).collect();
        assert_eq!(rungs, [0, 1, 1]);
        drop(claim);
        alone.optimize(&data, 5, Device::Cpu).unwrap();
        // Of three trials one is trained to its end; the second bracket prunes none.
        let states: Vec<_> = alone.trials().iter().map(|trial| trial.state).collect();
        let pruned = states.iter().filter(|state| **state == TrialState::Pruned).count();
        assert_eq!((pruned, alone.complete().count()), (2, 3), "{alone}");
        assert!(states[3..].iter().all(|state| *state == TrialState::Complete), "{alone}");
        for trial in alone.trials() {
            let epochs = trial.run(alone.folder()).history().unwrap().epochs.len();
            assert_eq!(epochs, if trial.state == TrialState::Pruned { 1 } else { 3 });
        }
        // The one that went on did so as if it had not been paused.
        let winner = alone.trials().iter().find(|it| it.state == TrialState::Complete).unwrap();
        let mut trainer = alone
            .recipe_of(winner)
            .unwrap()
            .trainer(Device::Cpu, parent.path().join("whole"))
            .unwrap();
        let whole: Vec<f64> =
            trainer.fit(&data).unwrap().epochs.iter().map(|epoch| epoch.val_loss).collect();
        let paused = winner.run(alone.folder()).history().unwrap();
        let paused: Vec<f64> = paused.epochs.iter().map(|epoch| epoch.val_loss).collect();
        assert_eq!(paused, whole);
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
