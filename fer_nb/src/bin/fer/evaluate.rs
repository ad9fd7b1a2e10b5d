//! `fer evaluate`: accuracy, report and confusion matrix.

use std::path::PathBuf;

use fer_nb::error::Result;
use fer_nb::evaluate::Evaluation;

/// Accuracy, classification report and confusion matrix of predictions.
#[derive(clap::Args)]
pub struct Args {
    /// CSV file of predictions: a column label (0 to 6 or a class's name), and prob_angry …
    /// prob_surprise or logit_angry … logit_surprise.
    #[arg(long, value_name = "FILE")]
    predictions: PathBuf,

    /// What the predictions are of, for headings; the file's name where it is not given.
    #[arg(long)]
    title: Option<String>,

    /// Write the figures to this file as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

pub fn run(args: &Args) -> Result<()> {
    let mut evaluation = Evaluation::from_csv(&args.predictions)?;
    if let Some(title) = &args.title {
        evaluation.title = title.clone();
    }
    report(&evaluation, args.json.as_deref())
}

/// Prints an evaluation's figures, and writes them where `--json` says.
fn report(evaluation: &Evaluation, json: Option<&std::path::Path>) -> Result<()> {
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
