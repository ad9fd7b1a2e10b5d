//! Seconds until a validation accuracy is reached, from the start of the process.

use std::time::Instant;

use serde::Serialize;

use fer_nb::data::FaceData;
use fer_nb::error::{Error, Result};
use fer_nb::model::Network;
use fer_nb::project::Precision;
use fer_nb::train::{Callback, EpochEnd, Recipe, TrainConfig, Trainer};

/// The accuracy to reach, and the training that reaches it.
#[derive(clap::Args)]
pub(crate) struct Goal {
    /// The validation accuracy to reach.
    #[arg(long, default_value_t = 0.45)]
    target: f64,

    /// The hyperparameters: a recipe's name, or a TOML file.
    #[arg(long, default_value = "original", value_name = "NAME|FILE")]
    recipe: String,

    /// The maximum number of epochs [default: the recipe's].
    #[arg(long)]
    epochs: Option<usize>,

    /// The seed of the order of images, augmentation and dropout; the initial weights stay the same.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[derive(Debug, Serialize)]
pub(crate) struct Metrics {
    seconds: f64,
    epochs: usize,
    val_accuracy: f64,
}

/// Trains whole epochs until one of them ends with the requested accuracy. The recipe's network starts with the
/// weights of the given one, which the other frameworks also start with.
pub(crate) fn measure(
    network: Box<dyn Network>,
    data: &FaceData,
    precision: Precision,
    goal: &Goal,
) -> Result<Metrics> {
    let before = super::process::seconds_since_start().unwrap_or(0.0);
    let started = Instant::now();
    let Recipe { network: architecture, train, .. } = Recipe::open(&goal.recipe)?;
    let epochs = goal.epochs.unwrap_or(train.epochs);
    let config = TrainConfig { epochs, seed: goal.seed, precision, ..train };
    let mut trained = architecture.build(network.parameters().device(), 0)?;
    trained.parameters_mut().restore(&network.parameters().snapshot()?)?;
    let history = Trainer::new(trained, config)?.callback(Reached(goal.target)).fit(data)?;
    let seconds = before + started.elapsed().as_secs_f64();
    let last = history.epochs.last();
    let last =
        last.ok_or_else(|| Error::setting("epochs", epochs, "at least one completed epoch"))?;
    Ok(Metrics { seconds, epochs: last.epoch, val_accuracy: last.val_accuracy })
}

struct Reached(f64);

impl Callback for Reached {
    fn name(&self) -> &'static str {
        "Reached"
    }

    fn on_epoch_end(&mut self, epoch: &mut EpochEnd<'_>) -> Result<()> {
        if epoch.record.val_accuracy >= self.0 {
            epoch.stop_training("the accuracy is reached");
        }
        Ok(())
    }
}
