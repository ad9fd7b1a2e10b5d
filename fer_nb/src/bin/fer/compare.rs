//! `fer compare`: runs side by side.

use std::path::PathBuf;

use fer_nb::data::FaceData;
use fer_nb::error::Result;
use fer_nb::evaluate::compare;
use fer_nb::project::device;
use fer_nb::train::RunFolder;

/// Runs side by side. For each run's best weights: accuracy and loss on the validation images, which are
/// what chooses; on the test images accuracy with its interval, F1, calibration, and McNemar's test against
/// the first run. Mean and spread where the runs differ in their seeds alone.
#[derive(clap::Args)]
pub struct Args {
    /// Folders below runs/, paths, or weights that come with the project (seed_cnn).
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<String>,

    /// A folder with train/ and test/, or a fer2013.csv; searched for where it is not given.
    #[arg(long, value_name = "PATH")]
    data: Option<PathBuf>,

    /// Write the figures to this file as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

pub fn run(args: &Args) -> Result<()> {
    let folders: Vec<_> = args.runs.iter().map(|run| RunFolder::named(run)).collect();
    for folder in &folders {
        folder.config()?; // before anything is computed
    }
    let data = FaceData::open_or(args.data.as_deref())?;
    let comparison = compare(&folders, &data, device()?)?;
    if let Some(path) = &args.json {
        crate::write_json(path, &comparison)?;
    }
    crate::say(&format!("{comparison}\n"))
}
