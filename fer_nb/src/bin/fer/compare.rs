//! `fer compare`: runs side by side.

use fer_nb::error::Result;
use fer_nb::evaluate::compare;
use fer_nb::project::device;
use fer_nb::train::RunFolder;

use crate::arguments::{DataPath, JsonFile};

/// Runs side by side. For each run's best weights: accuracy and loss on the validation images, which are
/// what chooses; on the test images accuracy with its interval, F1, calibration, and McNemar's test against
/// the first run. Mean and spread where the runs differ in their seeds alone.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Folders below runs/, paths, or weights that come with the project, such as seed_cnn.
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<String>,

    #[command(flatten)]
    data: DataPath,

    #[command(flatten)]
    json: JsonFile,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let folders: Vec<_> = args.runs.iter().map(|run| RunFolder::named(run)).collect();
    for folder in &folders {
        folder.config()?; // before anything is computed
    }
    let data = args.data.open()?;
    let comparison = compare(&folders, &data, device()?)?;
    args.json.write(&comparison)?;
    crate::say(&format!("{comparison}\n"))
}
