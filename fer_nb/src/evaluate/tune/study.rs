//! [`Study`]: trials in a folder.

use std::borrow::Borrow;
use std::path::{Path, PathBuf};

use super::claim::Claim;
use super::config::StudyConfig;
use super::folder::{self, read_config, read_trials, remove, trial_folders};
use super::space::Space;
use super::trial::{Trial, TrialState};
use crate::common::machine::print_line;
use crate::common::text::{plural, shown};
use crate::common::{Error, Result, brief};
use crate::train::{Monitor, Recipe, RunFolder, StopReason};

/// A study of hyperparameters. Test images have no part in it.
#[derive(Clone)]
pub struct Study {
    pub(super) folder: PathBuf,
    pub(super) config: StudyConfig,
    /// All trials, by number, as they stood when the folder was last read.
    pub(super) trials: Vec<Trial>,
    /// Why the last [`Study::optimize`] ended before it was done.
    pub(super) stopped: Option<StopReason>,
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
        if folder::holds_study(&folder) && Self::load(&folder)?.config != config {
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
        if folder::holds_study(folder) {
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
        let mut study = match Self::existing(&folder, &config)? {
            Some(study) => study,
            None => {
                let made = folder::create(&folder, &config)?;
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
        let config = read_config(&folder)?;
        let trials = read_trials(&folder)?;
        Ok(Self { folder, config, trials, stopped: None, made: Vec::new() })
    }

    /// What trials are compared in.
    pub fn monitor(&self) -> Monitor {
        self.config.monitor()
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
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::super::fixtures::{data, recipe};
    use super::*;
    use crate::model::{SeedCnn, weights};

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
        let again = study.plan().draw(4, &toml::Table::new());
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
}
