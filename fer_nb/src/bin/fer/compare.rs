//! `fer compare`: runs side by side.

use std::path::{Path, PathBuf};

use fer_nb::error::{Error, Result};
use fer_nb::evaluate::compare_on;
use fer_nb::plot::Figure;
use fer_nb::project::{device, shown};
use fer_nb::train::RunFolder;

use crate::arguments::{DataPath, JsonFile};
use crate::outputs::Outputs;

/// Compares runs. For each run's best weights: accuracy and loss on the validation images, by which to choose; on
/// the test images accuracy with its interval, F1, calibration, and McNemar's test against the first run. Mean and
/// spread of runs that differ only in their seeds.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Folders below runs/, paths, or pretrained weights such as seed_cnn.
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<String>,

    #[command(flatten)]
    data: DataPath,

    #[command(flatten)]
    json: JsonFile,

    /// Save the table: .csv with all digits, .md, .tex (booktabs), or .html, whose column headings sort it.
    #[arg(long, value_name = "FILE")]
    table: Option<PathBuf>,

    /// Save the runs' curves as one figure, .svg, .pdf or .png.
    #[arg(long, value_name = "FILE")]
    figure: Option<PathBuf>,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let folders: Vec<_> = args.runs.iter().map(|run| RunFolder::named(run)).collect();
    let outputs = args.data.of(args.json.of(Outputs::default()));
    let outputs = outputs.file("table", args.table.as_deref());
    let outputs = outputs.file("figure", args.figure.as_deref());
    folders.iter().fold(outputs, |outputs, run| outputs.reads_run(run.path())).check()?;
    args.table.as_deref().map_or(Ok(()), check_table)?;
    args.figure.as_deref().map_or(Ok(()), Figure::check_name)?;
    for folder in &folders {
        folder.config()?; // before anything is computed
    }
    let data = args.data.open()?;
    let comparison = compare_on(&folders, &data, device()?)?;
    args.json.write(&comparison)?;
    if let Some(path) = &args.table {
        comparison.save(path)?;
    }
    if let Some(path) = &args.figure {
        comparison.figure()?.save(path)?;
    }
    crate::say(&format!("{comparison}\n"))
}

/// A file's name says its format, so it is checked before the work.
fn check_table(path: &Path) -> Result<()> {
    let ending = path.extension().unwrap_or_default();
    if ["csv", "md", "tex", "html"].iter().any(|known| ending.eq_ignore_ascii_case(known)) {
        return Ok(());
    }
    Err(Error::setting("table", shown(path), "a name that ends in .csv, .md, .tex or .html"))
}
