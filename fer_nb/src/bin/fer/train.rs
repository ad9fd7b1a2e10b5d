//! `fer train`: the recipe of the original project, without a notebook.

use std::path::PathBuf;

use fer_nb::data::Fer2013;
use fer_nb::error::Result;
use fer_nb::model::SeedCnn;
use fer_nb::project::{device, param, runs};
use fer_nb::train::{
    EarlyStopping, ModelCheckpoint, Monitor, ReduceLrOnPlateau, TrainConfig, Trainer,
};

/// Trains the seed CNN and leaves a run folder.
#[derive(clap::Args)]
pub struct Args {
    /// A folder with train/ and test/, or a fer2013.csv; searched for where it is not given.
    #[arg(long, value_name = "PATH")]
    data: Option<PathBuf>,

    /// The run's name: the folder below runs/.
    #[arg(long, default_value = "baseline")]
    run: String,

    /// Passes over the training images [default: 35].
    #[arg(long)]
    epochs: Option<usize>,

    /// Images a step [default: 64].
    #[arg(long)]
    batch_size: Option<usize>,

    /// Adam's step size [default: 0.001].
    #[arg(long, allow_negative_numbers = true)]
    learning_rate: Option<f64>,

    /// Decides weights, shuffling, augmentation and dropout [default: 42].
    #[arg(long)]
    seed: Option<u64>,

    /// Epochs without a better val_loss after which training ends; 0 trains all epochs.
    #[arg(long, default_value_t = 8)]
    patience: usize,

    /// Leave training images out whose exact copy is among the test images.
    #[arg(long)]
    without_leaks: bool,

    /// Write the figures to this file as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

pub fn run(args: &Args) -> Result<()> {
    let defaults = TrainConfig::default();
    let config = TrainConfig {
        epochs: args.epochs.map_or_else(|| param("epochs", defaults.epochs), Ok)?,
        batch_size: args.batch_size.map_or_else(|| param("batch_size", defaults.batch_size), Ok)?,
        learning_rate: args
            .learning_rate
            .map_or_else(|| param("learning_rate", defaults.learning_rate), Ok)?,
        seed: args.seed.map_or_else(|| param("seed", defaults.seed), Ok)?,
        ..defaults
    };
    config.validate()?;
    let mut data = Fer2013::open_or(args.data.as_deref())?;
    if args.without_leaks {
        data = data.without_leaks()?;
    }
    crate::say(&format!("{data}\n"))?;
    let folder = runs(&args.run);
    let network = SeedCnn::new(device(), config.seed)?;
    let mut trainer = Trainer::new(network, config)?
        .run(&folder)
        .callback(ReduceLrOnPlateau::on(Monitor::ValLoss).factor(0.5).patience(3))
        .callback(ModelCheckpoint::best(Monitor::ValLoss, &folder));
    if args.patience > 0 {
        let stopping = EarlyStopping::on(Monitor::ValLoss).patience(args.patience);
        trainer = trainer.callback(stopping.restore_best_weights());
    }
    let history = trainer.fit(&data)?;
    crate::say(&format!("{history}\nrun folder {}\n", folder.display()))?;
    if let Some(path) = &args.json {
        crate::write_json(path, &history.epochs)?;
    }
    Ok(())
}
