//! `fer evaluate`: accuracy, report and confusion matrix.

use std::path::PathBuf;

use fer_nb::error::Result;
use fer_nb::evaluate::{
    Evaluation, EvaluationSummary, Protocol, Robustness, Temperature, TestTimeAugmentation,
    Threshold, Trust, evaluate_with, robustness,
};
use fer_nb::model::{Architecture, Network, weights};
use fer_nb::project::device;
use fer_nb::train::RunFolder;
use serde::Serialize;

use crate::arguments::{AskedRun, DataPath, JsonFile};

/// The seed of what is random in corrupted images: the same images for every network.
const CORRUPTION_SEED: u64 = 0;

/// Accuracy, classification report and confusion matrix on the test images.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    run: AskedRun,

    /// A safetensors file instead of a run: ours, or a PyTorch state dict of the seed CNN.
    #[arg(long, value_name = "FILE", conflicts_with = "run")]
    weights: Option<PathBuf>,

    /// The network that the weights file is of, with its default settings.
    #[arg(long, default_value_t, requires = "weights")]
    network: Architecture,

    /// Views of each image whose probabilities are averaged: none, flip, shifts or ten-crop.
    #[arg(long, default_value_t)]
    tta: TestTimeAugmentation,

    /// Evaluate also on corrupted test images, and print the points of accuracy that each corruption
    /// costs: darkened, brightened, low contrast, tilted, shifted, blurred, noise, JPEG of low quality,
    /// shrunk. The corrupted images are the same in every call. 13 more passes over the test images.
    #[arg(long)]
    corruptions: bool,

    #[command(flatten)]
    data: DataPath,

    /// A CSV file of predictions instead of a network: a column label (0 to 6 or a class's name),
    /// and prob_angry … prob_surprise or logit_angry … logit_surprise.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["run", "weights", "data", "corruptions"])]
    predictions: Option<PathBuf>,

    /// What is evaluated, for headings.
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
}

/// What the command measured.
struct Measured {
    test: Evaluation,
    trust: Trust,
    /// With `--corruptions`.
    robustness: Option<Robustness>,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let mut measured = match &args.predictions {
        Some(path) => {
            let test = Evaluation::from_csv(path)?;
            let trust = Trust::of(&test)?;
            Measured { test, trust, robustness: None }
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

/// Evaluates the network that the arguments name on the test images. A run's temperature and threshold
/// are fitted on the images that it held back, and saved in its folder; on those of another data set they
/// are fitted as well, for this evaluation alone, and so are those of weights that come with the project.
fn measured(args: &Args) -> Result<Measured> {
    let device = device()?;
    let data = args.data.open()?;
    let (network, run): (Box<dyn Network>, _) = match &args.weights {
        Some(path) => {
            let mut network = args.network.build(device, 0)?;
            weights::load(&mut *network, path)?;
            (network, None)
        }
        None => {
            let run = args.run.for_data(&data)?;
            (run.network(device)?, Some(run))
        }
    };
    let test = evaluate_with(&*network, &data.test, args.tta)?;
    let config = run.as_ref().map(RunFolder::config).transpose()?;
    let mut trust = Trust::of(&test)?
        .without_leaks(&test, &data)?
        .protocol(Protocol::of(config.as_ref(), &data)?);
    if let Some(run) = &run {
        let held_back = run.held_back(&data)?;
        if !held_back.is_empty() {
            let validation = evaluate_with(&*network, &held_back, args.tta)?;
            let temperature = Temperature::fit(&validation);
            let threshold =
                Threshold::fit(&validation.at_temperature(temperature)?, Threshold::RIGHT)?;
            trust = trust.calibrated(&test, temperature)?.certain(&test, temperature, threshold)?;
            let trained_on = config.as_ref().map(|config| config.data_title.as_str());
            let of_its_kind = trained_on == Some(data.origin().title());
            if args.tta == TestTimeAugmentation::None && of_its_kind && !run.is_pretrained() {
                // A run in a folder that can't be written to can be evaluated, too.
                let kept = temperature.save(run).and_then(|()| threshold.save(run));
                kept.unwrap_or_else(|error| {
                    crate::complain(&format!("temperature and threshold are not saved: {error}"))
                });
            }
        }
    }
    let robustness = args
        .corruptions
        .then(|| robustness(&*network, &data.test, args.tta, CORRUPTION_SEED))
        .transpose()?;
    Ok(Measured { test, trust, robustness })
}

/// Prints the metrics, and writes them to the file of `--json`.
fn report(measured: &Measured, json: &JsonFile) -> Result<()> {
    let Measured { test: evaluation, trust, robustness } = measured;
    let mut text = format!("{evaluation}\n\n{}\n", evaluation.classification_report());
    text += &evaluation.confusion_matrix().to_string();
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
    json.write(&Metrics { summary: evaluation.summary(), trust, robustness })?;
    crate::say(&text)
}
