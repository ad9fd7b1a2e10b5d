//! `fer evaluate`: accuracy, report and confusion matrix.

use std::path::{Path, PathBuf};

use fer_nb::data::Fer2013;
use fer_nb::error::Result;
use fer_nb::evaluate::{Evaluation, evaluate};
use fer_nb::model::{Network, SeedCnn, weights};
use fer_nb::project::{device, runs};
use fer_nb::train::RunFolder;

/// Accuracy, classification report and confusion matrix on the test images.
#[derive(clap::Args)]
pub struct Args {
    /// The run whose weights are evaluated: a folder below runs/, or a path.
    #[arg(long, default_value = "baseline")]
    run: String,

    /// A safetensors file instead of a run: ours, or a PyTorch state dict of the seed CNN.
    #[arg(long, value_name = "FILE", conflicts_with = "run")]
    weights: Option<PathBuf>,

    /// A folder with train/ and test/, or a fer2013.csv; searched for where it is not given.
    #[arg(long, value_name = "PATH")]
    data: Option<PathBuf>,

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

    /// Write the figures to this file as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

pub fn run(args: &Args) -> Result<()> {
    let mut evaluation = match &args.predictions {
        Some(path) => Evaluation::from_csv(path)?,
        None => {
            let network = network(args)?;
            evaluate(&*network, &Fer2013::open_or(args.data.as_deref())?.test)?
        }
    };
    if let Some(title) = &args.title {
        evaluation.title = title.clone();
    }
    if let Some(path) = &args.save_predictions {
        evaluation.to_csv(path)?;
    }
    report(&evaluation, args.json.as_deref())
}

/// The network with the weights that the arguments name.
fn network(args: &Args) -> Result<Box<dyn Network>> {
    let Some(path) = &args.weights else {
        return RunFolder::at(runs(&args.run)).network(device()?);
    };
    let mut network = SeedCnn::new(device()?, 0)?;
    weights::load(&mut network, path)?;
    Ok(Box::new(network))
}

/// Prints an evaluation's figures, and writes them where `--json` says.
fn report(evaluation: &Evaluation, json: Option<&Path>) -> Result<()> {
    let mut text = format!("{evaluation}\n\n{}\n", evaluation.classification_report());
    text += &evaluation.confusion_matrix().to_string();
    let confused = evaluation.most_confused(5);
    if !confused.is_empty() {
        text += "\nmost confused\n";
        for confusion in confused {
            text += &format!("  {confusion}\n");
        }
    }
    if let Some(path) = json {
        crate::write_json(path, &evaluation.summary())?;
    }
    crate::say(&text)
}
