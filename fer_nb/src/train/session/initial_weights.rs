//! The initial weights of a training.

use super::state::State;
use crate::common::text::shown;
use crate::common::{Error, Result};
use crate::model::{NameMap, transfer, transfer_widened};
use crate::train::config::TrainConfig;
use crate::train::run::RunFolder;

/// Before the first batch, loads the matching weights of `config.initial_weights`; returns a line for the user, or
/// `None` if the seed determines the weights or training has already started. The moving average also starts from
/// them.
pub(crate) fn load_initial_weights(
    state: &mut State,
    config: &TrainConfig,
) -> Result<Option<String>> {
    let Some(name) = config.initial_weights.as_ref().filter(|_| state.is_fresh()) else {
        return Ok(None);
    };
    let path = RunFolder::weights_of(name);
    let names = config
        .weights_map
        .iter()
        .fold(NameMap::identity(), |names, (from, to)| names.rename(from, to));
    let load = if config.widen { transfer_widened } else { transfer };
    let loaded = load(&mut *state.learner.network, &path, &names)?;
    if let Some(rule) = loaded.idle_rules.first() {
        let expected = format!("a prefix of a name in {}", shown(&path));
        return Err(Error::setting("weights_map", rule, expected));
    }
    state.learner.restart_average(config)?;
    Ok(Some(format!("starting from {}: {loaded}", shown(&path))))
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use crate::data::{FaceData, SampleConfig};
    use crate::model::Network;
    use crate::train::{Recipe, RunFolder};

    fn recipe(epochs: usize) -> Recipe {
        let mut recipe = Recipe::default();
        recipe.choice.patience = None;
        recipe.train.epochs = epochs;
        recipe.train.batch_size = 16;
        recipe.train.ema = Some(0.9);
        recipe
    }

    fn flat(network: &dyn Network) -> Vec<f32> {
        network.parameters().flat().try_into().unwrap()
    }

    #[test]
    fn a_run_starts_where_another_ended_and_resumes_without_it() {
        let data = FaceData::sample(SampleConfig { seed: 1, train: 70, test: 35 }).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let [first, second] =
            ["first", "second"].map(|name| RunFolder::at(folder.path().join(name)));
        recipe(1).trainer(Device::Cpu, first.path()).unwrap().fit(&data).unwrap();
        let trained = flat(&*first.network(Device::Cpu).unwrap());

        let mut further = recipe(1);
        further.train.initial_weights = Some(first.path().display().to_string());
        further.train.learning_rate = 1e-12;
        let mut trainer = further.trainer(Device::Cpu, second.path()).unwrap();
        trainer.fit(&data).unwrap();
        let gap = flat(trainer.network())
            .iter()
            .zip(&trained)
            .map(|(one, other)| (one - other).abs())
            .fold(0.0f32, f32::max);
        assert!(gap < 1e-6, "{gap}");
        let config = second.config().unwrap();
        assert_eq!(config.train.initial_weights, further.train.initial_weights);

        // Going on needs the checkpoint alone.
        std::fs::remove_dir_all(first.path()).unwrap();
        further.train.epochs = 2;
        let resumed = further.trainer(Device::Cpu, second.path()).unwrap().resume().fit(&data);
        assert_eq!(resumed.unwrap().epochs.len(), 2);
        let message = further.trainer(Device::Cpu, second.path()).unwrap().fit(&data).unwrap_err();
        assert!(message.to_string().contains("first"), "{message}");
    }

    #[test]
    fn a_file_counts_as_well_as_a_run_and_another_network_takes_what_fits() {
        let data = FaceData::sample(SampleConfig { seed: 1, train: 70, test: 35 }).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let first = RunFolder::at(folder.path().join("first"));
        recipe(1).trainer(Device::Cpu, first.path()).unwrap().fit(&data).unwrap();
        let mut other = recipe(1);
        other.network = "vit".parse().unwrap();
        other.train.initial_weights = Some(first.weights().display().to_string());
        let to = folder.path().join("other");
        let message = other.trainer(Device::Cpu, &to).unwrap().fit(&data).unwrap_err().to_string();
        assert!(message.contains("best.safetensors: no tensor fits"), "{message}");
        other.network = "seed_cnn".parse().unwrap();
        other.trainer(Device::Cpu, &to).unwrap().fit(&data).unwrap();
    }
}
