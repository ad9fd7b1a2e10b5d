//! `fer summary`: the network, layer by layer.

use fer_nb::error::Result;
use fer_nb::model::Architecture;
use tch::Device;

use crate::arguments::JsonFile;
use crate::outputs::Outputs;

/// Prints a network's layers, output shapes and parameters as Keras does.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The network's name.
    #[arg(long, default_value_t)]
    network: Architecture,

    #[command(flatten)]
    json: JsonFile,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    args.json.of(Outputs::default()).check()?;
    let summary = args.network.build(Device::Cpu, 0)?.summary();
    crate::say(&format!("{summary}\n"))?;
    args.json.write(&summary)
}
