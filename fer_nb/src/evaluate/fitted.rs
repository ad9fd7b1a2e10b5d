//! Values fitted for a run's best weights after training, saved next to them.

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::common::files::{file_fingerprint, read_toml, write_toml};
use crate::common::text::shown;
use crate::common::{Error, Result};
use crate::data::FaceData;
use crate::model::weights::{FITTED_FOR, REFIT, integrity};
use crate::train::RunFolder;

/// Where a fitted value was saved. Displayed, it is a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Saved {
    /// In this file of the run.
    In(PathBuf),
    /// Not saved: the run was trained on other images, and keeps its value.
    OtherImages,
    /// Not saved: these are pretrained weights, which have fitted values.
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
                f.write_str("not saved: these are pretrained weights, which keep their fitted values")
            }
        }
    }
}

/// [`write`] for a run that was trained on `data` and is not pretrained; else nothing is written.
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
    table.insert(FITTED_FOR.into(), file_fingerprint(run.weights())?.into());
    write_toml(run.path().join(file), &table)
}

/// The values that [`write`] saved for the run's current best weights; `None` if none were saved, or if they were
/// saved for other weights with a valid checksum.
///
/// # Errors
/// [`Error::File`] if the file has another content, or the weights may be damaged.
pub(super) fn of_run<T: DeserializeOwned>(run: &RunFolder, file: &str) -> Result<Option<T>> {
    let path = run.path().join(file);
    let what = "what was fitted for a run";
    let Some(mut table) = read_toml::<toml::Table>(&path, what, REFIT)? else { return Ok(None) };
    let weights = table.remove(FITTED_FOR);
    let values = table
        .try_into()
        .map_err(|error: toml::de::Error| Error::file(&path, error.message(), REFIT))?;
    if weights == Some(file_fingerprint(run.weights())?.into()) {
        return Ok(Some(values));
    }
    // Other weights are not an error, but damaged ones are.
    if !run.is_unchecked() {
        integrity(run.weights())?;
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;
    use crate::data::SampleConfig;
    use crate::evaluate::Temperature;
    use crate::model::weights::{Integrity, integrity};
    use crate::model::{Network, SeedCnn, weights};
    use crate::project::pretrained;
    use crate::train::{RunConfig, TrainConfig};

    /// 40 copies of weights that come with the project, which have no checksum, and of ones that do.
    #[test]
    fn a_flipped_bit_is_noticed_wherever_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let ours = RunFolder::at(pretrained("seed_cnn"));
        let (old, new) = (folder.path().join("old"), folder.path().join("new"));
        for (run, files) in [
            (&old, &["config.toml", "temperature.toml", "certainty.toml"][..]),
            (&new, &["config.toml"]),
        ] {
            std::fs::create_dir(run).unwrap();
            for file in files {
                std::fs::copy(ours.path().join(file), run.join(file)).unwrap();
            }
        }
        std::fs::copy(ours.weights(), RunFolder::at(&old).weights()).unwrap();
        weights::save(&*ours.network(Device::Cpu).unwrap(), RunFolder::at(&new).weights()).unwrap();
        for path in [old, new] {
            let run = RunFolder::at(&path);
            assert_eq!(integrity(run.weights()).unwrap(), Integrity::Known);
            let whole = std::fs::read(run.weights()).unwrap();
            for copy in 0..40u64 {
                let mut bytes = whole.clone();
                // The first ten are in the header.
                let range = if copy < 10 { 2000 } else { bytes.len() as u64 };
                let at = (copy.wrapping_mul(0x9E37_79B9_7F4A_7C15) % range) as usize;
                bytes[at] ^= 1 << (copy % 8);
                std::fs::write(run.weights(), bytes).unwrap();
                let refused = run.network(Device::Cpu).err();
                assert!(
                    matches!(&refused, Some(Error::File { path, .. }) if *path == run.weights()),
                    "copy {copy}, byte {at}: {refused:?}"
                );
                if copy >= 10 {
                    let unchecked = run.clone().unchecked();
                    assert!(unchecked.network(Device::Cpu).is_ok(), "copy {copy}");
                    assert_eq!(Temperature::of_run(&unchecked).unwrap(), Temperature::default());
                }
            }
            std::fs::write(run.weights(), whole).unwrap();
            assert!(run.network(Device::Cpu).is_ok());
        }
    }

    #[test]
    fn weights_without_anything_that_vouches_for_them_load_and_say_so() {
        let folder = tempfile::tempdir().unwrap();
        let ours = RunFolder::at(pretrained("seed_cnn"));
        let run = RunFolder::at(folder.path());
        std::fs::copy(ours.path().join("config.toml"), run.path().join("config.toml")).unwrap();
        std::fs::copy(ours.weights(), run.weights()).unwrap();
        assert!(run.network(Device::Cpu).is_ok());
        let found = integrity(run.weights()).unwrap();
        assert_eq!(found, Integrity::Unknown);
        assert!(found.to_string().contains("no checksum"), "{found}");
    }

    #[test]
    fn numbers_that_are_not_finite_are_the_files_fault() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunFolder::at(folder.path());
        let mut network = SeedCnn::new(Device::Cpu, 1).unwrap();
        weights::save(&network, run.weights()).unwrap();
        let whole = std::fs::read(run.weights()).unwrap();
        let mut bytes = whole.clone();
        let last = bytes.len() - 4;
        bytes[last..].copy_from_slice(&f32::NAN.to_le_bytes());
        std::fs::write(run.weights(), bytes).unwrap();
        let refused = weights::load(&mut network, run.weights()).unwrap_err().to_string();
        assert!(refused.contains("best.safetensors: its checksum is"), "{refused}");
        // As a training that diverged leaves them, with a checksum.
        let nan = network.parameters().flat().full_like(f64::NAN);
        network.parameters_mut().restore(&nan).unwrap();
        weights::save(&network, run.weights()).unwrap();
        let refused = weights::load(&mut network, run.weights()).unwrap_err().to_string();
        assert!(refused.contains("holds numbers that are not finite"), "{refused}");
    }

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
