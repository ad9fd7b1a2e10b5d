//! `fer evaluate`: accuracy, report and confusion matrix.

use std::path::{Path, PathBuf};

use fer_nb::data::FaceData;
use fer_nb::error::{Error, Result};
use fer_nb::evaluate::{
    Evaluation, EvaluationSummary, Protocol, Robustness, Temperature, TestTimeAugmentation,
    Threshold, Trust, across_with, evaluate_with, robustness,
};
use fer_nb::model::{Architecture, Network, weights};
use fer_nb::project::device;
use fer_nb::train::RunFolder;
use serde::Serialize;
use tch::Device;

use crate::arguments::{AskedRun, DataPaths, JsonFile};
use crate::outputs::Outputs;

/// The seed of corruptions: every network gets the same corrupted images.
const CORRUPTION_SEED: u64 = 0;

/// Evaluates a run on the test images: accuracy, classification report and confusion matrix; with several --data,
/// one table of all data sets.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    run: AskedRun,

    /// A safetensors file instead of a run: of fer_nb, or a PyTorch state dict of the seed CNN.
    #[arg(long, value_name = "FILE", conflicts_with = "run")]
    weights: Option<PathBuf>,

    /// The network of the weights file, with its default settings.
    #[arg(long, default_value_t, requires = "weights")]
    network: Architecture,

    /// Views of each image whose probabilities are averaged: none, flip, shifts or ten-crop.
    #[arg(long, default_value_t)]
    tta: TestTimeAugmentation,

    /// Evaluate also on corrupted test images, and print the points of accuracy lost by each corruption:
    /// darkened, brightened, low contrast, tilted, shifted, blurred, noise, JPEG of low quality,
    /// shrunk. The corrupted images are the same in every call. Takes 13 more passes over the test images.
    #[arg(long)]
    corruptions: bool,

    /// Fit temperature and threshold on the validation images of this data, if the run was trained on other
    /// images. They apply to this evaluation only: the run keeps its values.
    #[arg(long, conflicts_with = "weights")]
    calibrate: bool,

    #[command(flatten)]
    data: DataPaths,

    /// A CSV file of predictions instead of a network: columns label (0 to 6 or a class name),
    /// and prob_angry … prob_surprise or logit_angry … logit_surprise.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["run", "weights", "data", "classes", "map", "test_share", "tta", "corruptions", "calibrate"])]
    predictions: Option<PathBuf>,

    /// The title of headings.
    #[arg(long)]
    title: Option<String>,

    /// Write each image's label, prediction and probabilities to this CSV file.
    #[arg(long, value_name = "FILE")]
    save_predictions: Option<PathBuf>,

    #[command(flatten)]
    json: JsonFile,
}

/// The content of the file of `--json`.
#[derive(Serialize)]
struct Metrics<'a> {
    #[serde(flatten)]
    summary: EvaluationSummary,
    #[serde(flatten)]
    trust: &'a Trust,
    #[serde(skip_serializing_if = "Option::is_none")]
    robustness: Option<&'a Robustness>,
    /// How the data was read: skipped or converted images, in sentences.
    notes: &'a [String],
}

/// The results of the command.
struct Measured {
    test: Evaluation,
    trust: Trust,
    /// With `--corruptions`.
    robustness: Option<Robustness>,
    /// How the data was read.
    notes: Vec<String>,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    outputs(args).check()?;
    if args.data.paths().len() > 1 {
        return several(args);
    }
    let mut measured = match &args.predictions {
        Some(path) => {
            let test = Evaluation::from_csv(path)?;
            let trust = Trust::of(&test)?;
            Measured { test, trust, robustness: None, notes: Vec::new() }
        }
        None => measured(args)?,
    };
    if let Some(title) = &args.title {
        measured.test = measured.test.titled(title);
        if let Some(robustness) = &mut measured.robustness {
            robustness.title.clone_from(title);
        }
    }
    if let Some(path) = &args.save_predictions {
        measured.test.to_csv(path)?;
    }
    report(&measured, &args.json)
}

/// The output and input files.
fn outputs(args: &Args) -> Outputs {
    let outputs = args.json.of(Outputs::default());
    let outputs = outputs.file("save-predictions", args.save_predictions.as_deref());
    let files = args.predictions.iter().map(|path| ("the predictions", path));
    let files = files.chain(args.weights.iter().map(|path| ("the weights", path)));
    args.data
        .of(args.run.of(files.fold(outputs, |outputs, (what, path)| outputs.reads(what, path))))
}

/// Prints one line for each of several data sets. It fits nothing, and writes nothing to the run.
fn several(args: &Args) -> Result<()> {
    let of_one = [
        ("--calibrate", args.calibrate),
        ("--corruptions", args.corruptions),
        ("--save-predictions", args.save_predictions.is_some()),
        ("--title", args.title.is_some()),
    ];
    if let Some((option, _)) = of_one.iter().find(|(_, given)| *given) {
        let found = format!("{} data sets", args.data.paths().len());
        return Err(Error::setting("data", found, format!("one, if {option} is given")));
    }
    let device = device()?;
    let sets = args.data.open()?;
    sets.iter().try_for_each(FaceData::require_test)?;
    let Some(first) = sets.first() else { return Ok(()) };
    let (network, run) = network(args, first, device)?;
    let path = run.as_ref().map(RunFolder::path).or(args.weights.as_deref());
    let name = path.and_then(Path::file_name).unwrap_or_default().to_string_lossy();
    let across = across_with(&*network, name, run.as_ref(), &sets, args.tta)?;
    args.json.write(&across)?;
    crate::say(&format!("{across}\n"))
}

/// The network of the arguments, and its run if it has one.
fn network(
    args: &Args,
    data: &FaceData,
    device: Device,
) -> Result<(Box<dyn Network>, Option<RunFolder>)> {
    match &args.weights {
        Some(path) => {
            let mut network = args.network.build(device, 0)?;
            match args.run.is_unchecked() {
                true => weights::load_unchecked(&mut *network, path)?,
                false => weights::load(&mut *network, path)?,
            }
            Ok((network, None))
        }
        None => {
            let run = args.run.for_data(data)?;
            Ok((run.network(device)?, Some(run)))
        }
    }
}

/// Evaluates the network of the arguments on the test images.
fn measured(args: &Args) -> Result<Measured> {
    let device = device()?;
    let sets = args.data.open()?;
    let [data] = &sets[..] else {
        return Err(Error::input("data sets", args.data.paths().len(), "one"));
    };
    data.require_test()?;
    let (network, run) = network(args, data, device)?;
    let test = evaluate_with(&*network, &data.test, args.tta)?;
    let config = run.as_ref().map(RunFolder::config).transpose()?;
    let mut trust = Trust::of(&test)?
        .without_leaks(&test, data)?
        .protocol(Protocol::of(config.as_ref(), data)?);
    if let Some(run) = &run {
        trust = trust.overlap(run, data)?;
    }
    if let Some(run) = &run
        && let Some((temperature, threshold)) = calibration(args, run, &*network, data)?
    {
        trust = trust.calibrated(&test, temperature)?.certain(&test, temperature, threshold)?;
        trust = trust.fitted_on_data(args.calibrate && !run.is_trained_on(data)?);
    }
    let robustness = args
        .corruptions
        .then(|| robustness(&*network, &data.test, args.tta, CORRUPTION_SEED))
        .transpose()?;
    Ok(Measured { test, trust, robustness, notes: data.notes.clone() })
}

/// The temperature and the threshold for the run's probabilities; `None` if they were never fitted.
///
/// For the data that the run was trained on, they are fitted on the images that the run held back, and saved in the
/// run. For other data they are the run's, unless `--calibrate` is given, whose fit is not saved.
fn calibration(
    args: &Args,
    run: &RunFolder,
    network: &dyn Network,
    data: &FaceData,
) -> Result<Option<(Temperature, Threshold)>> {
    let own = run.is_trained_on(data)?;
    if !own && !args.calibrate {
        let other = match run.overlap(&data.test)? {
            Some(overlap) if overlap.seen() == 0 => "the run was trained on other images".into(),
            Some(overlap) => {
                format!(
                    "the run was trained on other data, which shares images with this data: {overlap}"
                )
            }
            None => {
                "the run was trained on other data, and does not say on which images".to_string()
            }
        };
        crate::complain(&format!(
            "{other}; temperature and threshold are those of the run (--calibrate fits them on this data, for this \
             evaluation only)"
        ));
        let kept = (Temperature::of_run(run)?, Threshold::of_run(run)?);
        let was_fitted = kept != (Temperature::default(), Threshold::default());
        return Ok(was_fitted.then_some(kept));
    }
    let held_back = run.held_back(data)?;
    if held_back.is_empty() {
        return match args.calibrate {
            true => Err(no_validation(run, data)?),
            false => Ok(None),
        };
    }
    if !own && let Some(overlap) = run.overlap(&held_back)?.filter(|overlap| overlap.seen() > 0) {
        let (seen, images) = (overlap.seen(), overlap.images);
        crate::complain(&format!(
            "--calibrate fits on {images} validation images, and the run was trained on {seen} of them: the \
             probabilities will be overconfident"
        ));
    }
    let validation = evaluate_with(network, &held_back, args.tta)?;
    let temperature = Temperature::fit(&validation);
    let threshold = Threshold::fit(&validation.at_temperature(temperature)?, Threshold::RIGHT)?;
    if args.tta == TestTimeAugmentation::None {
        // A run in a read-only folder can be evaluated, too.
        let saved = temperature.save(run, data).and_then(|_| threshold.save(run, data));
        if let Err(error) = saved {
            crate::complain(&format!("temperature and threshold are not saved: {error}"));
        }
    }
    Ok(Some((temperature, threshold)))
}

/// Why there are no validation images to fit on.
fn no_validation(run: &RunFolder, data: &FaceData) -> Result<Error> {
    let origin = data.origin();
    let (found, expected) = match data.train.is_empty() && data.validation.is_empty() {
        true => (
            format!("none in {origin}, which has no training images either"),
            "some for --calibrate: a validation part, or training images, of which the run holds back a share"
                .to_string(),
        ),
        false => {
            let share = run.config()?.train.images.validation_share;
            let (percent, images) = ((1000.0 * share).round() / 10.0, (1.0 / share).ceil());
            let found = format!(
                "none in {origin}, because the run holds back {percent} % of each class's training images, rounded down"
            );
            (found, format!("at least {images:.0} training images of a class, or a validation part"))
        }
    };
    Ok(Error::input("validation images", found, expected))
}

/// Prints the metrics, and writes them to the file of `--json`.
fn report(measured: &Measured, json: &JsonFile) -> Result<()> {
    let Measured { test: evaluation, trust, robustness, notes } = measured;
    let matrix = evaluation.confusion_matrix();
    let absent = match matrix.absent_note() {
        note if note.is_empty() => note,
        note => format!("{note}\n"),
    };
    let read: String = notes.iter().map(|note| format!("Note: {note}.\n")).collect();
    let report = evaluation.classification_report();
    let mut text = format!("{evaluation}\n{absent}{read}\n{report}\n");
    text += &matrix.to_string();
    let confused = evaluation.most_confused(5);
    if !confused.is_empty() {
        text += "\nmost confused\n";
        for confusion in confused {
            text += &format!("  {confusion}\n");
        }
    }
    text += &format!("\n{trust}\n");
    if let Some(robustness) = robustness {
        text += &format!("\n{}\n", robustness.overview()?);
    }
    let robustness = robustness.as_ref();
    json.write(&Metrics { summary: evaluation.summary(), trust, robustness, notes })?;
    crate::say(&text)
}
