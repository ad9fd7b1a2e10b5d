//! [`RunChoice`]: the run to use if the user names none.

use std::fmt;
use std::path::PathBuf;

use super::folder::RunFolder;
use crate::common::{Error, Result};
use crate::data::FaceData;

/// The run to use if the user names none, and the reason. Displayed, it is a sentence for the user.
///
/// A network that was trained on drawn faces is useless for photos of people. So a run that was trained on them is
/// not used for photos; the default pretrained weights are used instead.
///
/// ```no_run
/// use fer_nb::prelude::*;
///
/// let chosen = RunChoice::for_photos(runs("baseline"))?;
/// println!("{chosen}");
/// let predictor = Predictor::load(chosen.run.path(), device()?)?;
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct RunChoice {
    /// The run.
    pub run: RunFolder,
    /// Why it was chosen.
    pub reason: ChoiceReason,
    /// The data that it was trained on: "FER2013", "made-up sample" or the name of a folder.
    pub trained_on: String,
    /// The user's run, whether it was chosen or not.
    own: RunFolder,
}

/// The reason for the choice of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChoiceReason {
    /// It is the user's run.
    Own,
    /// The user's run does not exist.
    NoRun,
    /// The user's run was trained on drawn faces, and the images are photos.
    DrawnFaces,
}

impl RunChoice {
    /// The run for photos of people: the one at this path if it was trained on photos, else
    /// [`RunFolder::pretrained`].
    ///
    /// # Errors
    /// [`Error::Missing`] if neither exists; as [`RunFolder::config`] for a run that can't be read.
    pub fn for_photos(path: impl Into<PathBuf>) -> Result<Self> {
        Self::or_stand_in(RunFolder::at(path), RunFolder::pretrained())
    }

    /// The run to evaluate on `data`: as [`RunChoice::for_photos`], but for the made-up sample only the run at this
    /// path.
    ///
    /// # Errors
    /// As [`RunChoice::for_photos`].
    pub fn for_data(path: impl Into<PathBuf>, data: &FaceData) -> Result<Self> {
        match data.is_sample() {
            true => Self::own(RunFolder::at(path)),
            false => Self::for_photos(path),
        }
    }

    fn own(run: RunFolder) -> Result<Self> {
        let trained_on = run.config()?.data_title;
        Ok(Self { own: run.clone(), run, reason: ChoiceReason::Own, trained_on })
    }

    fn or_stand_in(own: RunFolder, ours: RunFolder) -> Result<Self> {
        let reason = match own.exists() {
            false if !ours.exists() => return Self::own(own), // whose error names the missing file
            false => ChoiceReason::NoRun,
            true if own.config()?.is_of_sample() => ChoiceReason::DrawnFaces,
            true => return Self::own(own),
        };
        if !ours.exists() {
            let hint = "Restore that folder from the project's repository, or name the run that is to \
                        answer.";
            return Err(Error::missing(
                "A network that was trained on photos of people",
                ours.path(),
                hint,
            ));
        }
        let trained_on = ours.config()?.data_title;
        Ok(Self { run: ours, reason, trained_on, own })
    }
}

impl fmt::Display for RunChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { run, reason, trained_on, own } = self;
        let (run, own) = (run.name(), own.name());
        match reason {
            ChoiceReason::Own => {
                return write!(f, "using the run {run}, trained on {trained_on}");
            }
            ChoiceReason::NoRun => write!(f, "there is no run {own}")?,
            ChoiceReason::DrawnFaces => {
                write!(f, "the run {own} was trained on drawn faces, not on photos of people")?;
            }
        }
        write!(f, "; using the pretrained weights {run}, trained on {trained_on}")
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use tch::Device;

    use super::*;
    use crate::data::{SampleConfig, fixtures};
    use crate::model::SeedCnn;
    use crate::train::config::TrainConfig;
    use crate::train::run::RunConfig;

    fn sample() -> FaceData {
        FaceData::sample(SampleConfig { seed: 1, train: 70, test: 35 }).unwrap()
    }

    /// A run's config alone, of a training on data of this title.
    fn run(path: &Path, title: &str) -> RunFolder {
        let network = SeedCnn::new(Device::Cpu, 1).unwrap();
        let mut config = RunConfig::new(&network, &TrainConfig::default(), &sample());
        config.data_title = title.into();
        let run = RunFolder::at(path);
        run.save_config(&config).unwrap();
        run
    }

    #[test]
    fn drawn_faces_never_answer_for_photos() {
        let folder = tempfile::tempdir().unwrap();
        let [own, ours] = ["mine", "shipped"].map(|name| folder.path().join(name));
        let choose = || RunChoice::or_stand_in(RunFolder::at(&own), RunFolder::at(&ours));
        let missing = |path: &Path| match choose() {
            Err(Error::Missing { path: found, .. }) => assert_eq!(found, path),
            other => panic!("{other:?}"),
        };
        let chosen = |path: &Path, reason: ChoiceReason, parts: &[&str]| {
            let choice = choose().unwrap();
            assert_eq!((choice.run.path(), choice.reason), (path, reason));
            let text = choice.to_string();
            assert!(parts.iter().all(|part| text.contains(part)), "{text}");
            assert!(!text.contains(&*folder.path().to_string_lossy()), "{text}");
        };
        missing(&own.join("config.toml"));
        run(&own, "made-up sample");
        missing(&ours);
        run(&ours, "FER2013");
        chosen(&ours, ChoiceReason::DrawnFaces, &["mine", "drawn", "shipped", "FER2013"]);
        for title in ["FER2013", "my_photos"] {
            run(&own, title);
            chosen(&own, ChoiceReason::Own, &["mine", title]);
        }
        std::fs::remove_dir_all(&own).unwrap();
        chosen(&ours, ChoiceReason::NoRun, &["no run mine", "shipped", "FER2013"]);
        run(&own, "FER2013");
        std::fs::write(own.join("config.toml"), "damaged").unwrap();
        assert!(matches!(choose(), Err(Error::File { .. })), "a damaged run is not passed over");
    }

    #[test]
    fn drawn_faces_are_evaluated_by_a_run_that_was_trained_on_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mine");
        let missing = RunChoice::for_data(&path, &sample());
        assert!(matches!(missing, Err(Error::Missing { .. })), "{missing:?}");
        run(&path, "made-up sample");
        let choice = RunChoice::for_data(&path, &sample()).unwrap();
        assert_eq!((choice.run.path(), choice.reason), (&*path, ChoiceReason::Own));
        if RunFolder::pretrained().exists() {
            let choice = RunChoice::for_data(&path, &fixtures::data_with(&[])).unwrap();
            assert_eq!(choice.reason, ChoiceReason::DrawnFaces);
            assert_eq!(choice.run.path(), RunFolder::pretrained().path());
        }
    }
}
