//! [`RunFolder`]: what passes between notebooks, and between a notebook and the command line.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use tch::Device;

use super::config::RunConfig;
use crate::common::files::{TEMPORARY_PREFIX, read_format, read_toml, write_toml};
use crate::common::{Error, Result};
use crate::data::{Dataset, FaceData};
use crate::model::{Network, weights};
use crate::project::{PRETRAINED, pretrained, runs};
use crate::train::record::{History, RESTORE_HINT, StopReason};

/// Removes what a killed process left half written in a run's folder; what can't be removed is only in
/// the way.
fn remove_leftovers(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(TEMPORARY_PREFIX) {
            let path = entry.path();
            let _ = if path.is_dir() {
                std::fs::remove_dir_all(path)
            } else {
                std::fs::remove_file(path)
            };
        }
    }
}

/// A folder `runs/<name>` with `config.toml`, `history.csv`, `best.safetensors` and
/// `last/checkpoint.safetensors`.
#[derive(Debug, Clone)]
pub struct RunFolder {
    path: PathBuf,
}

impl RunFolder {
    /// The run at this path, which need not exist yet.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// The default of the weights that come with the project, the first of [`PRETRAINED`].
    pub fn pretrained() -> Self {
        const DEFAULT: &str = PRETRAINED[0];
        Self::at(pretrained(DEFAULT))
    }

    /// The run that a name stands for: below runs/, or else the folder at this path, or else the weights of
    /// this name that come with the project. Where there is none of them, the one below runs/.
    pub fn named(name: &str) -> Self {
        Self::first_of(runs(name), PathBuf::from(name), pretrained(name))
    }

    fn first_of(run: PathBuf, path: PathBuf, ours: PathBuf) -> Self {
        let [run, path, ours] = [run, path, ours].map(Self::at);
        let elsewhere = if path.exists() { path } else { ours };
        if !run.exists() && elsewhere.exists() { elsewhere } else { run }
    }

    /// Where the weights are that a name stands for: a `.safetensors` file, or what
    /// [`RunFolder::named`] finds.
    pub(crate) fn weights_of(name: &str) -> PathBuf {
        let path = Path::new(name);
        let is_file = path.extension().is_some_and(|extension| extension == "safetensors");
        if is_file { path.to_path_buf() } else { Self::named(name).weights() }
    }

    /// Whether a run was saved there.
    pub fn exists(&self) -> bool {
        self.path.join("config.toml").is_file()
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder's own name.
    pub(crate) fn name(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Whether these are weights that come with the project.
    pub fn is_pretrained(&self) -> bool {
        let real = |path: &Path| path.canonicalize().ok();
        let ours = PRETRAINED.iter().filter_map(|name| real(&pretrained(name)));
        real(&self.path).is_some_and(|path| ours.into_iter().any(|ours| ours == path))
    }

    /// Where the best weights are.
    pub fn weights(&self) -> PathBuf {
        self.path.join("best.safetensors")
    }

    /// Where everything that a resume needs is.
    pub fn checkpoint(&self) -> PathBuf {
        self.path.join("last").join("checkpoint.safetensors")
    }

    /// Keeps other trainings out of the folder as long as the file that is returned stays open; a
    /// process that is killed gives it up. What it left half written is removed.
    ///
    /// # Errors
    /// [`Error::InUse`] if another training holds it.
    pub fn lock(&self) -> Result<File> {
        let path = self.path.join("last").join("lock");
        let folder = self.path.join("last");
        std::fs::create_dir_all(&folder).map_err(|error| Error::io("create", &folder, error))?;
        let file = File::create(&path).map_err(|error| Error::io("write", &path, error))?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => {
                let hint = "Wait for it, or train into another folder.";
                Err(Error::in_use(&self.path, "another training", hint))
            }
            Ok(()) => {
                remove_leftovers(&self.path);
                remove_leftovers(&folder);
                Ok(file)
            }
            // Where the file system knows no locks, there is none.
            Err(TryLockError::Error(_)) => Ok(file),
        }
    }

    /// Writes `config.toml`.
    pub fn save_config(&self, config: &RunConfig) -> Result<()> {
        write_toml(self.path.join("config.toml"), config)
    }

    /// Writes why training ended early, `stopped.toml`; `None` removes the file.
    pub(crate) fn save_stopped(&self, reason: Option<&StopReason>) -> Result<()> {
        let path = self.path.join("stopped.toml");
        match reason {
            Some(reason) => write_toml(&path, reason),
            None => match std::fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    Err(Error::io("remove", &path, error))
                }
                _ => Ok(()),
            },
        }
    }

    /// Writes `history.csv`.
    pub fn save_history(&self, history: &History) -> Result<()> {
        history.save(self.path.join("history.csv"))
    }

    /// Reads `config.toml`.
    ///
    /// # Errors
    /// [`Error::Missing`] if there is no run; [`Error::File`] if the file is damaged or of a newer format.
    pub fn config(&self) -> Result<RunConfig> {
        let path = self.path.join("config.toml");
        let config = read_format(&path, "a run's config", RunConfig::FORMAT, RESTORE_HINT)?;
        config.ok_or_else(|| {
            let hint = "Train first: notebook 04_training, or `fer train`.";
            Error::missing("A trained run", &path, hint)
        })
    }

    /// The images of `data` that the run held back for validation, as its config chooses them: what a
    /// temperature, a threshold or a way of averaging is fitted on.
    ///
    /// # Errors
    /// Where the config can't be read.
    pub fn held_back(&self, data: &FaceData) -> Result<Dataset> {
        let chosen = self.config()?.train.images.choose(data)?;
        Ok(chosen.map_or_else(|| data.validation.clone(), |(chosen, _)| chosen.validation))
    }

    /// Says in a sentence whether the run was trained on this data.
    ///
    /// Other images of the same kind (another copy of FER2013, copies left out) are no error, since
    /// their test images can be evaluated all the same; the sentence then has both counts.
    ///
    /// # Errors
    /// [`Error::Missing`] where the one is FER2013 and the other the made-up sample, or a folder of other
    /// images.
    pub fn check_data(&self, data: &FaceData) -> Result<String> {
        let config = self.config()?;
        let title = data.origin().title();
        if config.data_title != title {
            let hint = format!(
                "The run there was trained on: {}. Run notebook 04_training (or `fer train`) again, \
                 with the data that is to be evaluated.",
                config.data
            );
            return Err(Error::missing(format!("A run trained on the {title}"), &self.path, hint));
        }
        let in_words = |[train, validation, test]: [usize; 3]| {
            format!("{train} train, {validation} validation and {test} test images")
        };
        let now = in_words([data.train.len(), data.validation.len(), data.test.len()]);
        if config.data_fingerprint == format!("{:016x}", data.fingerprint()) {
            return Ok(format!("The run was trained on this very data: {title}, {now}."));
        }
        let then = in_words(config.images);
        Ok(format!(
            "Note: the run was trained on other images of the {title}. It had {then}; found now: {now}. \
             Notebook 04_training retrains."
        ))
    }

    /// Reads `history.csv`, and why training ended early.
    pub fn history(&self) -> Result<History> {
        let history = History::load(self.path.join("history.csv"), self.config()?.data_title)?;
        let path = self.path.join("stopped.toml");
        let stopped = read_toml(path, "a reason why training ended", RESTORE_HINT)?;
        Ok(History { stopped, ..history })
    }

    /// The run's network with its best weights.
    ///
    /// # Errors
    /// If the folder has no config or no weights, or the run is of a custom network.
    pub fn network(&self, device: Device) -> Result<Box<dyn Network>> {
        let config = self.config()?;
        let Some(architecture) = config.architecture.or_else(|| config.network.parse().ok()) else {
            let path = self.path.join("config.toml");
            let problem = format!("network '{}' is a custom network", config.network);
            let hint = "Build it, and load best.safetensors with weights::load.";
            return Err(Error::file(path, problem, hint));
        };
        let mut network = architecture.build(device, config.train.seed)?;
        if !self.weights().is_file() {
            let hint = "ModelCheckpoint::best writes it: run notebook 04_training, or `fer train`, \
                        again.";
            let what = "The weights file of the run's best epoch";
            return Err(Error::missing(what, self.weights(), hint));
        }
        weights::load(&mut *network, self.weights())?;
        Ok(network)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::common::Place;
    use crate::data::SampleConfig;
    use crate::model::SeedCnn;
    use crate::train::config::TrainConfig;
    use crate::train::record::{BatchOf, Monitor};

    #[test]
    fn the_weights_that_come_along_are_those_of_the_list() {
        let folder = pretrained("");
        let Ok(entries) = std::fs::read_dir(&folder) else { return }; // outside of the project
        let found = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let listed = PRETRAINED.iter().map(|name| name.to_string());
        assert_eq!(found.collect::<BTreeSet<_>>(), listed.collect::<BTreeSet<_>>());
        assert!(RunFolder::pretrained().is_pretrained());
        assert!(RunFolder::at(folder.join("seed_cnn/../seed_cnn")).is_pretrained());
        assert!(!RunFolder::at(folder).is_pretrained());
    }

    #[test]
    fn a_name_is_a_run_a_path_or_what_comes_along() {
        let folder = tempfile::tempdir().unwrap();
        let [run, path, ours] = ["run", "path", "ours"].map(|name| folder.path().join(name));
        let found = || RunFolder::first_of(run.clone(), path.clone(), ours.clone()).path;
        assert_eq!(found(), run);
        for place in [&ours, &path, &run] {
            std::fs::create_dir(place).unwrap();
            std::fs::write(place.join("config.toml"), "").unwrap();
            assert_eq!(&found(), place);
        }
        let file = path.join("any.safetensors").display().to_string();
        assert_eq!(RunFolder::weights_of(&file), Path::new(&file));
        // "seed_cnn" may be a run of the user's, too.
        let weights = RunFolder::named("seed_cnn").weights();
        assert_eq!(RunFolder::weights_of("seed_cnn"), weights);
        if !runs("seed_cnn").exists() && !Path::new("seed_cnn").exists() {
            assert_eq!(weights, pretrained("seed_cnn").join("best.safetensors"));
        }
        assert_eq!(RunFolder::named("no such run").path(), runs("no such run"));
        let run = RunFolder::named(&path.display().to_string());
        assert_eq!((run.path(), run.weights()), (&*path, path.join("best.safetensors")));
    }

    #[test]
    fn a_run_knows_its_data() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunFolder::at(folder.path());
        let sample = |seed| FaceData::sample(SampleConfig { seed, train: 70, test: 35 }).unwrap();
        let missing = |error: Option<Error>| matches!(error, Some(Error::Missing { .. }));
        assert!(missing(run.check_data(&sample(1)).err()));
        assert!(missing(run.history().err()));
        assert!(missing(run.network(Device::Cpu).err()));

        let network = SeedCnn::new(Device::Cpu, 1).unwrap();
        let mut config = RunConfig::new(&network, &TrainConfig::default(), &sample(1));
        run.save_config(&config).unwrap();
        assert!(run.check_data(&sample(1)).unwrap().contains("this very data: made-up sample"));
        assert!(run.check_data(&sample(2)).unwrap().starts_with("Note: "));
        let Err(Error::Missing { path, .. }) = run.network(Device::Cpu) else { panic!() };
        assert_eq!(path, run.weights());

        config.data_title = "FER2013".into();
        config.data = "FER2013, folder faces".into();
        run.save_config(&config).unwrap();
        assert!(missing(run.check_data(&sample(1)).err()));
    }

    #[test]
    fn every_reason_survives_the_run_folder() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunFolder::at(folder.path());
        let data = FaceData::sample(SampleConfig { seed: 1, train: 70, test: 35 }).unwrap();
        let network = SeedCnn::new(Device::Cpu, 1).unwrap();
        run.save_config(&RunConfig::new(&network, &TrainConfig::default(), &data)).unwrap();
        run.save_history(&History::default()).unwrap();
        let batch = Some(BatchOf { number: 3, of: 9 });
        let (epoch, monitor) = (2, Monitor::ValLoss);
        let reasons = [
            StopReason::User { epoch, batch },
            StopReason::User { epoch, batch: None },
            StopReason::EarlyStopping { epoch, monitor, waited: 8 },
            StopReason::Pruned { epoch, monitor, best: 0.1 + 0.2, median: 1.0 / 3.0 },
            StopReason::TimeLimit { seconds: 0.5 },
            StopReason::Callback { reason: "it's\n\"enough\"".into(), epoch, batch },
            StopReason::Recorded { text: "stopped by the user".into() },
        ];
        for reason in reasons {
            // A new variant has to join the list above.
            match reason {
                StopReason::User { .. }
                | StopReason::EarlyStopping { .. }
                | StopReason::Pruned { .. }
                | StopReason::TimeLimit { .. }
                | StopReason::Callback { .. }
                | StopReason::Recorded { .. } => {}
            }
            run.save_stopped(Some(&reason)).unwrap();
            assert_eq!(run.history().unwrap().stopped.as_ref(), Some(&reason));
            assert_eq!(run.history().unwrap().stopped_by_user(), reason.is_user(), "{reason:?}");
        }
        run.save_stopped(None).unwrap();
        assert_eq!(run.history().unwrap().stopped, None);
    }

    #[test]
    fn a_config_of_a_newer_format_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let newer = format!("format = {}\nbetter = true\n", RunConfig::FORMAT + 1);
        std::fs::write(folder.path().join("config.toml"), newer).unwrap();
        let error = RunFolder::at(folder.path()).config().unwrap_err();
        let Error::File { place: Place::Key(key), .. } = error else { panic!("{error}") };
        assert_eq!(key, "format");
    }
}
