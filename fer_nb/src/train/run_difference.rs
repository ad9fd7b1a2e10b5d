//! The settings in which runs differ: the first columns of a comparison.

use std::collections::BTreeSet;

use toml::Value;

use super::run::RunConfig;
use super::run_table::{flat, table};
use crate::common::Result;

/// A setting with different values in the runs.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct RunDifference {
    /// Its path in `config.toml`, without "train.": "learning_rate", "loss.label_smoothing".
    pub setting: String,
    /// Its value in each run, in words; `None` if the run's config lacks it.
    pub values: Vec<Option<String>>,
}

/// The settings that differ between runs: network, hyperparameters and data. Values that depend on the machine
/// (device, precision in use, versions) are ignored.
pub(crate) fn differences(configs: &[RunConfig]) -> Result<Vec<RunDifference>> {
    let settings = configs.iter().map(settings).collect::<Result<Vec<_>>>()?;
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    for (path, _) in settings.iter().flatten().filter(|(path, _)| seen.insert(path.clone())) {
        let values: Vec<Option<String>> = settings
            .iter()
            .map(|of_run| of_run.iter().find(|(name, _)| name == path).map(|(_, v)| v.clone()))
            .collect();
        if values.iter().any(|value| Some(value) != values.first()) {
            found.push(RunDifference { setting: path.clone(), values });
        }
    }
    Ok(found)
}

fn settings(config: &RunConfig) -> Result<Vec<(String, String)>> {
    let mut rows = vec![("data".to_string(), config.data_title.clone())];
    if let Some(architecture) = &config.architecture {
        for (path, value) in flat(&table(architecture)?, "network.") {
            if path != "network.name" {
                rows.push((path, words(&value)));
            }
        }
    }
    rows.extend(flat(&table(&config.train)?, "").into_iter().map(|(path, v)| (path, words(&v))));
    Ok(rows)
}

/// Text without quotation marks.
fn words(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{FaceData, SampleConfig};
    use crate::model::SeedCnn;
    use crate::train::TrainConfig;
    use tch::Device;

    #[test]
    fn only_what_was_set_differently_is_a_difference() {
        let data = FaceData::sample(SampleConfig { seed: 1, train: 70, test: 35 }).unwrap();
        let network = SeedCnn::new(Device::Cpu, 1).unwrap();
        let first = RunConfig::new(&network, &TrainConfig::default(), &data);
        let mut second = first.clone();
        second.train.learning_rate = 2e-3;
        second.train.ema = Some(0.9);
        second.device = "elsewhere".into();
        second.fer_nb = "9.9.9".into();
        let mut third = first.clone();
        third.network = "mine".into();
        third.architecture = None; // a custom network
        let found = differences(&[first.clone(), second, third]).unwrap();
        let of = |setting: &str| {
            let found = found.iter().find(|found| found.setting == setting);
            found.map(|found| found.values.clone()).unwrap_or_default()
        };
        let some = |text: &str| Some(text.to_string());
        assert_eq!(of("learning_rate"), [some("0.001"), some("0.002"), some("0.001")]);
        assert_eq!(of("ema"), [None, some("0.9"), None]);
        assert_eq!(of("network.block_dropout").last(), Some(&None));
        for same in ["seed", "epochs", "data", "device", "fer_nb"] {
            assert!(of(same).is_empty(), "{same}");
        }
        assert_eq!(differences(&[first]).unwrap(), []);
    }
}
