//! [`RunConfig`]: the settings and data of a run, and the comparison of two runs.

use serde::{Deserialize, Serialize};

use crate::common::text::shown;
use crate::data::{FaceData, Origin};
use crate::model::{Architecture, Network};
use crate::project::{device_name, hardware};
use crate::train::config::{Schedule, TrainConfig};

/// `config.toml`: the settings and data of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunConfig {
    /// Version of this file's format, [`RunConfig::FORMAT`].
    #[serde(default)]
    pub format: u32,
    /// The version of fer_nb that trained it.
    pub fer_nb: String,
    /// The architecture's name.
    pub network: String,
    /// The source of the data, in words.
    pub data: String,
    /// The data's name in titles: "FER2013", "made-up sample" or the name of a folder.
    pub data_title: String,
    /// Fingerprint of pixels, labels and order of all three parts, hexadecimal.
    pub data_fingerprint: String,
    /// Fingerprints of the training images and of the validation images, hexadecimal: equal for copies of a data
    /// set with different test parts. `None` in runs saved by older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fitted_fingerprints: Option<[String; 2]>,
    /// The number of images for training, validation and test, as loaded.
    pub images: [usize; 3],
    /// The number of images that it was trained on, and of those that the epoch was chosen by, after
    /// [`TrainConfig::images`]. `None` before training, and in runs saved by older versions.
    #[serde(default, skip_serializing_if = "Option::is_none", alias = "learnt")]
    pub trained_on: Option<[usize; 2]>,
    /// The device: "CPU, 2 threads".
    pub device: String,
    /// The hardware: "AMD EPYC 7B13 (AVX2), 2 threads" or "NVIDIA H200". `None` in runs saved by older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hardware: Option<String>,
    /// The dtype of the computation: "bfloat16 (auto)".
    pub precision: String,
    /// The network's name and settings; `None` for a custom network. Older runs without it are of the seed CNN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub architecture: Option<Architecture>,
    /// The hyperparameters.
    pub train: TrainConfig,
}

impl RunConfig {
    /// The config with its texts escaped, as they are read from a file: they can't move a terminal's cursor.
    pub(super) fn into_shown(mut self) -> Self {
        let Self { fer_nb, network, data, data_title, device, precision, hardware, .. } = &mut self;
        let texts = [fer_nb, network, data, data_title, device, precision];
        texts.into_iter().chain(hardware).for_each(|text| *text = shown(text.as_str()));
        self
    }

    /// The format that is written. 2 leaves out what is off; older files, which say 0 or "", are read.
    pub const FORMAT: u32 = 2;

    /// The config of a run of this network on this data.
    pub fn new(network: &dyn Network, train: &TrainConfig, data: &FaceData) -> Self {
        let device = network.parameters().device();
        Self {
            format: Self::FORMAT,
            fer_nb: env!("CARGO_PKG_VERSION").into(),
            network: network.name().into(),
            data: data.origin().to_string(),
            data_title: data.origin().title().into(),
            data_fingerprint: format!("{:016x}", data.fingerprint()),
            fitted_fingerprints: Some(Self::fitted_on(data)),
            images: [data.train.len(), data.validation.len(), data.test.len()],
            trained_on: None,
            device: device_name(device),
            hardware: Some(hardware(device)),
            precision: train.precision.report(device),
            architecture: Architecture::of(network),
            train: train.clone(),
        }
    }

    /// The fingerprints of data's training and validation images.
    pub(super) fn fitted_on(data: &FaceData) -> [String; 2] {
        [&data.train, &data.validation].map(|part| format!("{:016x}", part.fingerprint()))
    }

    /// Whether the run was trained on drawn faces.
    pub fn is_of_sample(&self) -> bool {
        self.data_title == Origin::SAMPLE
    }

    /// The first difference between this run and `now`, in words; `None` if `now` can resume this run exactly. More
    /// epochs, another version or another device are not a difference.
    pub fn difference(&self, now: &RunConfig) -> Option<String> {
        if self.data_fingerprint != now.data_fingerprint {
            let words = |config: &RunConfig| format!("{:?} from {}", config.images, config.data);
            return Some(format!("other images: {}, and now {}", words(self), words(now)));
        }
        let comparable = |config: &RunConfig| {
            let mut config = config.clone();
            if self.architecture.is_none() {
                config.architecture = None; // saved by an older version
            }
            // A setting that depends on the last epoch differs if the number of epochs changes.
            if config.train.schedule == Schedule::Constant && config.train.clean_epochs == 0 {
                config.train.epochs = 0;
            }
            config.fer_nb.clear();
            config.trained_on = None; // derived from the other values
            config.format = 0;
            config.fitted_fingerprints = None; // the fingerprint of all images was compared
            config.device.clear();
            config.hardware = None;
            config.precision.clear(); // derived from train.precision and the device
            // The same images may be in another folder, or in a renamed one.
            config.data.clear();
            config.data_title.clear();
            toml::Table::try_from(config).unwrap_or_default()
        };
        first_difference(&comparable(self), &comparable(now), "")
    }
}

/// The first key with a different value, in words, with `prefix` before it.
pub(crate) fn first_difference(
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

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;
    use crate::data::SampleConfig;
    use crate::model::SeedCnn;
    use crate::train::config::Optimizer;

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
}
