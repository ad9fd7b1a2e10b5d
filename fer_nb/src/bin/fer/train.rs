//! `fer train`: trains a recipe, the original project's or another, without a notebook.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;

use fer_nb::error::{Error, Result};
use fer_nb::model::Architecture;
use fer_nb::project::{Precision, device, option, param, plural, read_settings, shown};
use fer_nb::train::{Checkpoint, EpochChoice, Recipe, RunFolder, RunState, Schedule, TensorBoard};

use crate::arguments::{self, DataPath, JsonFile};
use crate::outputs::Outputs;

/// The subfolder of a run folder for TensorBoard's events.
const LOGS: &str = "logs";

/// Trains a network and writes a run folder.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    data: DataPath,

    /// The run's name, which is its folder below runs/, or an absolute path.
    #[arg(long, default_value = "baseline")]
    run: String,

    /// Where the hyperparameters come from: original, quick, improved, refined, vgg, vgg-refined,
    /// vgg-wide, distilled, resnet, vit, or a TOML file; other options override it [default: original].
    #[arg(long, value_name = "NAME|FILE")]
    recipe: Option<String>,

    /// Change any value of the recipe by its path, such as train.loss.label_smoothing=0.1; may be
    /// repeated.
    #[arg(long, value_name = "PATH=VALUE")]
    set: Vec<String>,

    /// Print the recipe with all its values as TOML, and train nothing.
    #[arg(long, conflicts_with_all = ["overwrite", "tensorboard", "json", "data"])]
    print_recipe: bool,

    /// The network, with its default settings [default: the recipe's, seed_cnn].
    #[arg(long)]
    network: Option<Architecture>,

    /// Start from these weights, for all parameters whose names and shapes match: a run, pretrained weights such
    /// as seed_cnn, or a safetensors file, such as a PyTorch state dict [default: the recipe's, drawn from
    /// the seed].
    #[arg(long, value_name = "RUN|FILE")]
    initial_weights: Option<String>,

    /// Map the prefixes of names in the file of initial weights to the network's, such as
    /// layer1.0=stage1.1,fc=output; or a file with one pair per line. The prefixes "module.", "model." and
    /// "_orig_mod." of all names need no pair [default: the recipe's].
    #[arg(long, value_name = "OLD=NEW,…|FILE")]
    weights_map: Option<String>,

    /// Passes over the training images [default: the recipe's, 35].
    #[arg(long, allow_negative_numbers = true)]
    epochs: Option<usize>,

    /// Images per step [default: the recipe's, 64].
    #[arg(long, allow_negative_numbers = true)]
    batch_size: Option<usize>,

    /// The learning rate before the schedule [default: the recipe's, 0.001].
    #[arg(long, allow_negative_numbers = true)]
    learning_rate: Option<f64>,

    /// The optimizer [default: the recipe's, adam].
    #[arg(long, value_parser = ["adam", "adamw", "sgd", "muon"])]
    optimizer: Option<String>,

    /// The learning rate schedule; plateau halves the rate when val_loss stops improving [default: the recipe's,
    /// plateau].
    #[arg(long, value_parser = ["plateau", "constant", "cosine", "one-cycle"])]
    schedule: Option<String>,

    /// The dtype of the layers: auto, float32 or bfloat16 [default: auto].
    #[arg(long)]
    precision: Option<Precision>,

    /// The maximum norm of a step's gradient; 0 turns clipping off [default: the recipe's, 0].
    #[arg(long, allow_negative_numbers = true)]
    clip_norm: Option<f64>,

    /// The decay of the weights' moving average; 0 turns it off [default: the recipe's, 0].
    #[arg(long, allow_negative_numbers = true)]
    ema: Option<f64>,

    /// The seed of weights, shuffling, augmentation and dropout [default: the recipe's, 42].
    #[arg(long)]
    seed: Option<u64>,

    /// End training after this number of epochs without a better val_loss; 0 trains all epochs [default: the
    /// recipe's, 8].
    #[arg(long)]
    patience: Option<usize>,

    /// Resume after the run's last completed epoch, with the run's hyperparameters; only --epochs may
    /// differ.
    #[arg(long, conflicts_with_all = ["batch_size", "learning_rate", "optimizer", "schedule", "precision", "clip_norm", "ema", "seed", "patience", "tensorboard", "without_leaks", "recipe", "set", "network", "initial_weights", "weights_map"])]
    resume: bool,

    /// Train from the start even if the folder holds a run, which is moved to before/.
    #[arg(long, conflicts_with = "resume")]
    overwrite: bool,

    /// Write event files for TensorBoard to logs/ in the run's folder.
    #[arg(long)]
    tensorboard: bool,

    /// Train without the images that have an exact copy among the test images.
    #[arg(long)]
    without_leaks: bool,

    #[command(flatten)]
    json: JsonFile,
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let folder = arguments::folder_in_runs("run", &args.run)?;
    let (recipe, tensorboard) = match args.resume {
        true => resumed(args, &RunFolder::at(&folder))?,
        false => (chosen(args)?, args.tensorboard),
    };
    if args.print_recipe {
        crate::say(&recipe.to_toml()?)?;
        return Ok(ExitCode::SUCCESS);
    }
    recipe.train.validate()?;
    let outputs = args.json.of(Outputs::default().folder("run", Some(&folder)));
    args.data.of(outputs).check()?;
    if !args.resume && !args.overwrite {
        check_free(&RunFolder::at(&folder))?;
    }
    if !args.resume {
        recipe.check_files()?;
    }
    let device = device()?;
    let data = args.data.open()?;
    crate::say(&format!("{data}\n"))?;
    crate::say(&format!("computing in {}\n", recipe.train.precision.report(device)))?;
    let mut trainer = recipe.trainer(device, &folder)?;
    if tensorboard {
        trainer = trainer.callback(TensorBoard::new(folder.join(LOGS)));
    }
    if args.resume {
        trainer = trainer.resume();
    }
    let history = trainer.fit(&data)?;
    crate::say(&format!("{history}\n"))?;
    if !history.epochs.is_empty() {
        crate::say(&format!("run folder {}\n", shown(&folder)))?;
    }
    args.json.write(&history.epochs)?;
    if history.stopped_by_user() {
        crate::say(&how_to_resume(args, history.epochs.len()))?;
        return Ok(ExitCode::from(crate::INTERRUPTED));
    }
    Ok(ExitCode::SUCCESS)
}

/// The command that resumes training after Ctrl-C.
fn how_to_resume(args: &Args, epochs: usize) -> String {
    if epochs == 0 {
        return "no epoch was completed, so there is nothing to resume\n".into();
    }
    let (run, data) = (option("--run", &args.run), args.data.again());
    format!("fer train {run} --resume{data} resumes after epoch {epochs}\n")
}

/// Returns an error instead of overwriting a run, so that repeating a command does not lose a long training.
fn check_free(run: &RunFolder) -> Result<()> {
    let others =
        "Use --overwrite to train over it (before/ keeps it), or another name after --run.";
    if !run.checkpoint().is_file() {
        if !run.exists() {
            return Ok(());
        }
        return Err(Error::would_overwrite(run.path(), "a run without a checkpoint", others));
    }
    let RunState { epochs, stopped, run: before, .. } = Checkpoint::load(run.checkpoint())?.state;
    let planned = before.train.epochs;
    if stopped.is_none() && epochs.len() < planned {
        let planned = plural(planned, "epoch");
        let what = format!("an unfinished run of {} of {planned}", epochs.len());
        let hint = format!("Use --resume to continue it. {others}");
        return Err(Error::would_overwrite(run.path(), what, hint));
    }
    let what = format!("a finished run of {}", plural(epochs.len(), "epoch"));
    let longer = match stopped {
        None => "Use --resume with more --epochs to train longer. ",
        Some(_) => "",
    };
    Err(Error::would_overwrite(run.path(), what, format!("{longer}{others}")))
}

/// The recipe with the values of the arguments and the environment.
fn chosen(args: &Args) -> Result<Recipe> {
    let name = args.recipe.clone();
    let name = name.map_or_else(|| param("recipe", "original".to_string()), Ok)?;
    check_set(args)?;
    let mut recipe = arguments::recipe(&name, &args.set)?;
    if let Some(network) = &args.network {
        recipe.network = network.clone();
    }
    let train = &mut recipe.train;
    if let Some(weights) = &args.initial_weights {
        train.initial_weights = Some(weights.clone()).filter(|weights| !weights.is_empty());
    }
    if let Some(map) = &args.weights_map {
        train.weights_map = weights_map(map)?;
    }
    train.images.without_leaks |= args.without_leaks;
    train.epochs = args.epochs.map_or_else(|| param("epochs", train.epochs), Ok)?;
    train.batch_size = args.batch_size.map_or_else(|| param("batch_size", train.batch_size), Ok)?;
    train.learning_rate =
        args.learning_rate.map_or_else(|| param("learning_rate", train.learning_rate), Ok)?;
    if let Some(optimizer) = text(&args.optimizer, "optimizer")? {
        train.optimizer = optimizer.parse()?;
    }
    match text(&args.schedule, "schedule")?.as_deref() {
        None => {}
        Some("plateau") => {
            recipe.choice.plateau = true;
            train.schedule = Schedule::Constant;
        }
        Some(schedule) => {
            recipe.choice.plateau = false;
            train.schedule = schedule.parse().map_err(|_| {
                Error::setting("schedule", schedule, "plateau, constant, cosine or one-cycle")
            })?;
        }
    }
    train.clip_norm = number(args.clip_norm, "clip_norm", train.clip_norm)?;
    train.ema = number(args.ema, "ema", train.ema)?;
    train.precision = args.precision.map_or_else(|| param("precision", train.precision), Ok)?;
    train.seed = args.seed.map_or_else(|| param("seed", train.seed), Ok)?;
    if let Some(patience) = args.patience {
        recipe.choice.patience = Some(patience).filter(|patience| *patience > 0);
    }
    Ok(recipe)
}

/// Fails if `--set` changes a value that another option also sets.
fn check_set(args: &Args) -> Result<()> {
    let options = [
        ("network", args.network.is_some(), "network"),
        ("initial-weights", args.initial_weights.is_some(), "train.initial_weights"),
        ("weights-map", args.weights_map.is_some(), "train.weights_map"),
        ("epochs", args.epochs.is_some(), "train.epochs"),
        ("batch-size", args.batch_size.is_some(), "train.batch_size"),
        ("learning-rate", args.learning_rate.is_some(), "train.learning_rate"),
        ("optimizer", args.optimizer.is_some(), "train.optimizer"),
        ("schedule", args.schedule.is_some(), "train.schedule"),
        ("schedule", args.schedule.is_some(), "choice.plateau"),
        ("precision", args.precision.is_some(), "train.precision"),
        ("clip-norm", args.clip_norm.is_some(), "train.clip_norm"),
        ("ema", args.ema.is_some(), "train.ema"),
        ("seed", args.seed.is_some(), "train.seed"),
        ("patience", args.patience.is_some(), "choice.patience"),
        ("without-leaks", args.without_leaks, "train.images.without_leaks"),
    ];
    let given = options.iter().filter(|(_, is_given, _)| *is_given);
    arguments::check_set(&args.set, given.map(|(option, _, path)| (*option, *path)))
}

/// The pairs of `--weights-map`.
fn weights_map(text: &str) -> Result<BTreeMap<String, String>> {
    let path = Path::new(text);
    let content = match path.is_file() {
        true => read_settings(path)?,
        false => text.replace(',', "\n"),
    };
    let expected = "OLD=NEW pairs separated by commas, or a file with one pair per line";
    let plain = |word: &str| word.trim().trim_matches(['"', '\'']).to_string();
    let mut map = BTreeMap::new();
    for line in content.lines().map(str::trim) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (old, new) =
            line.split_once('=').ok_or_else(|| Error::setting("weights-map", line, expected))?;
        if map.insert(plain(old), plain(new)).is_some() {
            return Err(Error::setting("weights-map", line, "each name once"));
        }
    }
    match map.is_empty() {
        true => Err(Error::setting("weights-map", text, expected)),
        false => Ok(map),
    }
}

/// The recipe of the resumed run, and whether it writes for TensorBoard.
fn resumed(args: &Args, run: &RunFolder) -> Result<(Recipe, bool)> {
    let state = Checkpoint::load(run.checkpoint())?.state;
    let saved = |name: &str| state.callbacks.iter().find(|callback| callback.name == name);
    let choice = EpochChoice {
        monitor: saved("ModelCheckpoint")
            .and_then(|callback| callback.settings.get("monitor")?.clone().try_into().ok())
            .unwrap_or(EpochChoice::default().monitor),
        plateau: saved("ReduceLROnPlateau").is_some(),
        patience: saved("EarlyStopping")
            .and_then(|callback| callback.settings.get("patience")?.as_integer())
            .and_then(|patience| usize::try_from(patience).ok()),
    };
    let tensorboard = run.path().join(LOGS).is_dir();
    let mut recipe = Recipe {
        network: state.run.architecture.unwrap_or_default(),
        choice,
        train: state.run.train,
        ..Recipe::default()
    };
    let train = &mut recipe.train;
    train.epochs = args.epochs.map_or_else(|| param("epochs", train.epochs), Ok)?;
    Ok((recipe, tensorboard))
}

/// An argument, or the environment's value, in lower case.
fn text(argument: &Option<String>, name: &str) -> Result<Option<String>> {
    let text = argument.clone().map_or_else(|| param(name, String::new()), Ok)?;
    Ok(Some(text.to_lowercase()).filter(|text| !text.is_empty()))
}

/// An argument, the environment's value, or the recipe's; 0 means off.
fn number(argument: Option<f64>, name: &str, recipe: Option<f64>) -> Result<Option<f64>> {
    let value = argument.map_or_else(|| param(name, recipe.unwrap_or_default()), Ok)?;
    Ok(Some(value).filter(|value| *value != 0.0))
}
