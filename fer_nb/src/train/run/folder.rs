//! [`RunFolder`]: the files that notebooks and the command line exchange.

use std::fs::{File, TryLockError};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use tch::Device;

use super::config::RunConfig;
use crate::common::file_kind::FileKind;
use crate::common::files::{TEMPORARY_PREFIX, missing_folders, read_format, read_toml, write_toml};
use crate::common::plain_file::open_lock;
use crate::common::tensorflow::checkpoint_of;
use crate::common::{Error, Result};
use crate::data::{Dataset, FaceData};
use crate::model::{Network, weights};
use crate::project::{PRETRAINED, known, pretrained, runs};
use crate::train::record::{History, RESTORE_HINT, StopReason};

/// Removes files that a killed process left incomplete in a run's folder; files that can't be removed are harmless.
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

/// A run's folder, locked for one training; see [`RunFolder::lock`].
#[derive(Debug)]
pub struct RunLock {
    path: PathBuf,
    file: File,
    is_held: bool,
    /// The folders that this lock created, the innermost first.
    made: Vec<PathBuf>,
}

impl RunLock {
    /// Checks that the folder is still the locked one.
    ///
    /// # Errors
    /// [`Error::Missing`] if it was removed or replaced during the training.
    pub(crate) fn check(&self) -> Result<()> {
        let same = |there: &std::fs::Metadata, ours: &std::fs::Metadata| {
            (there.dev(), there.ino()) == (ours.dev(), ours.ino())
        };
        let (there, ours) = (std::fs::symlink_metadata(&self.path), self.file.metadata());
        if there.is_ok_and(|there| ours.is_ok_and(|ours| same(&there, &ours))) {
            return Ok(());
        }
        let what = "The run's folder, which was removed while training,";
        let hint = "Leave it where it is, and train again.";
        Err(Error::missing(what, self.path.parent().unwrap_or(&self.path), hint))
    }
}

impl Drop for RunLock {
    /// A training that saved nothing, such as one with an invalid setting, leaves no folders behind.
    fn drop(&mut self) {
        let checkpoint = self.path.with_file_name("checkpoint.safetensors");
        if self.is_held && !checkpoint.exists() {
            let _ = std::fs::remove_file(&self.path);
            for folder in &self.made {
                let _ = std::fs::remove_dir(folder); // stays if it is not empty
            }
        }
    }
}

/// A folder `runs/<name>` with `config.toml`, `history.csv`, `best.safetensors` and
/// `last/checkpoint.safetensors`.
#[derive(Debug, Clone)]
pub struct RunFolder {
    path: PathBuf,
    /// Whether weights with a wrong checksum are used.
    unchecked: bool,
}

impl RunFolder {
    /// The run at this path, which need not exist yet.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), unchecked: false }
    }

    /// The same run, whose weights are used even if bytes have changed since they were written. Values fitted for
    /// other bytes are not used.
    pub fn unchecked(self) -> Self {
        Self { unchecked: true, ..self }
    }

    /// Whether weights with a wrong checksum are used.
    pub(crate) fn is_unchecked(&self) -> bool {
        self.unchecked
    }

    /// Every saved run below runs/, by name: each folder with a `config.toml`. The list does not include replaced
    /// runs (`before/`) and the trials of studies.
    ///
    /// # Errors
    /// [`Error::Io`] if the folder can't be read; a missing folder has no runs.
    pub fn all() -> Result<Vec<Self>> {
        Self::all_in(&runs(""))
    }

    fn all_in(folder: &Path) -> Result<Vec<Self>> {
        let failed = |error| Error::io("read", folder, error);
        let entries = match std::fs::read_dir(folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(failed)?,
        };
        let entries = entries.collect::<std::io::Result<Vec<_>>>().map_err(failed)?;
        let mut found: Vec<Self> =
            entries.into_iter().map(|entry| Self::at(entry.path())).collect();
        found.retain(Self::exists);
        found.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(found)
    }

    /// The default pretrained weights, the first of [`PRETRAINED`].
    pub fn pretrained() -> Self {
        const DEFAULT: &str = PRETRAINED[0];
        Self::at(pretrained(DEFAULT))
    }

    /// The run of this name below runs/, or the folder at this path, or the pretrained weights of this name. If
    /// none of them exists, the path below runs/.
    pub fn named(name: &str) -> Self {
        let path = PathBuf::from(name);
        // A file is not a run; the path is kept for the error message.
        if path.is_file() {
            Self::at(path)
        } else {
            Self::first_of(runs(name), path, pretrained(name))
        }
    }

    fn first_of(run: PathBuf, path: PathBuf, ours: PathBuf) -> Self {
        let [run, path, ours] = [run, path, ours].map(Self::at);
        let elsewhere = if path.exists() { path } else { ours };
        if !run.exists() && elsewhere.exists() { elsewhere } else { run }
    }

    /// The weights file for a name: the file at this path, whatever its content, or that of [`RunFolder::named`]. A
    /// name with the extension of weights files is a path, even if the file does not exist.
    pub(crate) fn weights_of(name: &str) -> PathBuf {
        let path = Path::new(name);
        let run = Self::named(name);
        let ending = path.extension().unwrap_or_default();
        let is_called_file =
            weights::ENDINGS.iter().any(|known| ending.eq_ignore_ascii_case(known));
        let is_file = path.is_file() || (is_called_file && !run.path().is_dir());
        // A folder of weights, or the name that files of a checkpoint have in common.
        let is_other = || !run.exists() && (path.is_dir() || checkpoint_of(path).is_some());
        match is_file || is_other() {
            true => path.to_path_buf(),
            false => run.weights(),
        }
    }

    /// Whether the folder holds a saved run.
    pub fn exists(&self) -> bool {
        self.path.join("config.toml").is_file()
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The name of the folder.
    pub(crate) fn name(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Whether these are pretrained weights.
    pub fn is_pretrained(&self) -> bool {
        let real = |path: &Path| path.canonicalize().ok();
        let ours = PRETRAINED.iter().filter_map(|name| real(&pretrained(name)));
        real(&self.path).is_some_and(|path| ours.into_iter().any(|ours| ours == path))
    }

    /// The path of the best weights.
    pub fn weights(&self) -> PathBuf {
        self.path.join(weights::BEST)
    }

    /// The path of the checkpoint for a resume.
    pub fn checkpoint(&self) -> PathBuf {
        self.path.join("last").join("checkpoint.safetensors")
    }

    /// Locks the folder against other trainings for the lifetime of the result; the system releases the lock of a
    /// killed process. Removes the incomplete files of such a process. If nothing was saved until then, the created
    /// folders and files are removed again.
    ///
    /// # Errors
    /// [`Error::InUse`] if another training holds the lock; [`Error::Io`] if the lock file can't be written, or is
    /// a link.
    pub fn lock(&self) -> Result<RunLock> {
        let folder = self.path.join("last");
        let path = folder.join("lock");
        let made = missing_folders(&folder);
        std::fs::create_dir_all(&folder).map_err(|error| Error::io("create", &folder, error))?;
        let file = open_lock(&path).map_err(|error| Error::io("write", &path, error))?;
        let mut lock = RunLock { path, file, is_held: false, made };
        match lock.file.try_lock() {
            Err(TryLockError::WouldBlock) => {
                let hint = "Wait for it, or train into another folder.";
                Err(Error::in_use(&self.path, "another training", hint))
            }
            Ok(()) => {
                remove_leftovers(&self.path);
                remove_leftovers(&folder);
                lock.is_held = true;
                Ok(lock)
            }
            // On a file system without locks, nothing is locked.
            Err(TryLockError::Error(_)) => Ok(lock),
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
        if self.path.is_file() {
            let kind = FileKind::at(&self.path);
            let kind = kind.map_or_else(|| "a file".into(), |kind| kind.to_string());
            let hint = "A run is a folder with config.toml and best.safetensors. Weights alone are for `fer train \
                        --initial-weights` and `fer evaluate --weights`.";
            return Err(Error::file(&self.path, format!("this is {kind}, not a run"), hint));
        }
        let path = self.path.join("config.toml");
        let config: Option<RunConfig> =
            read_format(&path, "a run's config", RunConfig::FORMAT, RESTORE_HINT)?;
        config.map(RunConfig::into_shown).ok_or_else(|| {
            let hint = format!(
                "Train first: notebook 04_training, or `fer train`. {}",
                known(&self.name())
            );
            Error::missing("A trained run", &path, hint)
        })
    }

    /// The images of `data` that the run held back for validation, by its config: for fitting a temperature or a
    /// threshold and for choosing test-time augmentation.
    ///
    /// # Errors
    /// If the config can't be read.
    pub fn held_back(&self, data: &FaceData) -> Result<Dataset> {
        let chosen = self.config()?.train.images.choose(data)?;
        Ok(chosen.map_or_else(|| data.validation.clone(), |(chosen, _)| chosen.validation))
    }

    /// Whether the run was trained on exactly this data: the same images in the same parts, in any folder and under
    /// any name.
    ///
    /// # Errors
    /// If the config can't be read.
    pub fn is_of(&self, data: &FaceData) -> Result<bool> {
        Ok(self.config()?.data_fingerprint == format!("{:016x}", data.fingerprint()))
    }

    /// Whether the run was trained on this data's training images, and its epoch chosen by this data's validation
    /// images; the test images may differ.
    ///
    /// # Errors
    /// If the config can't be read.
    pub fn is_trained_on(&self, data: &FaceData) -> Result<bool> {
        let fitted = self.config()?.fitted_fingerprints;
        Ok(self.is_of(data)? || fitted == Some(RunConfig::fitted_on(data)))
    }

    /// Reports in a sentence whether the run was trained on this data.
    ///
    /// Other images (another copy of FER2013, removed copies, another data set) are not an error, because their
    /// test images can be evaluated anyway; the sentence then has both counts.
    ///
    /// # Errors
    /// [`Error::Missing`] if one is drawn faces and the other photos.
    pub fn check_data(&self, data: &FaceData) -> Result<String> {
        let config = self.config()?;
        let title = data.origin().title();
        let in_words = |[train, validation, test]: [usize; 3]| {
            format!("{train} train, {validation} validation and {test} test images")
        };
        let now = in_words([data.train.len(), data.validation.len(), data.test.len()]);
        // The same images are the same data, even if their folder was renamed.
        if self.is_trained_on(data)? && !self.is_of(data)? {
            return Ok(format!(
                "The run was trained on these training and validation images; the test images are others: \
                 {title}, {now}."
            ));
        }
        if self.is_of(data)? {
            return Ok(format!("The run was trained on this very data: {title}, {now}."));
        }
        if config.is_of_sample() != data.is_sample() {
            let hint = format!(
                "The run there was trained on: {}. Run notebook 04_training (or `fer train`) again, \
                 with the data that is to be evaluated.",
                config.data
            );
            return Err(Error::missing(format!("A run trained on the {title}"), &self.path, hint));
        }
        let then = in_words(config.images);
        let (of, found) = match config.data_title == title {
            true => (format!(" of the {title}. It had {then}"), now),
            false => (format!(": {}, {then}", config.data_title), format!("{title}, {now}")),
        };
        let seen = match self.overlap(&data.test)? {
            Some(overlap) => format!("Of these, {overlap}."),
            None => "Which of these it was trained on is not known.".into(),
        };
        Ok(format!(
            "Note: the run was trained on other images{of}; found now: {found}. {seen} Notebook 04_training retrains."
        ))
    }

    /// Reads `history.csv`, and why training ended early.
    pub fn history(&self) -> Result<History> {
        let history = History::load(self.path.join("history.csv"), self.config()?.data_title)?;
        let path = self.path.join("stopped.toml");
        let stopped: Option<StopReason> =
            read_toml(path, "a reason why training ended", RESTORE_HINT)?;
        Ok(History { stopped: stopped.map(StopReason::into_shown), ..history })
    }

    /// The run's network with its best weights.
    ///
    /// # Errors
    /// If the folder has no config or no weights, or the run has a custom network.
    pub fn network(&self, device: Device) -> Result<Box<dyn Network>> {
        let config = self.config()?;
        let Some(architecture) = config.architecture.or_else(|| config.network.parse().ok()) else {
            let path = self.path.join("config.toml");
            let problem = format!("network '{}' is a custom network", config.network);
            let hint = "Build it, and load best.safetensors with weights::load.";
            return Err(Error::file(path, problem, hint));
        };
        let network = architecture
            .build(device, config.train.seed)
            .map_err(|error| error.in_file(self.path.join("config.toml"), RESTORE_HINT))?;
        self.with_weights(network)
    }

    /// A network with the run's best weights.
    pub(crate) fn with_weights(&self, mut network: Box<dyn Network>) -> Result<Box<dyn Network>> {
        if !self.weights().is_file() {
            let hint = "ModelCheckpoint::best writes it: run notebook 04_training, or `fer train`, \
                        again.";
            let what = "The weights file of the run's best epoch";
            return Err(Error::missing(what, self.weights(), hint));
        }
        match self.unchecked {
            true => weights::load_unchecked(&mut *network, self.weights())?,
            false => weights::load(&mut *network, self.weights())?,
        }
        Ok(network)
    }
}

impl From<PathBuf> for RunFolder {
    fn from(path: PathBuf) -> Self {
        Self::at(path)
    }
}

impl From<&PathBuf> for RunFolder {
    fn from(path: &PathBuf) -> Self {
        Self::at(path)
    }
}

impl From<&Path> for RunFolder {
    fn from(path: &Path) -> Self {
        Self::at(path)
    }
}

impl From<&str> for RunFolder {
    fn from(path: &str) -> Self {
        Self::at(path)
    }
}

impl From<String> for RunFolder {
    fn from(path: String) -> Self {
        Self::at(path)
    }
}

impl From<&RunFolder> for RunFolder {
    fn from(run: &RunFolder) -> Self {
        run.clone()
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
    fn what_a_link_in_place_of_the_lock_points_to_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunFolder::at(folder.path().join("run"));
        let thesis = folder.path().join("thesis.txt");
        std::fs::write(&thesis, "all of it").unwrap();
        std::fs::create_dir_all(run.path().join("last")).unwrap();
        std::os::unix::fs::symlink(&thesis, run.path().join("last/lock")).unwrap();
        let error = run.lock().unwrap_err().to_string();
        assert!(error.contains("symbolic link"), "{error}");
        assert_eq!(std::fs::read_to_string(&thesis).unwrap(), "all of it");
    }

    #[test]
    fn a_folder_that_is_removed_while_it_is_locked_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunFolder::at(folder.path().join("run"));
        let lock = run.lock().unwrap();
        lock.check().unwrap();
        std::fs::remove_dir_all(run.path()).unwrap();
        assert!(matches!(lock.check(), Err(Error::Missing { .. })));
        let _other = run.lock().unwrap();
        assert!(matches!(lock.check(), Err(Error::Missing { .. })));
    }

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
    fn a_lock_leaves_nothing_of_a_training_that_saved_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunFolder::at(folder.path().join("deep/run"));
        let lock = run.lock().unwrap();
        assert!(matches!(run.lock(), Err(Error::InUse { .. })));
        assert!(run.path().join("last/lock").is_file(), "the refused one took nothing away");
        drop(lock);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        // What somebody else put there stays, and so does a run.
        let lock = run.lock().unwrap();
        std::fs::write(run.path().join("notes.txt"), "mine").unwrap();
        drop(lock);
        assert!(run.path().join("notes.txt").is_file() && !run.path().join("last").exists());
        let lock = run.lock().unwrap();
        std::fs::write(run.checkpoint(), "").unwrap();
        drop(lock);
        assert!(run.checkpoint().is_file());
    }

    #[test]
    fn all_runs_are_the_folders_with_a_config() {
        let folder = tempfile::tempdir().unwrap();
        let all = || RunFolder::all_in(folder.path()).unwrap();
        assert_eq!(RunFolder::all_in(&folder.path().join("none")).unwrap().len(), 0);
        for name in ["b", "a", "a/before", "study/trial_0001", "empty"] {
            let path = folder.path().join(name);
            std::fs::create_dir_all(&path).unwrap();
            if name != "empty" {
                std::fs::write(path.join("config.toml"), "").unwrap();
            }
        }
        std::fs::write(folder.path().join("config.toml"), "").unwrap();
        assert_eq!(all().iter().map(RunFolder::name).collect::<Vec<_>>(), ["a", "b"]);
        let file = RunFolder::all_in(&folder.path().join("config.toml"));
        assert!(matches!(file, Err(Error::Io { .. })));
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
        // The same training images beside fewer test images, as copies of FER2013 with and without PrivateTest.
        let mut copy = sample(1);
        copy.test = copy.test.select(&[0, 1, 2]).unwrap();
        assert!(!run.is_of(&copy).unwrap() && run.is_trained_on(&copy).unwrap());
        assert!(run.check_data(&copy).unwrap().contains("these training and validation images"));
        assert!(!run.is_trained_on(&sample(2)).unwrap());
        let Err(Error::Missing { path, .. }) = run.network(Device::Cpu) else { panic!() };
        assert_eq!(path, run.weights());

        config.data_title = "FER2013".into();
        config.data = "FER2013, folder faces".into();
        run.save_config(&config).unwrap();
        assert!(missing(run.check_data(&sample(2)).err()), "other images of another title");
        assert!(run.check_data(&sample(1)).is_ok(), "the same images, renamed");

        let photos = crate::data::fixtures::data_with(&[]);
        let said = run.check_data(&photos).unwrap();
        assert!(said.starts_with("Note: the run was trained on other images: FER2013, "), "{said}");
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
            StopReason::Rung { epoch },
            StopReason::TimeLimit { seconds: 0.5 },
            StopReason::Callback { reason: "it's \"enough\"".into(), epoch, batch },
            StopReason::Recorded { text: "stopped by the user".into() },
        ];
        for reason in reasons {
            // A new variant has to join the list above.
            match reason {
                StopReason::User { .. }
                | StopReason::EarlyStopping { .. }
                | StopReason::Pruned { .. }
                | StopReason::Rung { .. }
                | StopReason::TimeLimit { .. }
                | StopReason::Callback { .. }
                | StopReason::Recorded { .. } => {}
            }
            run.save_stopped(Some(&reason)).unwrap();
            assert_eq!(run.history().unwrap().stopped.as_ref(), Some(&reason));
            assert_eq!(run.history().unwrap().stopped_by_user(), reason.is_user(), "{reason:?}");
        }
        // What a terminal would obey is escaped.
        let reason = |text: &str| StopReason::Callback { reason: text.into(), epoch, batch };
        run.save_stopped(Some(&reason("up\u{1b}[A"))).unwrap();
        assert_eq!(run.history().unwrap().stopped, Some(reason("up\\u{1b}[A")));
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
