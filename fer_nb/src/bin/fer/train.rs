//! `fer train`: the recipe of the original project, without a notebook.

use std::path::PathBuf;
use std::process::ExitCode;

use fer_nb::data::Fer2013;
use fer_nb::error::{Error, Result};
use fer_nb::model::SeedCnn;
use fer_nb::project::{Precision, device, param, runs};
use fer_nb::train::{
    Checkpoint, EarlyStopping, ModelCheckpoint, Monitor, Optimizer, ReduceLrOnPlateau, RunFolder,
    RunState, Schedule, TensorBoard, TrainConfig, Trainer,
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
    #[arg(long, allow_negative_numbers = true)]
    epochs: Option<usize>,

    /// Images a step [default: 64].
    #[arg(long, allow_negative_numbers = true)]
    batch_size: Option<usize>,

    /// Step size before the schedule [default: 0.001].
    #[arg(long, allow_negative_numbers = true)]
    learning_rate: Option<f64>,

    /// How a step follows from a gradient [default: adam].
    #[arg(long, value_parser = ["adam", "adamw", "sgd"])]
    optimizer: Option<String>,

    /// How the learning rate changes; plateau halves it when val_loss stays [default: plateau].
    #[arg(long, value_parser = ["plateau", "constant", "cosine", "one-cycle"])]
    schedule: Option<String>,

    /// What computes: auto, float32 or bfloat16 [default: auto].
    #[arg(long)]
    precision: Option<Precision>,

    /// Largest norm of a step's gradient; 0 does not clip [default: 0].
    #[arg(long, allow_negative_numbers = true)]
    clip_norm: Option<f64>,

    /// Decay of the weights' moving average; 0 keeps none [default: 0].
    #[arg(long, allow_negative_numbers = true)]
    ema: Option<f64>,

    /// Decides weights, shuffling, augmentation and dropout [default: 42].
    #[arg(long)]
    seed: Option<u64>,

    /// Epochs without a better val_loss after which training ends; 0 trains all epochs [default: 8].
    #[arg(long)]
    patience: Option<usize>,

    /// Go on after the last finished epoch of the run, with its own hyperparameters; only --epochs
    /// may be another.
    #[arg(long, conflicts_with_all = ["batch_size", "learning_rate", "optimizer", "schedule", "precision", "clip_norm", "ema", "seed", "patience", "tensorboard"])]
    resume: bool,

    /// Begin anew although the run's folder holds an unfinished run.
    #[arg(long, conflicts_with = "resume")]
    overwrite: bool,

    /// Write event files for TensorBoard into the run's folder, below logs/.
    #[arg(long)]
    tensorboard: bool,

    /// Leave training images out whose exact copy is among the test images.
    #[arg(long)]
    without_leaks: bool,

    /// Write the figures to this file as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

pub fn run(args: &Args) -> Result<ExitCode> {
    if args.run.trim().is_empty() {
        return Err(Error::config("run", "''", "a name for the folder below runs/"));
    }
    let folder = runs(&args.run);
    let Recipe { config, plateau, patience, tensorboard } = match args.resume {
        true => resumed(args, &RunFolder::at(&folder))?,
        false => chosen(args, &RunFolder::at(&folder))?,
    };
    config.validate()?;
    let device = device()?;
    let mut data = Fer2013::open_or(args.data.as_deref())?;
    if args.without_leaks {
        data = data.without_leaks()?;
    }
    crate::say(&format!("{data}\n"))?;
    let network = SeedCnn::new(device, config.seed)?;
    crate::say(&format!("computing in {}\n", config.precision.report(device)))?;
    let mut trainer = Trainer::new(network, config)?.run(&folder);
    if plateau {
        trainer = trainer.callback(ReduceLrOnPlateau::on(Monitor::ValLoss).factor(0.5).patience(3));
    }
    trainer = trainer.callback(ModelCheckpoint::best(Monitor::ValLoss, &folder));
    if patience > 0 {
        let stopping = EarlyStopping::on(Monitor::ValLoss).patience(patience);
        trainer = trainer.callback(stopping.restore_best_weights());
    }
    if tensorboard {
        trainer = trainer.callback(TensorBoard::new(folder.join("logs")));
    }
    if args.resume {
        trainer = trainer.resume();
    }
    let history = trainer.fit(&data)?;
    crate::say(&format!("{history}\nrun folder {}\n", folder.display()))?;
    if let Some(path) = &args.json {
        crate::write_json(path, &history.epochs)?;
    }
    if history.stopped_by_user() {
        crate::say(&how_to_go_on(args, history.epochs.len()))?;
        return Ok(ExitCode::from(crate::INTERRUPTED));
    }
    Ok(ExitCode::SUCCESS)
}

/// What the user types to go on after Ctrl-C.
fn how_to_go_on(args: &Args, epochs: usize) -> String {
    if epochs == 0 {
        return "no epoch was finished, so there is nothing to go on from\n".into();
    }
    let mut command = format!("fer train --run {} --resume", args.run);
    if let Some(data) = &args.data {
        command += &format!(" --data {}", data.display());
    }
    if args.without_leaks {
        command += " --without-leaks";
    }
    format!("{command} goes on after epoch {epochs}\n")
}

/// All that makes a run of this command.
struct Recipe {
    config: TrainConfig,
    /// Whether plateaus reduce the learning rate.
    plateau: bool,
    /// EarlyStopping's; 0 where there is none.
    patience: usize,
    tensorboard: bool,
}

/// What the arguments, the environment and the defaults say.
fn chosen(args: &Args, run: &RunFolder) -> Result<Recipe> {
    if !args.overwrite && run.checkpoint().is_file() {
        let RunState { epochs, stopped, run: before, .. } =
            Checkpoint::load(run.checkpoint())?.state;
        if stopped.is_none() && epochs.len() < before.train.epochs {
            let found = format!("{} of {} epochs", epochs.len(), before.train.epochs);
            let expected = "--resume to go on with it, --overwrite to begin anew, or another --run";
            return Err(Error::config("unfinished run", found, expected));
        }
    }
    let defaults = TrainConfig::default();
    let schedule = text(&args.schedule, "schedule", "plateau")?;
    let plateau = schedule.eq_ignore_ascii_case("plateau");
    let config = TrainConfig {
        epochs: args.epochs.map_or_else(|| param("epochs", defaults.epochs), Ok)?,
        batch_size: args.batch_size.map_or_else(|| param("batch_size", defaults.batch_size), Ok)?,
        learning_rate: args
            .learning_rate
            .map_or_else(|| param("learning_rate", defaults.learning_rate), Ok)?,
        optimizer: match text(&args.optimizer, "optimizer", "adam")?.to_lowercase().as_str() {
            "adam" => Optimizer::adam(),
            "adamw" => Optimizer::adamw(0.01),
            "sgd" => Optimizer::sgd(0.9),
            other => return Err(Error::config("optimizer", other, "adam, adamw or sgd")),
        },
        schedule: match plateau {
            true => Schedule::Constant,
            false => schedule.parse().map_err(|_| {
                Error::config("schedule", &schedule, "plateau, constant, cosine or one-cycle")
            })?,
        },
        clip_norm: args.clip_norm.map_or_else(|| param("clip_norm", defaults.clip_norm), Ok)?,
        ema: args.ema.map_or_else(|| param("ema", defaults.ema), Ok)?,
        precision: args.precision.map_or_else(|| param("precision", defaults.precision), Ok)?,
        seed: args.seed.map_or_else(|| param("seed", defaults.seed), Ok)?,
        ..defaults
    };
    let patience = args.patience.unwrap_or(8);
    Ok(Recipe { config, plateau, patience, tensorboard: args.tensorboard })
}

/// What the run that is resumed says.
fn resumed(args: &Args, run: &RunFolder) -> Result<Recipe> {
    let state = Checkpoint::load(run.checkpoint())?.state;
    let saved = |name: &str| state.callbacks.iter().find(|callback| callback.name == name);
    let patience = saved("EarlyStopping")
        .and_then(|callback| callback.values.get("patience")?.as_integer())
        .map_or(0, |patience| patience as usize);
    let (plateau, tensorboard) =
        (saved("ReduceLROnPlateau").is_some(), saved("TensorBoard").is_some());
    let mut config = state.run.train;
    config.epochs = args.epochs.map_or_else(|| param("epochs", config.epochs), Ok)?;
    Ok(Recipe { config, plateau, patience, tensorboard })
}

fn text(argument: &Option<String>, name: &str, default: &str) -> Result<String> {
    argument.clone().map_or_else(|| param(name, default.to_string()), Ok)
}
