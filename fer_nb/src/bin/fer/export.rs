//! `fer export`: a run's weights for others.

use std::path::PathBuf;

use fer_nb::deploy::{Format, publish};
use fer_nb::error::Result;
use fer_nb::project::device;
use fer_nb::train::RunFolder;

use crate::arguments::DataPath;

/// Writes a run's best weights in float16 with config, history, temperature and model card into a
/// folder that can be used as a run; and, where asked, as ONNX and TorchScript.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The run: a folder below runs/, a path, or weights that come with the project, such as
    /// seed_cnn.
    #[arg(long, default_value = "baseline")]
    run: String,

    /// The folder that is written to.
    #[arg(long, value_name = "FOLDER")]
    to: PathBuf,

    /// What else is written, separated by commas: onnx (model.onnx, model_f16.onnx) and torchscript
    /// (model.pt).
    #[arg(long, value_delimiter = ',', default_value = "safetensors")]
    format: Vec<Format>,

    /// The command that trained the weights, for the model card.
    #[arg(long, default_value = "")]
    command: String,

    #[command(flatten)]
    data: DataPath,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let run = RunFolder::named(&args.run);
    run.config()?; // before the data is read
    let data = args.data.open()?;
    let published = publish(&run, &data, &args.to, &args.command, &args.format, device()?)?;
    crate::say(&format!("{published}\nwritten to {}\n", args.to.display()))
}
