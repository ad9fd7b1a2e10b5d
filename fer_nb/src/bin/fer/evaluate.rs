//! `fer evaluate`: accuracy, report and confusion matrix.

use std::path::PathBuf;

use fer_nb::error::Result;
use fer_nb::evaluate::{
    Evaluation, EvaluationSummary, Protocol, Temperature, TestTimeAugmentation, Threshold, Trust,
    evaluate_with,
};
use fer_nb::model::{Architecture, Network, weights};
use fer_nb::project::device;
use fer_nb::train::RunFolder;
use serde::Serialize;

use crate::arguments::{AskedRun, DataPath, JsonFile};

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

    #[command(flatten)]
    data: DataPath,

    /// A CSV file of predictions instead of a network: a column label (0 to 6 or a class's name),
    /// and prob_angry … prob_surprise or logit_angry … logit_surprise.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["run", "weights", "data"])]
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
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let (mut evaluation, trust) = match &args.predictions {
        Some(path) => {
            let evaluation = Evaluation::from_csv(path)?;
            let trust = Trust::of(&evaluation)?;
            (evaluation, trust)
        }
        None => measured(args)?,
    };
    if let Some(title) = &args.title {
        evaluation = evaluation.titled(title);
    }
    if let Some(path) = &args.save_predictions {
        evaluation.to_csv(path)?;
    }
    report(&evaluation, &trust, &args.json)
}

/// Evaluates the network that the arguments name on the test images. A run's temperature and threshold
/// are fitted on the images that it held back, and saved in its folder; on those of another data set they
/// are fitted as well, for this evaluation alone, and so are those of weights that come with the project.
fn measured(args: &Args) -> Result<(Evaluation, Trust)> {
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
    Ok((test, trust))
}

/// Prints an evaluation's metrics, and writes them to the file of `--json`.
fn report(evaluation: &Evaluation, trust: &Trust, json: &JsonFile) -> Result<()> {
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
    json.write(&Metrics { summary: evaluation.summary(), trust })?;
    crate::say(&text)
}
