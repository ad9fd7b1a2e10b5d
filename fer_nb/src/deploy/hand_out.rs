//! A run's weights made ready for others: half the size, with their model card.

use std::path::Path;

use tch::Device;

use super::ModelCard;
use crate::data::Fer2013;
use crate::error::{Error, Result};
use crate::evaluate::{Certainty, Evaluation, Temperature, evaluate};
use crate::model::weights;
use crate::train::RunFolder;

/// Writes what others need of a run into the folder `to`, which can be used as a run folder itself: the
/// best weights in f16 (`best.safetensors`), `config.toml` without paths of this machine, `history.csv`,
/// the temperature, and `model_card.md` with the figures of these very weights, which are returned.
///
/// `command` is what trained them, for the card.
///
/// # Errors
/// Where the run is missing or learnt from another kind of data; where a file can't be written.
pub fn hand_out(
    run: &RunFolder,
    data: &Fer2013,
    to: impl AsRef<Path>,
    command: &str,
    device: Device,
) -> Result<Evaluation> {
    run.check_data(data)?;
    let handed = RunFolder::at(to.as_ref());
    std::fs::create_dir_all(handed.path())
        .map_err(|error| Error::io("create", handed.path(), error))?;
    let mut config = run.config()?;
    config.data = config.data_title.clone();
    weights::save_half(&*run.network(device)?, handed.weights())?;
    handed.save_config(&config)?;
    handed.save_history(&run.history()?)?;
    // From here on, with what the rounding left.
    let network = handed.network(device)?;
    let held_back = run.held_back(data)?;
    if !held_back.is_empty() {
        let validation = evaluate(&*network, &held_back)?;
        let temperature = Temperature::fit(&validation);
        temperature.save(&handed)?;
        let validation = validation.at_temperature(temperature)?;
        Certainty::fit(&validation, Certainty::RIGHT)?.save(&handed)?;
    }
    let test = evaluate(&*network, &data.test)?;
    let mut card = ModelCard::of_run(&handed, data, &test)?;
    card.notes
        .push("The weights are rounded to float16; all figures are of the rounded ones.".into());
    if !command.is_empty() {
        card.hardware += &format!(" Command: `{command}`.");
    }
    card.save(handed.path().join("model_card.md"))?;
    Ok(test)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::SampleConfig;
    use crate::train::Recipe;

    #[test]
    fn what_is_handed_out_is_a_run_of_half_the_size() {
        let data = Fer2013::sample(SampleConfig { seed: 1, train: 70, test: 35 }).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mut recipe = Recipe::default();
        recipe.train.epochs = 1;
        recipe.train.batch_size = 16;
        let run = RunFolder::at(folder.path().join("run"));
        recipe.trainer(Device::Cpu, run.path()).unwrap().fit(&data).unwrap();
        let to = folder.path().join("out");
        let test = hand_out(&run, &data, &to, "fer train --epochs 1", Device::Cpu).unwrap();
        let handed = RunFolder::at(&to);
        let bytes = |run: &RunFolder| std::fs::metadata(run.weights()).unwrap().len();
        assert!(bytes(&handed) < bytes(&run) / 2 + 2048);
        let again = evaluate(&*handed.network(Device::Cpu).unwrap(), &data.test).unwrap();
        assert_eq!(again, test);
        assert_ne!(Temperature::of_run(&handed).unwrap(), Temperature::default());
        let card = std::fs::read_to_string(to.join("model_card.md")).unwrap();
        for part in [
            "Command: `fer train --epochs 1`",
            "divided by a temperature",
            "measured on made-up sample's test part (35 images)",
            "rounded to float16",
        ] {
            assert!(card.contains(part), "{part}: {card}");
        }
    }
}
