//! [`RunFolder`]: the only thing that passes between notebooks, and between a notebook and the
//! command line.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tch::Device;

use super::config::TrainConfig;
use super::history::History;
use super::resume::MENDING;
use super::schedule::Schedule;
use crate::common::files::{TEMPORARY_PREFIX, replace_file};
use crate::common::{Error, Result};
use crate::data::{Dataset, FaceData};
use crate::model::{Architecture, Network, weights};
use crate::project::{device_name, pretrained, runs};

/// `config.toml`: everything that made a run what it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunConfig {
    /// Version of fer_nb that trained.
    pub fer_nb: String,
    /// The architecture's name.
    pub network: String,
    /// Where the data came from, in words.
    pub data: String,
    /// What titles call the data: "FER2013", "made-up sample" or the name of a folder.
    pub data_title: String,
    /// Fingerprint of pixels, labels and order of all three parts, hexadecimal.
    pub data_fingerprint: String,
    /// Images for training, validation and test, as they were loaded.
    pub images: [usize; 3],
    /// Images that were learnt from and that chose the epoch: those that [`TrainConfig::images`] left.
    /// None where nothing was trained yet, and in runs of before it was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub learnt: Option<[usize; 2]>,
    /// What computed: "CPU, 2 threads".
    pub device: String,
    /// What it computed in: "bfloat16 (auto)".
    pub precision: String,
    /// What the network is built from; none for a network of one's own. Runs of before it was kept
    /// are all of the seed CNN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub architecture: Option<Architecture>,
    /// The hyperparameters.
    pub train: TrainConfig,
}

impl RunConfig {
    /// What a run of this network on this data is.
    pub fn new(network: &dyn Network, train: &TrainConfig, data: &FaceData) -> Self {
        let device = network.parameters().device();
        Self {
            fer_nb: env!("CARGO_PKG_VERSION").into(),
            network: network.name().into(),
            data: data.origin().to_string(),
            data_title: data.origin().title().into(),
            data_fingerprint: format!("{:016x}", data.fingerprint()),
            images: [data.train.len(), data.validation.len(), data.test.len()],
            learnt: None,
            device: device_name(device),
            precision: train.precision.report(device),
            architecture: Architecture::of(network),
            train: train.clone(),
        }
    }

    /// The first thing in which `now` is another run than this one, in words; `None` where a resume
    /// of this one is exactly what `now` asks for. More epochs are no other run, nor is another
    /// version or device.
    pub fn difference(&self, now: &RunConfig) -> Option<String> {
        if self.data_fingerprint != now.data_fingerprint {
            let words = |config: &RunConfig| format!("{:?} from {}", config.images, config.data);
            return Some(format!("other images: {}, and now {}", words(self), words(now)));
        }
        let comparable = |config: &RunConfig| {
            let mut config = config.clone();
            if self.architecture.is_none() {
                config.architecture = None; // a run of before it was kept
            }
            // What ends with the last epoch is another thing when the last epoch moves.
            if config.train.schedule == Schedule::Constant && config.train.clean_epochs == 0 {
                config.train.epochs = 0;
            }
            config.fer_nb.clear();
            config.learnt = None; // follows from the rest
            config.device.clear();
            config.precision.clear(); // follows from train.precision and the device
            config.data.clear(); // the same images may lie in another folder
            toml::Table::try_from(config).unwrap_or_default()
        };
        first_difference(&comparable(self), &comparable(now), "")
    }
}

/// The first key whose value is another one, in words; `prefix` is put before it.
pub(super) fn first_difference(
    then: &toml::Table,
    now: &toml::Table,
    prefix: &str,
) -> Option<String> {
    let missing = toml::Value::String("not set".into());
    let keys = then.keys().chain(now.keys().filter(|key| !then.contains_key(*key)));
    keys.into_iter().find_map(|key| {
        match (then.get(key).unwrap_or(&missing), now.get(key).unwrap_or(&missing)) {
            (toml::Value::Table(then), toml::Value::Table(now)) => {
                first_difference(then, now, &format!("{prefix}{key}."))
            }
            (then, now) if then != now => {
                Some(format!("{prefix}{key} was {then} and is now {now}"))
            }
            _ => None,
        }
    })
}

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

    /// The run at this path, or, where there is none, the seed CNN that comes with the project, which
    /// was trained on FER2013.
    pub fn or_pretrained(path: impl Into<PathBuf>) -> Self {
        let run = Self::at(path);
        let ours = Self::at(pretrained("seed_cnn"));
        if !run.exists() && ours.exists() { ours } else { run }
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
    pub fn weights_of(name: &str) -> PathBuf {
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
    /// [`Error::Setting`] where another training holds it.
    pub fn lock(&self) -> Result<File> {
        let path = self.path.join("last").join("lock");
        let folder = self.path.join("last");
        std::fs::create_dir_all(&folder).map_err(|error| Error::io("create", &folder, error))?;
        let file = File::create(&path).map_err(|error| Error::io("write", &path, error))?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => {
                let expected = "a folder that no other training is using";
                Err(Error::setting("run folder", self.path.display(), expected))
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
        let path = self.path.join("config.toml");
        let text = toml::to_string_pretty(config)
            .map_err(|error| Error::setting("config.toml", error, "values that TOML can hold"))?;
        // It is the same after most epochs, and a write waits for the disk.
        if std::fs::read_to_string(&path).is_ok_and(|before| before == text) {
            return Ok(());
        }
        replace_file(&path, |temporary| {
            std::fs::write(temporary, text).map_err(|error| Error::io("write", &path, error))
        })
    }

    /// Writes `history.csv`.
    pub fn save_history(&self, history: &History) -> Result<()> {
        history.save(self.path.join("history.csv"))
    }

    /// Reads `config.toml`.
    pub fn config(&self) -> Result<RunConfig> {
        let path = self.path.join("config.toml");
        if !path.is_file() {
            let hint = "Train first: notebook 04_training, or `fer train`.";
            return Err(Error::missing("A trained run", &path, hint));
        }
        let text =
            std::fs::read_to_string(&path).map_err(|error| Error::io("read", &path, error))?;
        toml::from_str(&text).map_err(|error| {
            Error::file(&path, format!("not a run's config: {}", error.message()), MENDING)
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

    /// Says in a sentence whether the run learnt from this data.
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
                "The run there learnt from: {}. Run notebook 04_training (or `fer train`) again, \
                 with the data that is to be evaluated.",
                config.data
            );
            return Err(Error::missing(format!("A run trained on the {title}"), &self.path, hint));
        }
        let found = [data.train.len(), data.validation.len(), data.test.len()];
        let in_words = |[train, validation, test]: [usize; 3]| {
            format!("{train} train, {validation} validation and {test} test images")
        };
        if config.data_fingerprint == format!("{:016x}", data.fingerprint()) {
            return Ok(format!(
                "The run learnt from this very data: {title}, {}.",
                in_words(found)
            ));
        }
        Ok(format!(
            "Mind: the run learnt from other images of the {title}. It had {}; found now: {}. \
             Notebook 04_training trains anew.",
            in_words(config.images),
            in_words(found)
        ))
    }

    /// Reads `history.csv`.
    pub fn history(&self) -> Result<History> {
        History::load(self.path.join("history.csv"), self.config()?.data_title)
    }

    /// The run's network with its best weights.
    ///
    /// # Errors
    /// Where the folder has no config or no weights, or the run is of a network of one's own.
    pub fn network(&self, device: Device) -> Result<Box<dyn Network>> {
        let config = self.config()?;
        let Some(architecture) = config.architecture.or_else(|| config.network.parse().ok()) else {
            let path = self.path.join("config.toml");
            let problem = format!("network '{}' is not one of the crate's", config.network);
            let hint = "Build it, and load best.safetensors with weights::load.";
            return Err(Error::file(path, problem, hint));
        };
        let mut network = architecture.build(device, config.train.seed)?;
        if !self.weights().is_file() {
            let hint = "ModelCheckpoint::best writes it: run notebook 04_training, or `fer train`, \
                        again.";
            return Err(Error::missing(
                "The weights file of the run's best epoch",
                self.weights(),
                hint,
            ));
        }
        weights::load(&mut *network, self.weights())?;
        Ok(network)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::SampleConfig;
    use crate::model::SeedCnn;
    use crate::train::Optimizer;

    #[test]
    fn a_run_tells_what_makes_it_another_one() {
        let data = FaceData::sample(SampleConfig { seed: 1, train: 70, test: 35 }).unwrap();
        let network = SeedCnn::new(Device::Cpu, 1).unwrap();
        let config = |change: fn(&mut TrainConfig)| {
            let mut train = TrainConfig::default();
            change(&mut train);
            RunConfig::new(&network, &train, &data)
        };
        let run = config(|_| ());
        assert_eq!(run.difference(&config(|c| c.epochs = 99)), None);
        let one_cycle = config(|c| c.schedule = Schedule::one_cycle());
        let longer = config(|c| {
            c.schedule = Schedule::one_cycle();
            c.epochs = 99;
        });
        assert_eq!(one_cycle.difference(&longer).unwrap(), "train.epochs was 35 and is now 99");
        let other = FaceData::sample(SampleConfig { seed: 2, train: 70, test: 35 }).unwrap();
        let other = RunConfig::new(&network, &TrainConfig::default(), &other);
        assert!(run.difference(&other).unwrap().starts_with("other images: ["));
        assert_eq!(
            run.difference(&config(|c| c.learning_rate = 0.01)).unwrap(),
            "train.learning_rate was 0.001 and is now 0.01"
        );
        let difference = run.difference(&config(|c| c.optimizer = Optimizer::sgd(0.9))).unwrap();
        assert!(difference.starts_with("train.optimizer."), "{difference}");
    }

    #[test]
    fn what_comes_with_the_project_stands_in_for_a_run_that_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunFolder::or_pretrained(folder.path());
        let ours = pretrained("seed_cnn");
        let expected = if ours.is_dir() { &ours } else { folder.path() };
        assert_eq!(run.path(), expected);
        std::fs::write(folder.path().join("config.toml"), "").unwrap();
        assert_eq!(RunFolder::or_pretrained(folder.path()).path(), folder.path());
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
        let message = run.check_data(&sample(1)).unwrap_err().to_string();
        assert!(message.contains("04_training"), "{message}");

        for message in [
            run.history().unwrap_err().to_string(),
            run.network(Device::Cpu).err().unwrap().to_string(),
        ] {
            assert!(message.contains("notebook 04_training, or `fer train`"), "{message}");
        }

        let network = SeedCnn::new(Device::Cpu, 1).unwrap();
        let mut config = RunConfig::new(&network, &TrainConfig::default(), &sample(1));
        run.save_config(&config).unwrap();
        assert!(run.check_data(&sample(1)).unwrap().contains("this very data: made-up sample"));
        assert!(run.check_data(&sample(2)).unwrap().starts_with("Mind: "));
        let message = run.network(Device::Cpu).err().unwrap().to_string();
        assert!(
            message.starts_with("The weights file of the run's best epoch is missing at "),
            "{message}"
        );
        assert!(message.contains("notebook 04_training"), "{message}");

        config.data_title = "FER2013".into();
        config.data = "FER2013, folder faces".into();
        run.save_config(&config).unwrap();
        let message = run.check_data(&sample(1)).unwrap_err().to_string();
        assert!(message.contains("trained on the made-up sample is missing"), "{message}");
        assert!(message.contains("learnt from: FER2013, folder faces"), "{message}");
    }
}
