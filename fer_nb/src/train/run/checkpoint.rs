//! [`Checkpoint`]: the complete state for an exact resume, in one file.
//!
//! Several files can't be replaced at once; with one file, the disk has either the complete state after the last
//! completed epoch or that of the previous one. It is a safetensors file whose metadata contain the rest as TOML,
//! so that every safetensors reader can read the tensors, and a checksum over all of it.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::config::RunConfig;
use crate::common::text::plural;
use crate::common::{Error, Place, Result, brief};
use crate::model::{Check, Problem, TensorFile, write_tensors};
use crate::train::record::{EpochRecord, StopReason};

/// The state of a run after its last completed epoch.
pub struct Checkpoint {
    /// The state without the tensors.
    pub state: RunState,
    /// `network.<name>` in PyTorch's shapes; `optimizer.<name>`, `ema` and `callback.<n>.<name>`.
    pub tensors: Vec<(String, Tensor)>,
}

brief!(
    Checkpoint,
    |checkpoint| "{}, {}",
    plural(checkpoint.state.epochs.len(), "epoch"),
    plural(checkpoint.tensors.len(), "tensor")
);

/// The part of a [`Checkpoint`] without tensors. It needs no generator state: the random numbers of an epoch are
/// derived from the seed and the epoch's number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunState {
    /// The learning rate after the callbacks, before the schedule.
    pub learning_rate: f64,
    /// The number of optimizer steps.
    pub optimizer_steps: u32,
    /// The number of steps of the weights' average.
    pub ema_steps: u32,
    /// Why a callback ended training before its last epoch, or `None`.
    #[serde(default, deserialize_with = "StopReason::read")]
    pub stopped: Option<StopReason>,
    /// The run's config.
    pub run: RunConfig,
    /// A record for each epoch.
    pub epochs: Vec<EpochRecord>,
    /// Each callback's name and values, in the order of the calls.
    pub callbacks: Vec<SavedCallback>,
}

/// One callback in a [`RunState`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SavedCallback {
    /// The name from `Callback::name`.
    pub name: String,
    /// The settings from `Callback::state`.
    pub settings: toml::Table,
    /// The values from `Callback::state`.
    pub values: toml::Table,
}

const FORMAT: &str = "fer_nb checkpoint 3";
/// The supported formats: 2 has reasons as sentences, which [`StopReason::read`] parses.
const READ: [&str; 2] = [FORMAT, "fer_nb checkpoint 2"];
/// The maximum size of a checkpoint: weights, their average and two moments of 500 million parameters.
const LARGEST: u64 = 8 << 30;

impl Checkpoint {
    /// Writes a temporary file, syncs it, and renames it to the checkpoint's name.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let failed = |problem: String| {
            Error::file(path, format!("could not be written: {problem}"), "Nothing was changed.")
        };
        let state = toml::to_string(&self.state).map_err(|error| failed(error.to_string()))?;
        let metadata = BTreeMap::from([
            ("format".to_string(), FORMAT.to_string()),
            ("state".to_string(), state),
        ]);
        write_tensors(path, &self.tensors, None, metadata)
    }

    /// Reads the file to the CPU.
    ///
    /// # Errors
    /// [`Error::Missing`] if it does not exist; [`Error::File`] if it is truncated, damaged or of an unknown
    /// format.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        if !path.is_file() {
            let hint = "A run saves one after each epoch; train without --resume first.";
            return Err(Error::missing("A checkpoint", path, hint));
        }
        let broken = |problem: Problem| {
            let hint = "best.safetensors next to last/ has the best weights; to retrain over it: \
                        `fer train --run NAME --overwrite`.";
            match problem {
                Problem::Io(error) => Error::io("read", path, error),
                other => Error::file(path, format!("not a whole checkpoint: {other}"), hint),
            }
        };
        let file = TensorFile::open(path, LARGEST).map_err(broken)?;
        let entry = |key: &str| file.metadata(key).unwrap_or_default().to_string();
        let (format, state) = (entry("format"), entry("state"));
        let tensors = file.read(Check::Required).map_err(broken)?;
        let of_another_version = |problem: String| {
            let hint = "Another version of fer_nb wrote it. This one can start from the run's best weights: \
                        `fer train --initial-weights RUN --run NAME`; or retrain over it: \
                        `fer train --run RUN --overwrite`.";
            Error::file(path, problem, hint)
        };
        if !READ.contains(&format.as_str()) {
            return Err(of_another_version(format!("format '{format}', expected '{FORMAT}'")));
        }
        let state = toml::from_str(&state)
            .map_err(|error| of_another_version(format!("its state: {}", error.message())))?;
        let state: RunState = state;
        if !(state.learning_rate.is_finite() && state.learning_rate > 0.0) {
            let problem = format!("{} is not a number above 0", state.learning_rate);
            let place = Place::Key("learning_rate".into());
            return Err(Error::file_at(path, place, problem, "Retrain, or restore the file."));
        }
        Ok(Self { state, tensors })
    }

    /// Tensors whose names start with `prefix`, by the rest of their names.
    pub(crate) fn tensors_below(&self, prefix: &str) -> Vec<(String, Tensor)> {
        let below = self.tensors.iter().filter_map(|(name, tensor)| {
            Some((name.strip_prefix(prefix)?.to_string(), tensor.shallow_clone()))
        });
        below.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;

    use crate::data::{FaceData, SampleConfig};
    use crate::model::SeedCnn;
    use crate::train::TrainConfig;

    fn checkpoint() -> Checkpoint {
        let data = FaceData::sample(SampleConfig { seed: 1, train: 70, test: 35 }).unwrap();
        let network = SeedCnn::new(Device::Cpu, 1).unwrap();
        let epoch = EpochRecord {
            epoch: 1,
            loss: 1.0 / 3.0,
            accuracy: 0.1,
            val_loss: f64::INFINITY,
            val_accuracy: 0.2,
            learning_rate: 1e-3,
            seconds: 0.7,
        };
        let values = toml::Table::from_iter([("best".to_string(), toml::Value::Float(0.1 + 0.2))]);
        let state = RunState {
            learning_rate: 1e-3 / 7.0,
            optimizer_steps: 3,
            ema_steps: 0,
            stopped: None,
            run: RunConfig::new(&network, &TrainConfig::default(), &data),
            epochs: vec![epoch],
            callbacks: vec![SavedCallback {
                name: "EarlyStopping".into(),
                settings: toml::Table::new(),
                values,
            }],
        };
        let tensors = vec![
            ("network.a".to_string(), Tensor::from_slice(&[1.0f32, 2.0]).view([1, 2])),
            ("optimizer.mean".to_string(), Tensor::from_slice(&[f32::MIN_POSITIVE; 500])),
        ];
        Checkpoint { state, tensors }
    }

    #[test]
    fn every_bit_survives_the_disk() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("last/checkpoint.safetensors");
        let saved = checkpoint();
        saved.save(&path).unwrap();
        let loaded = Checkpoint::load(&path).unwrap();
        assert_eq!(loaded.state, saved.state);
        let mean = loaded.tensors_below("optimizer.");
        assert_eq!((mean.len(), mean[0].0.as_str()), (1, "mean"));
        assert_eq!(mean[0].1, saved.tensors[1].1);
        assert_eq!(loaded.tensors_below("network.")[0].1.size(), [1, 2]);
        // Any reader of safetensors reads it.
        assert_eq!(Tensor::read_safetensors(&path).unwrap().len(), 2);
    }

    #[test]
    fn a_file_cut_anywhere_is_an_error_that_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint.safetensors");
        checkpoint().save(&path).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let header = 8 + u64::from_le_bytes(*bytes.first_chunk().unwrap()) as usize;
        let body = (0..200).map(|place| header + place * (bytes.len() - header) / 200);
        for length in (0..header).chain(body) {
            std::fs::write(&path, &bytes[..length]).unwrap();
            let message = Checkpoint::load(&path).unwrap_err().to_string();
            assert!(message.contains("checkpoint.safetensors: not a whole"), "{length}: {message}");
            assert!(message.contains(&format!("{length} bytes")), "{length}: {message}");
        }
    }

    #[test]
    fn a_flipped_bit_is_found_wherever_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint.safetensors");
        checkpoint().save(&path).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        for place in (0..bytes.len()).step_by(7) {
            let mut broken = bytes.clone();
            broken[place] ^= 1 << (place % 8);
            std::fs::write(&path, &broken).unwrap();
            assert!(Checkpoint::load(&path).is_err(), "byte {place}");
        }
    }

    #[test]
    fn a_missing_file_is_named() {
        let message = Checkpoint::load("nowhere/checkpoint.safetensors").unwrap_err().to_string();
        assert!(message.starts_with("A checkpoint is missing at nowhere/"), "{message}");
    }
}
