//! [`Checkpoint`]: everything that an exact resume needs, in one file.
//!
//! One file, because several can't be replaced at once: either all of the last finished epoch is on
//! disk or all of the one before. It is a safetensors file whose metadata hold the rest as TOML, so
//! that any reader of safetensors sees the tensors, and a checksum over all of it.

use std::collections::BTreeMap;
use std::path::Path;

use safetensors::tensor::SafeTensors;
use serde::{Deserialize, Serialize};
use tch::Tensor;
use xxhash_rust::xxh3::xxh3_64;

use super::config::RunConfig;
use crate::common::files::replace_file;
use crate::common::text::plural;
use crate::common::{Error, Result, brief};
use crate::model::{TensorBytes, serialize};
use crate::train::record::{EpochRecord, StopReason};

/// The state of a run after its last finished epoch.
pub struct Checkpoint {
    /// All but the tensors.
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

/// The part of a [`Checkpoint`] that is no tensor. Generators need none: what an epoch draws follows
/// from the seed and the epoch's number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunState {
    /// Step size after the callbacks, before the schedule.
    pub learning_rate: f64,
    /// Optimizer steps so far.
    pub optimizer_steps: u32,
    /// Steps that the weights' average has seen.
    pub ema_steps: u32,
    /// Why a callback ended training before its last epoch, if one did.
    #[serde(default, deserialize_with = "StopReason::read")]
    pub stopped: Option<StopReason>,
    /// What the run is.
    pub run: RunConfig,
    /// The history, a record an epoch.
    pub epochs: Vec<EpochRecord>,
    /// Each callback's name and values, in the order in which they are called.
    pub callbacks: Vec<SavedCallback>,
}

/// One callback in a [`RunState`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SavedCallback {
    /// As `Callback::name` gives it.
    pub name: String,
    /// What it was made with, as `Callback::state` gave it.
    pub settings: toml::Table,
    /// What it remembers, as `Callback::state` gave it.
    pub values: toml::Table,
}

const FORMAT: &str = "fer_nb checkpoint 3";
/// Formats that are read: 2 has reasons as sentences, which [`StopReason::read`] understands.
const READ: [&str; 2] = [FORMAT, "fer_nb checkpoint 2"];
/// What the checksum's place holds while the checksum is computed.
const NO_CHECKSUM: &str = "0000000000000000";
const CHECKSUM_KEY: &str = "\"checksum\":\"";

impl Checkpoint {
    /// Writes the file: to a temporary one, synced, and put in place of the one before.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let failed = |problem: String| {
            Error::file(path, format!("could not be written: {problem}"), "Nothing was changed.")
        };
        let state = toml::to_string(&self.state).map_err(|error| failed(error.to_string()))?;
        let metadata = BTreeMap::from([
            ("format".to_string(), FORMAT.to_string()),
            ("checksum".to_string(), NO_CHECKSUM.to_string()),
            ("state".to_string(), state),
        ]);
        let views = self
            .tensors
            .iter()
            .map(|(name, tensor)| Ok((name.as_str(), TensorBytes::of(tensor)?)))
            .collect::<Result<Vec<_>>>()?;
        let mut bytes = serialize(views, &metadata).map_err(|error| failed(error.to_string()))?;
        let place =
            checksum_place(&bytes).ok_or_else(|| failed("no place for a checksum".into()))?;
        let checksum = format!("{:016x}", xxh3_64(&bytes));
        bytes[place..place + checksum.len()].copy_from_slice(checksum.as_bytes());
        replace_file(path, |temporary| {
            std::fs::write(temporary, &bytes).map_err(|error| Error::io("write", path, error))
        })
    }

    /// Reads the file onto the CPU.
    ///
    /// # Errors
    /// [`Error::Missing`] if there is none; [`Error::File`] if it is cut short, damaged or of an unknown
    /// format.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        if !path.is_file() {
            let hint = "A run saves one after each epoch; train without --resume first.";
            return Err(Error::missing("A checkpoint", path, hint));
        }
        let bytes = std::fs::read(path).map_err(|error| Error::io("read", path, error))?;
        let broken = |problem: String| {
            let hint = "best.safetensors beside last/ has the best weights; to retrain over it: \
                        `fer train --run NAME --overwrite`.";
            Error::file(path, format!("not a whole checkpoint: {problem}"), hint)
        };
        check(&bytes).map_err(&broken)?;
        let unreadable = |error: safetensors::SafeTensorError| broken(error.to_string());
        let (_, metadata) = SafeTensors::read_metadata(&bytes).map_err(unreadable)?;
        let metadata = metadata.metadata().clone().unwrap_or_default();
        let entry = |key: &str| metadata.get(key).map(String::as_str).unwrap_or_default();
        let of_another_version = |problem: String| {
            let hint = "Another version of fer_nb wrote it. This one can start from the run's best weights: \
                        `fer train --initial-weights RUN --run NAME`; or retrain over it: \
                        `fer train --run RUN --overwrite`.";
            Error::file(path, problem, hint)
        };
        if !READ.contains(&entry("format")) {
            let problem = format!("format '{}', expected '{FORMAT}'", entry("format"));
            return Err(of_another_version(problem));
        }
        let state = toml::from_str(entry("state"))
            .map_err(|error| of_another_version(format!("its state: {}", error.message())))?;
        let tensors = SafeTensors::deserialize(&bytes)
            .map_err(unreadable)?
            .tensors()
            .into_iter()
            .map(|(name, view)| Ok((name, Tensor::try_from(view)?)))
            .collect::<Result<_>>()?;
        Ok(Self { state, tensors })
    }

    /// Tensors whose name begins with `prefix`, by the rest of their name.
    pub(crate) fn tensors_below(&self, prefix: &str) -> Vec<(String, Tensor)> {
        let below = self.tensors.iter().filter_map(|(name, tensor)| {
            Some((name.strip_prefix(prefix)?.to_string(), tensor.shallow_clone()))
        });
        below.collect()
    }
}

/// Says what is wrong with a file's bytes, if anything is.
fn check(bytes: &[u8]) -> std::result::Result<(), String> {
    let length = bytes.len();
    let header = bytes.first_chunk().map(|first| u64::from_le_bytes(*first)).unwrap_or(u64::MAX);
    if header > length.saturating_sub(8) as u64 {
        return Err(format!("{length} bytes are less than its header"));
    }
    let place = checksum_place(bytes).ok_or("no checksum in its header")?;
    let mut copy = bytes.to_vec();
    let saved = copy[place..place + NO_CHECKSUM.len()].to_vec();
    copy[place..place + NO_CHECKSUM.len()].copy_from_slice(NO_CHECKSUM.as_bytes());
    let found = format!("{:016x}", xxh3_64(&copy));
    if found.as_bytes() != saved {
        let saved = String::from_utf8_lossy(&saved).into_owned();
        return Err(format!("{length} bytes with checksum {found}, expected {saved}"));
    }
    Ok(())
}

/// Where the checksum's digits begin.
fn checksum_place(bytes: &[u8]) -> Option<usize> {
    let header = u64::from_le_bytes(*bytes.first_chunk()?);
    let end = usize::try_from(header).ok()?.checked_add(8)?;
    let header = bytes.get(8..end)?;
    // The key can't occur in another value: quotation marks are escaped there.
    let key = CHECKSUM_KEY.as_bytes();
    let place = header.windows(key.len()).position(|window| window == key)? + key.len();
    (place + NO_CHECKSUM.len() <= header.len()).then_some(8 + place)
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
