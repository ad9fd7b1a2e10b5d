//! `fer summary`: the network, layer by layer.

use std::path::PathBuf;

use fer_nb::error::Result;
use fer_nb::model::Architecture;
use tch::Device;

/// Prints a network's layers, output shapes and parameters as Keras does.
#[derive(clap::Args)]
pub struct Args {
    /// The network's name.
    #[arg(long, default_value_t)]
    network: Architecture,

    /// Write the summary to this file as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

pub fn run(args: &Args) -> Result<()> {
    let summary = args.network.build(Device::Cpu, 0)?.summary();
    crate::say(&format!("{summary}\n"))?;
    match &args.json {
        Some(path) => crate::write_json(path, &summary),
        None => Ok(()),
    }
}
