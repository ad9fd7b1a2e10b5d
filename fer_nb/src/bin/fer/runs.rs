//! `fer runs`: the cost of runs, and their accuracy on validation images.

use std::path::PathBuf;

use fer_nb::error::Result;
use fer_nb::project::shown;
use fer_nb::train::{RunFolder, RunRow, RunTable};

use crate::arguments::JsonFile;
use crate::outputs::Outputs;

/// Prints a row for each run: network, operations, epochs, minutes, hardware, seed, accuracy and loss on the
/// validation images, and the differences from the nearest recipe. All values come from the run's folder;
/// the command evaluates nothing and uses no test images.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Folders below runs/, paths, or pretrained weights such as seed_cnn.
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<String>,

    /// Add the rows to this table. A row of the same name is replaced; the others stay.
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,

    #[command(flatten)]
    json: JsonFile,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let folders: Vec<_> = args.runs.iter().map(|run| RunFolder::named(run)).collect();
    let outputs = args.json.of(Outputs::default()).file("csv", args.csv.as_deref());
    folders.iter().fold(outputs, |outputs, run| outputs.reads_run(run.path())).check()?;
    let table = args.csv.as_ref().map(RunTable::load).transpose()?;
    let mut rows = RunTable::default();
    for run in &folders {
        rows.put(RunRow::of(run)?);
    }
    crate::say(&format!("{rows}\n"))?;
    args.json.write(&rows.rows)?;
    let (Some(path), Some(mut table)) = (&args.csv, table) else { return Ok(()) };
    let count = rows.rows.len();
    let replaced = rows.rows.into_iter().map(|row| table.put(row)).filter(|was| *was).count();
    table.save(path)?;
    let added = count - replaced;
    crate::say(&format!("{}: {added} added, {replaced} replaced\n", shown(path)))
}
