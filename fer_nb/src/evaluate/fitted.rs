//! Values fitted for a run's best weights after training, saved next to them.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::common::files::{file_fingerprint, read_toml, write_toml};
use crate::common::text::shown;
use crate::common::{Error, Result};
use crate::data::FaceData;
use crate::train::RunFolder;

/// Where a fitted value went. Printed, it is a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Saved {
    /// Into this file of the run.
    In(PathBuf),
    /// Nowhere: the run was trained on other images, whose value it keeps.
    OtherImages,
    /// Nowhere: the weights come with the project, which has fitted values for them.
    Pretrained,
}

impl fmt::Display for Saved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Saved::In(path) => write!(f, "saved in {}", shown(path)),
            Saved::OtherImages => {
                f.write_str("not saved: the run was trained on other images, and keeps what was fitted on those")
            }
            Saved::Pretrained => {
                f.write_str("not saved: these weights come with the project, with values of their own")
            }
        }
    }
}

/// The key with the fingerprint of the weights: a run that is retrained has others.
const WEIGHTS: &str = "weights";

/// What to do about a file that can't be used.
pub(super) const REFIT: &str = "Delete it; `fer evaluate` fits it again.";

/// [`write`] for a run that was trained on `data` and does not come with the project; else nothing is written.
pub(super) fn save(
    run: &RunFolder,
    data: &FaceData,
    file: &str,
    values: &impl Serialize,
) -> Result<Saved> {
    if run.is_pretrained() {
        return Ok(Saved::Pretrained);
    }
    if !run.is_of(data)? {
        return Ok(Saved::OtherImages);
    }
    write(run, file, values)?;
    Ok(Saved::In(run.path().join(file)))
}

/// Writes a table of values to `file` in the run's folder, with the fingerprint of its best weights.
///
/// # Errors
/// [`Error::Io`] if there are no weights, or the file can't be written.
pub(super) fn write(run: &RunFolder, file: &str, values: &impl Serialize) -> Result<()> {
    let mut table = toml::Table::try_from(values)
        .map_err(|error| Error::input(file, error, "values that TOML can hold"))?;
    table.insert(WEIGHTS.into(), file_fingerprint(run.weights())?.into());
    write_toml(run.path().join(file), &table)
}

/// The values that [`write`] wrote for the run's present best weights; `None` if it wrote none, or for
/// other weights.
///
/// # Errors
/// [`Error::File`] if the file holds something else.
pub(super) fn of_run<T: DeserializeOwned>(run: &RunFolder, file: &str) -> Result<Option<T>> {
    let path = run.path().join(file);
    let what = "what was fitted for a run";
    let Some(mut table) = read_toml::<toml::Table>(&path, what, REFIT)? else { return Ok(None) };
    let weights = table.remove(WEIGHTS);
    let values = table
        .try_into()
        .map_err(|error: toml::de::Error| Error::file(&path, error.message(), REFIT))?;
    Ok((weights == Some(file_fingerprint(run.weights())?.into())).then_some(values))
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;
    use crate::data::SampleConfig;
    use crate::evaluate::Temperature;
    use crate::model::{SeedCnn, weights};
    use crate::train::{RunConfig, TrainConfig};

    #[test]
    fn nothing_is_written_for_other_images() {
        let sample = |seed| FaceData::sample(SampleConfig { seed, train: 70, test: 35 }).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let run = RunFolder::at(folder.path());
        let network = SeedCnn::new(Device::Cpu, 1).unwrap();
        run.save_config(&RunConfig::new(&network, &TrainConfig::default(), &sample(1))).unwrap();
        weights::save(&network, run.weights()).unwrap();
        let temperature = Temperature::new(1.5).unwrap();
        let file = run.path().join("temperature.toml");
        // Both samples have one name.
        assert_eq!(temperature.save(&run, &sample(2)).unwrap(), Saved::OtherImages);
        assert!(!file.exists());
        assert_eq!(temperature.save(&run, &sample(1)).unwrap(), Saved::In(file.clone()));
        assert_eq!(Temperature::of_run(&run).unwrap(), temperature);
        let before =
            std::fs::read(RunFolder::pretrained().path().join("temperature.toml")).unwrap();
        let ours = RunFolder::pretrained();
        assert_eq!(temperature.save(&ours, &sample(1)).unwrap(), Saved::Pretrained);
        assert_eq!(std::fs::read(ours.path().join("temperature.toml")).unwrap(), before);
    }
}
