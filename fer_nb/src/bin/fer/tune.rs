//! `fer tune`: a study of hyperparameters, in one process or in several.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use fer_nb::error::{Error, Result};
use fer_nb::evaluate::tune::{Cost, Sampler, Space, Study, StudyConfig, TrialState};
use fer_nb::project::{device, option, plural, shown};
use fer_nb::train::{Monitor, StopReason};

use crate::arguments::{self, DataPath, JsonFile};
use crate::outputs::Outputs;

/// Tunes hyperparameters on the validation images, and resumes a stopped study.
///
/// Processes share a study through its folder: on one machine --jobs starts several, and on a cluster each
/// node runs `fer tune --worker --study /shared/study`, as a SLURM array or through GNU parallel.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The study: a folder below runs/, or a path.
    #[arg(long, default_value = "study")]
    study: String,

    /// The space: a TOML file with a line for each hyperparameter, such as
    /// "train.learning_rate" = { kind = "log", low = 1e-4, high = 1e-2 }; kinds are float, log, int
    /// and choice. A line with when = { "train.optimizer.name" = "sgd" } is for trials with that value alone. Needed to
    /// begin a study.
    #[arg(long, value_name = "FILE")]
    space: Option<PathBuf>,

    /// Values to try first, such as learning_rate=0.001,batch_size=64: paths of the space, or their last parts. The
    /// sampler draws the other values. May be repeated, also for a study that has started; in the space file the
    /// same is first = [{ learning_rate = 0.001 }].
    #[arg(long = "try", value_name = "NAME=VALUE,…")]
    first: Vec<String>,

    /// The recipe whose other values are not tuned, by name or as a TOML file.
    #[arg(long, default_value = "original", value_name = "NAME|FILE", requires = "space")]
    recipe: String,

    /// Change any value of the recipe by its path; may be repeated.
    #[arg(long, value_name = "PATH=VALUE", requires = "space")]
    set: Vec<String>,

    /// Epochs of a trial [default: the recipe's].
    #[arg(long, requires = "space")]
    epochs: Option<usize>,

    /// What trials are compared in: val_accuracy or val_loss. After a comma may stand what their networks cost, flops or
    /// parameters, as a second objective.
    #[arg(long, alias = "objective", value_delimiter = ',', default_value = "val_accuracy")]
    #[arg(value_name = "METRIC[,COST]", requires = "space")]
    objectives: Vec<String>,

    /// The sampler of values: tpe or random.
    #[arg(long, default_value_t, requires = "space")]
    sampler: Sampler,

    /// Which trials end early: median (those worse than the median of others), hyperband (all but the best third, after
    /// few epochs and again after three times as many) or none [default: median; none with two objectives].
    #[arg(long, value_parser = ["median", "hyperband", NO_PRUNER])]
    #[arg(requires = "space")]
    pruner: Option<String>,

    /// Trainings per trial, each with another seed; trials are compared by their mean.
    #[arg(long, default_value_t = 1, requires = "space")]
    seeds: usize,

    /// The number of trials of the study.
    #[arg(long, default_value_t = 20)]
    trials: usize,

    /// Start no further trial after this number of minutes.
    #[arg(long, value_name = "MINUTES")]
    minutes: Option<f64>,

    /// The number of processes on this machine, each with a share of the cores.
    #[arg(long, default_value_t = 1)]
    jobs: usize,

    /// Join a study that another process started; its settings are read from its folder.
    #[arg(long, conflicts_with_all = ["space", "first", "set", "epochs", "jobs"])]
    worker: bool,

    #[command(flatten)]
    data: DataPath,

    #[command(flatten)]
    json: JsonFile,

    /// Write a row for each trial to this CSV file.
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,

    /// Write the study to this file as an Optuna journal, for optuna-dashboard.
    #[arg(long, value_name = "FILE")]
    optuna: Option<PathBuf>,
}

/// The value of --pruner for no pruner.
const NO_PRUNER: &str = "none";

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let folder = arguments::folder_in_runs("study", &args.study)?;
    let limit = match args.minutes {
        None => None,
        Some(minutes) if minutes.is_finite() && minutes > 0.0 => {
            Some(Duration::from_secs_f64(minutes * 60.0))
        }
        Some(minutes) => return Err(Error::setting("minutes", minutes, "a number above 0")),
    };
    if args.jobs == 0 {
        return Err(Error::setting("jobs", 0, "1 or more"));
    }
    let outputs = args.json.of(Outputs::default().folder("study", Some(&folder)));
    let outputs = outputs.file("csv", args.csv.as_deref());
    let outputs = outputs.file("optuna", args.optuna.as_deref());
    let outputs = args.space.iter().fold(outputs, |outputs, path| outputs.reads("the space", path));
    args.data.of(outputs).check()?;
    let begun = folder.join("study.toml").is_file();
    // All settings are checked before anything is written.
    let config = match (args.worker, &args.space, begun) {
        (true, ..) | (false, None, true) => {
            let study = Study::load(&folder)?;
            check_points(study.config(), &args.first)?;
            None
        }
        (false, None, false) => {
            return Err(Error::missing("A study", &folder, "Start one with --space FILE."));
        }
        (false, Some(path), _) => {
            let config = config(args, path)?;
            Study::check(&folder, &config)?;
            check_points(&config, &args.first)?;
            Some(config)
        }
    };
    let data = args.data.open()?;
    data.require_train()?;
    crate::say(&format!("{data}\n"))?;
    let device = device()?;
    let mut study = match config {
        Some(config) => Study::with_config(&folder, config)?,
        None => Study::load(&folder)?,
    };
    for point in &args.first {
        study.enqueue(point)?;
    }
    let began = Instant::now();
    let helpers = helpers(args)?;
    let result = study.optimize_for(&data, args.trials, limit, device);
    let mut died = false;
    for mut helper in helpers {
        let ended = helper.wait();
        died |=
            !ended.map_err(|error| Error::io("wait for", "fer tune --worker", error))?.success();
    }
    if result.is_err() && !begun {
        study.remove_if_empty()?;
    }
    result?;
    if died && study.stopped().is_none() {
        let left = limit.map(|limit| limit.saturating_sub(began.elapsed()));
        study.optimize_for(&data, args.trials, left, device)?; // trials that the others left unfinished
    }
    let stopped = study.stopped().cloned();
    let study = Study::load(&folder)?; // with the trials of the others
    crate::say(&format!("{study}\nstudy {}\n", shown(&folder)))?;
    args.json.write(&study.trials())?;
    if let Some(path) = &args.csv {
        study.to_csv(path)?;
    }
    if let Some(path) = &args.optuna {
        study.to_optuna(path)?;
    }
    let Some(reason) = stopped else {
        return check_success(&study).map(|()| ExitCode::SUCCESS);
    };
    let mut command = format!("fer tune {}", option("--study", &args.study));
    command += &format!(" --trials {}", args.trials);
    if args.jobs > 1 {
        command += &format!(" --jobs {}", args.jobs);
    }
    crate::say(&format!("{reason}; {command}{} continues\n", args.data.again()))?;
    Ok(match reason {
        StopReason::TimeLimit { .. } => ExitCode::SUCCESS,
        _ => ExitCode::from(crate::INTERRUPTED),
    })
}

/// Fails if a point of `--try` does not fit the space.
fn check_points(config: &StudyConfig, points: &[String]) -> Result<()> {
    points.iter().try_for_each(|point| config.values_of(point).map(drop))
}

/// Fails if all trials of the study failed.
fn check_success(study: &Study) -> Result<()> {
    let trials = study.trials();
    if trials.is_empty() || trials.iter().any(|trial| trial.state != TrialState::Failed) {
        return Ok(());
    }
    let reason = trials.iter().find_map(|trial| trial.reason.as_deref()).unwrap_or("no reason");
    let trials = plural(trials.len(), "trial");
    let found = format!("{trials}, all of them failed (\"{reason}\")");
    let expected = "a trial that completes; start a study with a narrower space in another folder";
    Err(Error::input(format!("study {}", study.folder().display()), found, expected))
}

fn config(args: &Args, space: &Path) -> Result<StudyConfig> {
    let epochs = args.epochs.map(|_| ("epochs", "train.epochs"));
    let options = [("objectives", "choice.monitor")].into_iter().chain(epochs);
    arguments::check_set(&args.set, options)?;
    let mut recipe = arguments::recipe(&args.recipe, &args.set)?;
    recipe.check_files()?;
    recipe.train.epochs = args.epochs.unwrap_or(recipe.train.epochs);
    let (monitor, cost) = objectives(&args.objectives)?;
    recipe.choice.monitor = monitor;
    let config = StudyConfig::new(Space::open(space, &recipe)?, recipe);
    let pruner = match args.pruner.as_deref() {
        Some(NO_PRUNER) => None,
        Some(name) => Some(name.parse()?),
        None => config.pruner.filter(|_| cost.is_none()),
    };
    Ok(StudyConfig { sampler: args.sampler, pruner, cost, seeds: args.seeds, ..config })
}

/// `val_accuracy`, or two as in `val_accuracy,flops`.
fn objectives(names: &[String]) -> Result<(Monitor, Option<Cost>)> {
    let wrong = || {
        let expected = "val_accuracy or val_loss, alone or followed by ,flops or ,parameters";
        Error::setting("objectives", names.join(","), expected)
    };
    let (first, cost) = match names {
        [first] => (first, None),
        [first, second] => (first, Some(second.parse().map_err(|_| wrong())?)),
        _ => return Err(wrong()),
    };
    let monitor = first.parse().map_err(|_| wrong())?;
    match monitor {
        Monitor::ValAccuracy | Monitor::ValLoss => Ok((monitor, cost)),
        _ => Err(wrong()),
    }
}

/// Starts the other processes of `--jobs`, each with a share of the cores, and gives this process its share.
fn helpers(args: &Args) -> Result<Vec<Child>> {
    if args.jobs == 1 {
        return Ok(Vec::new());
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let share = (cores / args.jobs).max(1);
    tch::set_num_threads(i32::try_from(share).unwrap_or(1));
    let program =
        std::env::current_exe().map_err(|error| Error::io("find", "this program", error))?;
    (1..args.jobs)
        .map(|_| {
            let mut command = Command::new(&program);
            command.args(["tune", "--worker", &format!("--study={}", args.study), "--trials"]);
            command.arg(args.trials.to_string());
            if let Some(minutes) = args.minutes {
                command.args(["--minutes", &minutes.to_string()]);
            }
            command.args(args.data.arguments());
            command.env("OMP_NUM_THREADS", share.to_string()).stdin(Stdio::null());
            // Otherwise their lines would mix with those of this process.
            command.stdout(Stdio::null());
            command.spawn().map_err(|error| Error::io("start", &program, error))
        })
        .collect()
}
