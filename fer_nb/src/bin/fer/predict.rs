//! `fer predict`: the emotion in pictures of faces.

use std::path::PathBuf;

use fer_nb::deploy::Predictor;
use fer_nb::error::{Error, Result};
use fer_nb::project::{device, runs};
use fer_nb::train::RunFolder;

/// Classifies pictures, one face each, with the best weights of a run.
#[derive(clap::Args)]
pub struct Args {
    /// JPEG or PNG files of any size.
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<PathBuf>,

    /// The run whose weights are used: a folder below runs/, or a path [default: baseline, or, where it
    /// is missing, the weights that come with the project].
    #[arg(long)]
    run: Option<String>,

    /// Write the figures to this file as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

pub fn run(args: &Args) -> Result<()> {
    let run = match &args.run {
        Some(run) => RunFolder::at(runs(run)),
        None => RunFolder::or_pretrained(runs("baseline")),
    };
    let predictor = Predictor::load(run.path(), device()?)?;
    crate::say(&format!("network trained on {}\n", predictor.trained_on()))?;
    let (mut figures, mut failed) = (Vec::new(), None);
    for path in &args.images {
        match predictor.predict_file(path) {
            Ok(prediction) => {
                crate::say(&format!("{}: {prediction}\n", path.display()))?;
                figures.push(serde_json::json!({ "image": path, "prediction": prediction }));
            }
            // One picture that can't be read leaves the others their answers.
            Err(error) => {
                crate::complain(&error.to_string());
                failed.get_or_insert(error);
            }
        }
    }
    if let Some(path) = &args.json {
        crate::write_json(path, &figures)?;
    }
    match failed {
        None => Ok(()),
        Some(_) => Err(Error::config(
            "images",
            format!("{} of {} predicted", figures.len(), args.images.len()),
            "pictures that can be read",
        )),
    }
}
